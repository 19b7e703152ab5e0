//! `test`: everything this machine can run, and by name what it cannot.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::process;
use crate::setup::{self, Purpose, tools};
use crate::tally::Tally;

/// Units, properties and golden replays; the examples in the documentation; a small part of the benchmark of accuracy;
/// then the agent on the real kernel.
pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(&[Purpose::Build, Purpose::Test])?;
    let mut tally = Tally::default();
    part(&mut tally, "user space", cargo_test(&["--lib", "--bins", "--tests"]))?;
    part(&mut tally, "documentation", cargo_test(&["--doc"]))?;
    // Unoptimized, streams would take minutes.
    let accuracy = ["--release", "-p", "pitot-accuracy", "--test", "regression"];
    part(&mut tally, "accuracy", cargo_test(&accuracy))?;
    end_to_end(&mut tally)?;
    Ok(tally.finish())
}

/// On the real kernel with real clients and servers; needs root to load programs into it.
fn end_to_end(tally: &mut Tally) -> Result<()> {
    let Some(prefix) = process::as_root() else {
        tally.skip("end to end: loading programs into the kernel needs root, and sudo cannot ask here");
        return Ok(());
    };
    process::run(&mut process::cargo(&["build", "--release", "-p", "pitot"]))?;
    if !prefix.is_empty() {
        eprintln!("test: sudo is used to load Pitot's programs into the kernel during the end-to-end tests");
    }
    // Hashing what the capture suite sends would take an unoptimized program longer than the rest.
    let parts: [(&str, &[&str]); 2] = [
        ("end to end", &["-p", "pitot-e2e"]),
        ("capture suite", &["-p", "pitot-capture-suite", "--release"]),
    ];
    for (name, selection) in parts {
        let mut command = cargo_test(selection);
        // One after the other: side by side they saturate the machine, and an agent that then leaves connections out does
        // what it should, while the test asked whether everything is captured.
        command.arg("--test-threads=1");
        if !prefix.is_empty() {
            // sudo sets a search path of its own, on which the test tools are not.
            let path = process::search_path();
            command.env(runner_variable(), format!("sudo -E env PATH={}", path.to_string_lossy()));
        }
        part(tally, name, command)?;
    }
    Ok(())
}

fn cargo_test(selection: &[&str]) -> Command {
    let mut command = process::cargo(&["test", "--no-fail-fast"]);
    command.args(selection).args(["--", "--show-output"]);
    command.env("PITOT_BIN", process::target_dir().join("release/pitot"));
    if let Some(rotel) = tools::rotel() {
        command.env("PITOT_ROTEL", rotel);
    }
    command
}

fn part(tally: &mut Tally, name: &str, mut command: Command) -> Result<()> {
    let (status, stdout, _) = process::tee(&mut command)?;
    tally.add_libtest(name, status.success(), &stdout);
    Ok(())
}

/// Cargo runs each test program through what this variable says.
fn runner_variable() -> String {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace('-', "_"))
}
