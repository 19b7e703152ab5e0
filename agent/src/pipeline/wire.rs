//! From capture events to messages: connection table, reassembly, protocols.

use pitot_common::user::{CaptureEvent, Filter, LossReason, Overload, Refusal};
use pitot_protocols::Message;
use pitot_protocols::connections::Connections;
use pitot_stream::ledger::Ledger;
use pitot_stream::reassembly::Reassembly;
use pitot_stream::table::{Routed, Table};
use pitot_stream::{Limits, PARTITIONS, StreamEvent};

use super::ledger::{Counted, Settled, settle};
use super::select::{Kept, Selection};
use super::workers::Workers;
use super::{Batch, Tick};
use crate::config::Config;

/// So many events apart, what is held is looked at: with 16 KiB in each, a budget is exceeded by 16 MiB at most.
const EPOCH: u64 = 1024;

/// Everything that knows connections.
#[derive(Debug)]
pub struct Wire {
    workers: Workers,
    table: Table,
    selection: Selection,
    counted: Counted,
    overloads: Vec<Overload>,
    refusals: Vec<Refusal>,
    partitions: Vec<Partition>,
    /// Bytes of bodies that may be held.
    memory: usize,
    /// What another filter brought about, for the next batch.
    changed: Vec<Kept>,
    /// Sequence number of the next event.
    seq: u64,
    /// Time of the latest event, ns since the Unix epoch.
    time_ns: u64,
}

/// The connections of one partition.
#[derive(Debug)]
struct Partition {
    reassembly: Reassembly,
    connections: Connections,
    /// What there is to do, in order.
    queue: Vec<Work>,
    /// Between the two; kept for its memory only.
    stream: Vec<StreamEvent>,
}

/// What a partition has to do.
#[derive(Debug)]
enum Work {
    Step(Routed),
    Tick(Tick),
    Finish(Tick),
}

/// How much is held at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Connections known.
    pub connections: u64,
    /// Bytes of data that came ahead of its turn.
    pub reassembly: u64,
    /// Bytes of bodies.
    pub bodies: u64,
}

impl Wire {
    /// Nothing seen yet; connections that the filter of `config` does not let through are only counted.
    ///
    /// # Errors
    /// When `workers` threads cannot be started.
    pub fn new(config: &Config, workers: usize) -> anyhow::Result<Self> {
        let selection = Selection::new(config.capture.filter.filter());
        let memory = usize::try_from(config.limits.memory_bytes).unwrap_or(usize::MAX);
        let limits = Limits::default();
        let mut of_messages = pitot_protocols::Limits::default();
        of_messages.buffered = memory;
        let partition = || Partition {
            reassembly: Reassembly::new(limits),
            connections: Connections::new(of_messages.clone()),
            queue: Vec::new(),
            stream: Vec::new(),
        };
        Ok(Self {
            workers: Workers::new(workers)?,
            table: Table::new(limits),
            selection,
            counted: Counted::default(),
            overloads: Vec::new(),
            refusals: Vec::new(),
            partitions: (0..PARTITIONS).map(|_| partition()).collect(),
            memory,
            changed: Vec::new(),
            seq: 0,
            time_ns: 0,
        })
    }

    /// Takes the next events. Those that belong to selected connections or to none are appended to `kept`.
    pub fn push(
        &mut self,
        events: impl IntoIterator<Item = CaptureEvent>,
        mut kept: Option<&mut Vec<CaptureEvent>>,
    ) -> Batch {
        let mut batch = Batch::new();
        self.overloads.clear();
        let mut routed = Vec::new();
        let mut selected = std::mem::take(&mut self.changed);
        for Kept { step, .. } in selected.drain(..) {
            step.into_iter().for_each(|step| self.add(step));
        }
        for event in events {
            let seq = self.seq;
            self.seq += 1;
            self.time_ns = self.time_ns.max(time_of(&event));
            let copy = kept.is_some().then(|| event.clone());
            let mut tick = None;
            match event {
                CaptureEvent::Process(process) => self.table.process(process),
                CaptureEvent::Segment(segment) => self.table.route(seq, segment, &mut routed),
                CaptureEvent::Lost(lost) => self.counted.add(&lost),
                CaptureEvent::Overload(overload) => self.overloads.push(overload),
                CaptureEvent::Socket(socket) => self.table.socket(seq, socket, &mut routed),
                CaptureEvent::Tick(time_ns) => {
                    self.table.tick(seq, time_ns, &mut routed);
                    tick = Some(Tick { seq, time_ns });
                }
            }
            if self.selection.takes_all() && copy.is_none() {
                // Nothing is held and nothing goes elsewhere: the usual case, without a detour.
                for step in routed.drain(..) {
                    self.selection.note(&step);
                    self.add(step);
                }
            } else {
                let sockets = |ends| self.table.sockets_of(ends);
                self.selection.pass(seq, copy, sockets, &mut routed, &mut selected);
                for Kept { step, event } in selected.drain(..) {
                    step.into_iter().for_each(|step| self.add(step));
                    if let (Some(kept), Some(event)) = (kept.as_deref_mut(), event) {
                        kept.push(event);
                    }
                }
            }
            if let Some(tick) = tick {
                self.partitions.iter_mut().for_each(|partition| partition.queue.push(Work::Tick(tick)));
                batch.tick(tick);
            }
            if self.seq.is_multiple_of(EPOCH) {
                self.work(&mut batch);
                self.relieve();
            }
        }
        self.work(&mut batch);
        self.refusals.clear();
        for partition in &mut self.partitions {
            partition.reassembly.take_refusals(&mut self.refusals);
        }
        batch
    }

