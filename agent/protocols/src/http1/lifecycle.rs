//! What becomes of a half's message when bytes are missing, the direction ends, or time passes.

use super::half::{Half, Start, State, Until};
use super::{Http1, IN_HEAD, NO_START_LINE, UNANSWERED};
use crate::message::{Incomplete, Side};
use crate::parser::{Context, Ending, Status};

impl Http1 {
    /// The place in this direction is lost, and how many messages are missed with it is not known.
    pub(super) fn lose_place(&mut self, side: Side, cx: &mut Context<'_>) -> Status {
        self.pairing.lose(side);
        if side == Side::Request && self.requests.start != Start::Proven {
            self.pairing.forget_found();
        }
        if side == Side::Response {
            self.resume_unpaired(cx);
        }
        let half = self.half(side);
        half.settle(false, cx);
        half.begin(Start::Found);
        half.state = State::Seeking;
        Status::Resync
    }

    /// The answer to a request that may have switched protocols was missed.
    pub(super) fn resume_unpaired(&mut self, cx: &mut Context<'_>) {
        if matches!(self.requests.state, State::Paused { .. }) {
            self.lose_place(Side::Request, cx);
        }
    }

    /// A head of which `length` bytes were there is given up.
    pub(super) fn lose_head(&mut self, side: Side, length: usize, cx: &mut Context<'_>) {
        let started = std::mem::take(&mut self.half(side).started);
        cx.ledger.bytes.skip(if started { IN_HEAD } else { NO_START_LINE }, length as u64);
    }

    /// See [`Parser::gap`](crate::parser::Parser::gap).
    pub(super) fn lose_bytes(
        &mut self,
        side: Side,
        unread: usize,
        bytes: u64,
        cx: &mut Context<'_>,
    ) -> Status {
        let half = self.half(side);
        half.unread = 0;
        match std::mem::replace(&mut half.state, State::Seeking) {
            State::Start => {
                if half.started {
                    cx.ledger.messages.lose(Incomplete::Gap.as_str(), 1);
                }
                self.lose_head(side, unread, cx);
                self.lose_place(side, cx)
            }
            State::Seeking => {
                cx.ledger.bytes.skip(NO_START_LINE, unread as u64);
                self.lose_place(side, cx)
            }
            State::Paused { .. } => {
                cx.ledger.bytes.skip(UNANSWERED, unread as u64);
                self.lose_place(side, cx)
            }
            State::Skipping(reason) => {
                cx.ledger.bytes.skip(reason, unread as u64);
                half.state = State::Skipping(reason);
                Status::NeedMore
            }
            State::Body(mut message) => {
                message.wire_bytes += unread as u64;
                message.give_up(Incomplete::Gap);
                message.body.close();
                message.doubtful = false;
                let spanned = match &mut message.until {
                    Until::Close => true,
                    Until::Length(left) => {
                        let rest = left.checked_sub(unread as u64).and_then(|left| left.checked_sub(bytes));
                        *left = rest.unwrap_or(0);
                        rest.is_some()
                    }
                    Until::Chunked(chunked) => unread == 0 && chunked.pass(bytes),
                };
                if !spanned {
                    self.hand_out(side, *message, cx);
                    return self.lose_place(side, cx);
                }
                if matches!(message.until, Until::Length(0)) {
                    self.finish(side, *message, cx);
                } else {
                    half.state = State::Body(message);
                }
                Status::NeedMore
            }
        }
    }

    /// See [`Parser::end`](crate::parser::Parser::end).
    pub(super) fn end_half(&mut self, side: Side, unread: usize, how: Ending, cx: &mut Context<'_>) {
        let cut = match how {
            Ending::Fin | Ending::Reset => Incomplete::Truncated,
            Ending::Forgotten => Incomplete::UnprovenEnd,
        };
        let half = self.half(side);
        half.unread = 0;
        half.settle(false, cx);
        match std::mem::replace(&mut half.state, State::Skipping(NO_START_LINE)) {
            State::Start => {
                if half.started {
                    cut_in_head(cut, cx);
                }
                self.lose_head(side, unread, cx);
            }
            State::Seeking => cx.ledger.bytes.skip(NO_START_LINE, unread as u64),
            State::Paused { .. } => cx.ledger.bytes.skip(UNANSWERED, unread as u64),
            State::Skipping(reason) => {
                half.state = State::Skipping(reason);
                cx.ledger.bytes.skip(reason, unread as u64);
            }
            State::Body(mut message) => {
                message.wire_bytes += unread as u64;
                match (&message.until, how) {
                    (Until::Close, Ending::Fin) => {}
                    (Until::Close, _) => message.give_up(Incomplete::UnprovenEnd),
                    _ => message.give_up(cut),
                }
                self.hand_out(side, *message, cx);
            }
        }
    }

    /// Reading of this direction stops for good, wherever it is; what was shown will be shown again.
    pub(super) fn stop(&mut self, side: Side, reason: &'static str, cx: &mut Context<'_>) {
        let half = self.half(side);
        half.settle(false, cx);
        let started = std::mem::take(&mut half.started);
        match std::mem::replace(&mut half.state, State::Skipping(reason)) {
            State::Body(mut message) => {
                message.give_up(Incomplete::AmbiguousFraming);
                self.hand_out(side, *message, cx);
            }
            State::Start if started => cx.ledger.messages.skip(reason, 1),
            State::Skipping(earlier) => half.state = State::Skipping(earlier),
            _ => {}
        }
    }
}

/// A message whose head did not end is only counted.
fn cut_in_head(reason: Incomplete, cx: &mut Context<'_>) {
    match reason {
        Incomplete::Truncated => cx.ledger.messages.skip(reason.as_str(), 1),
        _ => cx.ledger.messages.lose(reason.as_str(), 1),
    }
}

impl Half {
    /// Gives up, as not proven, what has waited long enough.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        let Some(awaiting) = &mut self.awaiting else { return };
        awaiting.ticks += 1;
        if awaiting.ticks >= cx.limits.held_ticks {
            self.settle(false, cx);
        }
    }
}
