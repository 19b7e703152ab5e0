//! The three capabilities that the chart asks for are enough; each is needed, but one of them only for the packet lane.

use std::process::Command;

use pitot_e2e::content::Content;
use pitot_e2e::peers::Server;
use pitot_e2e::recording::Recording;
use pitot_e2e::{agent, clients, has_tracepoints, ready};
use serde_json::Value;

/// The agent as root with these capabilities and no other, as in a container that drops all and adds them.
fn with(capabilities: &[&str]) -> Command {
    let set = capabilities.iter().fold("-all".to_owned(), |set, name| format!("{set},+{name}"));
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", &set, "--inh-caps", &set, "--ambient-caps", &set]).arg(agent());
    command
}

#[test]
fn three_capabilities_are_enough() {
    if !ready() {
        return;
    }
    let content = Content::new(&[1000]);
    let server = Server::nginx(&content);
    let port = server.port.to_string();
    let args = ["--format", "messages", "--port", &port];
    let recording = Recording::start_by(&mut with(&["bpf", "perfmon", "net_admin"]), &args);
    clients::curl(&[server.url("1000")]);
    let recorded = recording.stop();
    assert_eq!(recorded.count("response", |m| content.knows(m)), 1, "{}", recorded.ledger);
    assert_eq!(
        (&recorded.messages[0]["client"], &recorded.messages[0]["server"]),
        (&"curl".into(), &"nginx".into())
    );
}

#[test]
fn two_are_not() {
    if !ready() {
        return;
    }
    for (held, lane, missing) in [
        (["perfmon", "net_admin"], "auto", "CAP_BPF"),
        (["bpf", "net_admin"], "auto", "CAP_PERFMON"),
        (["bpf", "perfmon"], "packet", "CAP_NET_ADMIN"),
    ] {
        let output = with(&held).args(["record", "--output", "/dev/null", "--lane", lane]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.starts_with(&format!("pitot: missing {missing}: ")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// What `doctor` says of the lane for TCP; null where it says nothing.
fn lane(pitot: &mut Command, asked: &str) -> Value {
    let output = pitot.args(["doctor", "--json", "--lane", asked]).output();
    let said = output.map(|output| serde_json::from_slice(&output.stdout).unwrap_or_default());
    let said: Value = said.unwrap_or_default();
    let mut checks = said["checks"].as_array().into_iter().flatten();
    checks.find(|check| check["name"] == "lane for TCP").cloned().unwrap_or_default()
}

#[test]
fn without_net_admin_tracepoints_show_the_same() {
    if !ready() || !has_tracepoints() {
        return;
    }
    let said = lane(&mut Command::new(agent()), "tracepoint");
    assert_eq!(said["ok"], true, "{said}");
    let content = Content::new(&[0, 1000, 100_000]);
    let server = Server::nginx(&content);
    let port = server.port.to_string();
    let args = ["--format", "messages", "--port", &port];
    let recording = Recording::start_by(&mut with(&["bpf", "perfmon"]), &args);
    clients::curl(&[server.url("0"), server.url("1000"), server.url("100000")]);
    let recorded = recording.stop();
    assert_eq!(recorded.count("response", |m| content.knows(m)), 3, "{}", recorded.ledger);
    assert_eq!(
        (&recorded.messages[0]["client"], &recorded.messages[0]["server"]),
        (&"curl".into(), &"nginx".into())
    );
    let said = lane(&mut with(&["bpf", "perfmon"]), "auto");
    let detail = said["detail"].as_str().unwrap();
    assert!(
        said["ok"] == true && detail.contains("tracepoints") && detail.contains("CAP_NET_ADMIN"),
        "{said}"
    );
}
