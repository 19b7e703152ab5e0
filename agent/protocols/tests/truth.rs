//! Exchanges with known bodies, cut, joined late and with bytes missing: whatever is reported as complete is the truth.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;

use pitot_protocols::Limits;
use pitot_protocols::message::{Message, Side};
use pitot_stream::Direction;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use support::{CLIENT, SERVER, Script, Step};

/// How a message's body is framed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Framing {
    Length,
    Chunked(usize),
    Close,
}

/// One exchange as the generator means it.
#[derive(Debug, Clone)]
struct Exchange {
    method: &'static str,
    request: (Framing, String),
    status: u16,
    response: (Framing, String),
    interim: bool,
    /// Sent together with the one before it.
    pipelined: bool,
    /// Milliseconds of silence before it.
    pause: u64,
}

/// What bodies are made of: among it what looks like messages.
fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "{\"a\":1}",
        "GET /fake HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        "\r\n\r\n",
        "0\r\n\r\n",
        "POST /fake HTTP/1.1\r\nContent-Length: 7\r\n\r\nxx",
        "HTTP/1.",
        "a longer piece of text without any meaning at all",
    ];
    // Never two that look like messages side by side: by the contract that would prove them.
    vec(select(pieces.to_vec()), 0..6).prop_map(|pieces| pieces.join("|") + "|")
}

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![Just(Framing::Length), (1..40usize).prop_map(Framing::Chunked)]
}

fn exchange(pipelines: bool) -> impl Strategy<Value = Exchange> {
    (
        select(vec!["GET", "HEAD", "POST", "PUT"]),
        (framing(), text()),
        select(vec![200, 201, 204, 304, 404]),
        (framing(), text()),
        any::<bool>(),
        any::<bool>(),
        select(vec![0, 0, 1, 1500]),
    )
        .prop_map(move |(method, request, status, response, interim, pipelined, pause)| Exchange {
            method,
            request,
            status,
            response,
            interim,
            pipelined: pipelined && pipelines,
            pause,
        })
}

fn exchanges() -> impl Strategy<Value = Vec<Exchange>> {
    any::<bool>().prop_flat_map(|pipelines| vec(exchange(pipelines), 1..25)).prop_flat_map(|list| {
        any::<bool>().prop_map(move |until_close| {
            let mut list = list.clone();
            if let (true, Some(last)) = (until_close, list.last_mut()) {
                last.response.0 = Framing::Close;
            }
            list
        })
    })
}

impl Exchange {
    fn request_body(&self, n: usize) -> String {
        if self.method == "GET" || self.method == "HEAD" {
            String::new()
        } else {
            format!("{n}:{}", self.request.1)
        }
    }

    fn response_body(&self, n: usize) -> String {
        let none = self.method == "HEAD" || matches!(self.status, 204 | 304);
        if none { String::new() } else { format!("{n}:{}", self.response.1) }
    }

    fn request_bytes(&self, n: usize) -> Vec<u8> {
        let mut bytes = format!("{} /{n} HTTP/1.1\r\nHost: h\r\n", self.method);
        let body = self.request_body(n);
        if body.is_empty() {
            bytes + "\r\n"
        } else {
            bytes += &framed(self.request.0, &body);
            bytes
        }
        .into_bytes()
    }

    fn response_bytes(&self, n: usize) -> Vec<u8> {
        let interim = if self.interim { "HTTP/1.1 103 Early Hints\r\n\r\n" } else { "" };
        let head = format!("{interim}HTTP/1.1 {} Some Reason\r\nServer: s\r\n", self.status);
        let body = self.response_body(n);
        let rest = match (self.method, self.status) {
            ("HEAD", 200) => "Content-Length: 77\r\n\r\n".into(),
            _ if body.is_empty() && self.response.0 == Framing::Close => "\r\n".into(),
            _ if body.is_empty() && self.method == "HEAD" => "Transfer-Encoding: chunked\r\n\r\n".into(),
            _ if body.is_empty() => "\r\n".into(),
            _ => framed(self.response.0, &body),
        };
        (head + &rest).into_bytes()
    }
}

