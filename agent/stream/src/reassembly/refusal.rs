//! Connections that nobody wants: what still comes of them is only counted, and capture is told to leave them out.

use pitot_common::user::{LossReason, Refusal};

use crate::Direction;
use crate::table::{LocalSocket, Part};

/// What is known of a connection's two sockets, and what was asked about them.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    cookies: [u64; 2],
    /// The cookies that capture was last asked to leave out, and at which tick.
    asked: Option<([u64; 2], u64)>,
}

impl Sockets {
    /// Learns from `part` which socket is at an end. `begun`: data of its direction was released before.
    pub(super) fn learn(&mut self, part: &Part, begun: bool) {
        let Some(LocalSocket { end, cookie }) = part.socket else { return };
        // A receiver's first packets are handled by the listener.
        if end == part.direction || begun {
            let [first, second] = &mut self.cookies;
            match end {
                Direction::FromInitiator => *first = cookie,
                Direction::FromResponder => *second = cookie,
            }
        }
    }

    /// Asks capture to leave these sockets out, unless that was done since tick `now`: again where it was forgotten,
    /// or where another socket became known.
    pub(super) fn refuse(&mut self, reason: LossReason, now: u64) -> Option<Refusal> {
        let ask = (self.cookies, now);
        if self.cookies == [0; 2] || self.asked == Some(ask) {
            return None;
        }
        self.asked = Some(ask);
        Some(Refusal { cookies: self.cookies, reason })
    }
}
