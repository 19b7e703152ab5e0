//! `setup`: makes this machine able to build the kernel part and to run the tests and checks.
//!
//! First everything is looked for, in a fraction of a second; what is missing is listed with the reason it is needed
//! and the command that gets it; only then anything is installed. Running it again installs nothing.
//! Where a step fails, the commands to run by hand are printed.

pub(crate) mod bpf;
mod packages;
pub(crate) mod tools;

use std::collections::HashSet;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// What the machine is to be made ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building the agent with its kernel part.
    Build,
    /// Running the tests: real clients, servers and a real collector.
    Test,
    /// Linting: dependency policy.
    Lint,
    /// Checking the Helm chart.
    Chart,
    /// Fuzzing: a C++ compiler for the fuzzing runtime.
    Fuzz,
    /// Running other kernels: an emulator, and the key that signs them.
    Vm,
}

/// Something that is missing.
#[derive(Debug)]
pub(crate) struct Missing {
    /// What.
    what: String,
    /// Why it is needed.
    why: &'static str,
    /// How to get it.
    fix: Fix,
}

/// How to get something.
#[derive(Debug)]
enum Fix {
    /// Packages of the system's own package manager, installed together with those of all other fixes.
    Apt(Vec<&'static str>),
    /// Commands, in order, after the packages.
    Run(Vec<Command>),
    /// Nothing this program can do: what a person can.
    ByHand(String),
}

/// The verb: everything, for every purpose.
pub(crate) fn run() -> Result<ExitCode> {
    ensure(&[Purpose::Build, Purpose::Test, Purpose::Lint, Purpose::Chart, Purpose::Fuzz, Purpose::Vm])?;
    println!("setup: everything is there");
    Ok(ExitCode::SUCCESS)
}

/// Installs what is missing for these purposes.
pub(crate) fn ensure(purposes: &[Purpose]) -> Result<()> {
    let missing = missing(purposes);
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("setup: missing on this machine:");
    for item in &missing {
        eprintln!("  {:<32} {}", item.what, item.why);
    }
    let by_hand: Vec<_> = missing
        .iter()
        .filter_map(|item| match &item.fix {
            Fix::ByHand(how) => Some(format!("  {}: {how}", item.what)),
            Fix::Apt(_) | Fix::Run(_) => None,
        })
        .collect();
    if !by_hand.is_empty() {
        bail!(
            "setup cannot get these by itself; please do, then run `cargo xtask setup` again:\n{}",
            by_hand.join("\n")
        );
    }
    packages::install(&missing)?;
    for item in missing {
        if let Fix::Run(commands) = item.fix {
            run_all(&item.what, commands)?;
        }
    }
    verify(purposes)
}

fn missing(purposes: &[Purpose]) -> Vec<Missing> {
    let mut missing = Vec::new();
    for purpose in purposes {
        match purpose {
            Purpose::Build => missing.extend(bpf::missing()),
            Purpose::Test => missing.extend(tools::missing_for_test()),
            Purpose::Lint => missing.extend(tools::missing_for_lint()),
            Purpose::Chart => missing.extend(tools::missing_for_chart()),
            Purpose::Fuzz => missing.extend(tools::missing_for_fuzz()),
            Purpose::Vm => missing.extend(tools::missing_for_vm()),
        }
    }
    // Two purposes may miss the same thing.
    let mut seen = HashSet::new();
    missing.retain(|item| seen.insert(item.what.clone()));
    missing
}

fn run_all(what: &str, mut commands: Vec<Command>) -> Result<()> {
    for command in &mut commands {
        process::run(command).with_context(|| {
            let by_hand = by_hand(command);
            format!(
                "setup could not get {what}; its own words are above. To try by hand:\n  {by_hand}\nIn short"
            )
        })?;
    }
    Ok(())
}

/// The command with the environment it needs, as a person would type it.
fn by_hand(command: &Command) -> String {
    let mut typed = String::new();
    for (name, value) in command.get_envs() {
        let (name, value) = (name.to_string_lossy(), value.unwrap_or_default().to_string_lossy());
        if name == "LLVM_PREFIX" {
            typed.push_str(&format!("PATH={value}/bin:$PATH {name}={value} "));
        } else if name.starts_with("LLVM") {
            typed.push_str(&format!("{name}={value} "));
        }
    }
    typed + &process::shown(command)
}

/// What was just installed must now be found: an installation that changed nothing is an error here, not
/// a puzzle in a build log.
fn verify(purposes: &[Purpose]) -> Result<()> {
    let still = missing(purposes);
    if still.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = still.iter().map(|item| item.what.as_str()).collect();
    bail!("setup ran every step, and these are still not found: {}", names.join(", "))
}
