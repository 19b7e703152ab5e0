//! Which request a response answers.
//!
//! HTTP/1 says it by order alone: the n-th final response answers the n-th request. So one message
//! missed on either side, and every later pair is wrong while each message by itself is whole. Hence:
//!
//! - Pairs are *certain* from the start of a connection that was seen from its start, until a number of
//!   messages unknown is missed on either side. Requests that came before a loss on the request side stay certain: they
//!   stand in front of whatever was missed. A loss on the response side leaves none.
//! - A response while no request is outstanding proves that one was missed.
//! - Afterwards pairs are certain again from a request that begins while both directions stand exactly
//!   at the end of a message, with no request known to be unanswered, and either nothing had come for [`QUIET_NS`] or
//!   [`ALTERNATIONS`] exchanges in a row had strictly taken turns.
//! - A client that was ever seen to send a request before the previous one was answered pipelines; for it, order after
//!   a loss proves nothing, and its connection stays without pairs.
//!
//! What this cannot exclude: a client that keeps a constant number of requests, more than one, in flight against a
//! server that is always slower than it, joined or damaged in the middle so that no two requests or responses ever stand side by
//! side. On the wire that is the same as taking turns.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::message::{RequestLine, Side};

/// Silence after which a server has no more to answer, ns.
pub(crate) const QUIET_NS: u64 = 1_000_000_000;
/// Exchanges in a row that took turns.
const ALTERNATIONS: u32 = 8;
/// Requests outstanding on one connection; beyond it, order is given up.
const OUTSTANDING_MAX: usize = 1024;

/// A request that waits for its final response.
#[derive(Debug, Clone)]
pub(crate) struct Outstanding {
    pub(crate) exchange: u64,
    pub(crate) line: Arc<RequestLine>,
    /// Whether the response that comes when this is in front answers it beyond doubt; else it is the likely one.
    pub(crate) certain: bool,
    /// Whether its own start is not proven: it may never have been a request.
    pub(crate) found: bool,
}

/// What is known when a request begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    /// Its start was found by resynchronisation and is not proven.
    pub(crate) found: bool,
    /// The response direction stands exactly at the end of a message, or at its own beginning.
    pub(crate) response_side_idle: bool,
    /// A response is certainly not at its end yet.
    pub(crate) response_in_progress: bool,
    /// Nothing had come for [`QUIET_NS`].
    pub(crate) quiet: bool,
}

#[derive(Debug)]
pub(crate) struct Pairing {
    outstanding: VecDeque<Outstanding>,
    certain: bool,
    /// Exchanges in a row that took turns, since the last loss.
    turns: u32,
    pipelines: bool,
}

impl Pairing {
    /// `certain`: both directions were seen from their first byte.
    pub(crate) fn new(certain: bool) -> Self {
        Self { outstanding: VecDeque::new(), certain, turns: 0, pipelines: false }
    }

    /// A request begins.
    pub(crate) fn request(&mut self, exchange: u64, line: Arc<RequestLine>, now: Circumstances) -> bool {
        let idle = self.outstanding.is_empty() && now.response_side_idle;
        if now.found {
            self.turns = 0;
        } else if !idle {
            // What was only found, and may be no request, shows nothing about the client.
            let unanswered = !self.outstanding.is_empty() && self.outstanding.iter().all(|o| !o.found);
            self.pipelines |= unanswered || now.response_in_progress;
            self.turns = 0;
        } else if !self.pipelines && (now.quiet || self.turns >= ALTERNATIONS) {
            self.certain = true;
        }
        if self.outstanding.len() >= OUTSTANDING_MAX {
            self.lose(Side::Response);
        }
        let certain = self.certain && !now.found;
        self.outstanding.push_back(Outstanding { exchange, line, certain, found: now.found });
        certain
    }

    /// A final response begins, whose own start is exact or `found`: takes what it answers.
    pub(crate) fn response(&mut self, found: bool) -> Option<Outstanding> {
        let took_turns = self.outstanding.len() == 1 && !found;
        self.turns = if took_turns { self.turns.saturating_add(1) } else { 0 };
        let answered = self.outstanding.pop_front();
        if answered.is_none() {
            self.certain = false;
        }
        answered.map(|o| Outstanding { certain: o.certain && !found, ..o })
    }

    /// Whether the next final response will be to this request.
    pub(crate) fn is_outstanding(&self, exchange: u64) -> bool {
        self.outstanding.iter().any(|o| o.exchange == exchange)
    }

    /// Messages of `side`, no one knows how many, were missed.
    pub(crate) fn lose(&mut self, side: Side) {
        self.certain = false;
        self.turns = 0;
        if side == Side::Response {
            self.outstanding.clear();
        }
    }

    /// What was found by resynchronisation turned out to be no request.
    pub(crate) fn forget_found(&mut self) {
        self.turns = 0;
        self.outstanding.retain(|o| !o.found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circumstances(found: bool, quiet: bool) -> Circumstances {
        Circumstances { found, response_side_idle: true, response_in_progress: false, quiet }
    }

    /// A script: `q` request, `Q` after silence, `f` found request, `r` response, `<` loss of responses, `>` of requests. Gives
    /// for each `r` the number of its request, or `?`.
    fn check(certain: bool, script: &str, expected: &str) {
        let mut pairing = Pairing::new(certain);
        let line = Arc::new(RequestLine::new("GET".into(), "/".into(), &crate::Headers::default()));
        let (mut number, mut got) = (0, String::new());
        for step in script.chars() {
            match step {
                'q' | 'Q' | 'f' => {
                    let now = circumstances(step == 'f', step == 'Q');
                    pairing.request(number, line.clone(), now);
                    number += 1;
                }
                'r' => match pairing.response(false) {
                    Some(o) if o.certain => got.push_str(&o.exchange.to_string()),
                    _ => got.push('?'),
                },
                '<' => pairing.lose(Side::Response),
                '>' => pairing.lose(Side::Request),
                _ => panic!("{step}"),
            }
        }
        assert_eq!(got, expected, "{script}");
    }

    #[test]
    fn scripts() {
        check(true, "qrqr", "01");
        check(true, "qqqrrqrr", "0123");
        check(true, "rqr", "??");
        check(true, "qrrqr", "0??");
        check(true, "qq>qrrr", "01?");
        check(true, "qq<qrrr", "???");
        check(true, "q>Qrr", "0?");
        check(true, "qr>Qrqr", "012");
        check(true, "qr<Qrqr", "012");
        check(true, "qqrr>Qr", "01?");
        check(true, "qr>qrqrqrqrqrqrqrqrqrqr", "0????????910");
        check(true, &format!("qr>qqrr{}", "qr".repeat(20)), &format!("0{}", "?".repeat(22)));
        check(false, "fQrr", "??");
        check(false, "frQrqr", "?12");
        check(false, &"qr".repeat(10), "????????89");
    }

    #[test]
    fn what_was_no_request_is_not_outstanding() {
        let mut pairing = Pairing::new(false);
        let line = Arc::new(RequestLine::new("GET".into(), "/".into(), &crate::Headers::default()));
        let now = circumstances(true, true);
        pairing.request(0, line.clone(), now);
        pairing.forget_found();
        assert!(pairing.request(1, line, Circumstances { found: false, ..now }));
        assert_eq!(pairing.response(false).map(|o| (o.exchange, o.certain)), Some((1, true)));
    }
}
