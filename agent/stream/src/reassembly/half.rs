//! One direction of a connection: its sequence space, what was released of it, and what it waits for.
//!
//! A position is 64 bits wide and counts from the first byte after the SYN (or the first byte seen). The 32-bit
//! numbers of the wire are placed around the next position to release: a valid retransmission lies at most one
//! window, 1 GiB (RFC 7323, 2.3), behind it, so everything else lies ahead. That way a stall of up to 3 GiB can be
//! counted exactly.

use bytes::Buf;

use super::held::{Content, Held};
use super::sink::Sink;
use crate::EndKind;
use crate::Limits;
use crate::table::Part;

/// Reason of a gap that the receiver acknowledged: it was sent and received, and not captured.
const NOT_CAPTURED: &str = "not_captured";
/// Reason of a gap that nothing filled in time.
const TIMED_OUT: &str = "timed_out";
/// Reason of a gap declared to free memory.
const HOLD_FULL: &str = "hold_full";

/// Ticks after which an acknowledged hole is given up: the first may come right after the hole was noticed.
const ACKED_TICKS: u32 = 2;

/// How far behind the next position a wire number may lie.
const MAX_BEHIND: u32 = 1 << 30;

/// Waiting for every hole below `upto`.
#[derive(Debug, Clone, Copy)]
struct Wait {
    since: u64,
    ticks: u32,
    upto: u64,
}

#[derive(Debug, Default)]
pub(super) struct Half {
    /// Wire number of position 0.
    base: Option<u32>,
    /// Everything before was released.
    next: u64,
    /// How many positions before 0 were seen and counted.
    before: u64,
    /// Known to have been sent, known to have been received.
    sent: u64,
    acked: u64,
    fin: Option<u64>,
    reset: Option<u64>,
    ended: bool,
    held: Held,
    /// For holes below what is held or the FIN, and for holes below what was acknowledged.
    hole: Option<Wait>,
    acked_hole: Option<Wait>,
}

impl Half {
    /// Sets position 0 where it is not known yet. `proven`: that is the first byte after the SYN.
    pub(super) fn begin(&mut self, number: u32, proven: bool, sink: &mut Sink<'_>) {
        if self.base.is_none() {
            self.base = Some(number);
            sink.life.prove(sink.direction, proven);
        }
    }

    /// Whether its `End` was said.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether anything of it was released.
    pub(super) fn begun(&self) -> bool {
        self.next > 0
    }

    /// Memory of held data, bytes.
    pub(super) fn cost(&self) -> usize {
        self.held.cost()
    }

    /// The event since which this direction waits for something.
    pub(super) fn stalled_since(&self) -> Option<u64> {
        [self.hole, self.acked_hole].into_iter().flatten().map(|wait| wait.since).min()
    }

    /// Takes in the position of a RST; its payload, if any, is a diagnostic and no data (RFC 9293, 3.5.3).
    pub(super) fn reset(&mut self, part: &Part, sink: &mut Sink<'_>) {
        sink.counters.reset_payload_bytes += part.bytes.len() as u64;
        if let Some(base) = self.base {
            self.reset = u64::try_from(self.place(base, part.first)).ok();
        }
    }

    /// Takes one record in. True if it brought a position that was not known before.
    pub(super) fn accept(&mut self, part: Part, sink: &mut Sink<'_>) -> bool {
        if part.speaks() {
            self.begin(part.first, false, sink);
        }
        let Some(base) = self.base else { return false };
        let start = self.place(base, part.first);
        let known = self.sent;
        let len = part.bytes.len() as i64;
        self.take(start, Content::Bytes(part.bytes), sink);
        if let Some(short) = part.short {
            let content = Content::Missing { len: u64::from(short.bytes), reason: short.reason.as_str() };
            self.take(start + len, content, sink);
        }
        if let Ok(end) = u64::try_from(start + i64::from(part.rest)) {
            self.sent = self.sent.max(self.fin.map_or(end, |fin| end.min(fin)));
            if part.fin {
                self.finish_at(end, sink);
            }
        }
        self.sent > known
    }

    /// The peer received everything before `number`.
    pub(super) fn acknowledge(&mut self, number: u32) {
        let Some(base) = self.base else { return };
        let position = u64::try_from(self.place(base, number)).unwrap_or(0);
        let position = self.fin.map_or(position, |fin| position.min(fin));
        self.acked = self.acked.max(position);
    }

    /// Releases what is in order, notes the end, starts and stops waiting.
    pub(super) fn settle(&mut self, limits: &Limits, sink: &mut Sink<'_>) {
        while self.held.cost() > limits.held_per_direction {
            self.give_up_first(sink);
        }
        self.drain(sink);
        if let Some(wait) = self.acked_hole
            && wait.since.saturating_add(limits.slack_events) <= sink.seq
        {
            self.give_up(wait.upto, NOT_CAPTURED, sink);
        }
        self.end_if_reached(sink);
        self.update_waits(sink.seq);
    }

    /// A second of event time went by.
    pub(super) fn tick(&mut self, limits: &Limits, sink: &mut Sink<'_>) {
        for wait in [&mut self.hole, &mut self.acked_hole].into_iter().flatten() {
            wait.ticks = wait.ticks.saturating_add(1);
        }
        if let Some(wait) = self.acked_hole.filter(|wait| wait.ticks >= ACKED_TICKS) {
            self.give_up(wait.upto, NOT_CAPTURED, sink);
        }
        if let Some(wait) = self.hole.filter(|wait| wait.ticks >= limits.hole_ticks) {
            self.give_up(wait.upto, TIMED_OUT, sink);
        }
        self.settle(limits, sink);
    }

    /// Declares the first hole to free what is held behind it.
    pub(super) fn give_up_first(&mut self, sink: &mut Sink<'_>) {
        self.give_up(self.held.first().unwrap_or(self.next), HOLD_FULL, sink);
    }

