//! What the table remembers of one connection, and whether a segment can be part of it.

use std::net::IpAddr;
use std::sync::Arc;

use pitot_common::user::{Endpoint, Hook, Segment, TcpFlags};

use crate::{ConnId, Connection, Direction};

/// How far apart the numbers of two ends of one connection may be: the largest window in practice, 16 MiB.
const NEAR: u32 = 1 << 24;

/// A sender and a receiver in a network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tuple {
    pub(super) netns: u64,
    pub(super) src: Endpoint,
    pub(super) dst: Endpoint,
}

impl Tuple {
    pub(super) fn of(event: &Segment) -> Self {
        Self { netns: event.netns, src: event.src, dst: event.dst }
    }

    pub(super) fn reverse(self) -> Self {
        Self { netns: self.netns, src: self.dst, dst: self.src }
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) conn: Arc<Connection>,
    /// Where it was seen first, as its first sender saw it, and that sender's direction.
    pub(super) view: Tuple,
    direction: Direction,
    pub(super) other_view: Option<Tuple>,
    pub(super) last_ns: u64,
    sides: [Side; 2],
    reset: bool,
}

/// What is known of one sender; all numbers as on the wire.
#[derive(Debug, Default)]
struct Side {
    /// Initial sequence number, of its SYN.
    isn: Option<u32>,
    /// Payload in its SYN, bytes (RFC 7413).
    syn_payload: u32,
    /// First number seen that is not a SYN's, and the highest one plus one.
    first: Option<u32>,
    end: Option<u32>,
    ack: Option<u32>,
    fin: bool,
    local: bool,
    remote: bool,
    owner: bool,
}

impl Entry {
    pub(super) fn new(conn: Arc<Connection>, view: Tuple, direction: Direction, last_ns: u64) -> Self {
        let sides = Default::default();
        Self { conn, view, direction, other_view: None, last_ns, sides, reset: false }
    }

    /// The numbers that its SYN-ACK may acknowledge, less one: the SYN's, and that of the last byte sent with it.
    pub(super) fn answered_by(&self) -> Option<[u32; 2]> {
        let Side { isn, syn_payload, .. } = self.sides[Direction::FromInitiator.index()];
        isn.map(|isn| [isn, isn.wrapping_add(syn_payload)])
    }

    /// Whether a SYN on one of its tuples is its own: sent again, late, or crossing the peer's.
    pub(super) fn takes_syn(&self, direction: Direction, event: &Segment) -> bool {
        let (side, peer) = self.both(direction);
        match side.isn {
            Some(isn) => isn == event.seq,
            None if side.first.is_some() => side.first == Some(event.seq.wrapping_add(1)),
            None => {
                let answered = peer.ack.is_none_or(|ack| ack == event.seq.wrapping_add(1));
                peer.isn.is_some() && peer.first.is_none() && answered
            }
        }
    }

    /// Whether a SYN-ACK on one of its tuples is its own.
    pub(super) fn takes_syn_ack(&self, direction: Direction, event: &Segment) -> bool {
        let (side, peer) = self.both(direction);
        let next = event.seq.wrapping_add(1);
        match (side.isn, peer.isn) {
            (Some(isn), _) => isn == event.seq,
            (None, Some(isn)) => event.ack.wrapping_sub(isn.wrapping_add(1)) <= peer.syn_payload,
            (None, None) => side.first == Some(next) || (side.first.is_none() && peer.ack == Some(next)),
        }
    }

    /// Whether a segment on one of its tuples belongs to a later connection whose opening was missed: this one has
    /// ended in both directions, and the data lies beyond.
    pub(super) fn is_reused(&self, direction: Direction, event: &Segment) -> bool {
        let closed = self.sides.iter().all(|side| side.fin);
        let end = self.sides[direction.index()].end;
        closed && event.total > 0 && end.is_some_and(|end| end.wrapping_sub(end_of(event)) > NEAR)
    }

    /// Whether a segment with the same addresses in another namespace belongs to this one-sided connection: the
    /// direction it has then.
    pub(super) fn takes_other_view(&self, event: &Segment) -> Option<Direction> {
        let (side, peer) = self.both(self.direction);
        let end = side.end?;
        let acks = event.flags.has(TcpFlags::ACK);
        if event.netns == self.view.netns || self.other_view.is_some() || !acks {
            None
        } else if event.src == self.view.src {
            // Arriving what was seen leaving.
            let matches = event.hook == Hook::Ingress && near(event.seq, end) && is_near(side.ack, event.ack);
            matches.then_some(self.direction)
        } else {
            debug_assert!(peer.end.is_none(), "not one-sided");
            (near(event.ack, end) && is_near(side.ack, event.seq)).then_some(self.direction.reverse())
        }
    }

