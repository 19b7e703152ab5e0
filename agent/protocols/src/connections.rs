//! From [`StreamEvent`]s to [`Message`]s: the driver of the parsers.
//!
//! For each connection it finds out which protocol is spoken ([`detect`]), keeps what a
//! parser has not consumed yet, looks for a new start where the place was lost, and holds
//! messages until both ends are named ([`release`](crate::release)).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use pitot_stream::ledger::Ledger;
use pitot_stream::{ConnId, Connection, Direction, EndKind, Kind, StreamEvent};

use crate::Limits;
use crate::detect::{self, Detection};
use crate::http1::Http1;
use crate::message::{Message, Side};
use crate::parser::{Context, Ending, Parsed, Parser, Status};
use crate::release::{End, Exit, Outbox};

/// All connections of one partition.
///
/// [`Connections::ledger`] counts every byte of every [`Kind::Chunk`] exactly once, as parsed or skipped, and every
/// started message exactly once, as parsed, skipped or lost; after [`Connections::finish`] nothing is pending. Bytes seen
/// and lost are the reassembly's to count.
#[derive(Debug, Default)]
pub struct Connections {
    shared: Shared,
    open: HashMap<u64, Tracked>,
    /// Connections that a tick may release something of.
    waiting: BTreeSet<u64>,
}

/// What the connections of a partition share.
#[derive(Debug, Default)]
struct Shared {
    limits: Limits,
    ledger: Ledger,
    /// Body bytes held.
    buffered: usize,
    parsed: Vec<Parsed>,
    /// Connections given up since somebody asked.
    refused: Vec<ConnId>,
}

impl Connections {
    /// No connection yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { shared: Shared { limits, ..Shared::default() }, ..Self::default() }
    }

    /// Takes one event, and appends the messages that it releases.
    pub fn push(&mut self, event: StreamEvent, out: &mut Vec<Message>) {
        let StreamEvent { seq, time_ns, conn, kind } = event;
        let id = conn.id.0;
        if let Kind::Open { proven } = kind {
            // The same identity again would be a fault of the stage before: what was held must not be lost.
            if let Some(mut earlier) = self.open.insert(id, Tracked::new(conn, proven, time_ns)) {
                earlier.end_both(Ending::Forgotten, time_ns, &mut self.shared);
                earlier.release(true, seq, &mut self.shared, out);
            }
            return;
        }
        let Some(tracked) = self.open.get_mut(&id) else {
            if let Kind::Chunk { bytes, .. } = kind {
                self.shared.ledger.bytes.skip("not_open", bytes.len() as u64);
            }
            return;
        };
        tracked.take(kind, time_ns, &mut self.shared);
        let ended = tracked.has_ended();
        tracked.release(ended, seq, &mut self.shared, out);
        if ended {
            self.open.remove(&id);
            self.waiting.remove(&id);
        } else if tracked.is_waiting() {
            self.waiting.insert(id);
        } else {
            self.waiting.remove(&id);
        }
    }

    /// A second of event time went by: releases what has waited long enough.
    pub fn tick(&mut self, seq: u64, time_ns: u64, out: &mut Vec<Message>) {
        let (open, shared) = (&mut self.open, &mut self.shared);
        self.waiting.retain(|id| {
            let Some(tracked) = open.get_mut(id) else { return false };
            tracked.tick(time_ns, shared);
            tracked.release(false, seq, shared, out);
            tracked.is_waiting()
        });
    }

    /// The end of input: what has not ended never will.
    pub fn finish(&mut self, seq: u64, time_ns: u64, out: &mut Vec<Message>) {
        let mut rest: Vec<_> = self.open.drain().collect();
        rest.sort_unstable_by_key(|(id, _)| *id);
        for (_, mut tracked) in rest {
            tracked.end_both(Ending::Forgotten, time_ns, &mut self.shared);
            tracked.release(true, seq, &mut self.shared, out);
        }
        self.waiting.clear();
    }

    /// Connections of which nothing more will be read, since this was last asked. What comes of them all the same is counted as
    /// skipped.
    pub fn take_refused(&mut self) -> std::vec::Drain<'_, ConnId> {
        self.shared.refused.drain(..)
    }

    /// What became of the bytes and messages so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Appends the body bytes that each connection holds, in no order.
    pub fn bodies(&self, out: &mut Vec<(usize, ConnId)>) {
        let held = self.open.iter().map(|(id, tracked)| (tracked.held(), ConnId(*id)));
        out.extend(held.filter(|(bytes, _)| *bytes > 0));
    }

    /// Memory is short: drops the bodies that this connection holds. Their messages are incomplete for that reason.
    pub fn give_up_bodies(&mut self, conn: ConnId) {
        if let Some(tracked) = self.open.get_mut(&conn.0) {
            tracked.give_up_bodies(&mut self.shared.buffered);
        }
    }

    /// Body bytes held at the moment.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.shared.buffered
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Lane {
    /// Bytes that are not consumed yet.
    unread: Bytes,
    /// Whether the next byte is the first of the direction, or follows on one that was shown.
    proven: bool,
    /// Looking for a start; so many bytes so far.
    seeking: Option<u64>,
    ended: bool,
}

