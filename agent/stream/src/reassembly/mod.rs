//! Puts the bytes of connections in order, by absolute position.
//!
//! **In:** [`Routed`] steps of the connections of one partition. **Out:** [`StreamEvent`]s: per direction each
//! position once, in order, as a chunk or as a declared gap.
//!
//! Data that comes ahead of its turn is held. A hole before it is declared a gap when
//! - the receiver has acknowledged it, so that nothing will fill it, and a little slack for records that
//!   overtook each other has gone by ([`Limits::slack_events`], or two ticks);
//! - nothing filled it for [`Limits::hole_ticks`];
//! - the memory for held data is full (of the direction: its own first hole; of the partition: the oldest);
//! - the connection is closed or the input ends.
//!
//! Where two captures of a held position differ, the first does not simply win: which one the receiver used is not
//! known, so the range becomes a gap (`ambiguous_overlap`). Bytes once released are not kept, a retransmission of
//! them is not compared.

mod half;
mod held;
mod refusal;
mod sink;

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use pitot_common::user::{LossReason, Refusal};

use self::half::Half;
pub use self::held::PIECE_COST;
use self::refusal::Sockets;
use self::sink::{Life, Sink};
use crate::Limits;
use crate::ledger::Ledger;
use crate::table::{Part, Routed, Step};
use crate::{ConnId, Connection, Direction, StreamEvent};

/// Ticks from a RST to the close of a connection whose other direction never ends.
const RESET_TICKS: u32 = 2;

/// What was dropped and has no position of its own in the ledger: copies, and bytes that no stream has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Bytes that were released before (retransmissions, duplicates, keep-alive probes).
    pub duplicate_bytes: u64,
    /// Bytes that were captured twice, differently; they are gaps (`ambiguous_overlap`) in the ledger.
    pub ambiguous_bytes: u64,
    /// Bytes after a FIN or an accepted RST.
    pub beyond_end_bytes: u64,
    /// Payload of RST segments.
    pub reset_payload_bytes: u64,
    /// Records of connections that have ended or were closed.
    pub late_records: u64,
}

impl Counters {
    /// Adds `other` to this one.
    pub fn merge(&mut self, other: &Self) {
        self.duplicate_bytes += other.duplicate_bytes;
        self.ambiguous_bytes += other.ambiguous_bytes;
        self.beyond_end_bytes += other.beyond_end_bytes;
        self.reset_payload_bytes += other.reset_payload_bytes;
        self.late_records += other.late_records;
    }
}

/// The connections of one partition.
#[derive(Debug)]
pub struct Reassembly {
    conns: HashMap<ConnId, Conn>,
    /// Connections that saw a RST and will be closed.
    resetting: BTreeSet<ConnId>,
    shared: Shared,
}

/// What the connections of a partition share.
#[derive(Debug)]
struct Shared {
    limits: Limits,
    /// Directions that wait for a hole, oldest first.
    stalled: BTreeSet<(u64, ConnId, Direction)>,
    /// Memory of held data, bytes.
    held: usize,
    ledger: Ledger,
    counters: Counters,
    /// Ticks so far.
    ticks: u64,
    refusals: Vec<Refusal>,
}

