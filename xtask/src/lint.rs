//! `lint`: formatting, clippy for user space and for the kernel part, dependencies, documentation.

use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::process;
use crate::setup::{self, Purpose, bpf};
use crate::tally::Tally;

const KERNEL_PART: &str = "pitot-ebpf";

/// Runs all of it, whatever fails on the way.
pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(&[Purpose::Build, Purpose::Lint])?;
    let mut tally = Tally::default();
    tally.check("formatting", process::run(&mut process::cargo(&["fmt", "--all", "--check"])));
    let fuzz = ["fmt", "--manifest-path", "tests/fuzz/Cargo.toml", "--check"];
    tally.check("formatting, fuzz targets", process::run(&mut process::cargo(&fuzz)));
    tally.check("clippy, user space", process::run(&mut user_space_clippy()));
    tally.check(
        "clippy, kernel part",
        kernel_part_clippy().and_then(|mut command| process::run(&mut command)),
    );
    let policy = ["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    tally.check("dependencies", process::run(&mut process::cargo(&policy)));
    advisories(&mut tally)?;
    tally.check("documentation", process::run(&mut documentation()));
    Ok(tally.finish())
}

fn user_space_clippy() -> Command {
    let mut command = process::cargo(&["clippy", "--workspace", "--exclude", KERNEL_PART, "--all-targets"]);
    command.args(["--keep-going", "--", "-D", "warnings"]);
    command
}

/// Apart from user space: another target, another compiler, and its own `core`.
fn kernel_part_clippy() -> Result<Command> {
    let toolchain = bpf::toolchain();
    ensure!(toolchain.is_some(), "no toolchain for the kernel part; run `cargo xtask setup`");
    let toolchain = toolchain.unwrap_or_default();
    let mut command = process::command("cargo");
    if !toolchain.is_empty() {
        command.arg(format!("+{toolchain}"));
    }
    command.args(["clippy", "-p", KERNEL_PART, "--bins", "--target", "bpfel-unknown-none"]);
    command.args(["-Z", "build-std=core", "--", "-D", "warnings"]);
    // Lets a stable compiler take `-Z build-std`; a nightly one does not mind.
    command.env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTUP_TOOLCHAIN");
    Ok(command)
}

/// Known vulnerabilities: the list of them must be fetched, which not every machine can.
fn advisories(tally: &mut Tally) -> Result<()> {
    let mut check = process::cargo(&["deny", "check", "--hide-inclusion-graph", "advisories"]);
    let (status, _, stderr) = process::tee(&mut check)?;
    if status.success() {
        tally.pass();
    } else if stderr.contains("failed to fetch advisory database") {
        tally.skip("known vulnerabilities: the advisory database cannot be fetched here");
    } else {
        tally.fail("known vulnerabilities");
    }
    Ok(())
}

/// Including what is private, for who reads the code: links to that are meant.
fn documentation() -> Command {
    let mut command =
        process::cargo(&["doc", "--workspace", "--exclude", KERNEL_PART, "--no-deps", "--quiet"]);
    command
        .args(["--document-private-items", "--keep-going"])
        .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links");
    command
}
