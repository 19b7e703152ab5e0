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
//! What was told of a socket without its traffic ([`Table::socket`]) gives the connections of that socket, whenever they
//! open, their owner, and one that was joined in the middle its roles.
//!
//! A tuple is reused when a SYN or SYN-ACK with other initial sequence numbers comes: the old connection is closed.

mod entry;
mod index;
mod lru;
mod processes;
mod routed;
mod sockets;

use std::sync::Arc;

use pitot_common::user::{Endpoint, Hook, Process, ProcessId, Segment, Socket, TcpFlags};

use self::entry::{Entry, Tuple};
use self::index::Index;
use self::lru::{Lru, Slot};
use self::processes::Processes;
pub use self::routed::{LocalSocket, Part, Routed, Step};
use self::sockets::Sockets;
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
    /// Sockets forgotten because [`Limits::sockets`] was reached.
    pub sockets_evicted: u64,
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
    sockets: Sockets,
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
            sockets: Sockets::new(limits.sockets),
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

    /// Makes a socket known to its connections: to the one that is open, which is appended, and to those that follow.
    pub fn socket(&mut self, seq: u64, socket: Arc<Socket>, out: &mut Vec<Routed>) {
        let now = Now { seq, time_ns: socket.time_ns };
        let open = socket.remote.and_then(|remote| {
            self.index.find(&Tuple { netns: socket.netns, src: socket.local, dst: remote })
        });
        self.counters.sockets_evicted += u64::from(self.sockets.insert(Arc::clone(&socket)));
        if let Some((slot, direction)) = open {
            self.learn_owner(now, slot, direction, socket.owner, out);
        }
    }

    /// The sockets that may say something of a connection with these ends.
    #[must_use]
    pub fn sockets_of(&self, ends: [Endpoint; 2]) -> Vec<Arc<Socket>> {
        self.sockets.of(ends)
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
        let slot = self.open(now, event, Some(Direction::FromInitiator), out);
        self.index.wait(event, slot);
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
        (self.open(now, event, Some(Direction::FromResponder), out), Direction::FromResponder)
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
        let direction = self.told_direction(event);
        let slot = self.open(now, event, direction, out);
        Some((slot, direction.unwrap_or(Direction::FromInitiator)))
    }

    /// The direction of the first segment seen of a connection, where a listening socket tells it.
    fn told_direction(&mut self, event: &Segment) -> Option<Direction> {
        let (src, dst) =
            (self.accepts(event, event.src, event.dst), self.accepts(event, event.dst, event.src));
        match (src, dst) {
            (true, false) => Some(Direction::FromResponder),
            (false, true) => Some(Direction::FromInitiator),
            _ => None,
        }
    }

    /// Whether the end `local` of the connection that `event` belongs to is the kind that others connect to: a TCP socket
    /// whose port is listened on where it is, a Unix socket with a name.
    fn accepts(&mut self, event: &Segment, local: Endpoint, remote: Endpoint) -> bool {
        let socket = self.sockets.end(event.netns, local, remote);
        let captured_here = (event.hook == Hook::Egress) == (local == event.src);
        let netns = socket.as_ref().map(|socket| socket.netns).or(captured_here.then_some(event.netns));
        socket.is_some_and(|socket| !socket.path.is_empty())
            || netns.is_some_and(|netns| self.sockets.listens(netns, local))
    }

    /// The name of the Unix socket that was connected to.
    fn path(&mut self, event: &Segment, initiator: Endpoint, responder: Endpoint) -> Option<Arc<str>> {
        let mut name = |local, remote| {
            let socket = self.sockets.end(event.netns, local, remote)?;
            (!socket.path.is_empty()).then(|| socket.path.as_str().into())
        };
        name(responder, initiator).or_else(|| name(initiator, responder))
    }

    /// Adds a connection whose first segment is `event`, sent in `direction` if that is known.
    fn open(&mut self, now: Now, event: &Segment, known: Option<Direction>, out: &mut Vec<Routed>) -> Slot {
        if self.entries.len() >= self.limits.connections.max(1)
            && let Some(slot) = self.entries.oldest(LINGERING).or_else(|| self.entries.oldest(LIVE))
        {
            self.counters.evicted += 1;
            self.close(slot, now, "evicted", out);
        }
        let tuple = Tuple::of(event);
        // Addresses are used again, the numbers of Unix sockets are not.
        if event.flags.has(TcpFlags::SYN) && event.src.inet().is_some() {
            self.sockets.forget_older(tuple, event.time_ns);
        }
        let direction = known.unwrap_or(Direction::FromInitiator);
        let (initiator, responder) = match direction {
            Direction::FromInitiator => (event.src, event.dst),
            Direction::FromResponder => (event.dst, event.src),
        };
        let conn = Arc::new(Connection {
            id: entry::identity(event),
            initiator,
            responder,
            initiator_known: known.is_some(),
            path: self.path(event, initiator, responder),
        });
        self.counters.opened += 1;
        out.push(now.routed(Arc::clone(&conn), Step::Open));
        let slot = self.entries.insert(LIVE, Entry::new(conn, tuple, direction, event.time_ns));
        self.index.add_view(tuple, slot, direction);
        self.index.add_one_sided(&tuple, slot);
        // Who sends it knows better than who held the socket once.
        self.learn_owner(now, slot, local_end(event, direction), event.owner, out);
        self.learn_from_sockets(now, slot, tuple, direction, out);
        slot
    }

    /// What sockets tell of a connection that is seen as `view`, whose sender's direction is `direction`.
    fn learn_from_sockets(
        &mut self,
        now: Now,
        slot: Slot,
        view: Tuple,
        direction: Direction,
        out: &mut Vec<Routed>,
    ) {
        for (tuple, direction) in [(view, direction), (view.reverse(), direction.reverse())] {
            if let Some(socket) = self.sockets.end(tuple.netns, tuple.src, tuple.dst) {
                if let Some(entry) = self.entries.get_mut(slot) {
                    entry.set_local(direction);
                }
                self.learn_owner(now, slot, direction, socket.owner, out);
            }
        }
    }

    /// The sender of `direction` is `owner`, unless it is known already.
    fn learn_owner(
        &mut self,
        now: Now,
        slot: Slot,
        direction: Direction,
        owner: Option<ProcessId>,
        out: &mut Vec<Routed>,
    ) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        if !entry.has_owner(direction)
            && let Some(process) = owner.and_then(|id| self.processes.get(id))
        {
            entry.set_owner(direction);
            out.push(now.routed(Arc::clone(&entry.conn), Step::Owner { direction, process }));
        }
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
        let ends = match direction {
            Direction::FromInitiator => [tuple.src, tuple.dst],
            Direction::FromResponder => [tuple.dst, tuple.src],
        };
        if ends != [entry.conn.initiator, entry.conn.responder] {
            out.push(now.routed(Arc::clone(&entry.conn), Step::View { ends }));
        }
        self.index.add_view(tuple, slot, direction);
        self.learn_from_sockets(now, slot, tuple, direction, out);
        true
    }

    fn replace(&mut self, slot: Slot, now: Now, out: &mut Vec<Routed>) {
        self.counters.replaced += 1;
        self.close(slot, now, "replaced", out);
    }

    fn close(&mut self, slot: Slot, now: Now, reason: &'static str, out: &mut Vec<Routed>) {
        let Some(entry) = self.entries.remove(slot) else { return };
        self.index.remove(slot, &entry);
        if entry.is_ending() {
            for view in [Some(entry.view), entry.other_view].into_iter().flatten() {
                self.sockets.forget_older(view, now.time_ns);
            }
        }
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
        self.learn_owner(now, slot, local_end(&event, direction), event.owner, out);
        let Some(entry) = self.entries.get_mut(slot) else { return };
        let queue = if entry.is_ending() { LINGERING } else { LIVE };
        out.push(routed(entry, Step::Part(Part::new(direction, event))));
        self.entries.touch(slot, queue);
    }
}

/// Of the connection of `event`, which is sent in `direction`, the end that it was captured at.
fn local_end(event: &Segment, direction: Direction) -> Direction {
    match event.hook {
        Hook::Egress => direction,
        Hook::Ingress => direction.reverse(),
    }
}
