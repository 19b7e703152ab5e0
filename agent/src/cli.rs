//! The command line (contract, section 5). Definitions only: each command does its work in
//! [`crate::commands`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use log::LevelFilter;

use crate::config::Lane;

/// Finds schema, semantic and value drift, record loss and duplicates from the bytes on the sockets.
#[derive(Debug, Parser)]
#[command(
    name = "pitot",
    version,
    after_help = "Example:\n  sudo pitot demo\n\nExit codes: 0 success, 1 a failure about findings, 2 wrong usage or bad input, \
                  3 this machine does not allow it."
)]
pub struct Cli {
    /// What to log to standard error.
    #[arg(long, global = true, value_name = "LEVEL", env = "PITOT_LOG", default_value = "warn",
          value_parser = ["off", "error", "warn", "info", "debug"])]
    pub log: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The level asked for.
    #[must_use]
    pub fn level(&self) -> LevelFilter {
        self.log.parse().unwrap_or(LevelFilter::Warn)
    }
}

/// One variant a command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The agent: captures, detects, exports, until SIGINT or SIGTERM.
    Run(Run),
    /// The same from a file, without privileges; time is the input's time.
    Replay(Replay),
    /// Records live traffic to a file that `replay` reads.
    Record(Record),
    /// Shows Pitot at work on a small integration of its own, with faults injected into it.
    Demo(Demo),
    /// Works with what was learned.
    Baseline(Baseline),
    /// Says what this machine allows, and how to fix what it does not.
    Doctor(Doctor),
    /// Checks a configuration file.
    Validate(Validate),
    /// Prints the completion script of a shell.
    Completions(Completions),
    /// Prints the manual page.
    Man(Man),
    /// One end of the demonstration's integration.
    #[command(hide = true)]
    DemoPeer(DemoPeer),
}

/// `run`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo pitot run --config /etc/pitot.yaml --findings -")]
pub struct Run {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Also write findings, a line of JSON each, to this file; `-` is standard output.
    #[arg(long, value_name = "F")]
    pub findings: Option<PathBuf>,
    /// Kernel part.
    #[command(flatten)]
    pub kernel: Kernel,
}

/// `replay`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pitot replay orders.ndjson --findings findings.jsonl --ledger -")]
pub struct Replay {
    /// What `record` wrote, or messages from elsewhere.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What is in it; found out by its name (.har) and its beginning unless given.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<ReplayFormat>,
    /// Write findings, a line of JSON each, to this file; `-` (default) is standard output.
    #[arg(long, value_name = "F", default_value = "-")]
    pub findings: PathBuf,
    /// Write the ledger, one line of JSON, to this file; `-` is standard output.
    #[arg(long, value_name = "F")]
    pub ledger: Option<PathBuf>,
    /// Go on from what was learned before, kept in this file by --save-baseline or by `run`. The file is not written.
    #[arg(long, value_name = "F")]
    pub baseline: Option<PathBuf>,
    /// Write what was learned at the end of the input to this file, for --baseline.
    #[arg(long, value_name = "F")]
    pub save_baseline: Option<PathBuf>,
    /// Threads; the findings do not depend on it. Default: one for each processor, at most 64.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=64))]
    pub workers: Option<u16>,
    /// Bad lines do not count as a failure (exit 0).
    #[arg(long)]
    pub lenient: bool,
    /// Also export findings with OpenTelemetry, as `run` would.
    #[arg(long)]
    pub otlp: bool,
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplayFormat {
    /// Captured packets, as `record --format capture` writes them.
    Capture,
    /// Decoded messages, one a line, as `record --format messages` writes them.
    Messages,
    /// HTTP archive of a browser or proxy.
    Har,
}

/// `record`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sudo pitot record --output orders.ndjson --format messages --port 8080 --seconds 60"
)]
pub struct Record {
    /// The file to write. A file that exists is replaced.
    #[arg(long, value_name = "F")]
    pub output: PathBuf,
    /// What to write. `messages` holds the bodies as they were sent: it is created with mode 0600.
    #[arg(long, value_name = "FORMAT", default_value = "capture")]
    pub format: RecordFormat,
    /// Which connections.
    #[command(flatten)]
    pub select: Select,
    /// End after so many seconds. Default: at SIGINT or SIGTERM.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Kernel part.
    #[command(flatten)]
    pub kernel: Kernel,
}

