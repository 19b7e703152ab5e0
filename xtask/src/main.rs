//! `cargo xtask VERB`: what a developer, a user and CI do with this repository, each verb once.
//!
//! **In:** a verb. **Out:** its output, and an exit code that is 0 only when all of it succeeded. Verbs that
//! check something end with one line, `N passed, N failed, N skipped`; what was skipped is named with its
//! reason before it.
//!
//! ```text
//! cargo xtask setup          # once; every other verb calls what it needs of it
//! cargo xtask demo           # see it work
//! cargo xtask test           # everything this machine can run
//! ```
#![forbid(unsafe_code)]

mod bench;
mod chart;
mod demo;
mod fuzz;
mod lint;
mod process;
mod setup;
mod tally;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own verbs", after_help = "Example: cargo xtask test")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what building and testing need; says what and why before it does
    Setup,
    /// Build the agent with its kernel part and run `pitot demo`
    Demo(demo::Args),
    /// Run every test this machine can run, and name those it cannot
    Test,
    /// Formatting, clippy for user space and kernel part, dependencies, documentation
    Lint,
    /// Check the invariants of ARCHITECTURE.md that a program can check
    Tidy,
    /// Boot other kernels, and show there that capture is exact (docs/kernels.md)
    Vm(vm::Args),
    /// Run the fuzz targets for a bounded time
    Fuzz(fuzz::Args),
    /// Lint, render and validate the Helm chart, offline
    Chart,
    /// Measure what detecting and capturing cost (docs/benchmarks.md)
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Setup => setup::run(),
        Verb::Demo(args) => demo::run(&args),
        Verb::Test => test::run(),
        Verb::Lint => lint::run(),
        Verb::Tidy => tidy::run(),
        Verb::Vm(args) => vm::run(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Chart => chart::run(),
        Verb::Bench(args) => bench::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
