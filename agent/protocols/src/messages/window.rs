//! Puts lines that are out of order back in order of time.

use std::collections::BTreeMap;

/// How far lines may be out of order, ns.
pub(super) const WINDOW_NS: u64 = 5_000_000_000;

/// Holds entries until none that belongs before them can come any more: until the watermark, the latest time seen less
/// [`WINDOW_NS`], has passed them.
#[derive(Debug)]
pub(super) struct Window<T> {
    held: BTreeMap<(u64, u64), (T, usize)>,
    watermark: u64,
    bytes: usize,
    limit: usize,
}

impl<T> Window<T> {
    /// `limit`: bytes held, beyond which the watermark is moved on early.
    pub(super) fn new(limit: usize) -> Self {
        Self { held: BTreeMap::new(), watermark: 0, bytes: 0, limit }
    }

    /// Adds an entry of time `t_ns` and line number `line` that holds so many `bytes`; answers the time it is taken at: its own, or
    /// the watermark where it comes too late.
    pub(super) fn push(&mut self, t_ns: u64, line: u64, bytes: usize, entry: impl FnOnce(u64) -> T) -> u64 {
        let taken_at = t_ns.max(self.watermark);
        self.bytes += bytes;
        self.held.insert((taken_at, line), (entry(taken_at), bytes));
        self.watermark = self.watermark.max(t_ns.saturating_sub(WINDOW_NS));
        taken_at
    }

    /// The next entry that may go; any if `last`.
    pub(super) fn pop(&mut self, last: bool) -> Option<T> {
        let first = self.held.first_entry()?;
        let (t_ns, _) = *first.key();
        if !(last || t_ns <= self.watermark || self.bytes > self.limit) {
            return None;
        }
        // What comes later cannot go before it.
        self.watermark = self.watermark.max(t_ns);
        let (entry, bytes) = first.remove();
        self.bytes -= bytes;
        Some(entry)
    }
}
