//! Unix stream sockets, from the kernel part's positions to segments like those of TCP, so that everything to the right of capture
//! treats both alike.
//!
//! The kernel part counts, for each socket that receives, the bytes that came before; what it could not hand over it counts too.
//! Here that becomes sequence numbers, an opening (SYN, SYN-ACK) where the beginning is known to have been seen, holes of a
//! declared size, and ends.

mod births;

use std::collections::{HashMap, HashSet};

use pitot_common::user::{Endpoint, LossReason, Segment, Short, Socket, TcpFlags};

pub(crate) use self::births::Births;

/// Names of sockets remembered. Beyond that all are forgotten: the sender of the first bytes then counts as the initiator.
const MAX_NAMES: usize = 64 * 1024;

/// Every connection of Unix stream sockets that the kernel part speaks of, at most as many as that knows.
#[derive(Debug)]
pub(crate) struct Unix {
    births: Births,
    /// Sockets bound to a name: those are the servers' ends.
    named: HashSet<u64>,
    /// The other end of each socket.
    peers: HashMap<u64, u64>,
    /// By the receiving socket.
    streams: HashMap<u64, Stream>,
    /// How often the kernel part was seen to miss something that it can't name.
    misses: u64,
}

/// One direction of one connection.
#[derive(Debug)]
struct Stream {
    /// Its sender; 0 where nobody knows.
    from: u64,
    netns: u64,
    /// Sequence number of position 0.
    first: u32,
    /// Position of the next byte, by the kernel part's count, and what was added for holes that it does not know.
    next: u64,
    added: u64,
    /// [`Unix::misses`] that have been declared.
    misses: u64,
}

/// What has become of a socket that receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is closed: whatever else was sent to it was never read.
    Closed,
    /// It has read everything, and its peer sends no more.
    AtEnd,
}

impl Unix {
    pub(crate) fn new(births: Births) -> Self {
        Self { births, named: HashSet::new(), peers: HashMap::new(), streams: HashMap::new(), misses: 0 }
    }

    /// Takes note of a socket.
    pub(crate) fn socket(&mut self, socket: &Socket) {
        let Endpoint::Unix(number) = socket.local else { return };
        if !socket.path.is_empty() {
            if self.named.len() >= MAX_NAMES {
                self.named.clear();
            }
            self.named.insert(number);
        }
    }

    /// The kernel part has missed a buffer of a connection that it can't name: every stream gets a hole, and no socket that is
    /// there by now is known to have been seen from its beginning.
    pub(crate) fn missed(&mut self, births: Births) {
        self.misses += 1;
        self.births = births;
    }

    /// Turns one record of the kernel part into segments.
    pub(crate) fn segment(&mut self, mut event: Segment, out: &mut impl FnMut(Segment)) {
        let (Endpoint::Unix(from), Endpoint::Unix(to)) = (event.src, event.dst) else { return };
        let position = (u64::from(event.ack) << 32 | u64::from(event.seq)) + u64::from(event.offset);
        let payload = std::mem::take(&mut event.payload);
        if !self.streams.contains_key(&to) {
            self.open(from, to, &event, out);
        }
        let misses = self.misses;
        let Some(stream) = self.streams.get_mut(&to) else { return };
        // The kernel part counts from zero again only if it had to forget the stream.
        let forgotten = position < stream.next;
        if forgotten || stream.misses < misses {
            let reason = if forgotten { LossReason::MapFull } else { LossReason::Recursion };
            out(stream.hole(to, &event, 1, reason));
            stream.added += 1;
            stream.misses = misses;
        }
        if forgotten {
            stream.added += stream.next;
            stream.next = 0;
        }
        while stream.next < position {
            let bytes = u32::try_from(position - stream.next).unwrap_or(u32::MAX);
            out(stream.hole(to, &event, bytes, LossReason::RingFull));
            stream.next += u64::from(bytes);
        }
        let missing = event.short.map_or(0, |short| short.bytes);
        let total = u32::try_from(payload.len()).unwrap_or(u32::MAX).saturating_add(missing);
        let ends = event.flags.has(TcpFlags::FIN);
        if total > 0 || ends {
            let flags = if ends { TcpFlags::FIN } else { 0 };
            let segment = stream.segment(to, &event, flags);
            out(Segment { total, payload, short: event.short, ..segment });
            stream.next += u64::from(total);
        }
        if ends {
            let from = stream.from;
            self.forget(to);
            if event.flags.has(TcpFlags::RST) {
                self.reset(from, &event, out);
            }
        }
    }