#[derive(Debug)]
struct Conn {
    life: Life,
    sockets: Sockets,
    halves: [Half; 2],
    /// The sender of a RST that no newer data of it contradicts, and the ticks since.
    reset: Option<(Direction, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    seq: u64,
    time_ns: u64,
}

impl Reassembly {
    /// An empty partition.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let shared = Shared {
            limits,
            stalled: BTreeSet::new(),
            held: 0,
            ledger: Ledger::default(),
            counters: Counters::default(),
            ticks: 0,
            refusals: Vec::new(),
        };
        Self { conns: HashMap::new(), resetting: BTreeSet::new(), shared }
    }

    /// Bytes seen (each position once, delivered or not), lost by reason, and skipped because they lie before the
    /// first position. What became of the delivered ones is for the next stage to say.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// What was dropped and is not in the ledger.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Memory of held data, bytes, including [`PIECE_COST`] per piece: never above
    /// [`Limits::held_per_partition`] between two calls.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.held
    }

    /// Takes one step of one connection.
    pub fn push(&mut self, routed: Routed, out: &mut Vec<StreamEvent>) {
        let Routed { seq, time_ns, conn, step } = routed;
        let (id, now) = (conn.id, Now { seq, time_ns });
        match step {
            Step::Open => {
                self.close(id, "replaced", now, out);
                self.conns.insert(id, Conn::new(conn));
            }
            Step::Owner { direction, process } => {
                self.on(id, direction, now, out, |_, sink| sink.owner(process))
            }
            Step::Remote { direction } => self.on(id, direction, now, out, |_, sink| sink.remote()),
            Step::View { .. } => {}
            Step::Part(part) => self.part(id, part, now, out),
            Step::Refuse { reason } => self.refuse(id, reason),
            Step::Close { reason } => self.close(id, reason, now, out),
        }
    }

    /// Nobody wants this connection: from here on its bytes are counted as skipped for `reason`, and nothing but its end
    /// is said. Capture is asked to leave it out ([`Reassembly::take_refusals`]); what it then does not show is no loss, and
    /// for the kernel part to count.
    pub fn refuse(&mut self, id: ConnId, reason: LossReason) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.life.refuse(reason);
        self.shared.refusals.extend(conn.sockets.refuse(reason, self.shared.ticks));
    }

    /// What capture may leave out from now on: a hint, that changes nothing here if it is not followed.
    pub fn take_refusals(&mut self, out: &mut Vec<Refusal>) {
        out.append(&mut self.shared.refusals);
    }

    /// A second of event time went by.
    pub fn tick(&mut self, seq: u64, time_ns: u64, out: &mut Vec<StreamEvent>) {
        self.shared.ticks += 1;
        let now = Now { seq, time_ns };
        let limits = self.shared.limits;
        let stalled: Vec<_> = self.shared.stalled.iter().copied().collect();
        for (_, id, direction) in stalled {
            self.on(id, direction, now, out, |half, sink| half.tick(&limits, sink));
            self.forget_if_ended(id);
        }
        let resetting: Vec<_> = self.resetting.iter().copied().collect();
        for id in resetting {
            let Some((_, ticks)) = self.conns.get_mut(&id).and_then(|conn| conn.reset.as_mut()) else {
                continue;
            };
            *ticks += 1;
            if *ticks >= RESET_TICKS {
                self.close(id, "reset", now, out);
            }
        }
    }

    /// The input ended: closes every connection, in the order of their identities.
    pub fn finish(&mut self, seq: u64, time_ns: u64, out: &mut Vec<StreamEvent>) {
        let mut ids: Vec<_> = self.conns.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.close(id, "end_of_input", Now { seq, time_ns }, out);
        }
    }

    fn part(&mut self, id: ConnId, part: Part, now: Now, out: &mut Vec<StreamEvent>) {
        let Self { conns, shared, .. } = self;
        let Some(conn) = conns.get_mut(&id) else {
            shared.counters.late_records += 1;
            return;
        };
        let limits = shared.limits;
        let Part { direction, ack, rst, syn, .. } = part;
        conn.sockets.learn(&part, conn.halves[direction.index()].begun());
        if let Some(reason) = conn.life.refused()
            && part.rest > 0
        {
            shared.refusals.extend(conn.sockets.refuse(reason, shared.ticks));
        }
        // A RST may acknowledge what nobody sent (RFC 9293, 3.10.7.1).
        let ack = ack.filter(|_| !rst);
        let mut progress = false;
        if let (Some(_), Some(ack)) = (syn, ack) {
            // For a SYN-ACK whose SYN was missed. Not proven: data sent with that SYN would lie before.
            shared.on(conn, direction.reverse(), now, out, |half, sink| half.begin(ack, false, sink));
        }
        shared.on(conn, direction, now, out, |half, sink| {
            if let Some(first) = syn {
                half.begin(first, true, sink);
            }
            // Data in a SYN waits: whether the other direction's start is proven is not known before its SYN-ACK.
            if sink.life.is_proven() || (syn.is_none() && !rst && part.speaks()) {
                sink.open();
            }
            if rst {
                half.reset(&part, sink);
            } else {
                progress = half.accept(part, sink);
            }
            half.settle(&limits, sink);
        });
        if let Some(ack) = ack {
            shared.on(conn, direction.reverse(), now, out, |half, sink| {
                half.acknowledge(ack);
                half.settle(&limits, sink);
            });
        }
        if rst {
            conn.reset = Some((direction, 0));
            self.resetting.insert(id);
        } else if progress && conn.reset.is_some_and(|(sender, _)| sender == direction) {
            conn.reset = None;
            self.resetting.remove(&id);
        }
        if conn.ended() {
            conns.remove(&id);
            self.resetting.remove(&id);
        }
        self.free_memory(now, out);
    }

    /// Lets go of held data, behind the oldest holes first, until it fits.
    fn free_memory(&mut self, now: Now, out: &mut Vec<StreamEvent>) {
        while self.shared.held > self.shared.limits.held_per_partition {
            let holds = |&&(_, id, direction): &&(u64, ConnId, Direction)| {
                self.conns.get(&id).is_some_and(|conn| conn.halves[direction.index()].cost() > 0)
            };
            let Some(&(_, id, direction)) = self.shared.stalled.iter().find(holds) else { return };
            let limits = self.shared.limits;
            self.on(id, direction, now, out, |half, sink| {
                half.give_up_first(sink);
                half.settle(&limits, sink);
            });
            self.forget_if_ended(id);
        }
    }

    fn close(&mut self, id: ConnId, reason: &'static str, now: Now, out: &mut Vec<StreamEvent>) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        self.resetting.remove(&id);
        for direction in [Direction::FromInitiator, Direction::FromResponder] {
            self.shared.on(&mut conn, direction, now, out, |half, sink| half.flush(reason, sink));
        }
        if !conn.ended() {
            self.shared.on(&mut conn, Direction::FromInitiator, now, out, |_, sink| sink.closed(reason));
        }
    }

    fn forget_if_ended(&mut self, id: ConnId) {
        if self.conns.get(&id).is_some_and(Conn::ended) {
            self.conns.remove(&id);
            self.resetting.remove(&id);
        }
    }

    fn on(
        &mut self,
        id: ConnId,
        direction: Direction,
        now: Now,
        out: &mut Vec<StreamEvent>,
        act: impl FnOnce(&mut Half, &mut Sink<'_>),
    ) {
        if let Some(conn) = self.conns.get_mut(&id) {
            self.shared.on(conn, direction, now, out, act);
        }
    }
}

