//! One direction of an HTTP/1 connection.
//!
//! ```text
//!            start line and fields           framing ends
//!   Start ------------------------> Body ---------------------> Start
//!     |  \                           |                            ^
//!     |   `- no start line here      |  ambiguous                 | answered otherwise
//!     v          v                   v                            |
//!  (other     Seeking             Skipping   Paused (CONNECT, Upgrade) --> Skipping (upgraded)
//!  protocol)
//! ```

use std::sync::Arc;

use super::body::Body;
use super::chunked::Chunked;
use crate::Headers;
use crate::message::{Incomplete, RequestLine};
use crate::parser::{Context, Parsed};

/// How sure it is that a message starts at the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Position zero, or after a message whose own start is proven.
    Proven,
    /// A message that was found by resynchronisation ends here: a start line proves both.
    Framed,
    /// Found by resynchronisation.
    Found,
}

/// What the next byte is.
#[derive(Debug)]
pub(crate) enum State {
    /// The first of a message.
    Start,
    /// Part of a body.
    Body(Box<InProgress>),
    /// After a request that may turn the connection into another protocol: known when it is answered.
    Paused { exchange: u64 },
    /// Not known: a start line is looked for.
    Seeking,
    /// Not HTTP/1 any more, or not to be read with certainty; for the ledger.
    Skipping(&'static str),
}

/// How the end of the body in progress will be found.
#[derive(Debug)]
pub(crate) enum Until {
    Length(u64),
    Chunked(Chunked),
    Close,
}

/// A message whose head has been read.
#[derive(Debug)]
pub(crate) struct InProgress {
    pub(crate) exchange: u64,
    pub(crate) request: Option<Arc<RequestLine>>,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Headers,
    pub(crate) until: Until,
    pub(crate) body: Body,
    pub(crate) incomplete: Option<Incomplete>,
    pub(crate) wire_bytes: u64,
    /// Before its first body byte: there may be no body in spite of what the head says (a response that may answer HEAD; a
    /// request with `Expect: 100-continue` that was refused).
    pub(crate) doubtful: bool,
    /// A request that waits for `100 (Continue)`.
    pub(crate) expects: bool,
    /// Whether its framing is exact; not so where the method it answers is not known.
    pub(crate) exact: bool,
}

impl InProgress {
    /// Gives it up for `reason`, unless it already is for another.
    pub(crate) fn give_up(&mut self, reason: Incomplete) {
        self.incomplete.get_or_insert(reason);
    }
}

/// A whole message whose start is not proven yet.
#[derive(Debug)]
pub(crate) struct Awaiting {
    pub(crate) parsed: Parsed,
    pub(crate) ticks: u8,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) state: State,
    pub(crate) start: Start,
    /// Whether a start line was ever read here: if not, what is no start line is another protocol.
    pub(crate) spoke: bool,
    /// At [`State::Start`]: its start line was read and counted.
    pub(crate) started: bool,
    /// At [`State::Start`]: whether the first byte of the message came after silence.
    pub(crate) quiet: Option<bool>,
    /// At [`State::Start`]: bytes that no end of the head lies in.
    pub(crate) scanned: usize,
    /// Bytes shown and not consumed.
    pub(crate) unread: usize,
    pub(crate) awaiting: Option<Awaiting>,
}

impl Half {
    pub(crate) fn new(proven: bool) -> Self {
        let (state, start) =
            if proven { (State::Start, Start::Proven) } else { (State::Seeking, Start::Found) };
        Self {
            state,
            start,
            spoke: false,
            started: false,
            quiet: None,
            scanned: 0,
            unread: 0,
            awaiting: None,
        }
    }

    /// The next byte is the first of a message.
    pub(crate) fn begin(&mut self, start: Start) {
        self.state = State::Start;
        self.start = start;
        self.started = false;
        self.quiet = None;
        self.scanned = 0;
    }

    /// Body bytes held.
    pub(crate) fn held(&self) -> usize {
        let body = if let State::Body(message) = &self.state { message.body.len() } else { 0 };
        body + self.awaiting.as_ref().map_or(0, |awaiting| awaiting.parsed.buffered)
    }

    /// Drops the bodies held.
    pub(crate) fn give_up_bodies(&mut self, buffered: &mut usize) {
        if let State::Body(message) = &mut self.state
            && message.body.len() > 0
        {
            message.body.give_up(buffered);
            message.give_up(Incomplete::Memory);
        }
        if let Some(awaiting) = &mut self.awaiting {
            awaiting.parsed.give_up_body(buffered);
        }
    }

    /// Exactly between two messages.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Start) && self.start != Start::Found && self.unread == 0
    }

    /// Decides about the message whose start was not proven: where it is no longer `proven`, or never can be, it is given up.
    pub(crate) fn settle(&mut self, proven: bool, context: &mut Context<'_>) {
        if let Some(Awaiting { mut parsed, .. }) = self.awaiting.take() {
            if !proven {
                parsed.incomplete = Some(Incomplete::UnprovenStart);
            }
            context.out.push(parsed);
        }
    }
}
