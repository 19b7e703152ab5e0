//! Memory: what is reckoned is no less than what is taken, and it stays within its budget.

#![allow(clippy::expect_used, reason = "a test: what is missing ends it, with its name")]

#[path = "bodies/stream.rs"]
#[allow(dead_code, reason = "streams of one flow")]
mod stream;

use pitot_drift::{Config, Flows};
use pitot_observe::{Limits, Namer, Observer};

use stream::{BEGIN_NS, Random, message};

/// Resident memory of this process, bytes (proc_pid_status(5), `VmRSS`).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().strip_suffix(" kB").expect("its unit").parse::<u64>().expect("a number") * 1_024
}

/// Numbers, times, codes and texts.
fn body(random: &mut Random, seq: u64) -> String {
    let state = ["open", "paid", "void", "lost"][random.below(4) as usize];
    let (id, second) = (random.below(1 << 50), (BEGIN_NS / 1_000_000_000 + seq) * 1_000 - random.below(900));
    let lines: Vec<String> = (0..1 + random.below(3))
        .map(|_| {
            format!(
                r#"{{"sku":"s-{}","price":{},"count":{}}}"#,
                random.below(5_000),
                random.below(9_000),
                1 + random.below(9)
            )
        })
        .collect();
    format!(
        r#"{{"id":"{id:x}","at":{second},"state":"{state}","total":{},"rate":0.{},"flag":{},"buyer":{{"name":"n{}","city":"c{}"}},"lines":[{}]}}"#,
        random.below(100_000),
        random.below(1_000_000),
        random.below(2) == 0,
        random.below(100_000),
        random.below(300),
        lines.join(",")
    )
}

/// Sends `each` messages to `flows` flows, one after the other or in turns.
fn send(known: &mut Flows, flows: u64, each: u64, in_turns: bool) {
    let mut random = Random::new(1);
    let mut observer = Observer::new(Limits { flows: 64, ..Limits::default() }, Namer::default());
    let mut out = Vec::new();
    for seq in 0..flows * each {
        let flow = if in_turns { seq % flows } else { seq / each };
        let message = message(&format!("/v1/r{flow:x}x/o"), seq, body(&mut random, seq));
        known.push(observer.observe(&message).expect("observed"), &mut out);
        out.clear();
    }
}

#[test]
fn what_is_reckoned_is_what_is_taken_at_most() {
    let config = Config { flows: 100_000, memory: u64::MAX / 16, ..Config::default() };
    // What is taken once, whatever is learned, is taken by then.
    send(&mut Flows::new(config), 20, 200, true);
    let before = resident();
    let mut all = Vec::new();
    for (flows, each) in [(1_000, 4), (150, 70), (30, 600)] {
        let mut known = Flows::new(config);
        send(&mut known, flows, each, true);
        all.push(known);
    }
    let (taken, reckoned) = (resident() - before, all.iter().map(Flows::memory).sum::<u64>());
    assert!(taken <= reckoned, "{taken} bytes are taken, {reckoned} reckoned");
    assert!(taken >= reckoned / 8, "{taken} bytes are taken, {reckoned} reckoned: far too many");
    drop(all);

    let before = resident();
    let mut known = Flows::new(Config { flows: 1_000_000, memory: 16 << 20, ..Config::default() });
    send(&mut known, 5_000, 3, false);
    send(&mut known, 1_000, 8, true);
    let taken = resident().saturating_sub(before);
    assert!(taken <= 16 << 20, "{taken} bytes");
    assert!(known.memory() <= 16 << 20 && known.counters().stubs > 0 && known.counters().forgotten_flows > 0);
}