impl Conn {
    fn new(conn: Arc<Connection>) -> Self {
        let (sockets, halves) = (Sockets::default(), Default::default());
        Self { life: Life::new(conn), sockets, halves, reset: None }
    }

    fn ended(&self) -> bool {
        self.halves.iter().all(Half::ended)
    }
}

impl Shared {
    /// Lets `act` work on one direction and keeps what is known of all of them in step with it.
    fn on(
        &mut self,
        conn: &mut Conn,
        direction: Direction,
        now: Now,
        out: &mut Vec<StreamEvent>,
        act: impl FnOnce(&mut Half, &mut Sink<'_>),
    ) {
        let half = &mut conn.halves[direction.index()];
        let before = (half.stalled_since(), half.cost());
        let Now { seq, time_ns } = now;
        let (ledger, counters) = (&mut self.ledger, &mut self.counters);
        act(half, &mut Sink { seq, time_ns, direction, life: &mut conn.life, out, ledger, counters });
        let after = (half.stalled_since(), half.cost());
        self.held = self.held - before.1 + after.1;
        if before.0 != after.0 {
            let key = |since| (since, conn.life.conn.id, direction);
            before.0.map(|since| self.stalled.remove(&key(since)));
            after.0.map(|since| self.stalled.insert(key(since)));
        }
    }
}
