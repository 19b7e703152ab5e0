//! Some of a field's values: the last ones, and some from before them. They say what a change is; that there is one is
//! decided elsewhere.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Values that are the last ones.
pub(crate) const RECENT: usize = 64;
/// Values from before.
pub(crate) const PAST: usize = 128;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample<T> {
    recent: VecDeque<T>,
    past: Vec<T>,
    /// The oldest of `past`.
    next: usize,
}

impl<T: Copy> Sample<T> {
    /// From values to begin with, evenly taken.
    pub(crate) fn new(values: &[T]) -> Self {
        let step = values.len().div_ceil(PAST).max(1);
        Self {
            recent: VecDeque::with_capacity(RECENT),
            past: values.iter().step_by(step).copied().collect(),
            next: 0,
        }
    }

    /// Takes a value, one of a message.
    #[inline]
    pub(crate) fn see(&mut self, value: T) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
    }

    /// The oldest of the last ones is past: called once in a while, so that the past is a long one.
    pub(crate) fn remember(&mut self) {
        let Some(value) = self.recent.front().copied() else { return };
        if self.past.len() < PAST {
            self.past.push(value);
        } else if let Some(old) = self.past.get_mut(self.next) {
            *old = value;
            self.next = (self.next + 1) % PAST;
        }
    }

    pub(crate) fn past(&self) -> &[T] {
        &self.past
    }

    /// The last `count` values, or as many as there are.
    pub(crate) fn recent(&self, count: usize) -> Vec<T> {
        self.recent.iter().skip(self.recent.len().saturating_sub(count)).copied().collect()
    }
}
