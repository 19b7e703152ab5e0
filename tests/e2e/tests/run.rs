//! From a socket to an OpenTelemetry event in a real collector: `pitot run`, as the DaemonSet runs it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use pitot_e2e::collector::Collector;
use pitot_e2e::content::Content;
use pitot_e2e::peers::Server;
use pitot_e2e::{agent, clients, ready};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn a_changed_field_reaches_the_collector() {
    if !ready() {
        return;
    }
    let Some(mut collector) = Collector::start() else { return };
    let content = Content::new(&[]);
    let served = content.dir.path().join("order.json");
    fs::write(&served, r#"{"id":1,"amount":10}"#).unwrap();
    let server = Server::nginx(&content);

    let mut pitot = Command::new(agent())
        .arg("run")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(pitot.stderr.take().unwrap()).lines();
    assert!(stderr.any(|line| line.unwrap() == "ready"));
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
