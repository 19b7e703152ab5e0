//! The command line.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::Arg::{Long, Value};
use lexopt::ValueExt as _;

use crate::case::Case;
use crate::driver::{self, Outcome, Settings};
use crate::peer::{self, Role};
use crate::{cases, plan};

const USAGE: &str = "usage: pitot-capture-suite list [--filter X]...
       pitot-capture-suite run [--filter X]... [--pitot PATH] [--json] [--patience SECONDS]

Example: pitot-capture-suite run --filter send/ --pitot target/release/pitot
PATH is $PITOT_BIN by default, else `pitot` beside this program.";

/// What `run` and `list` were told.
#[derive(Debug)]
struct Options {
    filters: Vec<String>,
    pitot: Option<PathBuf>,
    json: bool,
    patience: Duration,
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pitot-capture-suite: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn dispatch() -> Result<ExitCode, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let verb = match parser.next()? {
        Some(Value(verb)) => verb.string()?,
        Some(Long("help")) => {
            println!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        Some(other) => return Err(other.unexpected()),
        None => return Err("what to do is missing".into()),
    };
    match verb.as_str() {
        "peer" => start_peer(&mut parser),
        "list" => {
            for case in cases::selected(&options(&mut parser)?.filters) {
                println!("{}", case.name);
            }
            Ok(ExitCode::SUCCESS)
        }
        "run" => Ok(run(&options(&mut parser)?)),
        other => Err(format!("{other} is not known").into()),
    }
}

fn options(parser: &mut lexopt::Parser) -> Result<Options, lexopt::Error> {
    let mut options =
        Options { filters: Vec::new(), pitot: None, json: false, patience: Duration::from_secs(60) };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("filter") => options.filters.push(parser.value()?.string()?),
            Long("pitot") => options.pitot = Some(parser.value()?.into()),
            Long("json") => options.json = true,
            Long("patience") => options.patience = Duration::from_secs(parser.value()?.parse()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

/// The program under test: `PITOT_BIN`, else the one beside this program.
#[must_use]
pub fn default_pitot() -> PathBuf {
    let beside = || std::env::current_exe().unwrap_or_default().with_file_name("pitot");
    std::env::var_os("PITOT_BIN").map_or_else(beside, PathBuf::from)
}

fn run(options: &Options) -> ExitCode {
    let settings =
        Settings { pitot: options.pitot.clone().unwrap_or_else(default_pitot), patience: options.patience };
    let mut bad = 0;
    for case in cases::selected(&options.filters) {
        let outcome = driver::run(&case, &settings);
        bad += u32::from(outcome.is_bad());
        if options.json {
            println!("{}", as_json(&case, &outcome));
        } else {
            print(&case, &outcome);
        }
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(case: &Case, outcome: &Outcome) {
    let name = &case.name;
    match outcome {
        Outcome::Done(comparison) => {
            println!("case {name} {}", comparison.row.line());
            comparison.complaints.iter().for_each(|complaint| println!("  {complaint}"));
        }
        Outcome::Skipped(why) => println!("case {name} skipped: {why}"),
        Outcome::Failed(why) => println!("case {name} failed: {why}"),
    }
}

fn as_json(case: &Case, outcome: &Outcome) -> serde_json::Value {
    let name = &case.name;
    match outcome {
        Outcome::Done(comparison) => serde_json::json!({
            "case": name,
            "row": comparison.row,
            "reasons": comparison.reasons,
            "complaints": comparison.complaints,
            "ok": !comparison.is_bad(),
        }),
        Outcome::Skipped(why) => serde_json::json!({"case": name, "skipped": why, "ok": true}),
        Outcome::Failed(why) => serde_json::json!({"case": name, "failed": why, "ok": false}),
    }
}

/// `peer ROLE PLAN`, as the driver starts it.
fn start_peer(parser: &mut lexopt::Parser) -> Result<ExitCode, lexopt::Error> {
    let role = parser.value()?.string()?;
    if role == "busy" {
        return Ok(busy());
    }
    let plan: OsString = parser.value()?;
    let plan: plan::Plan = serde_json::from_str(&plan.string()?).map_err(|error| error.to_string())?;
    let role = match role.as_str() {
        "server" => Role::Server,
        "client" => Role::Client,
        "heir" => Role::Heir,
        other => return Err(format!("no peer is a {other}").into()),
    };
    Ok(peer::run(role, &plan))
}

/// Keeps a processor busy until standard input ends.
fn busy() -> ExitCode {
    let input = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let mut random = crate::content::Random::new(1);
    while !input.is_finished() {
        std::hint::black_box((0..1_000_000).fold(0, |sum: u64, _| sum ^ random.next()));
    }
    ExitCode::SUCCESS
}
