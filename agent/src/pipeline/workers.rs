//! The same work on the state of every partition, by one thread or by many, with the same result.

use anyhow::Context as _;
use rayon::prelude::*;

/// Who does it.
#[derive(Debug)]
pub(super) enum Workers {
    /// The calling thread.
    Inline,
    /// A pool of threads.
    Pool(rayon::ThreadPool),
}

impl Workers {
    /// `count` threads; 1 is the caller's own.
    pub(super) fn new(count: usize) -> anyhow::Result<Self> {
        if count <= 1 {
            return Ok(Self::Inline);
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|index| format!("worker-{index}"))
            .build()
            .map(Self::Pool)
            .with_context(|| format!("{count} threads cannot be started"))
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Inline => 1,
            Self::Pool(pool) => pool.current_num_threads(),
        }
    }

    /// `work` on each partition's state with its input; the results in the order of the partitions.
    pub(super) fn map<S, I, O>(
        &self,
        states: &mut [S],
        inputs: Vec<I>,
        work: impl Fn(&mut S, I) -> O + Sync,
    ) -> Vec<O>
    where
        S: Send,
        I: Send,
        O: Send,
    {
        match self {
            Self::Inline => states.iter_mut().zip(inputs).map(|(state, input)| work(state, input)).collect(),
            Self::Pool(pool) => pool.install(|| {
                states.par_iter_mut().zip(inputs).map(|(state, input)| work(state, input)).collect()
            }),
        }
    }
}
