//! `fuzz`: runs the targets of `tests/fuzz` with libFuzzer for a bounded time.
//!
//! What `cargo fuzz` does, in one command and without installing it: the flags below are its flags. A stable
//! compiler takes them with `RUSTC_BOOTSTRAP=1`; nothing here depends on unstable language features.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;
use crate::setup::{self, Purpose};
use crate::tally::Tally;

/// Coverage for libFuzzer, address sanitizer, and checks that a release build leaves out.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Zsanitizer=address",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Ccodegen-units=1",
];

#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask fuzz http1 --seconds 60")]
pub(crate) struct Args {
    /// One target; all of them where none is named
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 15)]
    seconds: u32,
}

/// Builds every target once, then runs them one after the other.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Fuzz])?;
    let targets = chosen(args.target.as_deref())?;
    let built = build()?;
    let mut tally = Tally::default();
    for target in &targets {
        tally.check(&format!("fuzz {target}"), fuzz(&built, target, args.seconds));
    }
    Ok(tally.finish())
}

fn folder() -> PathBuf {
    process::root().join("tests/fuzz")
}

/// The files of `fuzz_targets/`, in order. A file that is no `[[bin]]` makes its run fail, so none is forgotten.
fn chosen(name: Option<&str>) -> Result<Vec<String>> {
    let entries =
        std::fs::read_dir(folder().join("fuzz_targets")).context("cannot list tests/fuzz/fuzz_targets")?;
    let mut all: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    all.sort();
    ensure!(!all.is_empty(), "tests/fuzz/fuzz_targets holds no target");
    match name {
        None => Ok(all),
        Some(name) if all.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => bail!("no fuzz target `{name}`; there are: {}", all.join(", ")),
    }
}

/// Builds all targets; gives the folder of the programs.
fn build() -> Result<PathBuf> {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let dir = process::target_dir().join("fuzz");
    let mut cargo =
        process::cargo(&["build", "--release", "--bins", "--manifest-path", "tests/fuzz/Cargo.toml"]);
    // Naming the target keeps the flags away from build scripts and macros.
    cargo.args(["--target", &host]).env("CARGO_TARGET_DIR", &dir);
    process::run(cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")))?;
    Ok(dir.join(host).join("release"))
}

/// What is found grows below the target directory; the kept corpus is only read.
fn fuzz(built: &Path, target: &str, seconds: u32) -> Result<()> {
    let grown = process::target_dir().join("fuzz/corpus").join(target);
    let kept = folder().join("corpus").join(target);
    let artifacts = folder().join("artifacts").join(target);
    for dir in [&grown, &artifacts] {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    ensure!(kept.is_dir(), "no kept corpus in tests/fuzz/corpus/{target}");
    let mut command = process::command(&built.join(target).to_string_lossy());
    command.arg(&grown).arg(&kept).arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(format!("-max_total_time={seconds}"));
    command.args(["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"]);
    process::run(&mut command)
}