    /// A receiver was found to have ended without the kernel part's saying so, at `time_ns`.
    pub(crate) fn ended(&mut self, number: u64, fate: Fate, time_ns: u64, out: &mut impl FnMut(Segment)) {
        let Some(stream) = self.streams.get(&number) else { return };
        let flags = if fate == Fate::AtEnd { TcpFlags::FIN } else { TcpFlags::RST };
        out(stream.segment(number, &moment(time_ns), flags));
        self.forget(number);
    }

    /// The socket `number` was closed by its owner: it reads no more.
    fn reset(&mut self, number: u64, template: &Segment, out: &mut impl FnMut(Segment)) {
        if let Some(stream) = self.streams.get(&number) {
            out(stream.segment(number, template, TcpFlags::RST));
            self.forget(number);
        }
    }

    fn forget(&mut self, receiver: u64) {
        let Some(stream) = self.streams.remove(&receiver) else { return };
        if !self.streams.contains_key(&stream.from) {
            for number in [receiver, stream.from] {
                self.peers.remove(&number);
                self.named.remove(&number);
            }
        }
    }

    /// Begins the stream from `from` to `to`, and with the first stream of a connection the connection: both of its streams, and
    /// their SYNs where the beginning of both is known to have been seen.
    fn open(&mut self, from: u64, to: u64, event: &Segment, out: &mut impl FnMut(Segment)) {
        // A sender that has closed is known if it ever received.
        let from = if from == 0 { self.peers.get(&to).copied().unwrap_or(0) } else { from };
        let stream = |from, netns| Stream {
            from,
            netns,
            first: event.time_ns as u32,
            next: 0,
            added: 0,
            misses: self.misses,
        };
        if let Some(back) = self.streams.get(&from) {
            let netns = back.netns;
            self.streams.insert(to, stream(from, netns));
            return;
        }
        let (there, back) = (stream(from, event.netns), stream(to, event.netns));
        // A connection is as young as the younger of its ends.
        let whole = event.flags.has(TcpFlags::SYN) && (self.births.is_new(from) || self.births.is_new(to));
        if whole {
            let from_server = self.named.contains(&from) && !self.named.contains(&to);
            let ends =
                if from_server { [(&back, from), (&there, to)] } else { [(&there, to), (&back, from)] };
            let template = moment(event.time_ns);
            let [(first, first_to), (second, second_to)] = ends;
            let syn = first.control(first_to, &template, TcpFlags::SYN, 0);
            let answer =
                second.control(second_to, &template, TcpFlags::SYN | TcpFlags::ACK, syn.seq.wrapping_add(1));
            out(syn);
            out(answer);
        }
        if from != 0 {
            self.peers.insert(from, to);
            self.streams.insert(from, back);
        }
        self.peers.insert(to, from);
        self.streams.insert(to, there);
    }
}

impl Stream {
    /// A segment at the next position that is otherwise like `template`.
    fn segment(&self, to: u64, template: &Segment, flags: u8) -> Segment {
        let position = self.next.wrapping_add(self.added);
        // Sequence numbers are modulo 2^32.
        let seq = self.first.wrapping_add(position as u32);
        Segment {
            netns: self.netns,
            src: Endpoint::Unix(self.from),
            dst: Endpoint::Unix(to),
            seq,
            ack: 0,
            flags: TcpFlags(flags),
            total: 0,
            offset: 0,
            payload: Vec::new(),
            short: None,
            ..template.clone()
        }
    }

    /// Its SYN, one before position 0.
    fn control(&self, to: u64, template: &Segment, flags: u8, ack: u32) -> Segment {
        Segment { seq: self.first.wrapping_sub(1), ack, ..self.segment(to, template, flags) }
    }

    fn hole(&self, to: u64, event: &Segment, bytes: u32, reason: LossReason) -> Segment {
        Segment {
            total: bytes,
            short: Some(Short { reason, bytes }),
            ..self.segment(to, &moment(event.time_ns), 0)
        }
    }
}

/// A segment that says nothing but when.
fn moment(time_ns: u64) -> Segment {
    Segment {
        time_ns,
        hook: pitot_common::user::Hook::Egress,
        cookie: 0,
        cgroup: 0,
        netns: 0,
        src: Endpoint::Unix(0),
        dst: Endpoint::Unix(0),
        seq: 0,
        ack: 0,
        flags: TcpFlags(0),
        owner: None,
        total: 0,
        offset: 0,
        payload: Vec::new(),
        short: None,
    }
}

#[cfg(test)]
mod tests;
