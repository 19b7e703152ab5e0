//! Anything at all on both directions: no panic, the ledger adds up, and the messages do not depend on how it was cut.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use pitot_protocols::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use support::{CLIENT, SERVER, Script, Step, line};

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"GET / HTTP/1.1\r\n",
        b"POST /a HTTP/1.1\r\n",
        b"HEAD /a HTTP/1.0\r\n",
        b"CONNECT h:1 HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n",
        b"HTTP/1.1 204 \r\n",
        b"HTTP/1.1 417 x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 70\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: h2c\r\n",
        b"Content-Encoding: gzip\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"hello",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200\r",
        b"HTTP/1.",
        b"GET ",
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ];
    prop_oneof![9 => select(pieces).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 1..20)]
}

fn step() -> impl Strategy<Value = Step> {
    let direction = || select(vec![CLIENT, SERVER]);
    let bytes = || vec(piece(), 1..6).prop_map(|pieces| pieces.concat());
    prop_oneof![
        8 => bytes().prop_map(Step::C),
        8 => bytes().prop_map(Step::S),
        2 => (direction(), 1..12u64).prop_map(|(d, n)| Step::Gap(d, n)),
        1 => select(vec![1u64, 1500]).prop_map(Step::Pass),
        1 => Just(Step::Tick),
        1 => direction().prop_map(Step::Owner),
    ]
}

fn cut(steps: &[Step], sizes: &[usize]) -> Vec<Step> {
    let mut sizes = sizes.iter().cycle();
    let mut out = Vec::new();
    for step in steps {
        let (Step::C(bytes) | Step::S(bytes)) = step else {
            out.push(step.clone());
            continue;
        };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            out.push(if matches!(step, Step::C(_)) {
                Step::C(chunk.to_vec())
            } else {
                Step::S(chunk.to_vec())
            });
            rest = after;
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_it(
        steps in vec(step(), 1..40),
        ends in vec(select(vec![Step::Fin(CLIENT), Step::Rst(CLIENT), Step::Fin(SERVER), Step::Closed]), 0..3),
        proven in any::<[bool; 2]>(),
        known in any::<bool>(),
        sizes in vec(1..40usize, 1..8),
        small in any::<bool>(),
    ) {
        let mut limits = Limits::default();
        if small {
            limits.head = 64;
            limits.body = 16;
            limits.buffered = 24;
            limits.held_messages = 2;
        }
        let steps = [steps, ends].concat();
        let whole = Script::new(limits.clone(), proven, known).run(&steps);
        let pieces = Script::new(limits, proven, known).run(&cut(&steps, &sizes));
        // When the last byte came, and what released it, is the same for each message; the budget depends on what else is held.
        let show = |out: &[_]| out.iter().map(line).collect::<Vec<_>>();
        if !small {
            prop_assert_eq!(show(&whole.out), show(&pieces.out));
            prop_assert_eq!(whole.connections.ledger(), pieces.connections.ledger());
        }
    }
}