    /// Declares every hole below what is known to have been sent: nothing more will come.
    pub(super) fn flush(&mut self, reason: &'static str, sink: &mut Sink<'_>) {
        self.give_up(self.acked_data(), NOT_CAPTURED, sink);
        self.give_up(self.known().max(self.sent), reason, sink);
        self.end_if_reached(sink);
        (self.hole, self.acked_hole) = (None, None);
    }

    /// Where a wire number stands, relative to position 0.
    fn place(&self, base: u32, number: u32) -> i64 {
        // Truncation is the arithmetic of sequence numbers, modulo 2^32.
        let ahead = number.wrapping_sub(base.wrapping_add(self.next as u32));
        let behind = ahead.wrapping_neg();
        if behind <= MAX_BEHIND {
            self.next as i64 - i64::from(behind)
        } else {
            self.next as i64 + i64::from(ahead)
        }
    }

    /// Clips `content` to the positions that are still open, and releases or holds it.
    fn take(&mut self, start: i64, content: Content, sink: &mut Sink<'_>) {
        let len = content.len();
        let end = start + len as i64;
        if start < 0 {
            self.skip_before_start(start.unsigned_abs(), end, sink);
        }
        let from = (self.next as i64 - start).clamp(0, len as i64) as u64;
        let limit = self.fin.map_or(end, |fin| end.min(fin as i64));
        let to = (limit - start).clamp(from as i64, len as i64) as u64;
        sink.counters.duplicate_bytes += from.min((end.min(self.next as i64)).max(0) as u64);
        sink.counters.beyond_end_bytes += len - to;
        if from == to {
            return;
        }
        let position = (start + from as i64) as u64;
        let in_order = sink.life.is_open()
            && position == self.next
            && self.held.first().is_none_or(|first| first >= position + to - from);
        if !in_order {
            sink.counters.ambiguous_bytes += self.held.insert(position, &content.slice(from, to));
            return;
        }
        match content {
            Content::Bytes(mut bytes) => {
                bytes.truncate(to as usize);
                bytes.advance(from as usize);
                self.release(Content::Bytes(bytes), sink);
            }
            missing @ Content::Missing { .. } => self.release(missing.slice(from, to), sink),
        }
    }

    /// Bytes before position 0 are skipped. Each is counted at most once, by the lowest position seen so far.
    fn skip_before_start(&mut self, before: u64, end: i64, sink: &mut Sink<'_>) {
        let new = before.saturating_sub(self.before.max(end.min(0).unsigned_abs()));
        self.before = self.before.max(before);
        sink.skip_before_start(new);
    }

    fn release(&mut self, content: Content, sink: &mut Sink<'_>) {
        let position = self.next;
        self.next += content.len();
        match content {
            Content::Bytes(bytes) => sink.chunk(position, bytes),
            Content::Missing { len, reason } => sink.gap(position, len, reason),
        }
    }

    fn drain(&mut self, sink: &mut Sink<'_>) {
        if !sink.life.is_open() || self.held.is_empty() {
            return;
        }
        while let Some(content) = self.held.take_at(self.next) {
            self.release(content, sink);
        }
    }

    /// Declares every hole below `upto` and releases what lies between.
    fn give_up(&mut self, upto: u64, reason: &'static str, sink: &mut Sink<'_>) {
        let upto = self.fin.map_or(upto, |fin| fin.min(upto));
        if self.next >= upto && self.held.is_empty() {
            return;
        }
        sink.open();
        self.drain(sink);
        while self.next < upto {
            let hole_end = self.held.first().map_or(upto, |first| first.min(upto));
            self.release(Content::Missing { len: hole_end - self.next, reason }, sink);
            self.drain(sink);
        }
    }

    fn finish_at(&mut self, position: u64, sink: &mut Sink<'_>) {
        if self.fin.is_none() && position >= self.next {
            self.cut_at(position, sink);
        }
    }

    /// Nothing lies beyond `position`.
    fn cut_at(&mut self, position: u64, sink: &mut Sink<'_>) {
        self.fin = Some(position);
        self.sent = self.sent.min(position);
        self.acked = self.acked.min(position);
        sink.counters.beyond_end_bytes += self.held.truncate(position);
    }

    fn end_if_reached(&mut self, sink: &mut Sink<'_>) {
        if self.ended || !sink.life.is_open() {
            return;
        }
        let how = if self.fin == Some(self.next) {
            EndKind::Fin
        } else if self.reset == Some(self.next) {
            EndKind::Reset
        } else {
            return;
        };
        self.ended = true;
        // Whatever a reset direction still sends lies beyond its end, like after a FIN.
        self.cut_at(self.next, sink);
        sink.end(self.next, how);
    }

    /// The highest position that something besides a packet's length speaks of.
    fn known(&self) -> u64 {
        self.held.end().unwrap_or(0).max(self.fin.unwrap_or(0))
    }

    /// Where the receiver has everything before. One position more than was ever sent is a FIN that was not captured
    /// (yet), not a byte.
    fn acked_data(&self) -> u64 {
        let sent = self.sent.max(self.next);
        if self.fin.is_none() && self.acked == sent + 1 { sent } else { self.acked }
    }

    fn update_waits(&mut self, seq: u64) {
        let next = self.next;
        let renew = |wait: &mut Option<Wait>, upto: u64| {
            if upto <= next {
                *wait = None;
            } else if wait.is_none_or(|wait| wait.upto <= next) {
                *wait = Some(Wait { since: seq, ticks: 0, upto });
            }
        };
        let (known, acked) = (self.known(), self.acked_data());
        renew(&mut self.hole, known);
        renew(&mut self.acked_hole, acked);
    }
}