    /// The input has ended: what is pending is given up, and released as such.
    pub fn finish(&mut self) -> Batch {
        let end = Tick { seq: self.seq, time_ns: self.time_ns };
        self.seq += 1;
        self.partitions.iter_mut().for_each(|partition| partition.queue.push(Work::Finish(end)));
        let mut batch = Batch::new();
        self.work(&mut batch);
        batch
    }

    /// Selects by another filter from now on. Connections already left out stay so until they close.
    pub fn set_filter(&mut self, filter: Filter) {
        self.selection.change(filter, self.seq, self.time_ns, &mut self.changed);
        self.seq += 1;
    }

    /// Sockets that, since the last batch, capture may leave out. A hint: what is found does not depend on it being followed.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The latest event time, ns since the Unix epoch.
    #[must_use]
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// Overloads that began or ended in the last batch.
    #[must_use]
    pub fn overloads(&self) -> &[Overload] {
        &self.overloads
    }

    /// Who does the work; other stages use the same.
    pub(super) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// What became of every byte and message so far, as the stages and the kernel part counted.
    #[must_use]
    pub fn ledger(&self) -> Settled {
        let mut ledger = Ledger::default();
        for partition in &self.partitions {
            ledger.merge(partition.reassembly.ledger());
            ledger.merge(partition.connections.ledger());
        }
        settle(ledger, self.counted.clone())
    }

    /// What is held.
    #[must_use]
    pub fn held(&self) -> Held {
        let sum = |of: fn(&Partition) -> usize| self.partitions.iter().map(of).sum::<usize>() as u64;
        Held {
            connections: self.table.connections() as u64,
            reassembly: sum(|partition| partition.reassembly.held()),
            bodies: sum(|partition| partition.connections.buffered()),
        }
    }

    /// Connections that the selection could not decide about, and that are therefore missing.
    #[must_use]
    pub fn undecided(&self) -> u64 {
        self.selection.undecided()
    }

    fn add(&mut self, step: Routed) {
        if let Some(partition) = self.partitions.get_mut(step.conn.id.partition()) {
            partition.queue.push(Work::Step(step));
        }
    }

    /// Does what is queued.
    fn work(&mut self, batch: &mut Batch) {
        let inputs = batch.messages.iter_mut().collect();
        self.workers.map(&mut self.partitions, inputs, Partition::work);
    }

    /// Keeps to the budget for bodies: where it is exceeded, the connections that hold most give theirs up, until an
    /// eighth is free. At fixed places in the sequence of events, and in an order that depends on nothing else.
    fn relieve(&mut self) {
        let mut held: usize = self.partitions.iter().map(|partition| partition.connections.buffered()).sum();
        if held <= self.memory {
            return;
        }
        let mut bodies = Vec::new();
        self.partitions.iter().for_each(|partition| partition.connections.bodies(&mut bodies));
        bodies.sort_unstable_by(|a, b| b.cmp(a));
        for (bytes, conn) in bodies {
            if held <= self.memory - self.memory / 8 {
                return;
            }
            if let Some(partition) = self.partitions.get_mut(conn.partition()) {
                partition.connections.give_up_bodies(conn);
                held = held.saturating_sub(bytes);
            }
        }
    }
}

impl Partition {
    fn work(&mut self, out: &mut Vec<Message>) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.drain(..).for_each(|work| self.one(work, out));
        self.queue = queue;
    }

    fn one(&mut self, work: Work, out: &mut Vec<Message>) {
        match work {
            Work::Step(step) => {
                self.reassembly.push(step, &mut self.stream);
                self.read(out);
            }
            Work::Tick(Tick { seq, time_ns }) => {
                self.reassembly.tick(seq, time_ns, &mut self.stream);
                self.read(out);
                self.connections.tick(seq, time_ns, out);
            }
            Work::Finish(Tick { seq, time_ns }) => {
                self.reassembly.finish(seq, time_ns, &mut self.stream);
                self.read(out);
                self.connections.finish(seq, time_ns, out);
            }
        }
        for conn in self.connections.take_refused() {
            self.reassembly.refuse(conn, LossReason::NotOurProtocol);
        }
    }

    fn read(&mut self, out: &mut Vec<Message>) {
        self.stream.drain(..).for_each(|event| self.connections.push(event, out));
    }
}