fn framed(framing: Framing, body: &str) -> String {
    match framing {
        Framing::Length => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        Framing::Close => format!("Connection: close\r\n\r\n{body}"),
        Framing::Chunked(size) => {
            let chunks = body.as_bytes().chunks(size).map(|chunk| {
                format!("{:x};ext=\"1\"\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk))
            });
            format!("Transfer-Encoding: chunked\r\n\r\n{}0\r\nTrailer: 1\r\n\r\n", chunks.collect::<String>())
        }
    }
}

/// What goes over the wire, in order of time, and how long it was silent before.
fn wire(exchanges: &[Exchange]) -> Vec<(Direction, Vec<u8>, u64)> {
    let mut wire = Vec::new();
    let mut from = 0;
    while from < exchanges.len() {
        let batch = 1 + exchanges[from + 1..].iter().take_while(|e| e.pipelined).count();
        let numbers = from..from + batch;
        for n in numbers.clone() {
            let pause = if n == from { exchanges[n].pause } else { 0 };
            wire.push((CLIENT, exchanges[n].request_bytes(n), pause));
        }
        for n in numbers {
            wire.push((SERVER, exchanges[n].response_bytes(n), 0));
        }
        from += batch;
    }
    wire
}

/// Cuts into chunks of the sizes given, over and over.
fn cut(wire: &[(Direction, Vec<u8>, u64)], sizes: &[usize]) -> Vec<(Direction, Vec<u8>, u64)> {
    let mut sizes = sizes.iter().cycle();
    let mut chunks: Vec<(Direction, Vec<u8>, u64)> = Vec::new();
    for (direction, bytes, pause) in wire {
        let mut rest = bytes.as_slice();
        let mut pause = *pause;
        while !rest.is_empty() {
            let size = (*sizes.next().unwrap()).min(rest.len());
            let (chunk, after) = rest.split_at(size);
            chunks.push((*direction, chunk.to_vec(), pause));
            (rest, pause) = (after, 0);
        }
    }
    // Neighbours may come as one.
    let mut joined: Vec<(Direction, Vec<u8>, u64)> = Vec::new();
    for (direction, bytes, pause) in chunks {
        match joined.last_mut() {
            Some((last, before, _)) if *last == direction && pause == 0 && bytes.len() % 3 == 0 => {
                before.extend(bytes)
            }
            _ => joined.push((direction, bytes, pause)),
        }
    }
    joined
}

/// The steps of a connection, of which the chunks `lost` are missing and everything before `first` was not seen.
/// A gap is declared `late` (when more comes in its direction) or at once.
fn steps(
    chunks: &[(Direction, Vec<u8>, u64)],
    first: usize,
    lost: &dyn Fn(usize) -> bool,
    late: bool,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut missing = HashMap::from([(CLIENT, 0), (SERVER, 0)]);
    for (index, (direction, bytes, pause)) in chunks.iter().enumerate().skip(first) {
        if *pause > 0 {
            steps.push(Step::Pass(*pause));
            steps.push(Step::Tick);
        }
        let gap = missing.get_mut(direction).unwrap();
        if lost(index) {
            *gap += bytes.len() as u64;
        }
        if *gap > 0 && (!late || !lost(index)) {
            steps.push(Step::Gap(*direction, std::mem::take(gap)));
        }
        if !lost(index) {
            steps.push(if *direction == CLIENT { Step::C(bytes.clone()) } else { Step::S(bytes.clone()) });
        }
    }
    for direction in [CLIENT, SERVER] {
        if missing[&direction] > 0 {
            steps.push(Step::Gap(direction, missing[&direction]));
        }
        steps.push(Step::Fin(direction));
    }
    steps
}

/// Whether a complete message is what was sent. A response's body names its exchange, as does the target of its request.
fn is_true(message: &Message, exchanges: &[Exchange]) -> Result<usize, String> {
    let line = message.request.as_ref().ok_or("complete without a request line")?;
    let n: usize =
        line.target.trim_start_matches('/').parse().map_err(|_| format!("no such target: {line:?}"))?;
    let truth = exchanges.get(n).ok_or("no such exchange")?;
    let (body, status) = match message.side {
        Side::Request => (truth.request_body(n), None),
        Side::Response => (truth.response_body(n), Some(truth.status)),
    };
    if line.method != truth.method || message.body != body.as_bytes() || message.status != status {
        return Err(format!("not what was sent in {n}: {message:?}, but {body:?}"));
    }
    Ok(n)
}

/// More cases by `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_cut_gives_every_message(
        exchanges in exchanges(),
        sizes in vec(prop_oneof![1..4usize, 1..200usize, Just(10_000)], 1..20),
    ) {
        let chunks = cut(&wire(&exchanges), &sizes);
        let finished = Script::proven().run(&steps(&chunks, 0, &|_| false, false));
        for message in &finished.out {
            prop_assert!(message.is_complete(), "{message:?}");
            if let Err(fault) = is_true(message, &exchanges) {
                return Err(TestCaseError::fail(fault));
            }
        }
        prop_assert_eq!(finished.out.len(), exchanges.len() * 2);
        let whole = Script::proven().run(&steps(&wire(&exchanges), 0, &|_| false, false));
        prop_assert_eq!(finished.lines(), whole.lines());
    }

    #[test]
    fn whatever_is_missing_complete_is_true(
        exchanges in exchanges(),
        sizes in vec(prop_oneof![1..30usize, 20..400usize], 1..20),
        losses in vec(any::<prop::sample::Index>(), 0..6),
        width in 1..5usize,
        late in any::<bool>(),
        join in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let chunks = cut(&wire(&exchanges), &sizes);
        let first = join.map_or(0, |join| join.index(chunks.len()));
        let losses: Vec<_> = losses.iter().map(|loss| loss.index(chunks.len())).collect();
        let lost = |index: usize| losses.iter().any(|loss| (*loss..loss + width).contains(&index));
        let script = match join {
            Some(_) => Script::joined(),
            None => Script::new(Limits::default(), [true; 2], true),
        };
        let finished = script.run(&steps(&chunks, first, &lost, late));
        for message in finished.out.iter().filter(|message| message.is_complete()) {
            if let Err(fault) = is_true(message, &exchanges) {
                return Err(TestCaseError::fail(fault));
            }
        }
    }
}
