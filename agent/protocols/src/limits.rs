//! What bounds the memory and the patience of this crate.

/// Caps; each has a counter with a reason in the ledger.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Start line and header fields of one message (also: trailers, one chunk-size line), bytes. Beyond it the
    /// message is given up as `too_large`.
    pub head: usize,
    /// Body of one message, before and after its content encoding is undone, bytes. A longer one is given up as
    /// `too_large`; its framing is still followed.
    pub body: usize,
    /// Bodies held by one [`Connections`](crate::Connections) at a time, bytes. The message whose body does not fit
    /// any more is given up as `memory`. Whoever has many of them keeps the sum by
    /// [`Connections::give_up_bodies`](crate::Connections::give_up_bodies).
    pub buffered: usize,
    /// Bytes searched for a start line, in one go, before the connection is given up as `no_start_line`.
    pub resync: u64,
    /// Messages of one connection that wait for its ends to be known.
    pub held_messages: usize,
    /// Their bodies together, bytes.
    pub held_bytes: usize,
    /// Ticks (seconds) that a message waits at most: for the ends of its connection to be known, or for its start to
    /// be proven.
    pub held_ticks: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 << 10,
            body: 32 << 20,
            buffered: 128 << 20,
            resync: 64 << 20,
            held_messages: 64,
            held_bytes: 40 << 20,
            held_ticks: 2,
        }
    }
}
