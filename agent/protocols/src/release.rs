//! Holds a connection's messages until both its ends are known, gives them names, and counts them.

use std::collections::VecDeque;
use std::sync::Arc;

use pitot_common::user::{Endpoint, Process};
use pitot_stream::ledger::Ledger;
use pitot_stream::{Connection, Direction};

use crate::Limits;
use crate::message::{Incomplete, Message, Order, Peer, Side, Transport};
use crate::parser::Parsed;

/// What is known of one end.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Process(Arc<Process>),
    Remote,
}

/// The ends of a connection as its messages carry them. Never revised.
#[derive(Debug)]
struct Names {
    client: Peer,
    server: Peer,
    /// Of client and server.
    instances: [Option<Arc<str>>; 2],
    transport: Transport,
}

/// The event that releases, and where its messages go.
#[derive(Debug)]
pub(crate) struct Exit<'a> {
    pub(crate) seq: u64,
    pub(crate) limits: &'a Limits,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) buffered: &'a mut usize,
    pub(crate) out: &'a mut Vec<Message>,
}

/// A connection's messages on their way out.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    ends: [Option<End>; 2],
    names: Option<Names>,
    queue: VecDeque<Parsed>,
    /// Body bytes in the queue.
    bytes: usize,
    ticks: u8,
}

impl Outbox {
    /// The sender of `direction` became known; the first word counts.
    pub(crate) fn learn(&mut self, direction: Direction, end: End) {
        if let Some(known) = self.ends.get_mut(direction.index()) {
            known.get_or_insert(end);
        }
    }

    pub(crate) fn push(&mut self, parsed: Parsed) {
        self.bytes += parsed.body.len();
        self.queue.push_back(parsed);
    }

    /// Body bytes held.
    pub(crate) fn held(&self) -> usize {
        self.queue.iter().map(|parsed| parsed.buffered).sum()
    }

    /// Drops the bodies held.
    pub(crate) fn give_up_bodies(&mut self, buffered: &mut usize) {
        self.queue.iter_mut().for_each(|parsed| parsed.give_up_body(buffered));
        self.bytes = 0;
    }

    /// Whether messages wait.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A second went by.
    pub(crate) fn tick(&mut self) {
        self.ticks = if self.is_waiting() { self.ticks.saturating_add(1) } else { 0 };
    }

    /// Whether what waits must wait no longer.
    fn is_due(&self, limits: &Limits) -> bool {
        self.ends.iter().all(Option::is_some)
            || self.queue.len() > limits.held_messages
            || self.bytes > limits.held_bytes
            || self.ticks >= limits.held_ticks
    }

    /// Releases all that may go, in order; all there is if `last`. `client`: the direction that requests are sent in.
    pub(crate) fn release(
        &mut self,
        connection: &Connection,
        client: Direction,
        last: bool,
        exit: &mut Exit<'_>,
    ) {
        if self.queue.is_empty() || !(last || self.names.is_some() || self.is_due(exit.limits)) {
            return;
        }
        let (ends, queue) = (&self.ends, &self.queue);
        let names = self.names.get_or_insert_with(|| {
            let authority = queue.iter().find_map(|parsed| parsed.request.as_ref()?.authority.as_deref());
            Names::fix(connection, client, ends, authority)
        });
        for (index, parsed) in (0..).zip(self.queue.drain(..)) {
            exit.settle(&parsed);
            let order = Order { seq: exit.seq, conn: connection.id.0, index };
            exit.out.push(names.message(parsed, order, connection.id.0));
        }
        self.bytes = 0;
        self.ticks = 0;
    }
}

/// The server's end as a message shows it: a Unix socket by its name, if it has one.
fn written(endpoint: Endpoint, path: Option<&str>) -> Arc<str> {
    match (endpoint, path) {
        (Endpoint::Unix(_), Some(path)) => format!("unix:{path}").into(),
        _ => endpoint.to_string().into(),
    }
}

impl Names {
    /// `authority`: that of the first request.
    fn fix(
        connection: &Connection,
        client: Direction,
        ends: &[Option<End>; 2],
        authority: Option<&str>,
    ) -> Self {
        let address = |direction| match direction {
            Direction::FromInitiator => connection.initiator,
            Direction::FromResponder => connection.responder,
        };
        let peer = |direction: Direction| match ends.get(direction.index()) {
            Some(Some(End::Process(process))) => Peer::Local(process.clone()),
            _ => Peer::Address(address(direction)),
        };
        let instance = |direction: Direction| match ends.get(direction.index()) {
            Some(Some(End::Process(process))) => process.instance().map(Arc::from),
            _ => None,
        };
        let server = client.reverse();
        let server_peer = match (peer(server), authority) {
            (Peer::Address(address), Some(authority)) => Peer::Host { address, authority: authority.into() },
            (known, _) => known,
        };
        Self {
            client: peer(client),
            server: server_peer,
            instances: [client, server].map(instance),
            transport: Transport {
                conn: hex(connection.id.0),
                client: address(client).to_string().into(),
                server: written(address(server), connection.path.as_deref()),
            },
        }
    }

    fn message(&self, parsed: Parsed, order: Order, conn: u64) -> Message {
        let [client, server] = &self.instances;
        let instance = match parsed.side {
            Side::Request => client.clone(),
            Side::Response => server.clone(),
        };
        Message {
            order,
            t_ns: parsed.t_ns,
            exchange: hex(mix(conn ^ mix(parsed.exchange))),
            side: parsed.side,
            protocol: parsed.protocol,
            request: parsed.request,
            status: parsed.status,
            headers: parsed.headers,
            body: parsed.body,
            incomplete: parsed.incomplete,
            client: self.client.clone(),
            server: self.server.clone(),
            transport: Some(self.transport.clone()),
            instance,
        }
    }
}

/// 16 hex digits.
fn hex(number: u64) -> Arc<str> {
    let digit =
        |index: usize| char::from_digit((number >> (60 - 4 * index)) as u32 & 15, 16).unwrap_or('0') as u8;
    let digits: [u8; 16] = std::array::from_fn(digit);
    std::str::from_utf8(&digits).unwrap_or_default().into()
}

/// The finaliser of splitmix64 (Steele, Lea and Flood, 2014): one to one, so exchanges of one connection never meet.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Exit<'_> {
    /// Counts a message and gives back what it held.
    fn settle(&mut self, parsed: &Parsed) {
        *self.buffered = self.buffered.saturating_sub(parsed.buffered);
        let Some(reason) = parsed.incomplete else {
            self.ledger.messages.parsed += 1;
            self.ledger.bytes.parsed += parsed.wire_bytes;
            return;
        };
        self.ledger.bytes.skip("incomplete_message", parsed.wire_bytes);
        match reason {
            // Not captured, or not captured far enough to prove it.
            Incomplete::Gap
            | Incomplete::UnprovenStart
            | Incomplete::UnprovenEnd
            | Incomplete::RequestNotSeen => self.ledger.messages.lose(reason.as_str(), 1),
            // Captured, and not usable.
            Incomplete::Truncated
            | Incomplete::AmbiguousFraming
            | Incomplete::TooLarge
            | Incomplete::Encoding
            | Incomplete::Memory
            | Incomplete::Declared => self.ledger.messages.skip(reason.as_str(), 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn hex_digits() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(*hex(number), *format!("{number:016x}"));
        }
    }
}
