//! Messages a second from body bytes to the detector on one core, beside a bare SIMD tape parse of the same bytes with the
//! same copy, in the same run (method: `docs/benchmarks.md`). `cargo xtask bench detect` runs it.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::expect_used, reason = "a benchmark: what is missing ends it, with its name")]

mod corpus;
mod made;
mod measure;

use corpus::Corpus;
use measure::{Pipeline, Rounds, Side, Traffic, resident_bytes};

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
        memory();
    }
    let corpora = match &args.corpus {
        Some(file) => vec![corpus::read(file)],
        None => made::all(),
    };
    println!("\n{BODIES}");
    corpora.iter().filter(|corpus| is_wanted(corpus.name)).for_each(|corpus| bodies(&args.rounds, corpus));
    if args.corpus.is_some() || !is_wanted("flows") {
        return;
    }
    println!("\n{FLOWS}");
    let (orders, readings) = (made::orders(), made::readings());
    [10, 100, 1_000, 10_000].iter().for_each(|count| flows(&args.rounds, &orders, *count));
    [10, 100, 1_000, 10_000, 100_000].iter().for_each(|count| flows(&args.rounds, &readings, *count));
}

/// Heads of the tables.
const BODIES: &str = "| bodies | bytes, mean | paths | bare tape parse, ns a message | observe alone | and structure | and values | and relations: all | all, ns a message | messages/s | all (least to most) |
|---|---|---|---|---|---|---|---|---|---|---|";
const FLOWS: &str = "| bodies | flows | bare tape parse, ns a message | all, ns a message | messages/s | time over the parse: median (least to most) |
|---|---|---|---|---|---|";

/// Of one kind of bodies, in one flow: each side's time over that of the bare parse.
fn bodies(rounds: &Rounds, corpus: &Corpus) {
    let sides = [Side::Bare, Side::Observe, Side::Structure, Side::Values, Side::Whole];
    let (found, paths) = rounds.of(&sides, corpus, 1);
    let [bare, observe, structure, values, whole] = &found[..] else { return };
    println!(
        "| {} | {:.0} | {paths} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.2} to {:.2} |",
        corpus.name,
        corpus.mean_bytes(),
        bare.ns,
        observe.ratio[1],
        structure.ratio[1],
        values.ratio[1],
        whole.ratio[1],
        whole.ns,
        1e9 / whole.ns,
        whole.ratio[0],
        whole.ratio[2]
    );
}

/// The same bodies in many flows.
fn flows(rounds: &Rounds, corpus: &Corpus, flows: usize) {
    let (found, _) = rounds.of(&[Side::Bare, Side::Whole], corpus, flows);
    let [bare, whole] = &found[..] else { return };
    println!(
        "| {} | {flows} | {:.0} | {:.0} | {:.0} | {:.2} ({:.2} to {:.2}) |",
        corpus.name,
        bare.ns,
        whole.ns,
        1e9 / whole.ns,
        whole.ratio[1],
        whole.ratio[0],
        whole.ratio[2]
    );
}

/// What a path of a flow takes, in everything that observes and detects: of bodies with members of one kind only, too.
fn memory() {
    const MESSAGES: usize = 17_000;
    println!(
        "| bodies | flows | messages of each | paths of each | MB | bytes a path |\n|---|---|---|---|---|---|"
    );
    // What one gave back would be used again by the next.
    let mut kept = Vec::new();
    for (corpus, flows, messages) in [
        (made::orders(), 1_000, 96),
        (made::orders(), 64, MESSAGES),
        (made::members("numbers"), 64, MESSAGES),
        (made::members("texts"), 64, MESSAGES),
        (made::members("codes"), 64, MESSAGES),
    ] {
        let mut traffic = Traffic::new(&corpus, flows);
        let before = resident_bytes();
        let mut pipeline = Pipeline::new(Side::Whole);
        pipeline.take_all(&mut traffic, flows * messages);
        let grown = resident_bytes().saturating_sub(before) as f64;
        let paths = pipeline.monitored() as f64;
        println!(
            "| {} | {flows} | {messages} | {:.0} | {:.1} | {:.0} |",
            corpus.name,
            paths / flows as f64,
            grown / 1e6,
            grown / paths
        );
        kept.push(pipeline);
    }
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
