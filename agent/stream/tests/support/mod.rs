//! A table and its partitions as one pipeline, and short ways to write segments.
#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(unreachable_pub, reason = "a module of tests, not a crate")]

use std::collections::BTreeMap;
use std::sync::Arc;

use pitot_common::user::{Hook, LossReason, Process, ProcessId, Segment, Short, Socket, TcpFlags};
use pitot_stream::ledger::Ledger;
use pitot_stream::reassembly::Reassembly;
use pitot_stream::table::{Routed, Table};
use pitot_stream::{EndKind, Kind, Limits, PARTITIONS, StreamEvent};

pub const SECOND: u64 = 1_000_000_000;

/// A segment, built up by the methods of its kind.
pub fn seg(src: &str, dst: &str, seq: u32) -> Segment {
    Segment {
        time_ns: 0,
        hook: Hook::Egress,
        cookie: 0,
        cgroup: 0,
        netns: 1,
        src: src.parse().unwrap(),
        dst: dst.parse().unwrap(),
        seq,
        ack: 0,
        flags: TcpFlags(0),
        owner: None,
        total: 0,
        offset: 0,
        payload: Vec::new(),
        short: None,
    }
}

pub trait With: Sized {
    fn syn(self) -> Self;
    fn fin(self) -> Self;
    fn rst(self) -> Self;
    fn ack(self, ack: u32) -> Self;
    fn data(self, bytes: impl AsRef<[u8]>) -> Self;
    /// Only `range` of the data was captured by this record.
    fn cut(self, range: std::ops::Range<usize>) -> Self;
    /// The last `bytes` of the record's payload could not be captured.
    fn short(self, bytes: usize) -> Self;
    fn netns(self, netns: u64) -> Self;
    fn ingress(self) -> Self;
    fn owner(self, pid: u32) -> Self;
    fn at(self, time_ns: u64) -> Self;
}

impl With for Segment {
    fn syn(mut self) -> Self {
        self.flags.0 |= TcpFlags::SYN;
        self
    }
    fn fin(mut self) -> Self {
        self.flags.0 |= TcpFlags::FIN;
        self
    }
    fn rst(mut self) -> Self {
        self.flags.0 |= TcpFlags::RST;
        self
    }
    fn ack(mut self, ack: u32) -> Self {
        self.flags.0 |= TcpFlags::ACK;
        self.ack = ack;
        self
    }
    fn data(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.payload = bytes.as_ref().to_vec();
        self.total = self.payload.len() as u32;
        self
    }
    fn cut(mut self, range: std::ops::Range<usize>) -> Self {
        self.offset = range.start as u32;
        self.payload = self.payload[range].to_vec();
        self
    }
    fn short(mut self, bytes: usize) -> Self {
        let kept = self.payload.len() - bytes;
        self.payload.truncate(kept);
        self.short = Some(Short { reason: LossReason::LoadFailed, bytes: bytes as u32 });
        self
    }
    fn netns(mut self, netns: u64) -> Self {
        self.netns = netns;
        self
    }
    fn ingress(mut self) -> Self {
        self.hook = Hook::Ingress;
        self
    }
    fn owner(mut self, pid: u32) -> Self {
        self.owner = Some(ProcessId { pid, start_ns: 0 });
        self
    }
    fn at(mut self, time_ns: u64) -> Self {
        self.time_ns = time_ns;
        self
    }
}

pub fn process(pid: u32) -> Arc<Process> {
    let id = ProcessId { pid, start_ns: 0 };
    Arc::new(Process {
        id,
        comm: format!("p{pid}"),
        exe: String::new(),
        args: Vec::new(),
        ..Process::default()
    })
}

/// A socket of process `pid` in namespace 1: connected, or, without `remote`, waiting for connections.
pub fn socket(local: &str, remote: Option<&str>, pid: u32) -> Socket {
    Socket {
        time_ns: 5,
        netns: 1,
        cookie: 0,
        local: local.parse().unwrap(),
        remote: remote.map(|remote| remote.parse().unwrap()),
        listens: remote.is_none(),
        owner: (pid > 0).then_some(ProcessId { pid, start_ns: 0 }),
        path: String::new(),
    }
}

/// One table and some partitions; `spread` says which partition of many, or all in one.
pub struct Pipeline {
    pub table: Table,
    pub partitions: Vec<Reassembly>,
    pub seq: u64,
    routed: Vec<Routed>,
    pub out: Vec<StreamEvent>,
}

impl Pipeline {
    pub fn new(limits: Limits, partitions: usize) -> Self {
        assert!(partitions == 1 || partitions == PARTITIONS);
        Self {
            table: Table::new(limits),
            partitions: (0..partitions).map(|_| Reassembly::new(limits)).collect(),
            seq: 0,
            routed: Vec::new(),
            out: Vec::new(),
        }
    }

    pub fn segment(&mut self, segment: Segment) {
        self.seq += 1;
        self.table.route(self.seq, segment, &mut self.routed);
        self.push();
    }

    pub fn socket(&mut self, socket: Socket) {
        self.seq += 1;
        self.table.socket(self.seq, Arc::new(socket), &mut self.routed);
        self.push();
    }

    pub fn tick(&mut self, time_ns: u64) {
        self.seq += 1;
        self.table.tick(self.seq, time_ns, &mut self.routed);
        self.push();
        for partition in &mut self.partitions {
            partition.tick(self.seq, time_ns, &mut self.out);
        }
    }

    pub fn finish(&mut self) {
        self.seq += 1;
        for partition in &mut self.partitions {
            partition.finish(self.seq, 0, &mut self.out);
            assert_eq!(partition.held(), 0, "memory held after the end");
        }
    }

    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        self.partitions.iter().for_each(|partition| ledger.merge(partition.ledger()));
        ledger
    }

    fn push(&mut self) {
        for routed in self.routed.drain(..) {
            let partition = routed.conn.id.partition() % self.partitions.len();
            self.partitions[partition].push(routed, &mut self.out);
        }
    }
}

/// Everything that was said, one line an event; connections are lettered in order of appearance. A line is
/// `A open TF`, `A > 0 "bytes"`, `A < 4 gap 3 reason`, `A > end 7 Fin`, `A < owner p7`, `A > remote`, `A closed idle`.
pub fn transcript(events: &[StreamEvent]) -> Vec<String> {
    let mut names = BTreeMap::new();
    let arrow = |direction: pitot_stream::Direction| [">", "<"][direction.index()];
    let mut lines = Vec::new();
    for event in events {
        let next = char::from(b'A' + names.len() as u8);
        let name = *names.entry(event.conn.id).or_insert(next);
        lines.push(match &event.kind {
            Kind::Open { proven } => {
                let shown = proven.map(|proven| if proven { 'T' } else { 'F' });
                format!("{name} open {}", String::from_iter(shown))
            }
            Kind::Owner { direction, process } => {
                format!("{name} {} owner {}", arrow(*direction), process.comm)
            }
            Kind::Remote { direction } => format!("{name} {} remote", arrow(*direction)),
            Kind::Chunk { direction, position, bytes } => {
                format!("{name} {} {position} {:?}", arrow(*direction), String::from_utf8_lossy(bytes))
            }
            Kind::Gap { direction, position, bytes, reason } => {
                format!("{name} {} {position} gap {bytes} {reason}", arrow(*direction))
            }
            Kind::End { direction, position, how } => {
                let how = if *how == EndKind::Fin { "fin" } else { "reset" };
                format!("{name} {} {position} {how}", arrow(*direction))
            }
            Kind::Closed { reason } => format!("{name} closed {reason}"),
        });
    }
    lines
}
