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
    /// Nothing seen yet; connections that `selection` does not select are only counted.
    ///
    /// # Errors
    /// When `workers` threads cannot be started.
    pub fn new(selection: Selection, workers: usize) -> anyhow::Result<Self> {
        let limits = Limits::default();
        let partition = || Partition {
            reassembly: Reassembly::new(limits),
            connections: Connections::new(pitot_protocols::Limits::default()),
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
                CaptureEvent::Socket(_) => {}
                CaptureEvent::Tick(time_ns) => {
                    self.table.tick(seq, time_ns, &mut routed);
                    tick = Some(Tick { seq, time_ns });
                }
            }
            self.selection.pass(seq, copy, &mut routed, &mut selected);
            for Kept { step, event } in selected.drain(..) {
                step.into_iter().for_each(|step| self.add(step));
                if let (Some(kept), Some(event)) = (kept.as_deref_mut(), event) {
                    kept.push(event);
                }
            }
            if let Some(tick) = tick {
                self.partitions.iter_mut().for_each(|partition| partition.queue.push(Work::Tick(tick)));
                batch.tick(tick);
            }
        }
        batch.messages = self.work();
        batch
    }

    /// The input has ended: what is pending is given up, and released as such.
    pub fn finish(&mut self) -> Batch {
        let end = Tick { seq: self.seq, time_ns: self.time_ns };
        self.seq += 1;
        self.partitions.iter_mut().for_each(|partition| partition.queue.push(Work::Finish(end)));
        let mut batch = Batch::new();
        batch.messages = self.work();
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

    fn work(&mut self) -> Vec<Vec<Message>> {
        let messages =
            self.workers.map(&mut self.partitions, vec![(); PARTITIONS], |partition, ()| partition.work());
        self.refusals.clear();
        for partition in &mut self.partitions {
            partition.reassembly.take_refusals(&mut self.refusals);
        }
        messages
    }
}

impl Partition {
    fn work(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut queue = std::mem::take(&mut self.queue);
        queue.drain(..).for_each(|work| self.one(work, &mut messages));
        self.queue = queue;
        messages
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
