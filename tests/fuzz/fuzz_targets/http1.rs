//! Any two byte streams, cut anywhere, with gaps and ends: no crash, all is accounted for, and where chunks are cut makes no
//! difference.
//!
//! The input is split at 0xFE; the first byte of each piece says what it is: `>` bytes of the initiator, `<` of the responder,
//! `(` and `)` a gap in them, `[` and `]` their FIN, `{` and `}` their RST, anything else a tick.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pitot_protocols::{Connections, Limits, Message};
use pitot_stream::{ConnId, Connection, Direction, EndKind, Kind, StreamEvent};

const SECOND: u64 = 1_000_000_000;

fuzz_target!(|input: &[u8]| {
    let whole = messages(input, usize::MAX);
    let cut = messages(input, 1);
    assert_eq!(whole.len(), cut.len(), "another number of messages when cut: {whole:#?} {cut:#?}");
    for (a, b) in whole.iter().zip(&cut) {
        assert_eq!((a.side, &a.request, a.status), (b.side, &b.request, b.status));
        assert_eq!((&a.headers, &a.body, a.incomplete), (&b.headers, &b.body, b.incomplete));
    }
});

/// What is released, with chunks of at most `chunk` bytes.
fn messages(input: &[u8], chunk: usize) -> Vec<Message> {
    let conn = Arc::new(Connection {
        id: ConnId(1),
        initiator: "10.0.0.1:1000".parse().expect("an address"),
        responder: "10.0.0.2:80".parse().expect("an address"),
        initiator_known: true,
        path: None,
    });
    let mut connections = Connections::new(Limits::default());
    let (mut out, mut positions, mut ended) = (Vec::new(), [0; 2], [false; 2]);
    let (mut delivered, mut seq, mut time_ns) = (0, 0, SECOND);
    let event = |seq, time_ns, kind| StreamEvent { seq, time_ns, conn: conn.clone(), kind };
    connections.push(event(seq, time_ns, Kind::Open { proven: [true; 2] }), &mut out);
    for piece in input.split(|byte| *byte == 0xfe) {
        seq += 1;
        let Some((what, bytes)) = piece.split_first() else { continue };
        let direction = match what {
            b'>' | b'(' | b'[' | b'{' => Direction::FromInitiator,
            b'<' | b')' | b']' | b'}' => Direction::FromResponder,
            _ => {
                time_ns += SECOND;
                connections.tick(seq, time_ns, &mut out);
                continue;
            }
        };
        if ended[direction.index()] {
            continue;
        }
        let position = &mut positions[direction.index()];
        match what {
            b'>' | b'<' => {
                for bytes in bytes.chunks(chunk) {
                    let bytes = Bytes::copy_from_slice(bytes);
                    let length = bytes.len() as u64;
                    connections.push(
                        event(seq, time_ns, Kind::Chunk { direction, position: *position, bytes }),
                        &mut out,
                    );
                    *position += length;
                    delivered += length;
                }
            }
            b'(' | b')' => {
                let bytes = 1 + bytes.len() as u64;
                let gap = Kind::Gap { direction, position: *position, bytes, reason: "ring_full" };
                connections.push(event(seq, time_ns, gap), &mut out);
                *position += bytes;
            }
            _ => {
                let how = if b"[]".contains(what) { EndKind::Fin } else { EndKind::Reset };
                ended[direction.index()] = true;
                connections
                    .push(event(seq, time_ns, Kind::End { direction, position: *position, how }), &mut out);
            }
        }
    }
    connections.finish(seq + 1, time_ns, &mut out);

    let ledger = connections.ledger();
    let decided = |account: &pitot_stream::ledger::Account| {
        account.parsed + account.skipped.values().sum::<u64>() + account.lost.values().sum::<u64>()
    };
    let decided_bytes = ledger.bytes.parsed + ledger.bytes.skipped.values().sum::<u64>();
    assert_eq!(decided_bytes, delivered, "bytes do not add up: {ledger:?}");
    assert_eq!(decided(&ledger.messages), ledger.messages.seen, "messages do not add up: {ledger:?}");
    assert_eq!(connections.buffered(), 0, "memory held after the end");
    out
}
