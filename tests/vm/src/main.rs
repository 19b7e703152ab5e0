//! The first process of a test guest: it makes a machine of a bare kernel, runs there what proves Pitot's kernel
//! part, and powers the machine off.
//!
//! **In:** an archive, unpacked by the kernel, that holds this program as `/init`, the agent and the capture suite in
//! `/bin`. **Out:** one JSON object a line on the second serial port; the last one is `{"end":true}`, and without it
//! the guest died. `cargo xtask vm` makes the archive, starts the guest and judges the lines.
//!
//! ```text
//! {"boot":{"release":"5.10.0-46-cloud-amd64","preempt":null}}
//! {"step":"doctor","ok":true,"detail":""}
//! {"program":{"name":"pitot_egress","verified":2931,"translated":1180,"jited":6450}}
//! {"case":"send/writev","sent":24,"exact":24,"declared":0,"lost":0,"missing":0,"wrong":0,"ok":true}
//! {"end":true}
//! ```
#![forbid(unsafe_code)]

mod machine;
mod programs;
mod recording;
mod report;
mod suite;

use std::process::{Command, ExitCode};

use serde_json::json;

use recording::Recording;
use report::Report;

/// The agent, as `cargo xtask vm` puts it into the archive.
const AGENT: &str = "/bin/pitot";

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("pitot-guest is the first process of a test guest: run `cargo xtask vm`");
        return ExitCode::from(2);
    }
    let prepared = machine::prepare();
    match Report::open() {
        Ok(mut report) => run(&mut report, prepared),
        Err(error) => eprintln!("guest: no second serial port: {error}"),
    }
    machine::power_off();
    ExitCode::FAILURE
}

fn run(report: &mut Report, prepared: Vec<String>) {
    for error in prepared {
        report.step("prepare", &Err(error));
    }
    report.line(&json!({"boot": {"release": machine::release(), "preempt": machine::preemption()}}));
    report.step("doctor", &doctor());
    let loaded = load(report);
    report.step("load", &loaded);
    let run = suite::run(report);
    report.step("capture suite", &run);
    report.line(&json!({"end": true}));
}

/// Starts the agent, says what loading it cost, and ends it.
fn load(report: &mut Report) -> Result<(), String> {
    let recording = Recording::start()?;
    report.line(&json!({"loading_ms": recording.loading.as_millis() as u64}));
    for program in programs::of_the_agent()? {
        report.line(&json!({"program": program}));
    }
    recording.stop()
}

/// What the agent does without here: a collector, and, on older kernels, what it says.
const OPTIONAL: [&str; 2] = ["OTLP endpoint", "lane for Unix sockets"];

/// The agent must find everything it cannot do without.
fn doctor() -> Result<(), String> {
    let output = Command::new(AGENT).args(["doctor", "--json"]).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found: serde_json::Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text:?}"))?;
    let checks = found["checks"].as_array().ok_or_else(|| format!("no checks in {text:?}"))?;
    let misses: Vec<String> = checks
        .iter()
        .filter(|check| check["ok"] != true && !OPTIONAL.iter().any(|name| check["name"] == *name))
        .map(|check| format!("{}: {}", check["name"], check["detail"]))
        .collect();
    if misses.is_empty() { Ok(()) } else { Err(misses.join("; ")) }
}
