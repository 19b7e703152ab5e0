//! The caps that bound this crate's memory. Whatever one of them cuts is counted.

/// Caps of the connection table and of each partition's reassembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections the table knows. One more forgets the least recently used one, finished ones first.
    pub connections: usize,
    /// Processes the table knows. One more forgets the least recently used one.
    pub processes: usize,
    /// Sockets that were told of, beside their traffic. One more forgets the one used least recently.
    pub sockets: usize,
    /// Event time after which a silent connection is forgotten, ns.
    pub idle_ns: u64,
    /// Event time after which a silent connection is forgotten that saw a FIN or a RST; until then its stragglers are
    /// not taken for a new one, ns.
    pub linger_ns: u64,
    /// Out-of-order data held per direction, bytes including [`crate::reassembly::PIECE_COST`] per piece.
    pub held_per_direction: usize,
    /// The same for all connections of one partition.
    pub held_per_partition: usize,
    /// Ticks (seconds of event time) to wait for a hole that no acknowledgement covers.
    pub hole_ticks: u32,
    /// Source events to wait for a hole that the receiver has acknowledged: records of different CPUs may
    /// overtake each other by a little. A second tick ends the wait too.
    pub slack_events: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            processes: 16_384,
            sockets: 65_536,
            idle_ns: 3_600_000_000_000,
            linger_ns: 60_000_000_000,
            held_per_direction: 1 << 20,
            held_per_partition: 1 << 20,
            hole_ticks: 5,
            slack_events: 1_024,
        }
    }
}
