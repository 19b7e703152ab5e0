//! The three capabilities that the chart asks for are enough, and each is needed.

use std::process::Command;

use pitot_e2e::content::Content;
use pitot_e2e::peers::Server;
use pitot_e2e::recording::Recording;
use pitot_e2e::{agent, clients, ready};

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
    for (held, missing) in [
        (["perfmon", "net_admin"], "CAP_BPF"),
        (["bpf", "net_admin"], "CAP_PERFMON"),
        (["bpf", "perfmon"], "CAP_NET_ADMIN"),
    ] {
        let output = with(&held).args(["record", "--output", "/dev/null"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.starts_with(&format!("pitot: missing {missing}: ")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
