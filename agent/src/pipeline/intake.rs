//! Messages that come from a file: gathered into batches, counted, and with the ticks that their times make.

use pitot_protocols::Message;
use pitot_stream::ledger::Ledger;

use super::{Batch, Tick};

/// Messages of a batch, unless their bodies fill it earlier.
const BATCH: usize = 4_096;
/// Bytes of the bodies of a batch.
const BATCH_BYTES: usize = 8 << 20;
/// From tick to tick, ns of event time.
const SECOND_NS: u64 = 1_000_000_000;

/// A file's messages on their way into the pipeline.
#[derive(Debug)]
pub(super) struct Intake {
    /// Messages of a batch.
    size: usize,
    batch: Batch,
    messages: usize,
    bytes: usize,
    /// When the next second is over.
    next_tick_ns: Option<u64>,
    ledger: Ledger,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self {
            size: BATCH,
            batch: Batch::new(),
            messages: 0,
            bytes: 0,
            next_tick_ns: None,
            ledger: Ledger::default(),
        }
    }

    /// Another size of batches, which must not change what is found.
    pub(super) fn set_size(&mut self, messages: usize) {
        self.size = messages.max(1);
    }

    /// Adds the next message; the batch, if that fills it.
    pub(super) fn add(&mut self, message: Message) -> Option<Batch> {
        self.tick_before(&message);
        self.count(&message);
        self.messages += 1;
        self.bytes += message.body.len();
        self.batch.add(message);
        (self.messages >= self.size || self.bytes >= BATCH_BYTES).then(|| self.rest())
    }

    /// Counts a line that could not be used.
    pub(super) fn bad_line(&mut self) {
        self.ledger.messages.seen += 1;
        self.ledger.messages.skip("bad_line", 1);
    }

    /// When the next second is over.
    pub(super) fn next_tick_ns(&self) -> Option<u64> {
        self.next_tick_ns
    }

    /// Goes on with the seconds of an input that came before.
    pub(super) fn resume(&mut self, next_tick_ns: Option<u64>) {
        self.next_tick_ns = next_tick_ns;
    }

    /// What has been gathered.
    pub(super) fn rest(&mut self) -> Batch {
        (self.messages, self.bytes) = (0, 0);
        std::mem::take(&mut self.batch)
    }

    /// Bodies stand for the bytes of the transport, which a file does not tell.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Time goes by between messages: where a second or more did, one tick says how far it has come.
    fn tick_before(&mut self, message: &Message) {
        let next = *self.next_tick_ns.get_or_insert(message.t_ns.saturating_add(SECOND_NS));
        let Some(over) = message.t_ns.checked_sub(next) else { return };
        let time_ns = next + over / SECOND_NS * SECOND_NS;
        self.batch.tick(Tick { seq: message.order.seq.saturating_sub(1), time_ns });
        self.next_tick_ns = Some(time_ns.saturating_add(SECOND_NS));
    }

    fn count(&mut self, message: &Message) {
        let bytes = message.body.len() as u64;
        let Ledger { bytes: of_bytes, messages } = &mut self.ledger;
        of_bytes.seen += bytes;
        messages.seen += 1;
        match message.incomplete {
            None => {
                of_bytes.parsed += bytes;
                messages.parsed += 1;
            }
            Some(reason) => {
                of_bytes.skip(reason.as_str(), bytes);
                messages.skip(reason.as_str(), 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pitot_protocols::message::{Order, Peer, Side};

    use super::*;

    fn message(seq: u64, t_ns: u64) -> Message {
        Message {
            order: Order { seq, ..Order::default() },
            t_ns,
            exchange: "e".into(),
            side: Side::Request,
            protocol: "http",
            request: None,
            status: None,
            headers: Default::default(),
            body: bytes::Bytes::from_static(b"{}"),
            incomplete: None,
            client: Peer::Named(Arc::from("a")),
            server: Peer::Named(Arc::from("b")),
            transport: None,
            instance: None,
        }
    }

    #[test]
    fn seconds_tick_between_messages() {
        let check = |times: &[u64], expected: &[(u64, u64)]| {
            let mut intake = Intake::new();
            for (seq, time) in times.iter().enumerate() {
                assert!(intake.add(message(seq as u64, time * SECOND_NS / 10)).is_none());
            }
            let ticks: Vec<_> =
                intake.rest().ticks.iter().map(|tick| (tick.seq, tick.time_ns * 10 / SECOND_NS)).collect();
            assert_eq!(ticks, expected, "{times:?}");
        };
        check(&[5, 6, 14], &[]);
        check(&[5, 15], &[(0, 15)]);
        check(&[5, 6, 17, 18, 25, 26], &[(1, 15), (3, 25)]);
        check(&[5, 47, 48], &[(0, 45)]);
    }

    #[test]
    fn a_batch_is_given_when_it_is_full() {
        let mut intake = Intake::new();
        intake.set_size(2);
        assert!(intake.add(message(0, 1)).is_none());
        assert_eq!(intake.add(message(1, 1)).expect("full").into_messages().len(), 2);
        intake.bad_line();
        assert!(intake.rest().into_messages().is_empty());
        let ledger = intake.ledger();
        assert_eq!((ledger.messages.seen, ledger.messages.parsed, ledger.messages.pending()), (3, 2, 0));
        assert_eq!((ledger.bytes.seen, ledger.bytes.parsed), (4, 4));
    }
}
