//! The two sides of the comparison, and their rounds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use pitot_drift::{Config, Evidence, Flows};
use pitot_observe::{Limits, Namer, Observer};
use pitot_protocols::message::{Message, RequestLine};
use pitot_stream::PARTITIONS;
use simd_json::{Buffers, Tape};

use crate::corpus::{self, Corpus};

/// Messages from which each flow learns before the clock starts.
const LEARNED: usize = 48;

/// Messages in turn, each as if just read off a socket: their flows may be many, but what a message is made of is near.
pub(crate) struct Traffic {
    messages: Vec<Message>,
    requests: Vec<Arc<RequestLine>>,
}

impl Traffic {
    pub(crate) fn new(corpus: &Corpus, flows: usize) -> Self {
        Self { messages: corpus.messages(), requests: corpus::requests(flows) }
    }

    fn each(&mut self, count: usize, mut one: impl FnMut(&Message)) {
        let (messages, flows) = (self.messages.len(), self.requests.len());
        for i in 0..count {
            let message = &mut self.messages[i % messages];
            message.request = Some(Arc::clone(&self.requests[i % flows]));
            one(message);
        }
    }

    /// Ns a message.
    fn timed(&mut self, count: usize, one: impl FnMut(&Message)) -> f64 {
        let start = Instant::now();
        self.each(count, one);
        start.elapsed().as_nanos() as f64 / count as f64
    }
}

/// How much is measured.
pub(crate) struct Rounds {
    pub(crate) rounds: usize,
    /// Of bodies, a round.
    pub(crate) megabytes: usize,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { rounds: 9, megabytes: 50 }
    }
}

/// Medians over the rounds.
pub(crate) struct Found {
    pub(crate) bare_ns: f64,
    pub(crate) whole_ns: f64,
    /// Least, median, most.
    pub(crate) ratio: [f64; 3],
    /// Paths learned, of all flows.
    pub(crate) paths: u64,
}

impl Rounds {
    /// Measures both sides; which goes first alternates, and a first round is thrown away.
    pub(crate) fn of(&self, corpus: &Corpus, flows: usize) -> Found {
        let traffic = &mut Traffic::new(corpus, flows);
        let count = (self.megabytes as f64 * 1e6 / corpus.mean_bytes()) as usize;
        let mut pipeline = Pipeline::new();
        pipeline.learn(traffic);
        let rounds: Vec<(f64, f64)> = (0..=self.rounds)
            .map(|round| {
                if round % 2 == 0 {
                    let bare = bare(traffic, count);
                    (bare, pipeline.timed(traffic, count))
                } else {
                    let whole = pipeline.timed(traffic, count);
                    (bare(traffic, count), whole)
                }
            })
            .skip(1)
            .collect();
        Found {
            bare_ns: spread(rounds.iter().map(|round| round.0))[1],
            whole_ns: spread(rounds.iter().map(|round| round.1))[1],
            ratio: spread(rounds.iter().map(|(bare, whole)| whole / bare)),
            paths: pipeline.monitored(),
        }
    }
}

/// Ns a message.
fn bare(traffic: &mut Traffic, count: usize) -> f64 {
    let (mut copy, mut buffers) = (Vec::new(), Buffers::new(4096));
    let mut tape = Tape(Vec::new());
    traffic.timed(count, |message| {
        let length = message.body.len();
        copy.clear();
        copy.extend_from_slice(&message.body);
        copy.resize(length + simd_json::INPUT_PADDING, b' ');
        let mut filled = std::mem::replace(&mut tape, Tape(Vec::new())).reset();
        simd_json::fill_tape_padded(&mut copy, length, &mut buffers, &mut filled).expect("valid JSON");
        black_box(&filled);
        tape = filled.reset();
    })
}

/// An observer and the partitions of flows behind it, as in the agent.
pub(crate) struct Pipeline {
    observer: Observer,
    partitions: Vec<Flows>,
    evidence: Vec<Evidence>,
}

impl Pipeline {
    pub(crate) fn new() -> Self {
        let config = Config { learning_messages: LEARNED as u64 - 8, ..Config::default() };
        Self {
            observer: Observer::new(Limits::default(), Namer::default()),
            partitions: (0..PARTITIONS).map(|_| Flows::new(config)).collect(),
            evidence: Vec::new(),
        }
    }

    /// Takes each body, and enough of each flow.
    pub(crate) fn learn(&mut self, traffic: &mut Traffic) {
        let count = traffic.messages.len().max(LEARNED * traffic.requests.len());
        traffic.each(count, |message| self.take(message));
    }

    /// Paths learned.
    pub(crate) fn monitored(&self) -> u64 {
        self.partitions.iter().map(Flows::monitored).sum()
    }

    fn timed(&mut self, traffic: &mut Traffic, count: usize) -> f64 {
        let ns = traffic.timed(count, |message| self.take(message));
        black_box(self.evidence.len());
        self.evidence.clear();
        ns
    }

    fn take(&mut self, message: &Message) {
        let observation = self.observer.observe(message).expect("a complete message");
        let partition = observation.partition();
        self.partitions[partition].push(observation, &mut self.evidence);
    }
}

/// Least, middle and most.
fn spread(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    [sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]]
}

/// Memory of this process that is in RAM.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("read /proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number of kB") * 1024
}
