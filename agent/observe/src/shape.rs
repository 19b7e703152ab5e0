//! The [`Shape`] of a body, shared by all messages that have it, and the [`Observation`] of one message.

use std::ops::Range;
use std::sync::Arc;

use pitot_protocols::message::Order;
use pitot_stream::PARTITIONS;
use serde::{Deserialize, Serialize};

use crate::FlowKey;
use crate::hash;
use crate::value::{Exact, Leaf};

/// JSON kind of a value. Integer and decimal are both [`ValueKind::Number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Every kind, in order.
    pub const ALL: [Self; 6] =
        [Self::Null, Self::Boolean, Self::Number, Self::String, Self::Array, Self::Object];

    /// As JSON Schema calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// A path that occurs in a body with one kind. The same path with two kinds is two entries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// RFC 9535 path, `[*]` for array elements, `.*` for members whose name looks like data: `$.lines[*].price`. Beside
    /// the body: `header`, `header.x-request-id`, and of requests `query`, `query.page`.
    pub path: Arc<str>,
    /// Kind of the value there.
    pub kind: ValueKind,
    /// Index, in the same shape, of the entry (an object or array) that holds it; `None` for `$`, `header` and `query`.
    pub parent: Option<u32>,
}

impl Entry {
    /// Hash of a path with a kind; the sum of those of its entries is that of a shape.
    pub(crate) fn hash(path: &str, kind: ValueKind) -> u64 {
        Self::hash_of(hash::fixed64(path.as_bytes()), kind)
    }

    /// The same, of a path whose hash ([`hash::fixed64`]) is known.
    pub(crate) fn hash_of(path_hash: u64, kind: ValueKind) -> u64 {
        hash::mix(path_hash.wrapping_add(kind as u64 + 1))
    }
}

/// The set of entries of a message, sorted by path, then kind: parents come before children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Hash of the entries: the same set has the same hash, in every partition and run.
    pub hash: u64,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// How often each entry of a [`Shape`] occurs in one message, which is at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counts {
    /// Every entry once: a body without arrays of several elements. Costs nothing.
    Once,
    /// By entry, not all of them once.
    Each(Box<[u32]>),
}

impl Counts {
    /// Occurrences of an entry of the shape.
    #[must_use]
    #[inline]
    pub fn get(&self, entry: u32) -> u32 {
        match self {
            Self::Once => 1,
            Self::Each(counts) => counts.get(entry as usize).copied().unwrap_or(0),
        }
    }

    /// Occurrences of several entries together.
    #[must_use]
    #[inline]
    pub fn sum(&self, entries: Range<u32>) -> u32 {
        match self {
            Self::Once => entries.end.saturating_sub(entries.start),
            Self::Each(_) => entries.map(|entry| self.get(entry)).fold(0, u32::saturating_add),
        }
    }
}

impl FromIterator<u32> for Counts {
    fn from_iter<I: IntoIterator<Item = u32>>(counts: I) -> Self {
        let counts: Box<[u32]> = counts.into_iter().collect();
        if counts.iter().all(|count| *count == 1) { Self::Once } else { Self::Each(counts) }
    }
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
    /// The instance (hash) that sent it, or 0 where that is not known.
    pub instance: u64,
    /// Its flow.
    pub flow: Arc<FlowKey>,
    /// [`FlowKey::fixed_hash`] of it.
    pub flow_hash: u64,
    /// What the message holds; without a JSON body (empty, or another content type) it has no `$`.
    pub shape: Option<Arc<Shape>>,
    /// How often each entry of the shape occurs in this message.
    pub counts: Counts,
    /// The values of the body, in its order, of those entries that are booleans, numbers or strings; then headers and
    /// parameters.
    pub values: Vec<Leaf>,
    /// Those of the values that are integers a double cannot hold, in the same order; most bodies have none.
    pub exact: Vec<Exact>,
    /// The body's length in bytes.
    pub body_bytes: u32,
}

impl Observation {
    /// The partition, of [`PARTITIONS`], that holds the state of its flow: the same in every run.
    #[must_use]
    pub fn partition(&self) -> usize {
        (self.flow_hash % PARTITIONS as u64) as usize
    }
}
