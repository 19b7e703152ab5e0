//! `pitot demo`: two real processes, observed through the kernel, and a fault put into what they say.
//!
//! ```text
//! learning --(enough messages of both flows)--> fault --(found, and nothing more for a while)--> next fault, or end
//! ```

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use pitot_findings::Finding;
use pitot_findings::finding::State;

use crate::cli::{Demo, DemoPeer, Fault, Kernel, Role};
use crate::config::{Config, Match, Rule};
use crate::demo_peer::{self, CLIENT, Mishap, SERVER};
use crate::exit::{Failure, Outcome};
use crate::live::{self, Privileges};
use crate::pipeline::Pipeline;
use crate::sinks::Sinks;
use crate::stop::Stop;
use crate::terminal;

/// Messages seen after the flows have learned and before each fault, so that the detectors know the values, and a false
/// alarm has its chance.
const CALM: u64 = 2_000;
/// Messages seen after the last fault was found (or would have been): whatever else is reported comes here.
const AFTERMATH: u64 = 2_000;

/// A fault, and what must be found of it: this and nothing else.
struct Injection {
    mishap: Mishap,
    /// What people are told when it begins.
    notice: &'static str,
    kind: &'static str,
    path: &'static str,
    old_path: Option<&'static str>,
}

const SCHEMA: Injection = Injection {
    mishap: Mishap::AmountRenamed,
    notice: "from now on the orders say `amount_minor` instead of `amount`",
    kind: "field_renamed",
    path: "$.amount_minor",
    old_path: Some("$.amount"),
};

const SEMANTIC: Injection = Injection {
    mishap: Mishap::WeightInGrams,
    notice: "from now on the orders give weights in grams instead of kilograms",
    kind: "unit_changed",
    path: "$.parcel.weight",
    old_path: None,
};

const VALUE_RANGE: Injection = Injection {
    mishap: Mishap::DeliveryLate,
    notice: "from now on deliveries take four days longer",
    kind: "distribution_shifted",
    path: "$.parcel.days",
    old_path: None,
};

pub(super) fn peer(arguments: &DemoPeer) -> Outcome {
    match arguments.role {
        Role::Server => demo_peer::server()?,
        Role::Client { port } => demo_peer::client(port)?,
    }
    Ok(())
}

pub(super) fn execute(arguments: &Demo) -> Outcome {
    let injections = injections(arguments.fault)?;
    let config = config();
    let stop = Stop::on_signals()?;
    let mut server = Peer::start(&["server"])?;
    let port = server.port()?;
    let show = Show::open(&config, &arguments.kernel, port, arguments.json)?;
    let mut client = Peer::start(&["client", "--port", &port.to_string()])?;
    if !arguments.json {
        terminal::plain(&format!("{CLIENT} posts orders to {SERVER}; Pitot reads along and learns"));
    }
    let deadline = Instant::now() + Duration::from_secs(arguments.seconds);
    let learned = 2 * u64::from(config.learning.messages) + CALM;
    let mut script = Script { learned, steps: injections.len().max(1), ..Script::default() };
    let over = stop.clone();
    let found = show.watch(&stop, deadline, |observed, found| {
        let begun = injections.get(..script.begun).unwrap_or(&injections);
        match script.next(observed, complete(begun, found)) {
            Act::Wait => {}
            Act::Begin(step) => {
                if let Some(injection) = injections.get(step).filter(|_| !arguments.withhold) {
                    client.tell(injection.mishap.name())?;
                    if !arguments.json {
                        terminal::plain(injection.notice);
                    }
                }
            }
            Act::End => over.ask(),
        }
        Ok(())
    })?;
    drop((client, server));
    if script.begun == 0 {
        let why = format!(
            "the flows were not learned within {} s; try --seconds {}",
            arguments.seconds,
            arguments.seconds * 2
        );
        return Err(Failure::findings(anyhow!(why)));
    }
    judge(&injections, &found)?;
    if !arguments.json {
        terminal::plain("every injected fault was found, and nothing else was reported");
    }
    Ok(())
}

