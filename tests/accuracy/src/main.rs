//! `cargo xtask bench accuracy`: runs streams and prints tables.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use pitot_accuracy::record::{self, Record};
use pitot_accuracy::stream::Stream;
use pitot_accuracy::{aa, export, history, matrix, report};

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
        #[command(flatten)]
        common: Common,
    },
    /// Every change at every place where it makes sense
    Matrix {
        /// Variants of each
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// Only cases whose label contains this
        #[arg(long, default_value = "")]
        only: String,
        #[command(flatten)]
        common: Common,
    },
    /// The versions of a real interface, one after the other
    History {
        /// Folder with `DATE.json.gz` and `diffs.ndjson.gz`
        folder: PathBuf,
        /// A line of JSON for each step, for `table`
        #[arg(long)]
        json: bool,
    },
    /// Streams as columns, for other detectors
    Export {
        /// Folder to write to
        folder: PathBuf,
        /// Messages of each stream without a change
        #[arg(long, default_value_t = 170_000)]
        messages: u64,
    },
    /// `docs/accuracy.md`, of what other commands wrote with `--json`
    Table {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
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

#[derive(Args)]
struct Common {
    /// The integrations that nothing was tuned on
    #[arg(long)]
    held_out: bool,
    /// A line of JSON for each stream, for `table`
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pitot-accuracy: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(what: What) -> Result<(), Box<dyn std::error::Error>> {
    match what {
        What::Aa { messages, streams, seed, common } => {
            let claims = aa::run(&aa::jobs(common.held_out, streams, messages, seed));
            print(claims.into_iter().map(Record::Aa), common.json)
        }
        What::Matrix { seeds, only, common } => {
            let judged = matrix::run(&matrix::cases(common.held_out, seeds, &only));
            print(judged.into_iter().map(Record::Case), common.json)
        }
        What::History { folder, json } => print(history::run(&folder)?.into_iter().map(Record::Step), json),
        What::Export { folder, messages } => Ok(export::run(&folder, messages)?),
        What::Table { files } => table(&files),
        What::Show { name, lines, seed } => {
            let mut stream =
                Stream::new(&name, seed).ok_or_else(|| format!("no integration is called '{name}'"))?;
            (0..lines).for_each(|_| println!("{}", stream.send().body));
            Ok(())
        }
    }
}

fn print(records: impl Iterator<Item = Record>, json: bool) -> Result<(), Box<dyn std::error::Error>> {
    if !json {
        print!("{}", report::tables(records.collect()));
        return Ok(());
    }
    for record in records {
        println!("{}", serde_json::to_string(&record)?);
    }
    Ok(())
}

fn table(files: &[PathBuf]) -> Result<(), Box<dyn std::error::Error>> {
    let mut records = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let lines = record::parse(&text)
            .map_err(|(line, error)| format!("{}, line {line}: {error}", file.display()))?;
        records.extend(lines);
    }
    print!("{}", report::document(records));
    Ok(())
}
