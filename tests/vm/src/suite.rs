//! The capture suite, its lines handed to the host.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::AGENT;
use crate::report::Report;

const SUITE: &str = "/bin/pitot-capture-suite";
/// Names, or parts of names, of the cases to run, one a line; none: all.
const FILTER: &str = "/etc/filter";
/// Seconds a case may wait for what must come: an emulated processor is tens of times slower.
const PATIENCE: &str = "240";

/// Runs it. What it found is for the host to judge; that it could be carried out is for this.
///
/// # Errors
/// When it could not be started, or ended without running its cases.
pub(crate) fn run(report: &mut Report) -> Result<(), String> {
    let filter = fs::read_to_string(FILTER).map_err(|e| format!("{FILTER}: {e}"))?;
    let mut command = Command::new(SUITE);
    command.args(["run", "--json", "--pitot", AGENT, "--patience", PATIENCE]);
    command.args(filter.lines().flat_map(|part| ["--filter", part]));
    command.env("PATH", "/bin");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| format!("{SUITE}: {e}"))?;
    let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    for line in lines.map_while(Result::ok) {
        match serde_json::from_str::<Value>(&line) {
            Ok(line) => report.line(&line),
            Err(_) => eprintln!("{line}"),
        }
    }
    // 1: a case went wrong, and its line says which.
    let status = child.wait().map_err(|e| e.to_string())?;
    if matches!(status.code(), Some(0 | 1)) { Ok(()) } else { Err(format!("{SUITE} ended with {status}")) }
}