impl Lane {
    /// Adds `chunk`: without a copy where nothing is unread.
    fn append(&mut self, chunk: Bytes) {
        if self.unread.is_empty() {
            self.unread = chunk;
            return;
        }
        let mut joined = std::mem::take(&mut self.unread).try_into_mut().unwrap_or_else(BytesMut::from);
        joined.extend_from_slice(&chunk);
        self.unread = joined.freeze();
    }
}

#[derive(Debug)]
enum Protocol {
    /// Not known yet.
    Detecting,
    /// Read by `parser`; `client` is the direction that requests are sent in.
    Spoken { parser: Box<dyn Parser>, client: Direction },
    /// Not read; for the ledger.
    Skipped(&'static str),
}

#[derive(Debug)]
struct Tracked {
    connection: Arc<Connection>,
    protocol: Protocol,
    lanes: [Lane; 2],
    outbox: Outbox,
    /// The direction that requests are sent in, as far as is known.
    client: Option<Direction>,
    last_ns: u64,
}

const BOTH: [Direction; 2] = [Direction::FromInitiator, Direction::FromResponder];

fn side(direction: Direction, client: Direction) -> Side {
    if direction == client { Side::Request } else { Side::Response }
}

fn direction(side: Side, client: Direction) -> Direction {
    match side {
        Side::Request => client,
        Side::Response => client.reverse(),
    }
}

impl Tracked {
    fn new(connection: Arc<Connection>, proven: [bool; 2], time_ns: u64) -> Self {
        let client = connection.initiator_known.then_some(Direction::FromInitiator);
        Self {
            connection,
            protocol: Protocol::Detecting,
            // Whose first byte it is must be known as well.
            lanes: proven.map(|proven| Lane { proven: proven && client.is_some(), ..Lane::default() }),
            outbox: Outbox::default(),
            client,
            last_ns: time_ns,
        }
    }

    fn lane(&mut self, direction: Direction) -> &mut Lane {
        let [first, second] = &mut self.lanes;
        match direction {
            Direction::FromInitiator => first,
            Direction::FromResponder => second,
        }
    }

    fn take(&mut self, kind: Kind, time_ns: u64, shared: &mut Shared) {
        match kind {
            Kind::Open { .. } => {}
            Kind::Owner { direction, process } => self.outbox.learn(direction, End::Process(process)),
            Kind::Remote { direction } => self.outbox.learn(direction, End::Remote),
            Kind::Chunk { direction, bytes, .. } => {
                let idle_ns = time_ns.saturating_sub(self.last_ns);
                self.last_ns = time_ns;
                self.chunk(direction, bytes, time_ns, idle_ns, shared);
            }
            Kind::Gap { direction, bytes, .. } => {
                self.last_ns = time_ns;
                self.gap(direction, bytes, time_ns, shared);
            }
            Kind::End { direction, how, .. } => {
                let how = match how {
                    EndKind::Fin => Ending::Fin,
                    EndKind::Reset => Ending::Reset,
                };
                self.end(direction, how, time_ns, shared);
            }
            Kind::Closed { .. } => self.end_both(Ending::Forgotten, time_ns, shared),
        }
        self.collect(shared);
    }

