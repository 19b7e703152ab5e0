//! Where released events go, with everything that is counted on the way.

use std::sync::Arc;

use bytes::Bytes;
use pitot_common::user::{LossReason, Process};

use super::Counters;
use crate::ledger::Ledger;
use crate::{Connection, Direction, EndKind, Kind, StreamEvent};

/// Reason of bytes that lie before the first position of a connection joined mid-stream.
const BEFORE_START: &str = "before_start";

/// What is said about a connection as a whole, and whether it was said already.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) conn: Arc<Connection>,
    open: bool,
    proven: [bool; 2],
    owners: [Option<Arc<Process>>; 2],
    remote: [bool; 2],
    refused: Option<LossReason>,
}

impl Life {
    pub(super) fn new(conn: Arc<Connection>) -> Self {
        let owners = [None, None];
        Self { conn, open: false, proven: [false; 2], owners, remote: [false; 2], refused: None }
    }

    /// From now on only its end is said. The first reason stands.
    pub(super) fn refuse(&mut self, reason: LossReason) {
        self.refused.get_or_insert(reason);
    }

    pub(super) fn refused(&self) -> Option<LossReason> {
        self.refused
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether both starts are.
    pub(super) fn is_proven(&self) -> bool {
        self.proven == [true; 2]
    }

    pub(super) fn prove(&mut self, direction: Direction, proven: bool) {
        self.proven[direction.index()] = proven;
    }
}

/// Takes the events of one direction of one connection that one capture event causes.
pub(super) struct Sink<'a> {
    pub(super) seq: u64,
    pub(super) time_ns: u64,
    pub(super) direction: Direction,
    pub(super) life: &'a mut Life,
    pub(super) out: &'a mut Vec<StreamEvent>,
    pub(super) ledger: &'a mut Ledger,
    pub(super) counters: &'a mut Counters,
}

impl Sink<'_> {
    /// Says `Open`, once, and what was learned before it.
    pub(super) fn open(&mut self) {
        if self.life.open {
            return;
        }
        self.life.open = true;
        self.emit(Kind::Open { proven: self.life.proven });
        for direction in [Direction::FromInitiator, Direction::FromResponder] {
            if self.life.remote[direction.index()] {
                self.emit(Kind::Remote { direction });
            }
            if let Some(process) = self.life.owners[direction.index()].take() {
                self.emit(Kind::Owner { direction, process });
            }
        }
    }

    pub(super) fn owner(&mut self, process: Arc<Process>) {
        if self.life.open {
            self.emit(Kind::Owner { direction: self.direction, process });
        } else {
            self.life.owners[self.direction.index()] = Some(process);
        }
    }

    pub(super) fn remote(&mut self) {
        if self.life.open {
            self.emit(Kind::Remote { direction: self.direction });
        } else {
            self.life.remote[self.direction.index()] = true;
        }
    }

    pub(super) fn chunk(&mut self, position: u64, bytes: Bytes) {
        self.open();
        self.ledger.bytes.seen += bytes.len() as u64;
        if let Some(reason) = self.life.refused {
            self.ledger.bytes.skip(reason.as_str(), bytes.len() as u64);
            return;
        }
        self.emit(Kind::Chunk { direction: self.direction, position, bytes });
    }

    pub(super) fn gap(&mut self, position: u64, bytes: u64, reason: &'static str) {
        self.open();
        if self.life.refused.is_some() {
            // The kernel part left it out as it was asked to, and has counted it.
            return;
        }
        self.ledger.bytes.seen += bytes;
        self.ledger.bytes.lose(reason, bytes);
        self.emit(Kind::Gap { direction: self.direction, position, bytes, reason });
    }

    pub(super) fn skip_before_start(&mut self, bytes: u64) {
        self.ledger.bytes.seen += bytes;
        self.ledger.bytes.skip(BEFORE_START, bytes);
    }

    pub(super) fn end(&mut self, position: u64, how: EndKind) {
        self.open();
        self.emit(Kind::End { direction: self.direction, position, how });
    }

    /// Says `Closed`, if anything was ever said.
    pub(super) fn closed(&mut self, reason: &'static str) {
        if self.life.open {
            self.emit(Kind::Closed { reason });
        }
    }

    fn emit(&mut self, kind: Kind) {
        if self.life.refused.is_some() && !matches!(kind, Kind::End { .. } | Kind::Closed { .. }) {
            return;
        }
        self.out.push(StreamEvent {
            seq: self.seq,
            time_ns: self.time_ns,
            conn: Arc::clone(&self.life.conn),
            kind,
        });
    }
}
