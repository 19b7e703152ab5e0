//! Feeds a scripted connection to [`Connections`] and checks that the ledger adds up.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]

use std::sync::Arc;

use bytes::Bytes;
use pitot_common::user::{Process, ProcessId};
use pitot_protocols::message::Side;
use pitot_protocols::{Connections, Limits, Message};
use pitot_stream::{ConnId, Connection, Direction, EndKind, Kind, StreamEvent};

/// The client's direction in every script.
pub const CLIENT: Direction = Direction::FromInitiator;
/// The server's.
pub const SERVER: Direction = Direction::FromResponder;

/// What happens next on the connection.
#[derive(Clone)]
pub enum Step {
    /// The client sends.
    C(Vec<u8>),
    /// The server sends.
    S(Vec<u8>),
    /// So many bytes of this direction are missing.
    Gap(Direction, u64),
    /// FIN.
    Fin(Direction),
    /// RST.
    Rst(Direction),
    /// An end becomes known.
    Owner(Direction),
    /// An end is not on this machine.
    Remote(Direction),
    /// So many milliseconds pass.
    Pass(u64),
    /// A tick.
    Tick,
    /// Forgotten.
    Closed,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::C(bytes) => write!(f, "C({:?})", String::from_utf8_lossy(bytes)),
            Self::S(bytes) => write!(f, "S({:?})", String::from_utf8_lossy(bytes)),
            Self::Gap(direction, bytes) => write!(f, "Gap({direction:?}, {bytes})"),
            Self::Fin(direction) => write!(f, "Fin({direction:?})"),
            Self::Rst(direction) => write!(f, "Rst({direction:?})"),
            Self::Owner(direction) => write!(f, "Owner({direction:?})"),
            Self::Remote(direction) => write!(f, "Remote({direction:?})"),
            Self::Pass(ms) => write!(f, "Pass({ms})"),
            Self::Tick => f.write_str("Tick"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}

/// One scripted connection.
pub struct Script {
    pub connections: Connections,
    pub out: Vec<Message>,
    pub conn: Arc<Connection>,
    seq: u64,
    time_ns: u64,
    positions: [u64; 2],
    given: u64,
}

impl Script {
    pub fn new(limits: Limits, proven: [bool; 2], initiator_known: bool) -> Self {
        let conn = Arc::new(Connection {
            id: ConnId(7),
            initiator: "127.0.0.1:40000".parse().unwrap(),
            responder: "127.0.0.1:80".parse().unwrap(),
            initiator_known,
            path: None,
        });
        let mut script = Self {
            connections: Connections::new(limits),
            out: Vec::new(),
            conn,
            seq: 0,
            time_ns: 1_000_000_000,
            positions: [0; 2],
            given: 0,
        };
        script.event(Kind::Open { proven });
        script
    }

    /// A connection seen from its start.
    pub fn proven() -> Self {
        Self::new(Limits::default(), [true; 2], true)
    }

    /// A connection that was there before.
    pub fn joined() -> Self {
        Self::new(Limits::default(), [false; 2], false)
    }

    fn event(&mut self, kind: Kind) {
        self.seq += 1;
        let event = StreamEvent { seq: self.seq, time_ns: self.time_ns, conn: self.conn.clone(), kind };
        self.connections.push(event, &mut self.out);
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::C(bytes) => self.chunk(CLIENT, bytes),
            Step::S(bytes) => self.chunk(SERVER, bytes),
            Step::Gap(direction, bytes) => {
                let position = self.positions[direction.index()];
                self.positions[direction.index()] += bytes;
                self.event(Kind::Gap { direction: *direction, position, bytes: *bytes, reason: "ring_full" });
            }
            Step::Fin(direction) | Step::Rst(direction) => {
                let how = if matches!(step, Step::Fin(_)) { EndKind::Fin } else { EndKind::Reset };
                let position = self.positions[direction.index()];
                self.event(Kind::End { direction: *direction, position, how });
            }
            Step::Owner(direction) => {
                let process = Arc::new(Process {
                    id: ProcessId { pid: 1 + direction.index() as u32, start_ns: 1 },
                    comm: "peer".into(),
                    exe: "peer".into(),
                    args: Vec::new(),
                    ..Process::default()
                });
                self.event(Kind::Owner { direction: *direction, process });
            }
            Step::Remote(direction) => self.event(Kind::Remote { direction: *direction }),
            Step::Pass(ms) => self.time_ns += ms * 1_000_000,
            Step::Tick => {
                self.seq += 1;
                self.connections.tick(self.seq, self.time_ns, &mut self.out);
            }
            Step::Closed => self.event(Kind::Closed { reason: "idle" }),
        }
    }

    fn chunk(&mut self, direction: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let position = self.positions[direction.index()];
        self.positions[direction.index()] += bytes.len() as u64;
        self.given += bytes.len() as u64;
        self.event(Kind::Chunk { direction, position, bytes: Bytes::copy_from_slice(bytes) });
    }

    pub fn run(mut self, steps: &[Step]) -> Finished {
        for step in steps {
            self.step(step);
        }
        self.finish()
    }

    pub fn finish(mut self) -> Finished {
        self.connections.finish(self.seq + 1, self.time_ns, &mut self.out);
        let ledger = self.connections.ledger();
        let bytes = ledger.bytes.parsed + ledger.bytes.skipped.values().sum::<u64>();
        assert_eq!(bytes, self.given, "bytes do not add up: {ledger:?}");
        assert!(ledger.bytes.lost.is_empty(), "lost bytes are the reassembly's to count");
        assert_eq!(ledger.messages.pending(), 0, "messages do not add up: {ledger:?}");
        let complete = self.out.iter().filter(|m| m.is_complete()).count() as u64;
        assert_eq!(ledger.messages.parsed, complete, "{ledger:?}");
        assert_eq!(self.connections.buffered(), 0, "buffered bytes were not given back");
        assert!(self.out.is_sorted_by_key(|m| m.order), "out of order");
        Finished { out: self.out, connections: self.connections }
    }
}

/// What came of a script.
pub struct Finished {
    pub out: Vec<Message>,
    pub connections: Connections,
}

impl Finished {
    /// One line a message: `> POST /a hello` or `< 200 /a hello !gap`.
    pub fn lines(&self) -> Vec<String> {
        self.out.iter().map(line).collect()
    }
}

pub fn line(message: &Message) -> String {
    let target = message.request.as_ref().map_or("?", |line| &line.target);
    let mut line = match message.side {
        Side::Request => format!("> {} {target}", message.request.as_ref().map_or("?", |l| &l.method)),
        Side::Response => format!("< {} {target}", message.status.unwrap_or(0)),
    };
    if !message.body.is_empty() {
        line += " ";
        line += &String::from_utf8_lossy(&message.body);
    }
    if let Some(reason) = message.incomplete {
        line += " !";
        line += reason.as_str();
    }
    line
}

pub fn c(text: &str) -> Step {
    Step::C(text.as_bytes().to_vec())
}

pub fn s(text: &str) -> Step {
    Step::S(text.as_bytes().to_vec())
}
