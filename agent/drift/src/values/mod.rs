//! The values of a flow's fields: what is watched of each, and what a change is.
//!
//! A field is learned from the values of its first messages: how it is to be read (numbers, steps, ages of times, codes, other
//! texts), and which properties a value may have. From then on each block of messages leaves sums behind, which
//! [`scales::Scales`] judge; when they say that something changed, the values since then say what ([`cause`]), once
//! they have confirmed it.

mod cause;
mod codes;
mod defaults;
mod describe;
mod fetch;
mod kept;
mod learn;
mod numbers;
mod others;
mod reader;
mod sample;
mod scales;
mod texts;
mod unseen;
mod watched;

use pitot_observe::Value;
use serde::{Deserialize, Serialize};

use crate::evidence::Kind;
use crate::field::KEPT_NS;
use cause::Cause;
use kept::Kept;
use learn::Learning;
use others::Type;
use scales::Scales;
use watched::Watched;

/// The message that a value came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    /// Number of the message in its flow.
    pub(crate) message: u64,
    /// Its time, ns since the Unix epoch.
    pub(crate) t_ns: u64,
    /// What tells its sender from others.
    pub(crate) sender: u64,
    /// One over the values that the field has in the message.
    pub(crate) weight: f32,
    /// Whether its flow is being learned.
    pub(crate) is_learning: bool,
}

/// A change of values, with its name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) cause: Cause,
    /// The rate that changed, before and after.
    pub(crate) rate: (f64, f64),
    /// Begin, ns since the Unix epoch.
    pub(crate) onset_ns: u64,
    /// Messages since the onset that show it, and all that hold the field.
    pub(crate) affected: (u64, u64),
    /// Bound on the probability that there is none.
    pub(crate) error: f64,
    /// The change of this kind that was named before is undone.
    pub(crate) reverted: bool,
}

/// The values of one field.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Field {
    state: State,
    /// Number of the message that the last value came in.
    message: u64,
    /// What was normal before the change that was named last.
    before: Option<Box<Before>>,
}

/// What was normal before a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Before {
    kind: Kind,
    at_ns: u64,
    values: Kept,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum State {
    Learning(Learning, Option<Box<Scales>>),
    Watching(Box<Watched>),
}

impl Default for State {
    fn default() -> Self {
        Self::Learning(Learning::default(), None)
    }
}

impl Field {
    /// Takes a value; whether there is something to say ([`Field::judge`]).
    #[inline]
    pub(crate) fn see(&mut self, value: &Value, came: Came) -> bool {
        if let State::Watching(watched) = &mut self.state
            && watched.kind != Type::of(value)
        {
            if let Some(mut anew) = watched.others.get_or_insert_default().see(*value, came) {
                anew.scales.be_cautious();
                **watched = anew;
            }
            return false;
        }
        let is_first = self.message != came.message;
        self.message = came.message;
        match &mut self.state {
            State::Watching(watched) => watched.see(value, came, is_first),
            State::Learning(learning, like) => {
                if is_first
                    && learning.see(*value, came.t_ns)
                    && let Some(watched) = learning.end(like.as_deref())
                {
                    self.state = State::Watching(Box::new(watched));
                }
                false
            }
        }
    }

    /// Whether it is one of times, and so are its values of another JSON type.
    pub(crate) fn has_times_of_another_type(&self) -> bool {
        let State::Watching(watched) = &self.state else { return false };
        watched.reader.is_time() && watched.others.as_ref().is_some_and(|others| others.are_times())
    }

    /// What was reported is as it should be: a return to what was before is a change.
    pub(crate) fn approve(&mut self) {
        self.before = None;
    }

    /// The change, if there is one. The field is then learned anew.
    pub(crate) fn judge(&mut self, came: Came) -> Option<Named> {
        let State::Watching(watched) = &mut self.state else { return None };
        let named = watched.judge(came, self.before.as_deref());
        if let Some(named) = &named {
            let before = Before { kind: named.cause.kind, at_ns: came.t_ns, values: watched.reader.past() };
            self.before = (!named.reverted).then(|| Box::new(before));
            watched.scales.be_cautious();
        }
        if named.is_some() || watched.is_stale() {
            let like = Some(Box::new(std::mem::take(&mut watched.scales)));
            self.state = State::Learning(Learning::with(watched.reader.seen()), like);
        }
        named
    }
}

impl Before {
    /// Whether values are as they were then, which was not too long ago.
    fn is_back(&self, recent: &Kept, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.at_ns) <= KEPT_NS && self.values.is_like(recent)
    }
}

/// The value below which this share of sorted ones lies, to the nearest of them.
fn quantile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

/// How many values there are, those that are the same counted once.
fn distinct(values: impl Iterator<Item = u64>) -> usize {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}
