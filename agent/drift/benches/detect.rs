//! Messages a second from body bytes to the detector on one core, beside a bare SIMD tape parse of the same bytes with the
//! same copy, in the same run (method: `docs/benchmarks.md`). `cargo xtask bench detect` runs it.
//!
//! `cargo bench -p pitot-drift --bench detect -- FILE` takes a messages file as corpus instead of the made orders.
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark: what is missing ends it, with its name")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use pitot_drift::{Config, Flows};
use pitot_observe::{Limits, Namer, Observer};
use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};
use pitot_protocols::messages::{Item, Reader};
use simd_json::{Buffers, Tape};

const ROUNDS: usize = 9;
const MESSAGES_PER_ROUND: usize = 50_000;

fn main() {
    // `cargo bench` adds --bench; `cargo test --benches` runs it with no time to spare.
    let file = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let messages = file.map_or_else(orders, |file| recorded(&file));
    let bytes: usize = messages.iter().map(|m| m.body.len()).sum();
    let rounds: Vec<(f64, f64)> =
        (0..=ROUNDS).map(|round| measure(&messages, round % 2 == 0)).skip(1).collect();
    let median = |figure: fn(&(f64, f64)) -> f64| spread(rounds.iter().map(figure))[1];
    let ratio = spread(rounds.iter().map(|(tape, whole)| whole / tape));
    let rate = |ns: f64| 1e9 / ns;
    println!(
        "{} different messages, {:.0} bytes each in the mean; {ROUNDS} rounds of {MESSAGES_PER_ROUND}, one core\n",
        messages.len(),
        bytes as f64 / messages.len() as f64
    );
    println!(
        "| | ns a message | messages/s | time over a bare tape parse: median (least to most) |\n|---|---|---|---|"
    );
    println!("| bare tape parse | {:.0} | {:.0} | 1 |", median(|r| r.0), rate(median(|r| r.0)));
    println!(
        "| observe and drift | {:.0} | {:.0} | {:.2} ({:.2} to {:.2}) |",
        median(|r| r.1),
        rate(median(|r| r.1)),
        ratio[1],
        ratio[0],
        ratio[2]
    );
}

/// Ns a message of the bare parse and of the whole; which goes first alternates.
fn measure(messages: &[Message], tape_first: bool) -> (f64, f64) {
    if tape_first {
        let tape = bare(messages);
        (tape, whole(messages))
    } else {
        let whole = whole(messages);
        (bare(messages), whole)
    }
}

fn bare(messages: &[Message]) -> f64 {
    let (mut copy, mut buffers) = (Vec::new(), Buffers::new(4096));
    let mut tape = Tape(Vec::new());
    timed(messages, |message| {
        let length = message.body.len();
        copy.clear();
        copy.extend_from_slice(&message.body);
        copy.resize(length + simd_json::INPUT_PADDING, b' ');
        let mut filled = std::mem::replace(&mut tape, Tape(Vec::new())).reset();
        simd_json::fill_tape_padded(&mut copy, length, &mut buffers, &mut filled).expect("valid JSON");
        black_box(&filled);
        tape = filled.reset();
    })
}

fn whole(messages: &[Message]) -> f64 {
    let mut observer = Observer::new(Limits::default(), Namer::default());
    let mut flows = Flows::new(Config::default());
    let mut evidence = Vec::new();
    let mut one = |message: &Message| {
        let observation = observer.observe(message).expect("a complete message");
        flows.push(observation, &mut evidence);
    };
    // Learning is over before the clock starts.
    messages.iter().cycle().take(1_000).for_each(&mut one);
    let ns = timed(messages, &mut one);
    black_box(evidence.len());
    ns
}

fn timed(messages: &[Message], mut one: impl FnMut(&Message)) -> f64 {
    let start = Instant::now();
    messages.iter().cycle().take(MESSAGES_PER_ROUND).for_each(&mut one);
    start.elapsed().as_nanos() as f64 / MESSAGES_PER_ROUND as f64
}

/// Least, middle and most.
fn spread(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    [sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]]
}

/// Complete messages with a JSON body.
fn recorded(file: &str) -> Vec<Message> {
    let file = std::io::BufReader::new(std::fs::File::open(file).expect("open the messages file"));
    let messages: Vec<Message> = Reader::new(file)
        .filter_map(|item| match item {
            Ok(Item::Message(message)) => Some(*message),
            _ => None,
        })
        .filter(|m| m.is_complete() && m.body.first().is_some_and(|b| matches!(b, b'{' | b'[')))
        .collect();
    assert!(!messages.is_empty(), "no complete message with a JSON body");
    messages
}

/// Orders of 30 leaves and about 1.2 KB, each different.
fn orders() -> Vec<Message> {
    (0..512).map(|i| message(order(i))).collect()
}

fn order(i: u64) -> String {
    let filler = |n: usize| {
        "abcdefghijklmnopqrstuvwxyz".chars().cycle().skip(i as usize % 26).take(n).collect::<String>()
    };
    let address = |street: usize| {
        format!(
            r#"{{"name":"{}","street":"{}","city":"{}","zip":"{:05}","country":"DE","tax_id":null}}"#,
            filler(18),
            filler(street),
            filler(16),
            i * 97 % 100_000
        )
    };
    format!(
        concat!(
            r#"{{"id":"ord_{:016}","created":"2026-11-22T15:{:02}:05.123Z","amount_minor":{},"currency":"EUR","#,
            r#""customer":{{"id":"cus_{:012}","name":"{}","email":"{}@example.org","country":"DE","vip":{},"score":0.{}}},"#,
            r#""billing":{},"shipping":{},"status":"open","channel":"{}","note":"{}","#,
            r#""metadata":{{"source":"{}","medium":"mail","session":"{}","agent":"{}"}},"total":{}.{:02},"tax":{}.5}}"#
        ),
        i,
        i % 60,
        i * 37,
        i * 31,
        filler(20),
        filler(9),
        i.is_multiple_of(7),
        i % 9 + 1,
        address(28),
        address(40),
        filler(24),
        filler(200),
        filler(22),
        filler(40),
        filler(90),
        i * 3,
        i % 100,
        i
    )
}

fn message(body: String) -> Message {
    Message {
        order: Order::default(),
        t_ns: 1,
        exchange: "a".into(),
        side: Side::Request,
        protocol: "http",
        request: Some(Arc::new(RequestLine {
            method: "POST".into(),
            target: "/v1/orders?dry=0".into(),
            authority: None,
        })),
        status: None,
        headers: [("content-type", "application/json")].into(),
        body: body.into(),
        incomplete: None,
        client: Peer::Named("shop".into()),
        server: Peer::Named("billing".into()),
        transport: None,
        instance: None,
    }
}
