//! Values of another JSON type than the one that is watched. That they come is told by the detectors of types: here, they
//! are not held against what is watched, and once they have taken over, the field is learned anew from them.

use pitot_observe::Value;
use serde::{Deserialize, Serialize};

use super::Came;
use super::learn::{ENOUGH, Learning};
use super::watched::Watched;

/// The JSON type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Type {
    Boolean,
    Number,
    Text,
}

impl Type {
    #[inline]
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Boolean(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::Text(_) => Self::Text,
        }
    }
}

/// Values of another type, one of a message, since the first of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Others {
    values: Learning,
    /// Number of the message of the last one.
    message: u64,
    /// Messages with a value of the watched type since the first.
    usual: u32,
}

impl Others {
    /// Takes a value; how the field is watched from now on, where these have taken over.
    #[cold]
    pub(crate) fn see(&mut self, value: Value, came: Came) -> Option<Watched> {
        let is_first = std::mem::replace(&mut self.message, came.message) != came.message;
        if !is_first || !self.values.see(value, came.t_ns) {
            return None;
        }
        let Self { mut values, usual, .. } = std::mem::take(self);
        if usual as usize >= ENOUGH / 2 { None } else { values.end(None) }
    }

    /// So many messages had a value of the watched type. Whether these are so few that they need not be remembered.
    pub(crate) fn passed_by(&mut self, messages: u32) -> bool {
        const MANY: u32 = 1_024;
        self.usual = self.usual.saturating_add(messages);
        self.usual >= MANY
    }

    /// Whether they are times, as far as can be told.
    pub(crate) fn are_times(&self) -> bool {
        self.values.are_times()
    }
}