    fn chunk(&mut self, from: Direction, bytes: Bytes, time_ns: u64, idle_ns: u64, shared: &mut Shared) {
        if let Protocol::Skipped(reason) = self.protocol {
            shared.ledger.bytes.skip(reason, bytes.len() as u64);
            return;
        }
        self.lane(from).append(bytes);
        if matches!(self.protocol, Protocol::Detecting) {
            self.detect(from, shared);
        }
        self.drive(from, time_ns, idle_ns, shared);
        // An answer may let the other direction go on.
        self.drive(from.reverse(), time_ns, 0, shared);
    }

    /// Tries to find out which protocol is spoken from what `from` sent.
    fn detect(&mut self, from: Direction, shared: &mut Shared) {
        let known = self.client.map(|client| side(from, client));
        let lane = self.lane(from);
        match known {
            Some(side) if lane.proven => match detect::first_bytes(&lane.unread, side) {
                Detection::NeedMore => {}
                Detection::Http1 => self.speak(),
                Detection::NotOurs(reason) => self.skip(reason, shared),
            },
            _ => match detect::anywhere(&lane.unread, known) {
                Ok(sighting) => {
                    lane.unread.advance(sighting.skip);
                    shared.ledger.bytes.skip(NO_START_LINE, sighting.skip as u64);
                    self.client = Some(match sighting.side {
                        Side::Request => from,
                        Side::Response => from.reverse(),
                    });
                    self.speak();
                }
                Err(skip) => {
                    lane.unread.advance(skip);
                    shared.ledger.bytes.skip(NO_START_LINE, skip as u64);
                    let sought = lane.seeking.unwrap_or(0) + skip as u64;
                    lane.seeking = Some(sought);
                    if sought > shared.limits.resync {
                        self.skip(NO_START_LINE, shared);
                    }
                }
            },
        }
    }

    fn speak(&mut self) {
        let Some(client) = self.client else { return };
        let proven = BOTH.map(|direction| self.lane(direction).proven);
        let proven = |side| proven.get(direction(side, client).index()).copied().unwrap_or(false);
        let parser = Box::new(Http1::new(proven(Side::Request), proven(Side::Response)));
        for lane in &mut self.lanes {
            lane.seeking = None;
        }
        self.protocol = Protocol::Spoken { parser, client };
    }

    /// Gives the connection up: what is unread, and what follows, is skipped.
    fn skip(&mut self, reason: &'static str, shared: &mut Shared) {
        for lane in &mut self.lanes {
            shared.ledger.bytes.skip(reason, std::mem::take(&mut lane.unread).len() as u64);
        }
        self.protocol = Protocol::Skipped(reason);
        shared.refused.push(self.connection.id);
    }

    /// Shows the parser what is unread of `from`, as long as it gets on.
    fn drive(&mut self, from: Direction, time_ns: u64, mut idle_ns: u64, shared: &mut Shared) {
        // A parser that neither consumes nor waits has changed its state; it cannot do so without end.
        let mut idle_steps = 0;
        loop {
            let Protocol::Spoken { parser, client } = &mut self.protocol else { return };
            let side = side(from, *client);
            let [first, second] = &mut self.lanes;
            let lane = if from == Direction::FromInitiator { first } else { second };
            if lane.unread.is_empty() {
                return;
            }
            if let Some(sought) = lane.seeking {
                let seek = parser.seek(side, &lane.unread);
                shared.ledger.bytes.skip(NO_START_LINE, seek.skip as u64);
                lane.unread.advance(seek.skip.min(lane.unread.len()));
                let sought = sought + seek.skip as u64;
                lane.seeking = (!seek.found).then_some(sought);
                if sought > shared.limits.resync {
                    return self.abandon(NO_START_LINE, time_ns, shared);
                }
                if !seek.found {
                    return;
                }
                continue;
            }
            let step = parser.parse(side, &lane.unread, &mut shared.context(time_ns, idle_ns));
            lane.unread.advance(step.consumed.min(lane.unread.len()));
            if step.consumed > 0 {
                idle_ns = 0;
                idle_steps = 0;
            } else {
                idle_steps += 1;
            }
            match step.status {
                Status::NeedMore => return,
                Status::Message => {}
                Status::Resync => lane.seeking = Some(0),
                Status::NotThisProtocol(reason) => return self.abandon(reason, time_ns, shared),
            }
            if idle_steps > IDLE_STEPS_MAX {
                return self.abandon(NO_PROGRESS, time_ns, shared);
            }
        }
    }

