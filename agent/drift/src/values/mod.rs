//! The values of a flow's fields.

use pitot_observe::Value;
use serde::{Deserialize, Serialize};

use crate::evidence::Kind;

/// The message that a value came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    /// Number of the message in its flow.
    pub(crate) message: u64,
    /// Its time, ns since the Unix epoch.
    pub(crate) t_ns: u64,
    /// What tells its sender from others.
    pub(crate) sender: u64,
}

/// The values of one field.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Field {
    values: u64,
}

/// A change of values, with its name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) kind: Kind,
    /// New over old, new less old in seconds.
    pub(crate) factor: Option<f64>,
    pub(crate) offset_s: Option<f64>,
    /// The rate that changed, before and after.
    pub(crate) rate: Option<(f64, f64)>,
    pub(crate) onset_ns: u64,
    /// Messages since the onset that show it, and all that hold the field.
    pub(crate) affected: (u64, u64),
    /// Bound on the probability that there is none.
    pub(crate) error: f64,
}

impl Field {
    /// Takes a value; whether there may be something to say ([`Field::judge`]).
    #[inline]
    pub(crate) fn see(&mut self, _value: &Value, _came: Came) -> bool {
        self.values += 1;
        false
    }

    /// The change, if there is one that can be named.
    pub(crate) fn judge(&mut self, _came: Came) -> Option<Named> {
        None
    }
}
