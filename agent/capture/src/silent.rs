//! Ends of young connections that have not sent: only packets that its process sends say whose an end is, and a server may
//! read for long before it answers. So they are looked for among all open sockets, before their connection's first message
//! has to get its names.

use std::collections::HashMap;

use pitot_common::user::decode::KernelSocket;
use pitot_common::user::{Endpoint, Hook, Segment, Socket, TcpFlags};

/// Ends waited for. With more, those that come are known once they send.
const MAX: usize = 16 * 1024;
/// How often one is looked for: names do not wait longer.
const LOOKS: u8 = 3;

/// Namespace, own end, other end.
type End = (u64, Endpoint, Endpoint);

/// Ends whose SYN or SYN-ACK was seen, and no owner.
#[derive(Debug, Default)]
pub(crate) struct Silent(HashMap<End, u8>);

impl Silent {
    /// Takes note of a segment that a socket of this machine sent.
    pub(crate) fn segment(&mut self, segment: &Segment) {
        let opens = segment.flags.has(TcpFlags::SYN);
        if segment.hook == Hook::Ingress || (self.0.is_empty() && !opens) {
            return;
        }
        let end = (segment.netns, segment.src, segment.dst);
        if segment.owner.is_some() || segment.flags.has(TcpFlags::RST) {
            self.0.remove(&end);
        } else if opens && self.0.len() < MAX {
            self.0.insert(end, 0);
        }
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of all sockets those that were waited for and have one owner.
    pub(crate) fn among(&mut self, sockets: Vec<KernelSocket>) -> Vec<KernelSocket> {
        let mut found = sockets;
        found.retain(|KernelSocket { socket, .. }| {
            socket.owner.is_some() && end(socket).is_some_and(|end| self.0.remove(&end).is_some())
        });
        self.0.retain(|_, looks| {
            *looks += 1;
            *looks < LOOKS
        });
        found
    }
}

fn end(socket: &Socket) -> Option<End> {
    Some((socket.netns, socket.local, socket.remote?))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use pitot_common::user::ProcessId;

    use super::*;

    const OWNER: ProcessId = ProcessId { pid: 5, start_ns: 1 };

    fn endpoint(port: u16) -> Endpoint {
        SocketAddr::from(([127, 0, 0, 1], port)).into()
    }

    fn segment(from: u16, to: u16, flags: u8, owner: Option<ProcessId>) -> Segment {
        Segment {
            time_ns: 0,
            hook: Hook::Egress,
            cookie: 1,
            cgroup: 0,
            netns: 9,
            src: endpoint(from),
            dst: endpoint(to),
            seq: 0,
            ack: 0,
            flags: TcpFlags(flags),
            owner,
            total: 0,
            offset: 0,
            payload: Vec::new(),
            short: None,
        }
    }

    fn socket(local: u16, remote: u16, owner: Option<ProcessId>) -> KernelSocket {
        let (local, remote) = (endpoint(local), Some(endpoint(remote)));
        let path = String::new();
        let socket = Socket { time_ns: 1, netns: 9, cookie: 0, local, remote, listens: false, owner, path };
        KernelSocket { socket, inode: 1, comm: "c".into() }
    }

    /// A client that says who it is connects to port 80.
    fn connected() -> Silent {
        let mut silent = Silent::default();
        silent.segment(&segment(4000, 80, TcpFlags::SYN, Some(OWNER)));
        silent.segment(&segment(80, 4000, TcpFlags::SYN | TcpFlags::ACK, None));
        silent
    }

    #[test]
    fn the_end_that_has_not_sent_is_found() {
        let mut silent = connected();
        let all = vec![socket(4000, 80, Some(OWNER)), socket(80, 4000, Some(OWNER)), socket(80, 9, None)];
        assert_eq!(silent.among(all), [socket(80, 4000, Some(OWNER))]);
        assert!(silent.is_empty());
    }

    #[test]
    fn who_has_sent_is_not_looked_for() {
        let check = |after: &Segment, expected| {
            let mut silent = connected();
            silent.segment(after);
            assert_eq!(silent.is_empty(), expected, "{after:?}");
        };
        check(&segment(80, 4000, TcpFlags::ACK, Some(OWNER)), true);
        check(&segment(80, 4000, TcpFlags::RST, None), true);
        check(&segment(80, 4000, TcpFlags::ACK, None), false);
        check(&Segment { hook: Hook::Ingress, ..segment(80, 4000, TcpFlags::ACK, Some(OWNER)) }, false);
    }

    #[test]
    fn nobody_is_looked_for_for_ever() {
        let mut silent = connected();
        // Not accepted yet, or held by two.
        assert!(silent.among(vec![]).is_empty());
        assert!(silent.among(vec![socket(80, 4000, None)]).is_empty());
        assert!(!silent.is_empty());
        assert!(silent.among(vec![]).is_empty());
        assert!(silent.is_empty());
    }
}
