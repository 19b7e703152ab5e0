//! TCP connections and their reassembly by absolute position.
//!
//! **In:** [`pitot_common::user::CaptureEvent`]s in source order. **Out:** per connection and
//! direction, every byte once and in order ([`Kind::Chunk`]), or a declared [`Kind::Gap`], and a proven
//! or unproven [`Kind::End`].
//!
//! Two steps, so that the second can run on many workers with the same result:
//! [`table::Table`] (one, ordered) finds the connection a segment belongs to, whichever end, namespace
//! or side of a NAT it was captured at; [`reassembly::Reassembly`] (one per partition) puts the bytes of its
//! connections in order.
//!
//! # Example
//! ```
//! use pitot_common::user::{Hook, Segment, TcpFlags};
//! use pitot_stream::reassembly::Reassembly;
//! use pitot_stream::table::Table;
//! use pitot_stream::{Kind, Limits, PARTITIONS};
//!
//! let mut table = Table::new(Limits::default());
//! let mut partitions: Vec<_> = (0..PARTITIONS).map(|_| Reassembly::new(Limits::default())).collect();
//! let (mut routed, mut out) = (Vec::new(), Vec::new());
//!
//! let segment = |number: u32, payload: &[u8]| Segment {
//!     time_ns: 1_763_800_000_000_000_000,
//!     hook: Hook::Egress,
//!     cookie: 1,
//!     cgroup: 1,
//!     netns: 1,
//!     src: ([127, 0, 0, 1], 40_000).into(),
//!     dst: ([127, 0, 0, 1], 80).into(),
//!     seq: number,
//!     ack: 0,
//!     flags: TcpFlags(TcpFlags::ACK),
//!     owner: None,
//!     total: payload.len() as u32,
//!     offset: 0,
//!     payload: payload.to_vec(),
//!     short: None,
//! };
//! // The third overtook the second.
//! let segments = [segment(1_000, b"GET"), segment(1_005, b"HTTP"), segment(1_003, b" /")];
//! for (seq, segment) in (1..).zip(segments) {
//!     table.route(seq, segment, &mut routed);
//!     for step in routed.drain(..) {
//!         partitions[step.conn.id.partition()].push(step, &mut out);
//!     }
//! }
//! let text: Vec<u8> = out
//!     .iter()
//!     .filter_map(|event| match &event.kind {
//!         Kind::Chunk { bytes, .. } => Some(bytes.to_vec()),
//!         _ => None,
//!     })
//!     .flatten()
//!     .collect();
//! assert_eq!(text, b"GET /HTTP");
//! ```
#![forbid(unsafe_code)]

use std::sync::Arc;

use bytes::Bytes;
use pitot_common::user::{Endpoint, Process};

pub mod ledger;
mod limits;
pub mod reassembly;
pub mod table;

pub use limits::Limits;

/// Number of partitions of all state, whatever the number of workers: what makes the result the same
/// for any of them.
pub const PARTITIONS: usize = 64;

/// Identity of a connection: a hash of its first segment's sequence and acknowledgement numbers, addresses, network
/// namespace and capture time. The same when a capture is replayed, and whatever else is captured beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

impl ConnId {
    /// The partition that holds this connection's state.
    #[must_use]
    pub fn partition(self) -> usize {
        (self.0 % PARTITIONS as u64) as usize
    }
}

/// What is fixed of a connection from its first event on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Identity.
    pub id: ConnId,
    /// The end that sent the SYN, or whose peer's socket came of one that waited for connections; where neither is known
    /// ([`Connection::initiator_known`] is false), the sender of the first segment seen.
    pub initiator: Endpoint,
    /// The other end.
    pub responder: Endpoint,
    /// Whether a SYN, a SYN-ACK or a listening socket told the roles.
    pub initiator_known: bool,
    /// The name a Unix socket connection was made to; `None` where there is none, or for TCP.
    pub path: Option<Arc<str>>,
}

/// A direction, named by its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Sent by [`Connection::initiator`].
    FromInitiator,
    /// Sent by [`Connection::responder`].
    FromResponder,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::FromInitiator => Self::FromResponder,
            Self::FromResponder => Self::FromInitiator,
        }
    }

    /// 0 for [`Direction::FromInitiator`], 1 for the other: an index into a pair.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::FromInitiator => 0,
            Self::FromResponder => 1,
        }
    }
}

/// Something that happened on a connection, in the order it must be read.
#[derive(Debug, Clone)]
pub struct StreamEvent {
    /// Sequence number, in the source, of the capture event that caused this one.
    pub seq: u64,
    /// Capture time of that event, ns since the Unix epoch.
    pub time_ns: u64,
    /// The connection.
    pub conn: Arc<Connection>,
    /// What happened.
    pub kind: Kind,
}

/// The kinds of [`StreamEvent`].
///
/// Per connection: `Open`, then any of the others; per direction positions only grow and touch: a
/// `Chunk` begins where the last `Chunk` or `Gap` of its direction ended. After both `End`s or `Closed` nothing follows.
#[derive(Debug, Clone)]
pub enum Kind {
    /// First event. `proven[d]`: position 0 of direction `d` is the first byte after its SYN. Otherwise it is the
    /// first byte that was seen, which may be in the middle of a message.
    Open {
        /// By [`Direction::index`].
        proven: [bool; 2],
    },
    /// The process at one end became known: the sender of `direction`.
    Owner {
        /// Which end.
        direction: Direction,
        /// Who.
        process: Arc<Process>,
    },
    /// One end was shown not to be on this machine: the sender of `direction` is remote.
    Remote {
        /// Which end.
        direction: Direction,
    },
    /// Bytes, each position once.
    Chunk {
        /// Whose.
        direction: Direction,
        /// Offset of the first byte in its direction.
        position: u64,
        /// Never empty.
        bytes: Bytes,
    },
    /// Bytes that were sent and not captured.
    Gap {
        /// Whose.
        direction: Direction,
        /// Offset of the first missing byte.
        position: u64,
        /// How many; never 0.
        bytes: u64,
        /// Why, for the ledger.
        reason: &'static str,
    },
    /// The end of one direction at `position`, where every byte before was given as Chunk or Gap.
    End {
        /// Whose.
        direction: Direction,
        /// Offset after the last byte.
        position: u64,
        /// FIN proves that nothing follows; a reset proves nothing.
        how: EndKind,
    },
    /// The connection is forgotten (idle, evicted, replaced by a new one on the same addresses, end of input): what
    /// has not ended by now never will.
    Closed {
        /// Why, for the ledger.
        reason: &'static str,
    },
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// By FIN, in position.
    Fin,
    /// By RST, sent by this direction's sender, in position.
    Reset,
}