fn injections(fault: Fault) -> Result<Vec<Injection>, Failure> {
    match fault {
        Fault::Schema => Ok(vec![SCHEMA]),
        Fault::Semantic => Ok(vec![SEMANTIC]),
        Fault::ValueRange => Ok(vec![VALUE_RANGE]),
        Fault::All => {
            terminal::say(
                "all faults that are built: schema, semantic, value_range (not yet: loss, duplicate)",
            );
            Ok(vec![SCHEMA, SEMANTIC, VALUE_RANGE])
        }
        Fault::None => Ok(Vec::new()),
        Fault::Loss | Fault::Duplicate => {
            Err(Failure::input(anyhow!("this fault is not built yet; use --fault all")))
        }
    }
}

/// Both ends are the same executable; what tells them apart is the command name they took.
fn config() -> Config {
    let mut config = Config::default();
    config.naming.rules = [CLIENT, SERVER]
        .map(|name| Rule { name: name.into(), comm: Some(name.into()), ..Rule::default() })
        .into();
    config
}

/// Where the demonstration stands.
#[derive(Default)]
struct Script {
    /// Messages to see before the first fault.
    learned: u64,
    /// Faults to come in all; without any, one that changes nothing.
    steps: usize,
    /// Faults begun.
    begun: usize,
    found_at: Option<u64>,
}

enum Act {
    Wait,
    Begin(usize),
    End,
}

impl Script {
    /// What to do after `observed` messages, when everything expected of the faults begun was found or not.
    fn next(&mut self, observed: u64, complete: bool) -> Act {
        if self.begun == 0 {
            return if observed < self.learned { Act::Wait } else { self.begin() };
        }
        if !complete {
            return Act::Wait;
        }
        let found_at = *self.found_at.get_or_insert(observed);
        if self.begun < self.steps && observed >= found_at + CALM {
            self.begin()
        } else if self.begun == self.steps && observed >= found_at + AFTERMATH {
            Act::End
        } else {
            Act::Wait
        }
    }

    fn begin(&mut self) -> Act {
        self.found_at = None;
        self.begun += 1;
        Act::Begin(self.begun - 1)
    }
}

fn complete(expected: &[Injection], found: &[Finding]) -> bool {
    expected.iter().all(|expected| found.iter().any(|finding| expected.is(finding)))
}

impl Injection {
    fn is(&self, finding: &Finding) -> bool {
        let flow = &finding.flow;
        finding.kind == self.kind
            && finding.path == self.path
            && finding.old_path.as_deref() == self.old_path
            && (flow.client.as_str(), flow.server.as_str()) == (CLIENT, SERVER)
            && flow.side == "request"
    }
}

/// Whether everything expected was opened, once, and nothing else.
fn judge(expected: &[Injection], found: &[Finding]) -> Outcome {
    for fault in expected {
        let times = found.iter().filter(|finding| fault.is(finding)).count();
        if times != 1 {
            let Injection { kind, path, .. } = fault;
            return Err(Failure::findings(anyhow!(
                "{kind} at {path} was found {times} times instead of once"
            )));
        }
    }
    match found.iter().find(|finding| !expected.iter().any(|expected| expected.is(finding))) {
        Some(other) => Err(Failure::findings(anyhow!(
            "reported without a fault: {} at {} ({})",
            other.kind,
            other.path,
            other.summary
        ))),
        None => Ok(()),
    }
}

/// Capture, pipeline and output of the demonstration.
struct Show {
    live: live::Capture,
    pipeline: Pipeline,
    sinks: Sinks,
}

impl Show {
    fn open(config: &Config, kernel: &Kernel, port: u16, json: bool) -> Result<Self, Failure> {
        // Nobody else's traffic is looked at.
        let mut config = config.clone();
        config.capture.filter.include = vec![Match { port: Some(port), ..Match::default() }];
        let sinks = Sinks::default();
        Ok(Self {
            live: live::open(&config, kernel, Privileges::Keep)?,
            pipeline: Pipeline::new(&config, 1)?,
            // Without --json both forms are shown: this is where people see for the first time what a finding is.
            sinks: if json { sinks } else { sinks.people() }.lines("-".as_ref())?,
        })
    }

