//! `cargo xtask bench accuracy`: runs streams and prints tables.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pitot_accuracy::matrix::{self, Case};
use pitot_accuracy::score::{Class, Outcome};
use pitot_accuracy::stream::Stream;
use pitot_accuracy::{aa, interval};

/// How well Pitot tells changes from chance.
#[derive(Parser)]
#[command(after_help = "Example: pitot-accuracy matrix --seeds 2 --held-out")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Streams that do not change: every finding is a false alarm
    Aa {
        /// Messages of each stream
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
        /// Streams
        #[arg(long, default_value_t = 24)]
        streams: usize,
        /// Seed of the first
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The integrations that nothing was tuned on
        #[arg(long)]
        held_out: bool,
    },
    /// Every change at every place where it makes sense
    Matrix {
        /// Variants of each
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// The integrations that nothing was tuned on
        #[arg(long)]
        held_out: bool,
        /// Only cases whose label contains this
        #[arg(long, default_value = "")]
        only: String,
        /// A line for each case that failed
        #[arg(long)]
        failures: bool,
    },
    /// The first messages of a stream, a line each
    Show {
        /// Integration
        name: String,
        /// Lines
        #[arg(default_value_t = 10)]
        lines: usize,
        /// Seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().what {
        What::Aa { messages, streams, seed, held_out } => {
            print_aa(&aa::run(&aa::jobs(held_out, streams, messages, seed)));
        }
        What::Matrix { seeds, held_out, only, failures } => {
            let cases = matrix::cases(held_out, seeds, &only);
            print_matrix(&cases, &matrix::run(&cases), failures);
        }
        What::Show { name, lines, seed } => {
            let Some(mut stream) = Stream::new(&name, seed) else {
                eprintln!("pitot-accuracy: no integration is called '{name}'");
                return ExitCode::from(2);
            };
            (0..lines).for_each(|_| println!("{}", stream.send().body));
        }
    }
    ExitCode::SUCCESS
}

fn print_aa(claims: &[aa::Claims]) {
    let messages: u64 = claims.iter().map(|c| c.messages).sum();
    let leaves: u64 = claims.iter().map(|c| c.leaves).sum();
    let weeks = leaves as f64 / aa::FIELD_WEEK as f64;
    println!("| stream | messages | days | false alarms |\n|---|---|---|---|");
    for c in claims {
        println!("| {}/{} | {} | {:.1} | {} |", c.name, c.seed, c.messages, c.days, c.alarms.len());
    }
    println!("\n{messages} messages, {leaves} leaves, {weeks:.1} field-weeks");
    println!("\n| event | false alarms | per field-week, at most (95 %) |\n|---|---|---|");
    let alarms = || claims.iter().flat_map(|c| &c.alarms);
    let mut events: BTreeMap<&str, usize> = BTreeMap::new();
    alarms().for_each(|alarm| *events.entry(&alarm.event).or_default() += 1);
    for (event, count) in events.into_iter().chain([("all", alarms().count())]) {
        println!("| {event} | {count} | {:.5} |", interval::poisson_upper(count) / weeks);
    }
    for c in claims {
        for a in &c.alarms {
            println!("- {}/{}: {} {} at {}: {}", c.name, c.seed, a.kind, a.path, a.time_ns, a.summary);
        }
    }
}

/// Figures of the cases of one row.
#[derive(Default)]
struct Row {
    cases: usize,
    found: usize,
    right: usize,
    collateral: usize,
    before: usize,
    delays: Vec<usize>,
}

impl Row {
    fn add(&mut self, outcome: &Outcome) {
        self.cases += 1;
        self.found += usize::from(outcome.found);
        self.right += usize::from(outcome.right);
        self.collateral += outcome.collateral.len();
        self.before += outcome.before.len();
        if outcome.found {
            self.delays.push(outcome.delay);
        }
    }

    fn print(&mut self, name: &str) {
        self.delays.sort_unstable();
        let at = |share: f64| {
            let place = (self.delays.len() as f64 * share).ceil() as usize;
            self.delays.get(place.saturating_sub(1)).map_or_else(|| "-".to_owned(), usize::to_string)
        };
        let share = |n: usize| n as f64 / self.cases.max(1) as f64;
        println!(
            "| {name} | {} | {:.3} | {:.3} | {} | {} | {} | {} |",
            self.cases,
            share(self.found),
            share(self.right),
            at(0.5),
            at(0.95),
            self.collateral,
            self.before,
        );
    }
}

const HEAD: &str = "| | cases | found | right cause | delay, median | p95 | collateral | before |\n\
                    |---|---|---|---|---|---|---|---|";

fn print_matrix(cases: &[Case], outcomes: &[Outcome], failures: bool) {
    let mut classes: BTreeMap<Class, Row> = BTreeMap::new();
    let mut changes: BTreeMap<String, Row> = BTreeMap::new();
    for (case, outcome) in cases.iter().zip(outcomes) {
        classes.entry(case.class()).or_default().add(outcome);
        let name = format!("{:?}", case.injection.change);
        changes.entry(name).or_default().add(outcome);
    }
    println!("{HEAD}");
    for (class, row) in &mut classes {
        row.print(class.name());
    }
    println!("\n{HEAD}");
    for (change, row) in &mut changes {
        row.print(change);
    }
    if !failures {
        return;
    }
    println!();
    for (case, o) in cases.iter().zip(outcomes) {
        if !o.right || !o.collateral.is_empty() || !o.before.is_empty() {
            println!(
                "- {}: {}, delay {}; collateral {:?}; before {:?}",
                case.label(),
                if o.found { o.kind } else { "not found" },
                o.delay,
                o.collateral,
                o.before
            );
        }
    }
}