fn time_of(event: &CaptureEvent) -> u64 {
    match event {
        CaptureEvent::Process(_) => 0,
        CaptureEvent::Socket(socket) => socket.time_ns,
        CaptureEvent::Overload(overload) => overload.time_ns,
        CaptureEvent::Segment(segment) => segment.time_ns,
        CaptureEvent::Lost(lost) => lost.time_ns,
        CaptureEvent::Tick(time_ns) => *time_ns,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use pitot_common::user::{Hook, Segment, TcpFlags};
    use pitot_protocols::message::Incomplete;

    use super::*;

    const CLIENTS: u16 = 40;
    const PIECE: usize = 512;
    const PIECES: usize = 128;

    fn segment(client: u16, number: u32, flags: u8, payload: &[u8]) -> CaptureEvent {
        CaptureEvent::Segment(Segment {
            time_ns: 1_000 + u64::from(client),
            hook: Hook::Egress,
            cookie: u64::from(client),
            cgroup: 0,
            netns: 1,
            src: SocketAddr::from(([127, 0, 0, 1], 40_000 + client)).into(),
            dst: SocketAddr::from(([127, 0, 0, 1], 80)).into(),
            seq: number,
            ack: 0,
            flags: TcpFlags(flags),
            owner: None,
            total: payload.len() as u32,
            offset: 0,
            payload: payload.to_vec(),
            short: None,
        })
    }

    /// Every client sends one body, a piece in turn with the others; those of the last are larger.
    fn events() -> Vec<CaptureEvent> {
        let size = |client| if client == CLIENTS { PIECES * PIECE } else { PIECES * PIECE - 7 };
        let mut events = Vec::new();
        let mut next = vec![1u32; usize::from(CLIENTS) + 1];
        let mut send = |client: u16, flags, payload: &[u8]| {
            events.push(segment(client, next[usize::from(client)], flags, payload));
            next[usize::from(client)] += payload.len() as u32;
        };
        for client in 1..=CLIENTS {
            let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", size(client));
            send(client, TcpFlags::ACK, head.as_bytes());
        }
        for piece in 0..PIECES {
            for client in 1..=CLIENTS {
                let length = PIECE.min(size(client) - piece * PIECE);
                send(client, TcpFlags::ACK, &vec![b'x'; length]);
            }
        }
        events
    }

    /// Why each message is incomplete, and how long its body is; and the most that was held at a time.
    fn run(memory: u64, workers: usize, batch: usize) -> (Vec<(Option<Incomplete>, usize)>, u64) {
        let mut config = Config::default();
        config.limits.memory_bytes = memory;
        let mut wire = Wire::new(&config, workers).expect("threads");
        let (mut messages, mut most) = (Vec::new(), 0);
        for batch in events().chunks(batch) {
            messages.extend(wire.push(batch.to_vec(), None).into_messages());
            most = most.max(wire.held().bodies);
        }
        messages.extend(wire.finish().into_messages());
        let ledger = wire.ledger().ledger;
        assert_eq!((ledger.bytes.pending(), ledger.messages.pending()), (0, 0));
        assert_eq!(wire.held().bodies, 0);
        (messages.iter().map(|message| (message.incomplete, message.body.len())).collect(), most)
    }

    #[test]
    fn the_budget_for_bodies_is_kept_in_the_same_way_always() {
        let memory = 1 << 20;
        let (messages, most) = run(memory, 1, 1_000);
        let given_up = messages.iter().filter(|(reason, _)| *reason == Some(Incomplete::Memory)).count();
        assert!(given_up > 0 && given_up < messages.len(), "{given_up} of {}", messages.len());
        assert!(
            messages.iter().all(|(reason, length)| (*reason == Some(Incomplete::Memory)) == (*length == 0))
        );
        assert!(most <= memory + EPOCH * PIECE as u64, "{most}");
        for (workers, batch) in [(1, 1), (3, 100), (2, 1_000_000)] {
            assert_eq!(run(memory, workers, batch).0, messages, "{workers} workers, batches of {batch}");
        }
        let (messages, _) = run(8 << 20, 1, 1_000);
        assert!(messages.iter().all(|(reason, _)| *reason != Some(Incomplete::Memory)));
    }
}
