//! From capture events to messages: connection table, reassembly, protocols.

use pitot_common::user::CaptureEvent;
use pitot_protocols::Message;
use pitot_protocols::connections::Connections;
use pitot_stream::ledger::Ledger;
use pitot_stream::reassembly::Reassembly;
use pitot_stream::table::{Routed, Table};
use pitot_stream::{Limits, PARTITIONS, StreamEvent};

use super::ledger::{self, Lost};
use super::select::{Kept, Selection};
use super::workers::Workers;
use super::{Batch, Tick};

/// Everything that knows connections.
#[derive(Debug)]
pub struct Wire {
    workers: Workers,
    table: Table,
    selection: Selection,
    lost: Lost,
    partitions: Vec<Partition>,
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
    /// Between the two; kept for its memory only.
    stream: Vec<StreamEvent>,
}

/// What a partition has to do, in order.
enum Work {
    Step(Routed),
    Tick(Tick),
    Finish(Tick),
}

impl Wire {
    /// Nothing seen yet; connections that `selection` does not select leave no trace.
    ///
    /// # Errors
    /// When `workers` threads cannot be started.
    pub fn new(selection: Selection, workers: usize) -> anyhow::Result<Self> {
        let limits = Limits::default();
        let partition = || Partition {
            reassembly: Reassembly::new(limits),
            connections: Connections::new(pitot_protocols::Limits::default()),
            stream: Vec::new(),
        };
        Ok(Self {
            workers: Workers::new(workers)?,
            table: Table::new(limits),
            selection,
            lost: Lost::default(),
            partitions: (0..PARTITIONS).map(|_| partition()).collect(),
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
        let mut queues = queues();
        let (mut routed, mut selected) = (Vec::new(), Vec::new());
        for event in events {
            let seq = self.seq;
            self.seq += 1;
            self.time_ns = self.time_ns.max(time_of(&event));
            let copy = kept.is_some().then(|| event.clone());
            let mut tick = None;
            match event {
                CaptureEvent::Process(process) => self.table.process(process),
                CaptureEvent::Segment(segment) => self.table.route(seq, segment, &mut routed),
                CaptureEvent::Lost(lost) => self.lost.add(&lost),
                CaptureEvent::Socket(_) | CaptureEvent::Overload(_) => {}
                CaptureEvent::Tick(time_ns) => {
                    self.table.tick(seq, time_ns, &mut routed);
                    tick = Some(Tick { seq, time_ns });
                }
            }
            self.selection.pass(seq, copy, &mut routed, &mut selected);
            for Kept { step, event } in selected.drain(..) {
                if let Some(step) = step {
                    add(&mut queues, step.conn.id.partition(), Work::Step(step));
                }
                if let (Some(kept), Some(event)) = (kept.as_deref_mut(), event) {
                    kept.push(event);
                }
            }
            if let Some(tick) = tick {
                queues.iter_mut().for_each(|queue| queue.push(Work::Tick(tick)));
                batch.tick(tick);
            }
        }
        batch.messages = self.work(queues);
        batch
    }

    /// The input has ended: what is pending is given up, and released as such.
    pub fn finish(&mut self) -> Batch {
        let end = Tick { seq: self.seq, time_ns: self.time_ns };
        self.seq += 1;
        let queues = (0..PARTITIONS).map(|_| vec![Work::Finish(end)]).collect();
        let mut batch = Batch::new();
        batch.messages = self.work(queues);
        batch
    }

    /// Who does the work; other stages use the same.
    pub(super) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// What became of every byte and message so far.
    #[must_use]
    pub(super) fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for partition in &self.partitions {
            ledger.merge(partition.reassembly.ledger());
            ledger.merge(partition.connections.ledger());
        }
        ledger
    }

    /// Connections that the selection could not decide about, and that are therefore missing.
    #[must_use]
    pub fn undecided(&self) -> u64 {
        self.selection.undecided()
    }

    /// What the source lost without saying where.
    pub(super) fn lost(&self) -> &Lost {
        &self.lost
    }

    /// [`Wire::ledger`] as the contract's line of JSON.
    #[must_use]
    pub fn ledger_line(&self) -> String {
        ledger::line(&self.ledger(), &self.lost)
    }

    fn work(&mut self, queues: Vec<Vec<Work>>) -> Vec<Vec<Message>> {
        self.workers.map(&mut self.partitions, queues, |partition, queue| {
            let mut messages = Vec::new();
            queue.into_iter().for_each(|work| partition.work(work, &mut messages));
            messages
        })
    }
}

impl Partition {
    fn work(&mut self, work: Work, out: &mut Vec<Message>) {
        let Self { reassembly, connections, stream } = self;
        match &work {
            Work::Step(_) => {}
            Work::Tick(tick) => reassembly.tick(tick.seq, tick.time_ns, stream),
            Work::Finish(end) => reassembly.finish(end.seq, end.time_ns, stream),
        }
        if let Work::Step(step) = work {
            reassembly.push(step, stream);
            stream.drain(..).for_each(|event| connections.push(event, out));
            return;
        }
        stream.drain(..).for_each(|event| connections.push(event, out));
        match work {
            Work::Step(_) => {}
            Work::Tick(tick) => connections.tick(tick.seq, tick.time_ns, out),
            Work::Finish(end) => connections.finish(end.seq, end.time_ns, out),
        }
    }
}

fn queues() -> Vec<Vec<Work>> {
    (0..PARTITIONS).map(|_| Vec::new()).collect()
}

fn add(queues: &mut [Vec<Work>], partition: usize, work: Work) {
    if let Some(queue) = queues.get_mut(partition) {
        queue.push(work);
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
