//! What the configuration leaves out, from the start and from a SIGHUP on.
#![allow(clippy::expect_used, reason = "a test: what is missing ends it, with its name")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use pitot_e2e::content::Content;
use pitot_e2e::peers::Server;
use pitot_e2e::recording::Recording;
use pitot_e2e::{agent, clients, ready};
use rustix::process::{Pid, Signal, kill_process};

/// Messages and bytes skipped as filtered of a recording with this filter, while curl and Python fetch from two
/// servers.
#[track_caller]
fn check(filter: impl Fn(u16, u16) -> String, expected: usize) {
    let content = Content::new(&[10, 3_000]);
    let (first, second) = (Server::nginx(&content), Server::nginx(&content));
    let config = content.dir.path().join("pitot.yaml");
    let filter = filter(first.port, second.port);
    fs::write(&config, format!("capture: {{filter: {filter}}}\n")).expect("write the configuration");
    let recording = Recording::start(&["--format", "messages", "--config", config.to_str().expect("UTF-8")]);
    clients::curl(&vec![first.url("10"); 20]);
    clients::curl(&vec![second.url("3000"); 20]);
    let recorded = recording.stop();
    recorded.assert_ledger();
    let ours = |message: &serde_json::Value| content.knows(message);
    assert_eq!(recorded.count("response", ours), expected, "{filter}: {}", recorded.ledger);
    if expected < 40 {
        let filtered = recorded.ledger["ledger"]["bytes"]["skipped"]["filtered"].as_u64();
        assert!(filtered.is_some_and(|bytes| bytes > 0), "{filter}: {}", recorded.ledger);
    }
}

#[test]
fn connections_by_port_address_and_process() {
    if !ready() {
        return;
    }
    check(|a, b| format!("{{include: [{{port: {a}}}, {{port: {b}}}]}}"), 40);
    check(|a, _| format!("{{include: [{{port: {a}}}]}}"), 20);
    check(|a, _| format!("{{include: [{{comm: curl}}], exclude: [{{port: {a}}}]}}"), 20);
    check(|a, b| format!("{{include: [{{port: {a}}}, {{port: {b}, address: 10.0.0.0/8}}]}}"), 20);
    check(|a, b| format!("{{include: [{{port: {a}}}, {{port: {b}}}], exclude: [{{comm: curl}}]}}"), 0);
}

#[test]
fn a_running_agent_reads_its_configuration_again() {
    if !ready() {
        return;
    }
    let content = Content::new(&[10]);
    let config = content.dir.path().join("pitot.yaml");
    let write = |text: &str| fs::write(&config, text).expect("write the configuration");
    write("export: {otlp: {enabled: false}}\n");
    let mut pitot = Command::new(agent())
        .args(["run", "--findings", "/dev/null", "--config"])
        .arg(&config)
        .env("PITOT_STATE__DIRECTORY", "null")
        .stderr(Stdio::piped())
        .spawn()
        .expect("start pitot");
    let mut stderr = BufReader::new(pitot.stderr.take().expect("piped")).lines();
    let mut said = |wanted: &str| {
        let line = stderr.find(|line| line.as_ref().expect("stderr").contains(wanted));
        line.and_then(Result::ok).unwrap_or_else(|| panic!("never said: {wanted}"))
    };
    said("ready");
    let hup = || kill_process(Pid::from_child(&pitot), Signal::HUP).expect("signal pitot");
    write("export: {otlp: {enabled: false}}\ncapture: {filter: {exclude: [{port: 1}]}}\n");
    hup();
    assert_eq!(said("reloaded"), "reloaded");
    write("capture: {filter: {exclude: [{prt: 1}]}}\n");
    hup();
    let line = said("prt");
    assert!(
        line.contains("did you mean `port`?") && line.ends_with("the configuration stays as it was"),
        "{line}"
    );
    // With an exporter, which cannot be had without a new start.
    write("export: {otlp: {enabled: true}}\n");
    hup();
    said("only capture.filter can change");
    said("reloaded");
    kill_process(Pid::from_child(&pitot), Signal::INT).expect("signal pitot");
    assert!(said("ledger").starts_with(r#"{"ledger":"#));
    assert!(pitot.wait().expect("pitot ends").success());
}
