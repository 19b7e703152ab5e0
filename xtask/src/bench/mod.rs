//! `bench`: what Pitot costs, by the method of `docs/benchmarks.md`. Prints; a person compares.

mod accuracy;
mod detect;
mod overhead;
mod rounds;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask bench overhead --rounds 5 --seconds 3")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// False alarms, recall, cause and delay on streams with known changes
    Accuracy(accuracy::Args),
    /// Messages a second through parse, observe and drift on one core, beside a bare tape parse of the same bytes
    Detect(detect::Args),
    /// Requests a second of nginx without and with the agent
    Overhead(overhead::Args),
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Accuracy(args) => accuracy::run(args),
        What::Detect(args) => detect::run(args),
        What::Overhead(args) => overhead::run(args),
    }
}
