//! `bench accuracy`: the program is a crate of its own, which depends on what it judges. `write` runs its parts and renews
//! `docs/accuracy.md`; everything else is handed on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::{Subcommand, ValueEnum};

use crate::process;

#[derive(clap::Args)]
#[command(
    after_help = "Example: cargo xtask bench accuracy matrix --seeds 2 --held-out",
    disable_help_subcommand = true
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Run the parts and renew docs/accuracy.md: of a part that is not run, the figures of its last run are taken
    Write(Write),
    /// `aa`, `matrix`, `history`, `export`, `table` or `show`, and its options; `help` tells
    #[command(external_subcommand)]
    Other(Vec<String>),
}

#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask bench accuracy write --parts aa,matrix --messages 5000000")]
struct Write {
    /// What to run
    #[arg(long, value_delimiter = ',', default_values = ["aa", "matrix", "peers"])]
    parts: Vec<Part>,
    /// Messages of each stream without a change
    #[arg(long, default_value_t = 4_500_000)]
    messages: u64,
    /// Streams without a change
    #[arg(long, default_value_t = 24)]
    streams: usize,
    /// Seed of the first of them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Variants of each change
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Folder of a real history, for `history`: `DATE.json.gz` and `diffs.ndjson.gz`
    #[arg(long, value_name = "FOLDER", required_if_eq("parts", "history"))]
    history: Option<PathBuf>,
    /// Messages of each stream for KSWIN, which is slow
    #[arg(long, default_value_t = 170_000)]
    kswin_messages: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Streams without a change
    Aa,
    /// Streams with one
    Matrix,
    /// Versions of a real interface
    History,
    /// Other detectors, from PyPI, in an environment of their own
    Peers,
}

impl Part {
    const ALL: [Self; 4] = [Self::Aa, Self::Matrix, Self::History, Self::Peers];

    /// Where its figures are.
    fn file(self) -> PathBuf {
        folder().join(format!("{self:?}.jsonl").to_lowercase())
    }
}

fn folder() -> PathBuf {
    process::target_dir().join("accuracy")
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Write(write) => write.run()?,
        What::Other(arguments) => process::run(program().args(arguments))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn program() -> Command {
    process::cargo(&["run", "--release", "--quiet", "-p", "pitot-accuracy", "--"])
}

impl Write {
    fn run(&self) -> Result<()> {
        fs::create_dir_all(folder())?;
        for part in &self.parts {
            self.run_part(*part)?;
        }
        let files = Part::ALL.map(Part::file);
        let mut table = program();
        table.arg("table").args(files.iter().filter(|file| file.exists()));
        into(&mut table, &process::root().join("docs/accuracy.md"))
    }

    fn run_part(&self, part: Part) -> Result<()> {
        let mut command = program();
        match part {
            Part::Aa => {
                let options = [
                    ("--messages", self.messages),
                    ("--streams", self.streams as u64),
                    ("--seed", self.seed),
                ];
                command.args(["aa", "--held-out", "--json"]);
                command.args(options.map(|(name, value)| format!("{name}={value}")));
            }
            Part::Matrix => {
                command.args(["matrix", "--held-out", "--json", "--seeds", &self.seeds.to_string()]);
            }
            Part::History => {
                let folder = self.history.as_deref().context("--history says where the versions are")?;
                command.args(["history", "--json"]).arg(folder.canonicalize()?);
            }
            Part::Peers => return self.peers(),
        }
        into(&mut command, &part.file())
    }

    /// What Pitot says of the streams that it exports, and then what the others say.
    fn peers(&self) -> Result<()> {
        let (streams, environment) = (folder().join("streams"), folder().join("venv"));
        let here = process::root().join("tests/accuracy/peers");
        if !environment.exists() {
            process::run(process::command("python3").args(["-m", "venv"]).arg(&environment))?;
            let mut install = Command::new(environment.join("bin/pip"));
            process::run(install.args(["install", "--quiet", "-r"]).arg(here.join("requirements.txt")))?;
        }
        process::run(program().arg("export").arg(&streams))?;
        let (own, others) = (streams.join("pitot.jsonl"), folder().join("others.jsonl"));
        let mut judge = Command::new(environment.join("bin/python"));
        judge.arg(here.join("judge.py")).arg(&streams);
        into(judge.args(["--kswin-messages", &self.kswin_messages.to_string()]), &others)?;
        fs::write(Part::Peers.file(), [fs::read(own)?, fs::read(others)?].concat())?;
        Ok(())
    }
}

/// Runs to the end, output to a file, which is there only when that went well.
fn into(command: &mut Command, file: &Path) -> Result<()> {
    let unfinished = file.with_extension("unfinished");
    let out = File::create(&unfinished).with_context(|| unfinished.display().to_string())?;
    process::run(command.stdout(out))?;
    fs::rename(&unfinished, file).with_context(|| file.display().to_string())
}
