//! The integrations as captured packets: segments of any size, some twice, some out of order, one lost.

use std::net::SocketAddr;
use std::sync::Arc;

use pitot_common::user::{CaptureEvent, Hook, Process, ProcessId, Segment, TcpFlags};

use crate::order::{Fault, answer, entry, order};
use crate::random::Random;
use crate::{EXCHANGES, PACE_NS, START_NS};

/// Exchanges of one connection before it is ended and the next one opened.
const PER_CONNECTION: u64 = 60;
/// The exchange of the first integration that loses a packet.
const LOSSY: u64 = 33;
/// Ticks come each second.
const SECOND_NS: u64 = 1_000_000_000;

/// What a source gives: processes, segments and a tick each second.
#[must_use]
pub fn capture(fault: Fault, seed: u64) -> Vec<CaptureEvent> {
    let mut random = Random::new(seed);
    let mut events: Vec<CaptureEvent> =
        ["shop", "billing", "ledger"].iter().zip(1..).map(|(name, pid)| process(name, pid)).collect();
    let mut next_tick = START_NS + SECOND_NS;
    let mut hops = [Hop::new(1, 2, 8_080), Hop::new(2, 3, 9_090)];
    for number in 0..EXCHANGES {
        let at = START_NS + number * PACE_NS;
        while next_tick <= at {
            events.push(CaptureEvent::Tick(next_tick));
            next_tick += SECOND_NS;
        }
        let bodies = [
            ("/v1/orders", order(&mut random, number, fault)),
            ("/entries/2025", entry(&mut random, number, fault)),
        ];
        for (hop, (target, body)) in hops.iter_mut().zip(bodies) {
            let mut segments = hop.exchange(&mut random, number, at, (target, &body, &answer(number, fault)));
            if number == LOSSY && hop.server == 2 && segments.len() > 1 {
                segments.remove(1);
            }
            events.extend(segments.into_iter().map(CaptureEvent::Segment));
        }
    }
    events
}

fn process(name: &str, pid: u32) -> CaptureEvent {
    CaptureEvent::Process(Arc::new(Process {
        id: ProcessId { pid, start_ns: 7 },
        comm: name.into(),
        exe: name.into(),
        args: vec![name.into()],
        ..Process::default()
    }))
}

/// One client and its server, and where their connection stands.
struct Hop {
    client: u32,
    server: u32,
    port: u16,
    /// Of client and server.
    addresses: [SocketAddr; 2],
    next: [u32; 2],
}

impl Hop {
    fn new(client: u32, server: u32, port: u16) -> Self {
        let server_address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { client, server, port, addresses: [server_address; 2], next: [0; 2] }
    }

    /// The packets of exchange `number`, with the opening and the end of the connection where it has them.
    fn exchange(
        &mut self,
        random: &mut Random,
        number: u64,
        at: u64,
        (target, body, answer): (&str, &str, &str),
    ) -> Vec<Segment> {
        let mut out = Vec::new();
        if number.is_multiple_of(PER_CONNECTION) {
            self.open(random, number, at, &mut out);
        }
        let json = "content-type: application/json";
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: h\r\n{json}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(random, 0, at + 1_000, request.as_bytes(), &mut out);
        let response =
            format!("HTTP/1.1 201 Created\r\n{json}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        self.send(random, 1, at + 2_000, response.as_bytes(), &mut out);
        if number % PER_CONNECTION == PER_CONNECTION - 1 {
            for end in [0, 1] {
                out.push(self.segment(end, at + 3_000, TcpFlags::FIN | TcpFlags::ACK, &[]));
                self.advance(end, 1);
            }
        }
        out
    }

    /// Initial sequence numbers near the end of their range, so that they wrap.
    fn open(&mut self, random: &mut Random, number: u64, at: u64, out: &mut Vec<Segment>) {
        let port = 40_000 + (u16::try_from(number / PER_CONNECTION).unwrap_or(0)) + self.port % 7;
        self.addresses[0] = SocketAddr::from(([127, 0, 0, 1], port));
        self.next = [0; 2].map(|_: u32| u32::MAX - u32::try_from(random.below(2_000)).unwrap_or(0));
        out.push(self.segment(0, at, TcpFlags::SYN, &[]));
        self.advance(0, 1);
        out.push(self.segment(1, at + 1, TcpFlags::SYN | TcpFlags::ACK, &[]));
        self.advance(1, 1);
    }

    /// `bytes` from `end` in packets of any size; one may come twice, two may change places.
    fn send(&mut self, random: &mut Random, end: usize, at: u64, bytes: &[u8], out: &mut Vec<Segment>) {
        let mut packets = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = usize::try_from(1 + random.below(150)).unwrap_or(1).min(rest.len());
            let (packet, after) = rest.split_at(size);
            packets.push(self.segment(end, at + packets.len() as u64, TcpFlags::ACK, packet));
            self.advance(end, u32::try_from(size).unwrap_or(0));
            rest = after;
        }
        if random.below(8) == 0 {
            packets.push(packets[0].clone());
        }
        if random.below(8) == 0 {
            packets.reverse();
        }
        out.extend(packets);
    }

    fn segment(&self, end: usize, time_ns: u64, flags: u8, payload: &[u8]) -> Segment {
        let pid = if end == 0 { self.client } else { self.server };
        Segment {
            time_ns,
            hook: Hook::Egress,
            cookie: u64::from(pid),
            cgroup: 1,
            netns: 1,
            src: self.addresses[end].into(),
            dst: self.addresses[1 - end].into(),
            seq: self.next[end],
            ack: self.next[1 - end],
            flags: TcpFlags(flags),
            owner: Some(ProcessId { pid, start_ns: 7 }),
            total: u32::try_from(payload.len()).unwrap_or(0),
            offset: 0,
            payload: payload.to_vec(),
            short: None,
        }
    }

    fn advance(&mut self, end: usize, bytes: u32) {
        self.next[end] = self.next[end].wrapping_add(bytes);
    }
}
