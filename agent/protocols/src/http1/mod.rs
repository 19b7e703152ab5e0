//! HTTP/1.0 and HTTP/1.1 (RFC 9112), as an observer reads them.
//!
//! - [`start_line`] reads start lines strictly and finds them again after a gap;
//! - [`head`] reads header fields; [`framing`] says where the body ends; [`chunked`] follows chunks; [`body`] collects it;
//! - [`half`] is the state of one direction, [`pairing`] says which request a response answers;
//! - [`Http1`], here, moves the two halves along; [`lifecycle`] ends what they hold at gaps, ends and ticks.
//!
//! Framing that endpoints may read differently ends the reading of its direction: a resynchronised
//! message behind it might be one endpoint's body. A message given up in its head is only counted.

use std::sync::Arc;

use bytes::Bytes;

use crate::Headers;
use crate::message::{Incomplete, Side};
use crate::parser::{Context, Ending, Parsed, Parser, Seek, Status, Step};

mod body;
mod chunked;
mod framing;
mod half;
mod head;
mod lifecycle;
mod pairing;
pub(crate) mod start_line;

use body::Body;
use chunked::{Chunked, Piece};
use framing::Framing;
use half::{Awaiting, Half, InProgress, Start, State, Until};
use pairing::{Circumstances, Outstanding, Pairing, QUIET_NS};
use start_line::{Reading, StartLine};

const PROTOCOL: &str = "http";
/// Skip reasons of bytes and messages.
const AMBIGUOUS: &str = "ambiguous_framing";
const UPGRADED: &str = "upgraded";
const UNANSWERED: &str = "upgrade_unanswered";
const INTERIM: &str = "interim";
const EMPTY_LINE: &str = "empty_line";
const NO_START_LINE: &str = "no_start_line";
const IN_HEAD: &str = "incomplete_message";
const NOT_HTTP: &str = "not_http";

/// Reads one HTTP/1 connection.
#[derive(Debug)]
pub struct Http1 {
    requests: Half,
    responses: Half,
    pairing: Pairing,
    /// Requests begun; with [`Http1::unpaired`], numbers exchanges.
    begun: u64,
    unpaired: u64,
}

