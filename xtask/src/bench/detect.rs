//! `bench detect`: the benchmark lives with the crates it measures.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::process;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A file with a JSON text on each line, plain or gzip (.gz), in place of the generated bodies
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// Rounds of each side
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Bodies of one round, in megabytes
    #[arg(long, default_value_t = 50)]
    megabytes: usize,
    /// Only parts whose name contains one of these: memory, orders, webhooks, tweets, tickets, flows
    parts: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut command = process::cargo(&["bench", "-p", "pitot-drift", "--bench", "detect", "--"]);
    command.args(["--rounds", &args.rounds.to_string(), "--megabytes", &args.megabytes.to_string()]);
    if let Some(file) = &args.corpus {
        // Cargo runs a benchmark in its package's folder.
        command.arg("--corpus").arg(file.canonicalize().with_context(|| file.display().to_string())?);
    }
    process::run(command.args(&args.parts))?;
    Ok(ExitCode::SUCCESS)
}