    /// Remembers what `event` says. True if it is the first of the second direction.
    pub(super) fn note(&mut self, direction: Direction, event: &Segment) -> bool {
        let one_sided = self.sides[direction.reverse().index()].end.is_some();
        let side = &mut self.sides[direction.index()];
        let first = side.end.is_none();
        if event.flags.has(TcpFlags::SYN) {
            if side.isn.is_none() {
                side.isn = Some(event.seq);
            }
            side.syn_payload = side.syn_payload.max(event.total);
        } else if side.first.is_none() {
            side.first = Some(event.seq);
        }
        if event.flags.has(TcpFlags::ACK) {
            side.ack = Some(event.ack);
        }
        let end = end_of(event);
        // Half of the number space lies ahead.
        if side.end.is_none_or(|old| end.wrapping_sub(old) < 1 << 31) {
            side.end = Some(end);
        }
        side.fin |= event.flags.has(TcpFlags::FIN);
        self.reset |= event.flags.has(TcpFlags::RST);
        first && one_sided
    }

    /// True if `hook` newly shows that the sender of `direction` is remote.
    pub(super) fn learn_remote(&mut self, direction: Direction, hook: Hook) -> bool {
        let local = match hook {
            Hook::Egress => direction,
            Hook::Ingress => direction.reverse(),
        };
        self.sides[local.index()].local = true;
        let side = &mut self.sides[direction.index()];
        let new = !side.local && !side.remote;
        side.remote |= new;
        new
    }

    /// The sender of `direction` has its socket on this machine.
    pub(super) fn set_local(&mut self, direction: Direction) {
        self.sides[direction.index()].local = true;
    }

    pub(super) fn has_owner(&self, direction: Direction) -> bool {
        self.sides[direction.index()].owner
    }

    pub(super) fn set_owner(&mut self, direction: Direction) {
        self.sides[direction.index()].owner = true;
    }

    /// Whether its end has begun. One FIN will do: where the other end is remote, its FIN may never be shown (a socket
    /// in FIN-WAIT-2 or TIME-WAIT runs no filter).
    pub(super) fn is_ending(&self) -> bool {
        self.reset || self.sides.iter().any(|side| side.fin)
    }

    fn both(&self, direction: Direction) -> (&Side, &Side) {
        (&self.sides[direction.index()], &self.sides[direction.reverse().index()])
    }
}

/// The number after everything a segment takes up.
fn end_of(event: &Segment) -> u32 {
    let flags = event.flags;
    let controls = u32::from(flags.has(TcpFlags::SYN)) + u32::from(flags.has(TcpFlags::FIN));
    event.seq.wrapping_add(event.total).wrapping_add(controls)
}

fn near(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) <= NEAR || b.wrapping_sub(a) <= NEAR
}

/// Nothing known contradicts nothing.
fn is_near(known: Option<u32>, number: u32) -> bool {
    known.is_none_or(|known| near(known, number))
}

/// A connection's identity: its first segment's addresses, namespace, numbers and time, mixed (splitmix64's
/// finaliser, word by word). What is hostile in it cannot choose the time, in ns, so identities do not collide on
/// purpose.
pub(super) fn identity(event: &Segment) -> ConnId {
    let mut hash = 0x9e37_79b9_7f4a_7c15;
    let mut mix = |word: u64| {
        let mut z: u64 = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash = z ^ (z >> 31);
    };
    mix(event.time_ns);
    mix(event.netns);
    mix(u64::from(event.seq) << 32 | u64::from(event.ack));
    for endpoint in [event.src, event.dst] {
        let (ip, port) = match endpoint {
            Endpoint::Inet(address) => (address.ip(), u64::from(address.port())),
            Endpoint::Unix(socket) => (IpAddr::from([0; 16]), socket),
        };
        let ip = match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        mix(ip as u64);
        mix((ip >> 64) as u64);
        mix(port);
    }
    ConnId(hash)
}