/// What `record` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecordFormat {
    /// Captured packets.
    Capture,
    /// Decoded messages.
    Messages,
}

/// Which connections to record: whole ones, when either end matches everything given.
#[derive(Debug, Clone, Default, Args)]
pub struct Select {
    /// Only connections of this process.
    #[arg(long, value_name = "P")]
    pub pid: Option<u32>,
    /// Only connections of processes with this command name (as in /proc/PID/comm).
    #[arg(long, value_name = "C")]
    pub comm: Option<String>,
    /// Only connections with this port at an end.
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Only connections of processes in this cgroup or below (path as in /proc/PID/cgroup).
    #[arg(long, value_name = "G")]
    pub cgroup: Option<String>,
}

/// `demo`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo pitot demo --fault schema --json")]
pub struct Demo {
    /// What to inject.
    #[arg(long, value_name = "FAULT", default_value = "all")]
    pub fault: Fault,
    /// Give up after so many seconds.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Print the findings as lines of JSON only.
    #[arg(long)]
    pub json: bool,
    /// Do everything but inject the fault: the demonstration must then fail.
    #[arg(long, hide = true)]
    pub withhold: bool,
    /// Kernel part.
    #[command(flatten)]
    pub kernel: Kernel,
}

/// What `demo` can inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// A field of a request is renamed.
    Schema,
    /// A field is given in another unit.
    Semantic,
    /// The values of a field leave their range.
    #[value(name = "value_range")]
    ValueRange,
    /// Records are dropped on the way.
    Loss,
    /// One order is sent twice.
    Duplicate,
    /// Each that exists, one after the other.
    All,
    /// Nothing: then nothing must be reported.
    #[value(hide = true)]
    None,
}

/// `baseline`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pitot baseline show\n  pitot baseline export --format openapi --server billing --output billing.json"
)]
pub struct Baseline {
    /// What to do with it.
    #[command(subcommand)]
    pub what: BaselineDo,
}

/// One variant a command about what was learned.
#[derive(Debug, Subcommand)]
pub enum BaselineDo {
    /// Prints every flow: its paths, types, how often they are there, and what each channel still needs.
    #[command(after_help = "Example:\n  pitot baseline show --flow 'shop -> billing'")]
    Show {
        /// Where it was learned.
        #[command(flatten)]
        of: Learnt,
        /// Only flows that have this in their name.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        flow: String,
        /// A line of JSON a flow instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Writes what bodies look like as JSON Schema, or what a server does as OpenAPI 3.1.
    #[command(
        after_help = "Example:\n  pitot baseline export --format json-schema --flow 'POST /v1/charges request'"
    )]
    Export {
        /// Where it was learned.
        #[command(flatten)]
        of: Learnt,
        /// Only flows that have this in their name.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        flow: String,
        /// What to write.
        #[arg(long, value_name = "FORMAT", default_value = "json-schema")]
        format: Document,
        /// For openapi: whose document. Needed where there are several servers.
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        /// The file to write; `-` is standard output.
        #[arg(long, value_name = "F", default_value = "-")]
        output: PathBuf,
    },
    /// Prints what two baselines differ in; nothing where they do not.
    #[command(after_help = "Example:\n  pitot baseline diff last-week.baseline")]
    Diff {
        /// A baseline file.
        #[arg(value_name = "BEFORE")]
        before: PathBuf,
        /// Another. Default: what the running agent has learned until now.
        #[arg(value_name = "AFTER")]
        after: Option<PathBuf>,
        /// The running agent's state directory.
        #[arg(long, value_name = "D", env = "PITOT_STATE__DIRECTORY", default_value = "/var/lib/pitot")]
        state: PathBuf,
        /// Lines of JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Closes a finding of the running agent: what changed is as it should be.
    #[command(after_help = "Example:\n  pitot baseline approve 85ba1388f33441bf")]
    Approve {
        /// The finding's id.
        #[arg(value_name = "ID")]
        id: String,
        /// The running agent's state directory.
        #[arg(long, value_name = "D", env = "PITOT_STATE__DIRECTORY", default_value = "/var/lib/pitot")]
        state: PathBuf,
    },
    /// Lets the running agent forget a flow, and learn it anew. Prints what was forgotten.
    #[command(after_help = "Example:\n  pitot baseline reset 'shop -> billing POST /v1/charges request'")]
    Reset {
        /// The flow: its name, or a part of it that no other has.
        #[arg(value_name = "FLOW")]
        flow: String,
        /// Every flow that has this in its name.
        #[arg(long)]
        all: bool,
        /// The running agent's state directory.
        #[arg(long, value_name = "D", env = "PITOT_STATE__DIRECTORY", default_value = "/var/lib/pitot")]
        state: PathBuf,
    },
}

