//! The [`Shape`] of a body, shared by all messages that have it, and the [`Observation`] of one message.

use std::sync::Arc;

use pitot_protocols::message::Order;

use crate::FlowKey;

/// JSON kind of a value. Integer and decimal are both [`ValueKind::Number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ValueKind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean,
    /// Any number.
    Number,
    /// Any string.
    String,
    /// `[...]`
    Array,
    /// `{...}`
    Object,
}

impl ValueKind {
    /// How many kinds there are.
    pub const COUNT: usize = 6;
}

/// A path that occurs in a body with one kind. The same path with two kinds is two entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// RFC 9535 path, `[*]` for array elements, `.*` for members whose name looks like data: `$.lines[*].price`.
    pub path: Arc<str>,
    /// Kind of the value there.
    pub kind: ValueKind,
    /// Index, in the same shape, of the entry (an object or array) that holds it; `None` for `$`.
    pub parent: Option<u32>,
}

/// The set of entries of a body, sorted by path, then kind: parents come before children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Hash of the entries: the same set has the same hash, in every partition and run.
    pub hash: u64,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One message, seen as a flow's detectors need it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Its place among all messages.
    pub order: Order,
    /// When its last byte was captured, ns since the Unix epoch.
    pub t_ns: u64,
    /// Exchange, for references in evidence.
    pub exchange: Arc<str>,
    /// Connection (hash) it came on, or 0: for "seen on two connections".
    pub conn: u64,
    /// Its flow.
    pub flow: Arc<FlowKey>,
    /// The body's shape; `None` where there is no JSON body (empty, or another content type).
    pub shape: Option<Arc<Shape>>,
    /// How often each entry of the shape occurs in this body.
    pub counts: Vec<u32>,
    /// The body's length in bytes.
    pub body_bytes: u32,
}
