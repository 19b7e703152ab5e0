//! What every protocol implements: [`Parser`], one per connection, fed by
//! [`Connections`](crate::Connections).
//!
//! A parser never fails on traffic. It is shown the unread bytes of one direction, and says how many of
//! them it has consumed and what happened to the input ([`Status`]). It never waits for a clock: time
//! comes in with [`Context`], and [`Parser::tick`] ends every wait.
//!
//! Accounting is part of the contract. Every byte a parser consumes ends exactly once, either in
//! [`Parsed::wire_bytes`] of a message it hands out or in `context.ledger.bytes.skipped`; every message
//! it counts in `messages.seen` is handed out or counted as skipped or lost.
//!
//! To add a protocol: a folder beside `http1/`, this trait, and a line in [`detect`](crate::detect).

use std::sync::Arc;

use bytes::Bytes;
use pitot_stream::ledger::Ledger;

use crate::message::{Incomplete, RequestLine, Side};
use crate::{Headers, Limits};

/// What happened to the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// What is left of the input is not enough to go on: show it again when there is more.
    NeedMore,
    /// A message ended with the consumed bytes, and was handed to [`Context::out`] or is held until its start is
    /// proven: show the rest.
    Message,
    /// The place in the stream is lost: look for a start with [`Parser::seek`].
    Resync,
    /// The connection never spoke this protocol: do not show anything again. The name is for the ledger.
    NotThisProtocol(&'static str),
}

/// How far a parser came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that will not be shown again. Where it is 0 and the status is not
    /// [`Status::NeedMore`], the parser's state has changed: that is progress too.
    pub consumed: usize,
    /// What happened.
    pub status: Status,
}

/// Result of looking for the start of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seek {
    /// Bytes in front that no message starts in.
    pub skip: usize,
    /// Whether one starts right behind them; if not, more input is needed.
    pub found: bool,
}

/// Why a direction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// FIN, in position: nothing follows.
    Fin,
    /// RST, in position.
    Reset,
    /// No one knows: the connection was forgotten.
    Forgotten,
}

/// A message as its protocol read it, before it is given names.
#[derive(Debug)]
pub struct Parsed {
    /// Number of its exchange on this connection: the two messages of an exchange share it, nothing else has it.
    pub exchange: u64,
    /// Request or response.
    pub side: Side,
    /// Protocol name (`http`).
    pub protocol: &'static str,
    /// Its own (request), or that of its request where that is known (response).
    pub request: Option<Arc<RequestLine>>,
    /// Status of a response.
    pub status: Option<u16>,
    /// Names in lower case, in order.
    pub headers: Headers,
    /// Body, decoded where complete.
    pub body: Bytes,
    /// `None`: complete.
    pub incomplete: Option<Incomplete>,
    /// When its last byte was captured, ns since the Unix epoch.
    pub t_ns: u64,
    /// Bytes of the stream it was made of.
    pub wire_bytes: u64,
    /// Its share of [`Context::buffered`], given back when it is released.
    pub buffered: usize,
}

/// What a parser may use while it is fed.
#[derive(Debug)]
pub struct Context<'a> {
    /// Capture time of the bytes, ns since the Unix epoch.
    pub time_ns: u64,
    /// How long nothing had come on this connection, in either direction, before the first of the bytes shown; 0 where
    /// bytes of the same event went before.
    pub idle_ns: u64,
    /// Caps.
    pub limits: &'a Limits,
    /// Where skipped bytes and started messages are counted.
    pub ledger: &'a mut Ledger,
    /// Body bytes held by all connections of the partition; see [`Limits::buffered`].
    pub buffered: &'a mut usize,
    /// Where messages go.
    pub out: &'a mut Vec<Parsed>,
}

impl Parsed {
    /// Drops its body, for want of memory.
    pub(crate) fn give_up_body(&mut self, buffered: &mut usize) {
        if self.buffered == 0 {
            return;
        }
        *buffered = buffered.saturating_sub(std::mem::take(&mut self.buffered));
        self.body = Bytes::new();
        self.incomplete.get_or_insert(Incomplete::Memory);
    }
}

/// One connection's reader of one protocol.
pub trait Parser: std::fmt::Debug + Send {
    /// Reads from the front of `input`, the unread bytes of the messages of `side`.
    fn parse(&mut self, side: Side, input: &Bytes, context: &mut Context<'_>) -> Step;

    /// Looks for the start of a message of `side` after [`Status::Resync`]. What it skips is counted by the caller.
    fn seek(&mut self, side: Side, input: &[u8]) -> Seek;

    /// `bytes` are missing. The last `unread` bytes shown before them will not be shown again.
    /// Answers [`Status::NeedMore`] where the framing spans the gap, else [`Status::Resync`].
    fn gap(&mut self, side: Side, unread: usize, bytes: u64, context: &mut Context<'_>) -> Status;

    /// The direction ends. The last `unread` bytes shown will not be shown again. Called once per side.
    fn end(&mut self, side: Side, unread: usize, how: Ending, context: &mut Context<'_>);

    /// A second went by: hands out, as not proven, what has waited too long.
    fn tick(&mut self, context: &mut Context<'_>);

    /// Body bytes it holds, of [`Context::buffered`].
    fn held(&self) -> usize;

    /// Memory is short: drops those bodies, whose messages are then [`Incomplete::Memory`], and takes them from `buffered`.
    fn give_up_bodies(&mut self, buffered: &mut usize);

    /// Whether anything waits for a tick.
    fn is_waiting(&self) -> bool;
}