impl Http1 {
    /// `requests`, `responses`: whether that direction is seen from its first byte.
    #[must_use]
    pub fn new(requests: bool, responses: bool) -> Self {
        Self {
            requests: Half::new(requests),
            responses: Half::new(responses),
            pairing: Pairing::new(requests && responses),
            begun: 0,
            unpaired: 0,
        }
    }

    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Request => &mut self.requests,
            Side::Response => &mut self.responses,
        }
    }

    /// Whether neither direction is read any more: upgraded, or ambiguous both ways.
    fn is_over(&self) -> bool {
        [&self.requests, &self.responses].iter().all(|half| matches!(half.state, State::Skipping(_)))
    }

    /// At the first byte of a message: its start line, then its head.
    fn parse_start(&mut self, side: Side, input: &Bytes, cx: &mut Context<'_>) -> Step {
        let half = self.half(side);
        let empty = if side == Side::Request && !half.started { empty_lines(input) } else { 0 };
        if empty > 0 {
            // RFC 9112, section 2.2: a server ignores an empty line before a request.
            cx.ledger.bytes.skip(EMPTY_LINE, empty as u64);
            return Step { consumed: empty, status: Status::Message };
        }
        if side == Side::Request && matches!(input[..], [b'\r']) {
            return NEED_MORE;
        }
        let quiet = *half.quiet.get_or_insert(cx.idle_ns >= QUIET_NS);
        let line = match start_line::read(input, side) {
            Reading::NeedMore if input.len() <= cx.limits.head => return NEED_MORE,
            Reading::Line { line, strict } if half.start == Start::Proven || (strict && line.is_proof()) => {
                line
            }
            _ => return self.no_start_line(side, cx),
        };
        if !half.started {
            half.started = true;
            half.spoke = true;
            cx.ledger.messages.seen += 1;
            if half.start == Start::Framed {
                half.start = Start::Proven;
                half.settle(true, cx);
            }
        }
        match head::end(input, half.scanned) {
            Some(end) if end <= cx.limits.head => self.parse_head(side, input.slice(..end), &line, quiet, cx),
            None if input.len() <= cx.limits.head => {
                half.scanned = input.len();
                NEED_MORE
            }
            _ => {
                // The same bytes however the stream was cut.
                let consumed = input.len().min(cx.limits.head + 1);
                self.lose_head(side, consumed, cx);
                cx.ledger.messages.skip(Incomplete::TooLarge.as_str(), 1);
                Step { consumed, status: self.lose_place(side, cx) }
            }
        }
    }

    /// What should be a start line is none.
    fn no_start_line(&mut self, side: Side, cx: &mut Context<'_>) -> Step {
        let half = self.half(side);
        if !half.spoke && half.start == Start::Proven {
            return Step { consumed: 0, status: Status::NotThisProtocol(NOT_HTTP) };
        }
        // The search must not find the same place again.
        let consumed = usize::from(half.start == Start::Found);
        cx.ledger.bytes.skip(NO_START_LINE, consumed as u64);
        Step { consumed, status: self.lose_place(side, cx) }
    }

    /// A whole head.
    fn parse_head(
        &mut self,
        side: Side,
        head: Bytes,
        line: &StartLine<'_>,
        quiet: bool,
        cx: &mut Context<'_>,
    ) -> Step {
        let (headers, bad) = match head::fields(&head, line) {
            Ok(headers) => (headers, None),
            Err(reason) => (Headers::default(), Some(reason)),
        };
        let (message, framing) = match *line {
            StartLine::Status { code, .. } if code < 200 && code != 101 && bad.is_none() => {
                return self.interim(head.len(), code, cx);
            }
            StartLine::Request { method, target, minor } => {
                let framing = framing::of_request(&headers, minor);
                (self.begin_request(method, target, headers, quiet), framing)
            }
            StartLine::Status { code, minor } => {
                let (message, bodiless) = self.begin_response(code, headers);
                let framing = framing::of_response(&message.headers, minor, code, bodiless);
                (message, framing)
            }
        };
        let mut message = InProgress { wire_bytes: head.len() as u64, ..message };
        let consumed = head.len();
        let framing = match bad {
            Some(reason) => {
                message.incomplete = Some(reason);
                Framing::Ambiguous
            }
            None => framing,
        };
        let coded = match framing {
            Framing::Ambiguous => return self.ambiguous(side, message, consumed, cx),
            Framing::Length(length) => {
                message.until = Until::Length(length);
                false
            }
            Framing::Chunked { coded } => {
                message.until = Until::Chunked(Chunked::Size);
                coded
            }
            Framing::UntilClose { coded } => {
                message.until = Until::Close;
                coded
            }
        };
        if coded {
            message.give_up(Incomplete::Encoding);
        }
        if side == Side::Response && self.switches(&message) {
            return self.switch(message, consumed, cx);
        }
        if matches!(message.until, Until::Length(0)) {
            self.finish(side, message, cx);
            return Step { consumed, status: Status::Message };
        }
        self.half(side).state = State::Body(Box::new(message));
        Step { consumed, status: Status::Message }
    }

    fn begin_request(&mut self, method: &[u8], target: &[u8], headers: Headers, quiet: bool) -> InProgress {
        let exchange = self.begun * 2;
        self.begun += 1;
        let line = Arc::new(head::request_line(method, target, &headers));
        let expects = headers.all("expect").any(|value| value.eq_ignore_ascii_case("100-continue"));
        let response_in_progress = matches!(&self.responses.state, State::Body(message) if message.exact);
        let now = Circumstances {
            found: self.requests.start == Start::Found,
            response_side_idle: self.responses.is_idle(),
            response_in_progress,
            quiet,
        };
        self.pairing.request(exchange, line.clone(), now);
        InProgress { request: Some(line), expects, ..in_progress(exchange, headers) }
    }

    /// The message, and whether it has no body because of what it answers.
    fn begin_response(&mut self, status: u16, headers: Headers) -> (InProgress, bool) {
        let found = self.responses.start == Start::Found;
        let answered = self.pairing.response(found);
        if let Some(Outstanding { exchange, .. }) = &answered {
            self.answered(*exchange);
        }
        let is_head = answered.as_ref().is_some_and(|o| o.line.method == "HEAD");
        let message = match answered {
            Some(o) if o.certain => InProgress { request: Some(o.line), ..in_progress(o.exchange, headers) },
            _ => {
                self.unpaired += 1;
                InProgress {
                    incomplete: Some(Incomplete::RequestNotSeen),
                    doubtful: true,
                    exact: false,
                    ..in_progress(self.unpaired * 2 - 1, headers)
                }
            }
        };
        (InProgress { status: Some(status), ..message }, is_head)
    }

    /// The final response to this request has begun.
    fn answered(&mut self, exchange: u64) {
        let start = self.requests.start;
        match &mut self.requests.state {
            State::Paused { exchange: paused } if *paused == exchange => self.requests.begin(start),
            // Refused before any of its body came: it may never come.
            State::Body(message) if message.exchange == exchange && message.expects => {
                message.doubtful = true
            }
            _ => {}
        }
    }

    /// 100, 102, 103: more responses to the same request follow.
    fn interim(&mut self, length: usize, code: u16, cx: &mut Context<'_>) -> Step {
        cx.ledger.messages.skip(INTERIM, 1);
        cx.ledger.bytes.skip(INTERIM, length as u64);
        if let (100, State::Body(message)) = (code, &mut self.requests.state) {
            message.expects = false;
        }
        let next = if self.responses.start == Start::Found { Start::Framed } else { self.responses.start };
        self.responses.begin(next);
        Step { consumed: length, status: Status::Message }
    }

    /// Whether the response turns the connection into another protocol.
    fn switches(&self, message: &InProgress) -> bool {
        let connect = message.request.as_ref().is_some_and(|line| line.method == "CONNECT");
        message.status == Some(101) || (connect && message.status.is_some_and(|s| (200..300).contains(&s)))
    }

    /// Ends HTTP/1 on this connection, if the response is one beyond doubt.
    fn switch(&mut self, mut message: InProgress, consumed: usize, cx: &mut Context<'_>) -> Step {
        if self.responses.start == Start::Found {
            message.give_up(Incomplete::UnprovenStart);
            self.hand_out(Side::Response, message, cx);
            return Step { consumed, status: self.lose_place(Side::Response, cx) };
        }
        self.hand_out(Side::Response, message, cx);
        self.responses.state = State::Skipping(UPGRADED);
        self.stop(Side::Request, UPGRADED, cx);
        Step { consumed, status: Status::Message }
    }

    /// What follows in this direction cannot be told apart with certainty.
    fn ambiguous(
        &mut self,
        side: Side,
        mut message: InProgress,
        consumed: usize,
        cx: &mut Context<'_>,
    ) -> Step {
        message.incomplete = match message.incomplete {
            // What the head says goes before what is not known of the request.
            Some(Incomplete::RequestNotSeen) | None => Some(Incomplete::AmbiguousFraming),
            earlier => earlier,
        };
        self.hand_out(side, message, cx);
        self.pairing.lose(side);
        if side == Side::Response {
            self.resume_unpaired(cx);
        }
        self.half(side).state = State::Skipping(AMBIGUOUS);
        Step { consumed, status: Status::Message }
    }

    fn parse_body(
        &mut self,
        side: Side,
        mut message: Box<InProgress>,
        input: &Bytes,
        cx: &mut Context<'_>,
    ) -> Step {
        if message.doubtful {
            match start_line::read(input, side) {
                Reading::NeedMore if input.len() <= cx.limits.head => {
                    self.half(side).state = State::Body(message);
                    return NEED_MORE;
                }
                Reading::Line { .. } => return self.bodiless_after_all(side, *message, cx),
                _ => message.doubtful = false,
            }
        }
        message.expects = false;
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let (length, is_data, ended) = match &mut message.until {
                Until::Close => (rest.len(), true, false),
                Until::Length(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= take as u64;
                    (take, true, *left == 0)
                }
                Until::Chunked(chunked) => match chunked.read(rest, cx.limits.head) {
                    Piece::Framing(length) => (length, false, false),
                    Piece::Data(length) => (length, true, false),
                    Piece::Last(length) => (length, false, true),
                    Piece::NeedMore => (0, false, false),
                    Piece::Bad => return self.ambiguous(side, *message, consumed, cx),
                },
            };
            if is_data {
                let piece = input.slice(consumed..consumed + length);
                if let Err(reason) = message.body.push(piece, cx.limits, cx.buffered) {
                    message.give_up(reason);
                }
            }
            consumed += length;
            message.wire_bytes += length as u64;
            if ended {
                self.finish(side, *message, cx);
                return Step { consumed, status: Status::Message };
            }
            if length == 0 || consumed == input.len() {
                self.half(side).state = State::Body(message);
                return Step { consumed, status: Status::NeedMore };
            }
        }
    }

    /// A start line where a body might have been.
    fn bodiless_after_all(&mut self, side: Side, mut message: InProgress, cx: &mut Context<'_>) -> Step {
        if side == Side::Request {
            message.give_up(Incomplete::AmbiguousFraming);
        }
        self.hand_out(side, message, cx);
        Step { consumed: 0, status: self.lose_place(side, cx) }
    }

    /// The framing of a message ends: the next begins.
    fn finish(&mut self, side: Side, message: InProgress, cx: &mut Context<'_>) {
        let upgrade = message.headers.get("upgrade").is_some()
            || message.request.as_ref().is_some_and(|line| line.method == "CONNECT");
        let (exchange, exact) = (message.exchange, message.exact);
        let start = self.half(side).start;
        let parsed = self.parsed(side, message, cx);
        let half = self.half(side);
        match start {
            Start::Found if parsed.incomplete.is_none() => {
                half.awaiting = Some(Awaiting { parsed, ticks: 0 });
                half.begin(Start::Framed);
            }
            _ => {
                cx.out.push(parsed);
                half.begin(if start == Start::Proven && exact { Start::Proven } else { Start::Framed });
            }
        }
        if side == Side::Request && upgrade && self.pairing.is_outstanding(exchange) {
            self.requests.state = State::Paused { exchange };
        }
    }

    /// Hands out a message that is given up; what comes behind it is the caller's.
    fn hand_out(&mut self, side: Side, mut message: InProgress, cx: &mut Context<'_>) {
        if self.half(side).start == Start::Found {
            message.give_up(Incomplete::UnprovenStart);
        }
        let parsed = self.parsed(side, message, cx);
        cx.out.push(parsed);
    }

    /// The message as it goes right; undoes its content encoding.
    fn parsed(&mut self, side: Side, mut message: InProgress, cx: &mut Context<'_>) -> Parsed {
        let held = message.body.len();
        let mut body = message.body.into_bytes();
        if message.incomplete.is_none() {
            match crate::encoding::decode(&message.headers, body.clone(), cx.limits.body) {
                Ok(decoded) => body = decoded,
                Err(reason) => message.incomplete = Some(reason),
            }
        }
        let buffered = body.len();
        *cx.buffered = cx.buffered.saturating_sub(held) + buffered;
        Parsed {
            exchange: message.exchange,
            side,
            protocol: PROTOCOL,
            request: message.request,
            status: message.status,
            headers: message.headers,
            body,
            incomplete: message.incomplete,
            t_ns: cx.time_ns,
            wire_bytes: message.wire_bytes,
            buffered,
        }
    }
}