/// Where something was learned.
#[derive(Debug, Args)]
pub struct Learnt {
    /// A baseline file. Default: what the running agent has learned until now.
    #[arg(long, value_name = "F")]
    pub baseline: Option<PathBuf>,
    /// The running agent's state directory.
    #[arg(long, value_name = "D", env = "PITOT_STATE__DIRECTORY", default_value = "/var/lib/pitot")]
    pub state: PathBuf,
}

/// A document made of what was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// JSON Schema of bodies: of the only flow, or of each below `$defs`.
    JsonSchema,
    /// OpenAPI 3.1 of a server.
    Openapi,
}

/// `doctor`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo pitot doctor --json")]
pub struct Doctor {
    /// One line of JSON instead of text.
    #[arg(long)]
    pub json: bool,
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Kernel part.
    #[command(flatten)]
    pub kernel: Kernel,
}

/// `validate`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pitot validate /etc/pitot.yaml")]
pub struct Validate {
    /// The configuration file.
    #[arg(value_name = "F", required_unless_present_any = ["schema", "defaults"])]
    pub file: Option<PathBuf>,
    /// Print the JSON Schema of configuration files instead.
    #[arg(long, conflicts_with = "file")]
    pub schema: bool,
    /// Print the defaults, as JSON (which is YAML), instead.
    #[arg(long, conflicts_with_all = ["file", "schema"])]
    pub defaults: bool,
}

/// `completions`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pitot completions bash > /etc/bash_completion.d/pitot")]
pub struct Completions {
    /// Which shell.
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `man`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pitot man > /usr/local/share/man/man1/pitot.1")]
pub struct Man {}

/// `demo-peer`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pitot demo-peer server")]
pub struct DemoPeer {
    /// Which end.
    #[command(subcommand)]
    pub role: Role,
}

/// An end of the demonstration's integration.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Takes orders; prints its port.
    Server,
    /// Posts orders, as many and such as it is told on standard input.
    Client {
        /// The server's port.
        #[arg(long)]
        port: u16,
    },
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigFile {
    /// Configuration file (YAML). Each key can also be set as PITOT_SECTION__KEY.
    #[arg(id = "config", long = "config", value_name = "F")]
    pub file: Option<PathBuf>,
}

/// What the kernel part needs to know and tests may set.
#[derive(Debug, Clone, Default, Args)]
pub struct Kernel {
    /// The kernel's type information, when it is not at its usual place.
    #[arg(long, value_name = "F", hide = true)]
    pub btf: Option<PathBuf>,
    /// Which programs capture TCP, in place of the configuration's `capture.lane`.
    #[arg(long, value_name = "LANE")]
    pub lane: Option<Lane>,
}
