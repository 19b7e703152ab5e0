//! Carries a case out: starts the peers and the recording in their order, waits, compares.

mod peers;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::case::{Case, Expect, Socket, Start};
use crate::compare::{Comparison, Told, compare};
use crate::plan::{Address, Plan};
use crate::recording::{Recorded, Recording, Select};
use crate::{Error, content};

use peers::Peers;

/// What the cases are carried out with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program under test.
    pub pitot: PathBuf,
    /// How long the peers, and then Pitot, may take for one case.
    pub patience: Duration,
    /// Further arguments of its `record`.
    pub with: Vec<String>,
    /// Whether that program sees Unix sockets on this machine.
    unix: bool,
}

impl Settings {
    /// Asks the program under test what it can see here.
    #[must_use]
    pub fn new(pitot: PathBuf, patience: Duration) -> Self {
        let unix = allows(&pitot, "Unix") || std::env::var_os("PITOT_SUITE_UNIX").is_some();
        Self { pitot, patience, with: Vec::new(), unix }
    }

    /// The same with TCP captured by tracepoints.
    #[must_use]
    pub fn by_tracepoints(&self) -> Self {
        Self { with: ["--lane", "tracepoint"].map(str::to_owned).into(), ..self.clone() }
    }
}

/// Whether `pitot doctor` finds something there that it checks under a name with `part` in it.
fn allows(pitot: &Path, part: &str) -> bool {
    let doctor = Command::new(pitot).args(["doctor", "--json"]).stderr(Stdio::null()).output();
    let said = doctor.map(|output| serde_json::from_slice(&output.stdout).unwrap_or_default());
    let said: serde_json::Value = said.unwrap_or_default();
    let checks = said["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_named = |check: &serde_json::Value| check["name"].as_str().is_some_and(|name| name.contains(part));
    checks.iter().any(|check| is_named(check) && check["ok"] == true)
}

/// What came of a case.
#[derive(Debug)]
pub enum Outcome {
    /// It was carried out.
    Done(Comparison),
    /// What it needs is not on this machine.
    Skipped(String),
    /// It could not be carried out.
    Failed(String),
}

impl Outcome {
    /// Whether this is a failure.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        match self {
            Self::Done(comparison) => comparison.is_bad(),
            Self::Skipped(_) => false,
            Self::Failed(_) => true,
        }
    }
}

/// Carries one case out.
#[must_use]
pub fn run(case: &Case, settings: &Settings) -> Outcome {
    match carry_out(case, settings) {
        Ok(mut comparison) => {
            comparison.judge(case.expect);
            Outcome::Done(comparison)
        }
        Err(Error::Unsupported(why)) => Outcome::Skipped(why),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn carry_out(case: &Case, settings: &Settings) -> Result<Comparison, Error> {
    if case.socket.is_unix() && !settings.unix {
        return Err(Error::Unsupported("this agent does not see Unix sockets here (pitot doctor)".into()));
    }
    let dir = tempfile::tempdir().map_err(Error::io("a temporary directory"))?;
    let mut plan = plan(case, &dir)?;
    let mut peers = Peers::new(case, settings.patience)?;
    plan.address = peers.server(&plan)?;
    let select = select(case, &plan)?;
    let environment: Vec<_> =
        case.ring_bytes.map(|bytes| ("PITOT_CAPTURE__RING_BYTES", bytes.to_string())).into_iter().collect();
    let record = || Recording::start(&settings.pitot, &settings.with, &select, &environment);
    let recording = match case.start {
        Start::Before => {
            let recording = record()?;
            peers.client(&plan)?;
            recording
        }
        Start::Late => {
            peers.client(&plan)?;
            peers.connected()?;
            let recording = record()?;
            peers.go()?;
            recording
        }
    };
    let pids = peers.pids();
    let told: Told = peers.finish()?;
    let recorded = recording.stop(settings.patience)?;
    if let Some(contradiction) = told.contradiction(&plan) {
        return Err(Error::Peer(contradiction));
    }
    let mut comparison = compare(&plan, &told, &recorded, matches!(select, Select::Port(_)));
    if case.names {
        comparison.complaints.extend(misnamed(&plan, &recorded, &pids));
    }
    Ok(comparison)
}

/// The first message whose ends have other names or processes than the peers.
fn misnamed(plan: &Plan, recorded: &Recorded, pids: &HashMap<&str, u32>) -> Option<String> {
    let mut ours = recorded.messages.iter().filter(|message| message.id(&plan.run).is_some());
    ours.find_map(|message| {
        let ends = [
            ("client", message.client.as_str(), message.client_pid),
            ("server", message.server.as_str(), message.server_pid),
        ];
        ends.into_iter().find_map(|(role, name, pid)| {
            let right = name == format!("suite-{role}") && pid == pids.get(role).copied();
            (!right).then(|| format!("the {role} is called {name}, process {pid:?}; it is {pids:?}"))
        })
    })
}

fn plan(case: &Case, dir: &TempDir) -> Result<Plan, Error> {
    let at =
        |text: &str| text.parse().map(Address::Tcp).map_err(|_| Error::Peer(format!("{text} is no address")));
    let token = content::seed(&case.name) as u32 ^ std::process::id();
    let address = match case.socket {
        Socket::V4 => at("127.0.0.1:0")?,
        Socket::V6 => at("[::1]:0")?,
        Socket::Mapped => at("[::ffff:127.0.0.1]:0")?,
        Socket::Mptcp => match at("127.0.0.1:0")? {
            Address::Tcp(at) => Address::Mptcp(at),
            other => other,
        },
        Socket::UnixPath => Address::UnixPath(dir.path().join("socket").to_string_lossy().into_owned()),
        Socket::UnixAbstract => Address::UnixAbstract(format!("pitot-suite-{token:08x}")),
        Socket::Socketpair => Address::Inherited,
    };
    Ok(Plan {
        run: format!("s{token:08x}"),
        comm: format!("suite-{token:08x}"),
        address,
        send: case.send,
        receive: case.receive,
        exchanges: case.exchanges.clone(),
        connections: case.connections,
        order: case.order,
        manner: case.manner,
        wait: case.start == Start::Late,
    })
}

fn select(case: &Case, plan: &Plan) -> Result<Select, Error> {
    match &plan.address {
        _ if case.select_by_comm || case.socket.is_unix() => Ok(Select::Comm(plan.comm.clone())),
        Address::Tcp(at) | Address::Mptcp(at) => Ok(Select::Port(at.port())),
        other => Err(Error::Peer(format!("the server listens at {other:?}"))),
    }
}

impl Comparison {
    /// Adds a complaint when what came out is honest, and not what it should be.
    fn judge(&mut self, expect: Expect) {
        let row = self.row;
        let short_of = match expect {
            Expect::Exact => row.sent - row.exact,
            Expect::ExactButCut => {
                (row.sent - row.exact).saturating_sub(row.declared + row.lost).max(u64::from(row.exact == 0))
            }
            Expect::Declared => 0,
        };
        // A ring that is full, or about to be, is a matter of the machine's speed, and was declared.
        let overload = ["lost.ring_full", "lost.overload"];
        let overloaded = overload.iter().any(|reason| self.reasons.contains_key(*reason));
        if short_of > 0 && !overloaded && !self.is_bad() {
            self.complaints.push(format!(
                "{short_of} messages that should have been exact were not: {:?}",
                self.reasons
            ));
        }
    }
}
