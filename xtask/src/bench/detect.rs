//! `bench detect`: the benchmark lives with the crates it measures.

use std::process::ExitCode;

use anyhow::Result;

use crate::process;

pub(super) fn run() -> Result<ExitCode> {
    process::run(&mut process::cargo(&["bench", "-p", "pitot-drift", "--bench", "detect"]))?;
    Ok(ExitCode::SUCCESS)
}
