//! `bench accuracy`: the program is a crate of its own, which depends on what it judges.

use std::process::ExitCode;

use anyhow::Result;

use crate::process;

/// What is handed on.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask bench accuracy matrix --seeds 2 --held-out")]
pub(super) struct Args {
    /// `aa`, `matrix` or `show`, and its options; `--help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut command = process::cargo(&["run", "--release", "--quiet", "-p", "pitot-accuracy", "--"]);
    process::run(command.args(&args.arguments))?;
    Ok(ExitCode::SUCCESS)
}
