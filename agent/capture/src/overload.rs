//! When an overload begins and ends, from what the kernel part says of it.
//!
//! ```text
//!            a connection is left out
//!   [calm] ---------------------------> [overloaded]   "begins"
//!      ^                                     |
//!      +-------------------------------------+
//!        nothing left out for a while, or capture ends: "ended", with totals
//! ```

use std::collections::HashSet;

use pitot_common::user::{Endpoint, LossReason, Overload, Segment};

/// How long nothing must be left out for the overload to have ended, ns: twice what a connection is left out for.
const QUIET_NS: u64 = 2_200_000_000;
/// Connections told apart; beyond that they are not counted any more.
const MAX_CONNECTIONS: usize = 64 * 1024;

/// Watches for overloads.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Bytes left out since the start.
    bytes: u64,
    now: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    bytes_before: u64,
    /// When something was left out last, ns since the epoch.
    last_ns: u64,
    connections: HashSet<[Endpoint; 2]>,
}

impl Watch {
    /// A segment, perhaps one whose connection is now left out; the event, if that begins an overload.
    pub(crate) fn segment(&mut self, segment: &Segment) -> Option<Overload> {
        let left_out = segment.short.is_some_and(|short| short.reason == LossReason::Overload);
        if !left_out {
            return None;
        }
        let mut ends = [segment.src, segment.dst];
        ends.sort_unstable();
        self.left_out(segment.time_ns, Some(ends))
    }

    /// So many bytes were left out since the start; the event, if that begins or ends an overload.
    pub(crate) fn counted(&mut self, time_ns: u64, bytes: u64) -> Option<Overload> {
        if bytes > self.bytes {
            let event = self.left_out(time_ns, None);
            self.bytes = bytes;
            return event;
        }
        let over = self.now.as_ref().is_some_and(|begun| time_ns >= begun.last_ns.saturating_add(QUIET_NS));
        if over { self.end(time_ns) } else { None }
    }

    /// Capture ends; the event, if that ends an overload.
    pub(crate) fn end(&mut self, time_ns: u64) -> Option<Overload> {
        let begun = self.now.take()?;
        Some(Overload {
            time_ns,
            begins: false,
            connections: begun.connections.len() as u64,
            bytes: self.bytes - begun.bytes_before,
        })
    }

    fn left_out(&mut self, time_ns: u64, ends: Option<[Endpoint; 2]>) -> Option<Overload> {
        let begins = self.now.is_none();
        let bytes_before = self.bytes;
        let begun = self.now.get_or_insert_with(|| Begun {
            bytes_before,
            last_ns: time_ns,
            connections: HashSet::new(),
        });
        begun.last_ns = begun.last_ns.max(time_ns);
        if begun.connections.len() < MAX_CONNECTIONS {
            begun.connections.extend(ends);
        }
        let connections = begun.connections.len() as u64;
        begins.then_some(Overload { time_ns, begins, connections, bytes: 0 })
    }
}

#[cfg(test)]
mod tests {
    use pitot_common::user::{Hook, Short, TcpFlags};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn segment(time_ns: u64, from: u16, to: u16, reason: Option<LossReason>) -> Segment {
        let end = |port| Endpoint::from(([127, 0, 0, 1], port));
        Segment {
            time_ns,
            hook: Hook::Egress,
            cookie: 0,
            cgroup: 0,
            netns: 0,
            src: end(from),
            dst: end(to),
            seq: 0,
            ack: 0,
            flags: TcpFlags(0),
            owner: None,
            total: 9,
            offset: 0,
            payload: Default::default(),
            short: reason.map(|reason| Short { reason, bytes: 9 }),
        }
    }

    fn event(time_ns: u64, begins: bool, connections: u64, bytes: u64) -> Option<Overload> {
        Some(Overload { time_ns, begins, connections, bytes })
    }

    #[test]
    fn begin_and_end() {
        let mut watch = Watch::default();
        let overload = Some(LossReason::Overload);
        assert_eq!(watch.counted(SECOND, 0), None);
        assert_eq!(watch.segment(&segment(SECOND, 1, 2, None)), None);
        assert_eq!(watch.segment(&segment(SECOND, 1, 2, Some(LossReason::PacketTooLarge))), None);
        assert_eq!(watch.segment(&segment(SECOND, 1, 2, overload)), event(SECOND, true, 1, 0));
        // The other direction, then another connection.
        assert_eq!(watch.segment(&segment(SECOND + 1, 2, 1, overload)), None);
        assert_eq!(watch.segment(&segment(SECOND + 2, 3, 2, overload)), None);
        assert_eq!(watch.counted(2 * SECOND, 700), None);
        assert_eq!(watch.counted(3 * SECOND, 700), None);
        assert_eq!(watch.counted(4 * SECOND, 800), None);
        assert_eq!(watch.counted(6 * SECOND, 800), None);
        assert_eq!(watch.counted(7 * SECOND, 800), event(7 * SECOND, false, 2, 800));
        assert_eq!(watch.counted(8 * SECOND, 800), None);
        // The record that says so can be lost.
        assert_eq!(watch.counted(9 * SECOND, 900), event(9 * SECOND, true, 0, 0));
        assert_eq!(watch.end(10 * SECOND), event(10 * SECOND, false, 0, 100));
        assert_eq!(watch.end(10 * SECOND), None);
    }
}
