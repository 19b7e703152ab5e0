//! [`Kind`] (the contract's closed list) and [`Evidence`]: what a detector hands on.

use std::sync::Arc;

use pitot_observe::shape::ValueKind;

/// What changed. Grows with the detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A path that was never there.
    FieldAdded,
    /// A path that is gone.
    FieldRemoved,
    /// A path that is gone while another one took its place.
    FieldRenamed,
    /// Another JSON type.
    TypeChanged,
    /// Present or null at another rate.
    PresenceChanged,
}

/// A reference to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its exchange.
    pub exchange: Arc<str>,
    /// Its time, ns since the Unix epoch.
    pub t_ns: u64,
}

/// What a detector claims of one flow. Holds no payload value.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The flow (the same Arc as in the observations).
    pub flow: Arc<pitot_observe::FlowKey>,
    /// What changed.
    pub kind: Kind,
    /// Where.
    pub path: Arc<str>,
    /// Where it was before, for a rename.
    pub old_path: Option<Arc<str>>,
    /// Order of the deciding message.
    pub order: pitot_protocols::message::Order,
    /// Time of the deciding message, ns since the Unix epoch.
    pub time_ns: u64,
    /// Estimated begin of the change, ns since the Unix epoch.
    pub onset_ns: u64,
    /// Probability that a flow without change would give this evidence, for this field alone.
    pub error: f64,
    /// Whether the field was present in every parent before (severity of a removal).
    pub was_required: bool,
    /// Rate of presence (or of null) before and after, where that is the change.
    pub rate: Option<(f64, f64)>,
    /// Types before and after, where that is the change.
    pub types: Option<(Vec<ValueKind>, Vec<ValueKind>)>,
    /// Messages (distinct) since the onset that show the change, and messages since the onset that could have shown it.
    pub affected: (u64, u64),
    /// Up to 10 messages that show it.
    pub examples: Vec<Example>,
    /// The change named by `kind`, `path` and `old_path`, reported before, was undone: closes that finding, opens none.
    pub reverted: bool,
}
