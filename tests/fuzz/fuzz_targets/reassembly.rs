//! Segments in any order, cut, repeated, lost: what is delivered is what was sent, each position once, and all is accounted for.
//!
//! The byte at sequence number `s` is `s` modulo 256 in every direction, so every delivered byte can be checked without
//! knowing what was lost. The input is a list of steps of eight bytes: a tick, or a segment.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use pitot_common::user::{Hook, LossReason, Segment, Short, TcpFlags};
use pitot_stream::reassembly::Reassembly;
use pitot_stream::table::Table;
use pitot_stream::{Kind, Limits, StreamEvent};

const SECOND: u64 = 1_000_000_000;
/// Both make the first payload byte 0; the second wraps soon.
const FIRST_SEQUENCE: [u32; 2] = [0x0000_0fff, 0xffff_feff];

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        connections: 2,
        processes: 2,
        held_per_direction: 4 << 10,
        held_per_partition: 6 << 10,
        slack_events: 4,
        ..Limits::default()
    };
    let (mut table, mut partition) = (Table::new(limits), Reassembly::new(limits));
    let (mut routed, mut out) = (Vec::new(), Vec::new());
    let (mut seq, mut time_ns) = (0, SECOND);
    for step in bytes.as_chunks::<8>().0 {
        seq += 1;
        // No two segments have the same time: a connection's identity rests on that of its first.
        time_ns += 1;
        if step[0] & 0xf0 == 0xf0 {
            time_ns += SECOND * u64::from(step[1]);
            table.tick(seq, time_ns, &mut routed);
        } else {
            table.route(seq, segment(step, time_ns), &mut routed);
        }
        for step in routed.drain(..) {
            partition.push(step, &mut out);
        }
        if step[0] & 0xf0 == 0xf0 {
            partition.tick(seq, time_ns, &mut out);
        }
        assert!(partition.held() <= limits.held_per_partition, "more held than allowed");
    }
    partition.finish(seq + 1, time_ns, &mut out);
    assert_eq!(partition.held(), 0, "memory held after the end");

    let delivered = check(&out);
    let account = &partition.ledger().bytes;
    let decided = account.skipped.values().sum::<u64>() + account.lost.values().sum::<u64>();
    assert_eq!(account.seen, delivered + decided, "the ledger does not add up: {account:?}");
});

/// A segment of one of four connections (two clients, two servers), from what eight bytes say.
fn segment(step: &[u8; 8], time_ns: u64) -> Segment {
    let [which, flags, low, high, len, cut, short, ack] = *step;
    let (client, server) = (format!("10.0.0.1:{}", 1000 + u16::from(which & 1)), "10.0.0.2:80");
    let to_server = which & 2 == 0;
    let (src, dst) = if to_server { (client.as_str(), server) } else { (server, client.as_str()) };
    let flags = TcpFlags(flags & 0x17);
    let first = FIRST_SEQUENCE[usize::from(which & 4 != 0)];
    let position = u32::from(u16::from_le_bytes([low, high]));
    let syn = flags.has(TcpFlags::SYN);
    let start = if syn { first.wrapping_add(1) } else { first.wrapping_add(1 + position) };
    let len = u32::from(len);
    let offset = u32::from(cut).min(len);
    let short = u32::from(short >> 4).min(len - offset);
    Segment {
        time_ns,
        hook: if which & 8 == 0 { Hook::Egress } else { Hook::Ingress },
        cookie: 0,
        cgroup: 0,
        netns: u64::from(which >> 4 & 1),
        src: src.parse().expect("an address"),
        dst: dst.parse().expect("an address"),
        seq: if syn { first } else { start },
        ack: first.wrapping_add(1 + u32::from(ack)),
        flags,
        owner: None,
        total: len,
        offset,
        payload: (offset..len - short).map(|at| start.wrapping_add(at) as u8).collect(),
        short: (short > 0).then_some(Short { reason: LossReason::LoadFailed, bytes: short }),
    }
}

/// What one direction of a connection has said.
#[derive(Default)]
struct Said {
    next: Option<u64>,
    /// Value of the byte at position 0.
    base: Option<u8>,
    ended: bool,
}

/// Checks every event against those before it; the bytes delivered.
fn check(events: &[StreamEvent]) -> u64 {
    let mut said: HashMap<_, [Said; 2]> = HashMap::new();
    let mut delivered = 0;
    for event in events {
        let id = event.conn.id;
        let over = said.get(&id).is_some_and(|both| both.iter().all(|said| said.ended));
        assert!(!over, "said after both ends");
        match &event.kind {
            Kind::Open { proven } => {
                let mut both = <[Said; 2]>::default();
                for (direction, proven) in both.iter_mut().zip(proven) {
                    direction.base = proven.then_some(0);
                }
                assert!(said.insert(id, both).is_none(), "opened twice");
            }
            Kind::Closed { .. } => {
                assert!(said.remove(&id).is_some(), "closed without being open");
            }
            Kind::Chunk { direction, position, bytes } => {
                let said = &mut said.get_mut(&id).expect("open before a chunk")[direction.index()];
                advance(said, *position, bytes.len() as u64);
                delivered += bytes.len() as u64;
                for (at, byte) in (*position..).zip(bytes) {
                    let base = *said.base.get_or_insert(byte.wrapping_sub(at as u8));
                    assert_eq!(*byte, base.wrapping_add(at as u8), "another byte than was sent, at {at}");
                }
            }
            Kind::Gap { direction, position, bytes, .. } => {
                let said = &mut said.get_mut(&id).expect("open before a gap")[direction.index()];
                advance(said, *position, *bytes);
            }
            Kind::End { direction, position, .. } => {
                let said = &mut said.get_mut(&id).expect("open before an end")[direction.index()];
                assert!(!said.ended && said.next.unwrap_or(*position) == *position, "an end out of place");
                said.ended = true;
            }
            _ => assert!(said.contains_key(&id), "before it was open"),
        }
        // After both ends nothing may follow.
        said.retain(|_, [a, b]| !(a.ended && b.ended));
    }
    delivered
}

fn advance(said: &mut Said, position: u64, bytes: u64) {
    assert!(bytes > 0 && !said.ended, "nothing, or after the end");
    assert_eq!(said.next.unwrap_or(position), position, "positions that do not touch");
    said.next = Some(position + bytes);
}
