//! Messages a second from body bytes to the detector on one core, beside a bare SIMD tape parse of the same bytes with the
//! same copy, in the same run (method: `docs/benchmarks.md`). `cargo xtask bench detect` runs it.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark: what is missing ends it, with its name")]

mod corpus;
mod made;
mod measure;

use corpus::Corpus;
use measure::{Pipeline, Rounds, Traffic, resident_bytes};

/// `--rounds N`, `--megabytes N` (of bodies a round), `--corpus FILE`; anything else selects parts by name.
struct Args {
    rounds: Rounds,
    corpus: Option<String>,
    parts: Vec<String>,
}

fn main() {
    let args = args();
    let is_wanted =
        |name: &str| args.parts.is_empty() || args.parts.iter().any(|part| name.contains(&**part));
    // First, while no memory has been given back that could be used again.
    if args.corpus.is_none() && is_wanted("memory") {
        memory(&made::orders(), 10_000);
    }
    let corpora = match &args.corpus {
        Some(file) => vec![corpus::read(file)],
        None => made::all(),
    };
    println!(
        "| bodies | bytes, mean | paths | bare tape parse, ns a message | observe and drift, ns a message | messages/s | time over the parse: median (least to most) |\n|---|---|---|---|---|---|---|"
    );
    for corpus in corpora.iter().filter(|corpus| is_wanted(corpus.name)) {
        compare(&args.rounds, corpus, corpus.name, 1);
    }
    if args.corpus.is_some() || !is_wanted("flows") {
        return;
    }
    println!(
        "\n| orders in so many flows | bytes, mean | paths | bare tape parse, ns a message | observe and drift, ns a message | messages/s | time over the parse: median (least to most) |\n|---|---|---|---|---|---|---|"
    );
    let orders = made::orders();
    for flows in [10, 100, 1_000, 10_000] {
        compare(&args.rounds, &orders, &flows.to_string(), flows);
    }
}

fn compare(rounds: &Rounds, corpus: &Corpus, name: &str, flows: usize) {
    let found = rounds.of(corpus, flows);
    println!(
        "| {name} | {:.0} | {} | {:.0} | {:.0} | {:.0} | {:.2} ({:.2} to {:.2}) |",
        corpus.mean_bytes(),
        found.paths / flows as u64,
        found.bare_ns,
        found.whole_ns,
        1e9 / found.whole_ns,
        found.ratio[1],
        found.ratio[0],
        found.ratio[2]
    );
}

/// What a path of a flow takes, in everything that observes and detects.
fn memory(corpus: &Corpus, flows: usize) {
    let mut traffic = Traffic::new(corpus, flows);
    let before = resident_bytes();
    let mut pipeline = Pipeline::new();
    pipeline.learn(&mut traffic);
    let grown = resident_bytes().saturating_sub(before) as f64;
    let paths = pipeline.monitored() as f64;
    println!(
        "\n{flows} flows of {:.0} paths: {:.0} MB, {:.0} bytes a path",
        paths / flows as f64,
        grown / 1e6,
        grown / paths
    );
}

fn args() -> Args {
    let mut args = Args { rounds: Rounds::default(), corpus: None, parts: Vec::new() };
    let mut rest = std::env::args().skip(1);
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().expect("a value");
        match &*arg {
            "--bench" => {} // from cargo
            "--rounds" => args.rounds.rounds = value().parse().expect("--rounds N"),
            "--megabytes" => args.rounds.megabytes = value().parse().expect("--megabytes N"),
            "--corpus" => args.corpus = Some(value()),
            part => args.parts.push(part.to_owned()),
        }
    }
    args
}
