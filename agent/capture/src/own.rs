//! The agent's own connections: to its collector, to its page. They are no integration, and capturing what reports findings
//! would feed on itself.

use std::collections::HashSet;

use pitot_common::user::{Endpoint, Segment, TcpFlags};

use crate::Control;

/// Own connections remembered. Beyond that all are forgotten: their peers' packets are then captured until
/// the agent next sends on them.
const MAX: usize = 4096;

/// Knows the agent's own connections by what the kernel part says of their owner, and has it leave their peers' sockets out too.
#[derive(Debug)]
pub(crate) struct OwnTraffic {
    pid: u32,
    /// None in tests.
    control: Option<Control>,
    /// Sockets that have been left out.
    refused: HashSet<u64>,
    /// From the agent's end to the other.
    connections: HashSet<(Endpoint, Endpoint)>,
}

impl OwnTraffic {
    pub(crate) fn new(pid: u32, control: Option<Control>) -> Self {
        Self { pid, control, refused: HashSet::new(), connections: HashSet::new() }
    }

    /// Whether the segment, of either direction, belongs to the agent itself.
    pub(crate) fn includes(&mut self, segment: &Segment) -> bool {
        let own = self.knows(segment);
        if own && segment.total > 0 {
            self.refuse(segment.cookie);
        }
        own
    }

    /// Spares the kernel part the copying of what follows.
    fn refuse(&mut self, cookie: u64) {
        if self.refused.len() >= MAX {
            self.refused.clear();
        }
        if let Some(control) = &self.control
            && self.refused.insert(cookie)
        {
            control.refuse_own(&[cookie]);
        }
    }

    fn knows(&mut self, segment: &Segment) -> bool {
        let (there, back) = ((segment.src, segment.dst), (segment.dst, segment.src));
        if segment.owner.is_some_and(|owner| owner.pid == self.pid) {
            if self.connections.len() >= MAX {
                self.connections.clear();
            }
            self.connections.insert(there);
            return true;
        }
        if segment.flags.has(TcpFlags::SYN) && !segment.flags.has(TcpFlags::ACK) {
            // Somebody else uses these addresses now.
            self.connections.remove(&there);
            self.connections.remove(&back);
        }
        self.connections.contains(&there) || self.connections.contains(&back)
    }
}

#[cfg(test)]
mod tests {
    use pitot_common::user::{Hook, ProcessId};

    use super::*;

    const OWN: u32 = 7;

    fn segment(from: u16, to: u16, owner: u32, flags: u8) -> Segment {
        let addr = |port| Endpoint::from(([127, 0, 0, 1], port));
        Segment {
            time_ns: 0,
            hook: Hook::Egress,
            cookie: 0,
            cgroup: 0,
            netns: 0,
            src: addr(from),
            dst: addr(to),
            seq: 0,
            ack: 0,
            flags: TcpFlags(flags),
            owner: (owner > 0).then_some(ProcessId { pid: owner, start_ns: 0 }),
            total: 0,
            offset: 0,
            payload: Vec::new(),
            short: None,
        }
    }

    #[test]
    fn both_directions_until_the_addresses_are_used_anew() {
        let mut own = OwnTraffic::new(OWN, None);
        let mut check = |from, to, owner, flags, expected| {
            assert_eq!(own.includes(&segment(from, to, owner, flags)), expected, "{from} to {to} by {owner}");
        };
        check(9, 4318, 0, TcpFlags::ACK, false);
        check(1000, 4318, OWN, TcpFlags::SYN, true);
        check(4318, 1000, 0, TcpFlags::SYN | TcpFlags::ACK, true);
        check(4318, 1000, 8, TcpFlags::ACK, true);
        check(1000, 4318, 0, TcpFlags::ACK, true);
        check(1001, 4318, 8, TcpFlags::SYN, false);
        check(1000, 4318, 8, TcpFlags::SYN, false);
        check(4318, 1000, 8, TcpFlags::ACK, false);
    }
}