    /// Detects and prints until the end; `step` is told after each batch how many messages were observed and what was
    /// opened. Returns what was opened.
    fn watch(
        mut self,
        stop: &Stop,
        deadline: Instant,
        mut step: impl FnMut(u64, &[Finding]) -> anyhow::Result<()>,
    ) -> Result<Vec<Finding>, Failure> {
        let (mut findings, mut opened) = (Vec::new(), Vec::new());
        let note = |findings: &[Finding], opened: &mut Vec<Finding>| {
            opened.extend(findings.iter().filter(|finding| finding.state == State::Open).cloned());
        };
        let Self { live, pipeline, sinks } = &mut self;
        live::pump(live, stop, Some(deadline), |live, events| {
            pipeline.capture(events, &mut findings);
            live.refuse(pipeline.wire().refusals());
            note(&findings, &mut opened);
            sinks.write(&mut findings)?;
            Ok(step(pipeline.observed(), &opened)?)
        })?;
        pipeline.finish(&mut findings);
        note(&findings, &mut opened);
        sinks.write(&mut findings)?;
        self.sinks.close()?;
        Ok(opened)
    }
}

/// An end of the integration, as a process of its own; it ends with this value.
struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Peer {
    fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("demo-peer")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the demonstration's processes cannot be started")?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin })
    }

    /// The port, which the server prints first.
    fn port(&mut self) -> anyhow::Result<u16> {
        let stdout = self.child.stdout.take().context("the server prints nothing")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        line.trim().parse().context("the server did not start")
    }

    fn tell(&mut self, word: &str) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().context("the process takes no orders")?;
        writeln!(stdin, "{word}").context("a process of the demonstration has ended")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both may have happened already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use pitot_findings::finding::{Flow, Severity};

    use super::*;

    fn finding(kind: &'static str, path: &str, old_path: Option<&str>) -> Finding {
        Finding {
            id: "0".repeat(16),
            state: State::Open,
            event: "pitot.schema.drift",
            kind,
            severity: Severity::Warn,
            time_ns: 1,
            onset_ns: 1,
            flow: Flow {
                client: CLIENT.into(),
                server: SERVER.into(),
                protocol: "http".into(),
                method: "POST".into(),
                route: "/v1/orders".into(),
                operation: None,
                side: "request".into(),
                status_class: None,
            },
            path: path.into(),
            old_path: old_path.map(str::to_owned),
            upstream: None,
            confidence: 0.99,
            evidence: serde_json::Map::new(),
            summary: "it changed".into(),
        }
    }

    #[test]
    fn only_the_fault_and_nothing_else_is_a_success() {
        let renamed = || finding("field_renamed", "$.amount_minor", Some("$.amount"));
        let elsewhere = || {
            let mut finding = renamed();
            finding.flow.side = "response".into();
            finding
        };
        let check = |fault: Fault, found: &[Finding], success: bool| {
            let expected = super::injections(fault).expect("built");
            assert_eq!(judge(&expected, found).is_ok(), success, "{fault:?}: {found:?}");
        };
        let (grams, late) = (
            finding("unit_changed", SEMANTIC.path, None),
            finding("distribution_shifted", VALUE_RANGE.path, None),
        );
        check(Fault::Schema, &[renamed()], true);
        check(Fault::Semantic, std::slice::from_ref(&grams), true);
        check(Fault::ValueRange, std::slice::from_ref(&late), true);
        check(Fault::All, &[renamed(), grams.clone(), late], true);
        check(Fault::All, &[renamed(), grams], false);
        check(Fault::Schema, &[], false);
        check(Fault::Schema, &[renamed(), renamed()], false);
        check(Fault::Schema, &[elsewhere()], false);
        check(Fault::Schema, &[finding("field_removed", "$.amount", None)], false);
        check(Fault::Schema, &[renamed(), finding("field_added", "$.other", None)], false);
        check(Fault::None, &[], true);
        check(Fault::None, &[renamed()], false);
    }

    #[test]
    fn the_script_waits_for_what_must_come_first() {
        let mut script = Script { learned: 10, steps: 2, ..Script::default() };
        assert!(matches!(script.next(9, true), Act::Wait), "still learning");
        assert!(matches!(script.next(10, false), Act::Begin(0)));
        assert!(matches!(script.next(11, false), Act::Wait), "not found yet");
        assert!(matches!(script.next(20, true), Act::Wait), "something else may come");
        assert!(matches!(script.next(19 + CALM, true), Act::Wait));
        assert!(matches!(script.next(20 + CALM, true), Act::Begin(1)));
        assert!(matches!(script.next(21 + CALM, false), Act::Wait), "the next one");
        assert!(matches!(script.next(5_000, true), Act::Wait));
        assert!(matches!(script.next(5_000 + AFTERMATH, true), Act::End));
    }
}
