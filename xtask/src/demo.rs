//! `demo`: from a clone to a finding, in one command.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::process;
use crate::setup::{self, Purpose};

/// Everything after the verb goes to `pitot demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to `pitot demo`, for example `--json`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<String>,
}

/// Builds the agent with its kernel part, runs its demo, and passes its exit code on.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Build])?;
    process::run(&mut process::cargo(&["build", "--release", "-p", "pitot"]))?;
    let status = process::status(demo()?.args(&args.passed_on))?;
    // Ended by a signal: no code to pass on, and no success either.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn demo() -> Result<Command> {
    let pitot = process::target_dir().join("release/pitot").to_string_lossy().into_owned();
    let Some(prefix) = process::as_root() else {
        bail!(
            "loading programs into the kernel needs root, and sudo cannot ask here; run: sudo {pitot} demo"
        );
    };
    if !prefix.is_empty() {
        eprintln!(
            "demo: sudo is used to load Pitot's programs into the kernel and to read the sockets of the demo"
        );
    }
    let words: Vec<&str> = prefix.iter().copied().chain([pitot.as_str(), "demo"]).collect();
    let mut command = process::command(words[0]);
    command.args(&words[1..]);
    Ok(command)
}