impl Parser for Http1 {
    fn parse(&mut self, side: Side, input: &Bytes, cx: &mut Context<'_>) -> Step {
        let head_cap = cx.limits.head;
        let half = self.half(side);
        let step = match std::mem::replace(&mut half.state, State::Start) {
            State::Start => self.parse_start(side, input, cx),
            State::Body(message) => self.parse_body(side, message, input, cx),
            State::Seeking => {
                half.state = State::Seeking;
                Step { consumed: 0, status: Status::Resync }
            }
            State::Paused { exchange } if input.len() <= head_cap => {
                half.state = State::Paused { exchange };
                NEED_MORE
            }
            State::Paused { .. } => {
                half.state = State::Skipping(UNANSWERED);
                Step { consumed: 0, status: Status::Message }
            }
            State::Skipping(reason) => {
                half.state = State::Skipping(reason);
                if self.is_over() {
                    return Step { consumed: 0, status: Status::NotThisProtocol(reason) };
                }
                cx.ledger.bytes.skip(reason, input.len() as u64);
                Step { consumed: input.len(), status: Status::NeedMore }
            }
        };
        self.half(side).unread = input.len().saturating_sub(step.consumed);
        step
    }

    fn seek(&mut self, side: Side, input: &[u8]) -> Seek {
        let half = self.half(side);
        let seek = match start_line::find(input, Some(side)) {
            Ok(found) => {
                half.begin(Start::Found);
                Seek { skip: found.offset, found: true }
            }
            Err(skip) => Seek { skip, found: false },
        };
        half.unread = input.len().saturating_sub(seek.skip);
        seek
    }

