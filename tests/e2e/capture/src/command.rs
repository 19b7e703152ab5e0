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
use crate::link::relay;
use crate::peer::{self, Role};
use crate::table::{self, Run};
use crate::{cases, plan};

const USAGE: &str = "usage: pitot-capture-suite list [--filter X]...
       pitot-capture-suite run [--filter X]... [--pitot PATH] [--with ARGUMENT]... [--json] [--patience SECONDS]
       pitot-capture-suite table KERNEL=FILE...

Example: pitot-capture-suite run --filter send/ --pitot target/release/pitot
`table` makes the table of docs/capture-coverage.md of what `run --json` printed on each kernel.
ARGUMENT goes to `pitot record`; PATH is $PITOT_BIN by default, else `pitot` beside this program.
With PITOT_CAPTURE_QUICK set, cases move a tenth: for machines that are emulated.";

/// What `run` and `list` were told.
#[derive(Debug)]
struct Options {
    filters: Vec<String>,
    pitot: Option<PathBuf>,
    with: Vec<String>,
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
        "table" => {
            let mut runs = Vec::new();
            while let Some(argument) = parser.next()? {
                let Value(argument) = argument else { return Err(argument.unexpected()) };
                runs.push(Run::read(&argument.string()?)?);
            }
            print!("{}", table::markdown(&runs));
            Ok(ExitCode::SUCCESS)
        }
        "run" => Ok(run(&options(&mut parser)?)),
        other => Err(format!("{other} is not known").into()),
    }
}

fn options(parser: &mut lexopt::Parser) -> Result<Options, lexopt::Error> {
    let mut options = Options {
        filters: Vec::new(),
        pitot: None,
        with: Vec::new(),
        json: false,
        patience: default_patience(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("filter") => options.filters.push(parser.value()?.string()?),
            Long("pitot") => options.pitot = Some(parser.value()?.into()),
            Long("with") => options.with.push(parser.value()?.string()?),
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

/// An emulated machine is slower by two orders of magnitude.
#[must_use]
pub fn default_patience() -> Duration {
    Duration::from_secs(if cases::quick() { 300 } else { 60 })
}

fn run(options: &Options) -> ExitCode {
    let pitot = options.pitot.clone().unwrap_or_else(default_pitot);
    let mut settings = Settings::new(pitot, options.patience);
    settings.with.clone_from(&options.with);
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
    let mut line = match outcome {
        Outcome::Done(comparison) => {
            let mut line = serde_json::json!(comparison.row);
            line["reasons"] = serde_json::json!(comparison.reasons);
            line["complaints"] = serde_json::json!(comparison.complaints);
            line
        }
        Outcome::Skipped(why) => serde_json::json!({"skipped": why}),
        Outcome::Failed(why) => serde_json::json!({"failed": why}),
    };
    line["case"] = case.name.as_str().into();
    line["ok"] = (!outcome.is_bad()).into();
    line
}

/// `peer ROLE PLAN`, as the driver starts it.
fn start_peer(parser: &mut lexopt::Parser) -> Result<ExitCode, lexopt::Error> {
    let role = parser.value()?.string()?;
    match role.as_str() {
        "busy" => return Ok(busy()),
        "relay" => {
            let [one, other] = [parser.value()?.string()?, parser.value()?.string()?];
            relay::run([&one, &other]).map_err(|error| format!("relay: {error}"))?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
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
        std::hint::black_box((0..1_000_000).fold(0, |sum: u64, _| sum ^ random.number()));
    }
    ExitCode::SUCCESS
}
