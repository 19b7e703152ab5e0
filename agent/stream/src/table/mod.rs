//! Finds the connection of every segment.
//!
//! **In:** segments, processes and ticks, in source order. **Out:** [`Routed`] steps: which connection, which
//! direction, and where in it, for the one partition that holds the connection.
//!
//! A connection is two sockets that need not see the same addresses (NAT) or be captured in the same network
//! namespace. Each place it is seen from is a *view*: a pair of reversed address tuples in one namespace, and a
//! connection has at most two. A segment belongs to the connection that one of its views names. Otherwise:
//! - a SYN opens a connection;
//! - a SYN-ACK answers the SYN whose initial sequence number it acknowledges, which NAT keeps;
//! - any other segment joins a connection that was seen one-sided, has the same addresses, and whose sequence and
//!   acknowledgement numbers match; else it opens one, joined mid-stream.
//!
//! A tuple is reused when a SYN or SYN-ACK with other initial sequence numbers comes: the old connection is closed.

mod entry;
mod index;
mod lru;
mod processes;
mod routed;

use std::sync::Arc;

use pitot_common::user::{Hook, Process, Segment, TcpFlags};

use self::entry::{Entry, Tuple};
use self::index::Index;
use self::lru::{Lru, Slot};
use self::processes::Processes;
pub use self::routed::{LocalSocket, Part, Routed, Step};
use crate::{Connection, Direction, Limits};

/// Queue of connections in use, and of those whose end has begun.
const LIVE: usize = 0;
const LINGERING: usize = 1;

/// What the table did that nobody asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections opened.
    pub opened: u64,
    /// Connections closed because their addresses were used anew.
    pub replaced: u64,
    /// Connections closed after [`Limits::idle_ns`].
    pub idle: u64,
    /// Connections closed because [`Limits::connections`] was reached.
    pub evicted: u64,
    /// Processes forgotten because [`Limits::processes`] was reached.
    pub processes_evicted: u64,
    /// Segments that end a connection nobody knows.
    pub ignored: u64,
}

/// Every connection, found by what its segments say.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    entries: Lru<Entry, 2>,
    index: Index,
    processes: Processes,
    counters: Counters,
}

/// The capture event at hand.
#[derive(Debug, Clone, Copy)]
struct Now {
    seq: u64,
    time_ns: u64,
}