    fn gap(&mut self, side: Side, unread: usize, bytes: u64, cx: &mut Context<'_>) -> Status {
        self.lose_bytes(side, unread, bytes, cx)
    }

    fn end(&mut self, side: Side, unread: usize, how: Ending, cx: &mut Context<'_>) {
        self.end_half(side, unread, how, cx);
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.requests.tick(cx);
        self.responses.tick(cx);
    }

    fn held(&self) -> usize {
        self.requests.held() + self.responses.held()
    }

    fn give_up_bodies(&mut self, buffered: &mut usize) {
        self.requests.give_up_bodies(buffered);
        self.responses.give_up_bodies(buffered);
    }

    fn is_waiting(&self) -> bool {
        self.requests.awaiting.is_some() || self.responses.awaiting.is_some()
    }
}

const NEED_MORE: Step = Step { consumed: 0, status: Status::NeedMore };

fn in_progress(exchange: u64, headers: Headers) -> InProgress {
    InProgress {
        exchange,
        request: None,
        status: None,
        headers,
        until: Until::Length(0),
        body: Body::new(),
        incomplete: None,
        wire_bytes: 0,
        doubtful: false,
        expects: false,
        exact: true,
    }
}

/// Bytes of whole empty lines in front.
fn empty_lines(input: &[u8]) -> usize {
    input.chunks_exact(2).take_while(|pair| *pair == b"\r\n").count() * 2
}