    /// The parser is done with this connection: ends what it holds, and skips the rest.
    fn abandon(&mut self, reason: &'static str, time_ns: u64, shared: &mut Shared) {
        if let Protocol::Spoken { parser, client } = &mut self.protocol {
            for (direction, lane) in BOTH.iter().zip(&self.lanes) {
                if !lane.ended {
                    let context = &mut shared.context(time_ns, 0);
                    parser.end(side(*direction, *client), 0, Ending::Forgotten, context);
                }
            }
        }
        self.skip(reason, shared);
    }

    fn gap(&mut self, from: Direction, bytes: u64, time_ns: u64, shared: &mut Shared) {
        let lane = self.lane(from);
        let unread = std::mem::take(&mut lane.unread).len();
        lane.proven = false;
        match &mut self.protocol {
            Protocol::Spoken { parser, client } => {
                let side = side(from, *client);
                let status = parser.gap(side, unread, bytes, &mut shared.context(time_ns, 0));
                if status == Status::Resync {
                    self.lane(from).seeking = Some(0);
                }
                self.drive(from.reverse(), time_ns, 0, shared);
            }
            Protocol::Detecting => shared.ledger.bytes.skip(NO_START_LINE, unread as u64),
            Protocol::Skipped(reason) => shared.ledger.bytes.skip(reason, unread as u64),
        }
    }

    fn end(&mut self, from: Direction, how: Ending, time_ns: u64, shared: &mut Shared) {
        let lane = self.lane(from);
        if std::mem::replace(&mut lane.ended, true) {
            return;
        }
        let unread = std::mem::take(&mut lane.unread).len();
        match &mut self.protocol {
            Protocol::Spoken { parser, client } => {
                let side = side(from, *client);
                parser.end(side, unread, how, &mut shared.context(time_ns, 0));
            }
            Protocol::Detecting => shared.ledger.bytes.skip(NO_START_LINE, unread as u64),
            Protocol::Skipped(reason) => shared.ledger.bytes.skip(reason, unread as u64),
        }
    }

    fn end_both(&mut self, how: Ending, time_ns: u64, shared: &mut Shared) {
        for direction in BOTH {
            self.end(direction, how, time_ns, shared);
        }
        self.collect(shared);
    }

    fn tick(&mut self, time_ns: u64, shared: &mut Shared) {
        self.outbox.tick();
        if let Protocol::Spoken { parser, .. } = &mut self.protocol {
            parser.tick(&mut shared.context(time_ns, 0));
        }
        self.collect(shared);
    }

    /// Moves what the parser handed out into the outbox.
    fn collect(&mut self, shared: &mut Shared) {
        for parsed in shared.parsed.drain(..) {
            self.outbox.push(parsed);
        }
    }

    fn release(&mut self, last: bool, seq: u64, shared: &mut Shared, out: &mut Vec<Message>) {
        let Some(client) = self.client else { return };
        let Shared { limits, ledger, buffered, .. } = shared;
        self.outbox.release(&self.connection, client, last, &mut Exit { seq, limits, ledger, buffered, out });
    }

    fn held(&self) -> usize {
        let parser = if let Protocol::Spoken { parser, .. } = &self.protocol { parser.held() } else { 0 };
        parser + self.outbox.held()
    }

    fn give_up_bodies(&mut self, buffered: &mut usize) {
        if let Protocol::Spoken { parser, .. } = &mut self.protocol {
            parser.give_up_bodies(buffered);
        }
        self.outbox.give_up_bodies(buffered);
    }

    fn is_waiting(&self) -> bool {
        let parser_waits = matches!(&self.protocol, Protocol::Spoken { parser, .. } if parser.is_waiting());
        parser_waits || self.outbox.is_waiting()
    }

    fn has_ended(&self) -> bool {
        self.lanes.iter().all(|lane| lane.ended)
    }
}

impl Shared {
    fn context(&mut self, time_ns: u64, idle_ns: u64) -> Context<'_> {
        Context {
            time_ns,
            idle_ns,
            limits: &self.limits,
            ledger: &mut self.ledger,
            buffered: &mut self.buffered,
            out: &mut self.parsed,
        }
    }
}

const NO_START_LINE: &str = "no_start_line";
/// A fault of a parser; it is declared rather than looped on.
const NO_PROGRESS: &str = "no_progress";
const IDLE_STEPS_MAX: u32 = 8;
