//! From a socket to an OpenTelemetry event, and the ledger as metrics, in a real collector: `pitot run`, as the DaemonSet runs it.
#![allow(clippy::unwrap_used, reason = "a test: what is missing ends it")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};

use pitot_e2e::collector::Collector;
use pitot_e2e::content::Content;
use pitot_e2e::peers::Server;
use pitot_e2e::{agent, clients, ready};
use rustix::process::{Pid, Signal, kill_process};

/// `pitot run`, ready, and what it says from then on.
fn start(arguments: &[&OsStr], collector: &Collector) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut pitot = Command::new(agent())
        .arg("run")
        .args(arguments)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .env("PITOT_STATE__DIRECTORY", "null")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(pitot.stderr.take().unwrap()).lines();
    assert!(stderr.any(|line| line.unwrap() == "ready"));
    (pitot, stderr)
}

#[test]
fn a_changed_field_reaches_the_collector() {
    if !ready() {
        return;
    }
    let Some(mut collector) = Collector::of_events() else { return };
    let content = Content::new(&[]);
    let served = content.dir.path().join("order.json");
    fs::write(&served, r#"{"id":1,"amount":10}"#).unwrap();
    let server = Server::nginx(&content);

    let (mut pitot, stderr) = start(&[], &collector);
    clients::curl(&vec![server.url("order.json"); 300]);
    fs::write(&served, r#"{"id":1,"amount":"10"}"#).unwrap();
    clients::curl(&vec![server.url("order.json"); 100]);

    let event = collector.next_event();
    kill_process(Pid::from_child(&pitot), Signal::INT).unwrap();
    let ledger = stderr.last().unwrap().unwrap();
    assert!(pitot.wait().unwrap().success());
    assert!(ledger.starts_with(r#"{"ledger":"#), "{ledger}");
    for expected in [
        "EventName: pitot.schema.drift",
        "-> pitot.kind: Str(type_changed)",
        "-> pitot.flow.client: Str(curl)",
        "-> pitot.flow.server: Str(nginx)",
        "-> pitot.flow.route: Str(/order.json)",
    ] {
        assert!(event.iter().any(|line| line == expected), "no {expected:?} in {event:#?}");
    }
}

/// What became of every byte and message, and why, as the ledger says it in the end.
#[test]
fn the_ledger_reaches_the_collector() {
    if !ready() {
        return;
    }
    let Some(mut collector) = Collector::of_metrics() else { return };
    let content = Content::new(&[10, 3_000]);
    let (kept, left_out) = (Server::nginx(&content), Server::nginx(&content));
    let config = content.dir.path().join("pitot.yaml");
    fs::write(&config, format!("capture: {{filter: {{exclude: [{{port: {}}}]}}}}\n", left_out.port)).unwrap();
    let (mut pitot, stderr) = start(&["--config".as_ref(), config.as_ref()], &collector);
    clients::curl(&vec![kept.url("10"); 20]);
    clients::curl(&vec![left_out.url("3000"); 20]);
    kill_process(Pid::from_child(&pitot), Signal::INT).unwrap();
    let ledger: serde_json::Value = serde_json::from_str(&stderr.last().unwrap().unwrap()).unwrap();
    assert!(pitot.wait().unwrap().success());

    let bytes = &ledger["ledger"]["bytes"];
    assert!(
        bytes["parsed"].as_u64() > Some(0) && bytes["skipped"]["filtered"].as_u64() > Some(0),
        "{ledger}"
    );
    let mut wanted = BTreeSet::new();
    for (metric, account) in [("pitot.capture.bytes", "bytes"), ("pitot.messages", "messages")] {
        let account = &ledger["ledger"][account];
        let mut want = |attributes: Vec<String>, value: &serde_json::Value| {
            wanted.insert((metric.to_owned(), attributes, value.as_u64().unwrap()));
        };
        want(vec!["pitot.state=parsed".into()], &account["parsed"]);
        for state in ["skipped", "lost"] {
            for (reason, value) in account[state].as_object().unwrap() {
                want(vec![format!("pitot.reason={reason}"), format!("pitot.state={state}")], value);
            }
        }
    }
    collector.await_points(wanted);
}