impl Now {
    fn routed(self, conn: Arc<Connection>, step: Step) -> Routed {
        Routed { seq: self.seq, time_ns: self.time_ns, conn, step }
    }
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: Lru::new(),
            index: Index::default(),
            processes: Processes::new(limits.processes),
            counters: Counters::default(),
        }
    }

    /// What was opened, closed and dropped so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many connections are known.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.entries.len()
    }

    /// Makes a process known to the segments that follow.
    pub fn process(&mut self, process: Arc<Process>) {
        self.counters.processes_evicted += u64::from(self.processes.insert(process));
    }

    /// Finds the connection of `event` and appends what it means for it. `seq` numbers the events of the source.
    pub fn route(&mut self, seq: u64, event: Segment, out: &mut Vec<Routed>) {
        let now = Now { seq, time_ns: event.time_ns };
        let found = match (event.flags.has(TcpFlags::SYN), event.flags.has(TcpFlags::ACK)) {
            (true, false) => Some(self.syn(now, &event, out)),
            (true, true) => Some(self.syn_ack(now, &event, out)),
            (false, _) => self.ongoing(now, &event, out),
        };
        match found {
            Some((slot, direction)) => self.deliver(now, slot, direction, event, out),
            None => self.counters.ignored += 1,
        }
    }

    /// Forgets what was silent for too long, as of event time `time_ns`.
    pub fn tick(&mut self, seq: u64, time_ns: u64, out: &mut Vec<Routed>) {
        for (queue, age, reason) in
            [(LIVE, self.limits.idle_ns, "idle"), (LINGERING, self.limits.linger_ns, "finished")]
        {
            while let Some(slot) = self.entries.oldest(queue) {
                let Some(entry) = self.entries.get(slot) else { break };
                if entry.last_ns.saturating_add(age) > time_ns {
                    break;
                }
                self.counters.idle += u64::from(queue == LIVE);
                self.close(slot, Now { seq, time_ns }, reason, out);
            }
        }
    }

    fn syn(&mut self, now: Now, event: &Segment, out: &mut Vec<Routed>) -> (Slot, Direction) {
        let tuple = Tuple::of(event);
        if let Some((slot, direction)) = self.index.find(&tuple) {
            if self.entries.get(slot).is_some_and(|entry| entry.takes_syn(direction, event)) {
                return (slot, direction);
            }
            self.replace(slot, now, out);
        } else if event.hook == Hook::Ingress
            && let Some(slot) = self.index.waiting(event.seq)
            && self.add_view(slot, tuple, Direction::FromInitiator, now, out)
        {
            // The same SYN, seen arriving in another namespace.
            return (slot, Direction::FromInitiator);
        }
        let slot = self.open(now, event, Direction::FromInitiator, out);
        self.index.wait(event.seq, slot);
        (slot, Direction::FromInitiator)
    }

    fn syn_ack(&mut self, now: Now, event: &Segment, out: &mut Vec<Routed>) -> (Slot, Direction) {
        let tuple = Tuple::of(event);
        let found = self.index.find(&tuple);
        if let Some((slot, direction)) = found
            && self.entries.get(slot).is_some_and(|entry| entry.takes_syn_ack(direction, event))
        {
            return (slot, direction);
        }
        if let Some(slot) = self.index.waiting(event.ack.wrapping_sub(1))
            && found.is_none_or(|(other, _)| other != slot)
            && self.add_view(slot, tuple, Direction::FromResponder, now, out)
        {
            return (slot, Direction::FromResponder);
        }
        if let Some((slot, _)) = self.index.find(&tuple) {
            self.replace(slot, now, out);
        }
        (self.open(now, event, Direction::FromResponder, out), Direction::FromResponder)
    }

    fn ongoing(&mut self, now: Now, event: &Segment, out: &mut Vec<Routed>) -> Option<(Slot, Direction)> {
        let tuple = Tuple::of(event);
        if let Some((slot, direction)) = self.index.find(&tuple) {
            let reused = self.entries.get(slot).is_some_and(|entry| entry.is_reused(direction, event));
            if !reused {
                return Some((slot, direction));
            }
            self.replace(slot, now, out);
        }
        if event.flags.has(TcpFlags::RST) || (event.flags.has(TcpFlags::FIN) && event.total == 0) {
            return None;
        }
        let entries = &self.entries;
        let joined = self.index.one_sided(event).find_map(|slot| {
            entries
                .get(slot)
                .and_then(|entry| entry.takes_other_view(event))
                .map(|direction| (slot, direction))
        });
        if let Some((slot, direction)) = joined
            && self.add_view(slot, tuple, direction, now, out)
        {
            return Some((slot, direction));
        }
        let slot = self.open(now, event, Direction::FromInitiator, out);
        Some((slot, Direction::FromInitiator))
    }

    /// Adds a connection whose first segment is `event`.
    fn open(&mut self, now: Now, event: &Segment, direction: Direction, out: &mut Vec<Routed>) -> Slot {
        if self.entries.len() >= self.limits.connections.max(1)
            && let Some(slot) = self.entries.oldest(LINGERING).or_else(|| self.entries.oldest(LIVE))
        {
            self.counters.evicted += 1;
            self.close(slot, now, "evicted", out);
        }
        let (initiator, responder) = match direction {
            Direction::FromInitiator => (event.src, event.dst),
            Direction::FromResponder => (event.dst, event.src),
        };
        let conn = Arc::new(Connection {
            id: entry::identity(event),
            initiator,
            responder,
            initiator_known: event.flags.has(TcpFlags::SYN),
            path: None,
        });
        self.counters.opened += 1;
        out.push(now.routed(Arc::clone(&conn), Step::Open));
        let tuple = Tuple::of(event);
        let slot = self.entries.insert(LIVE, Entry::new(conn, tuple, direction, event.time_ns));
        self.index.add_view(tuple, slot, direction);
        self.index.add_one_sided(&tuple, slot);
        slot
    }

    /// Lets `slot` be found by `tuple` too. False if it has two views already.
    fn add_view(
        &mut self,
        slot: Slot,
        tuple: Tuple,
        direction: Direction,
        now: Now,
        out: &mut Vec<Routed>,
    ) -> bool {
        if self.entries.get(slot).is_none_or(|entry| entry.other_view.is_some()) {
            return false;
        }
        if let Some((old, _)) = self.index.find(&tuple) {
            self.replace(old, now, out);
        }
        let Some(entry) = self.entries.get_mut(slot) else { return false };
        entry.other_view = Some(tuple);
        self.index.add_view(tuple, slot, direction);
        true
    }

    fn replace(&mut self, slot: Slot, now: Now, out: &mut Vec<Routed>) {
        self.counters.replaced += 1;
        self.close(slot, now, "replaced", out);
    }

    fn close(&mut self, slot: Slot, now: Now, reason: &'static str, out: &mut Vec<Routed>) {
        let Some(entry) = self.entries.remove(slot) else { return };
        self.index.remove(slot, &entry);
        out.push(now.routed(entry.conn, Step::Close { reason }));
    }

    /// Notes what `event` tells about its connection, and hands it on.
    fn deliver(&mut self, now: Now, slot: Slot, direction: Direction, event: Segment, out: &mut Vec<Routed>) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        let routed = |entry: &Entry, step| now.routed(Arc::clone(&entry.conn), step);
        entry.last_ns = now.time_ns;
        if entry.note(direction, &event) {
            self.index.remove_one_sided(&entry.view, slot);
            self.index.stop_waiting(entry, slot);
        }
        if entry.learn_remote(direction, event.hook) {
            out.push(routed(entry, Step::Remote { direction }));
        }
        let local = match event.hook {
            Hook::Egress => direction,
            Hook::Ingress => direction.reverse(),
        };
        if !entry.has_owner(local)
            && let Some(process) = event.owner.and_then(|id| self.processes.get(id))
        {
            entry.set_owner(local);
            out.push(routed(entry, Step::Owner { direction: local, process }));
        }
        let queue = if entry.is_ending() { LINGERING } else { LIVE };
        out.push(routed(entry, Step::Part(Part::new(direction, event))));
        self.entries.touch(slot, queue);
    }
}
