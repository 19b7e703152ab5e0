//! Who talks: the names of both ends where one is slow to show itself, and through translated addresses.
#![allow(clippy::expect_used, reason = "a test: what is missing ends it, with its name")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use pitot_e2e::content::Content;
use pitot_e2e::namespaces::Routed;
use pitot_e2e::peers::{Server, script};
use pitot_e2e::recording::Recording;
use pitot_e2e::{clients, ready};
use serde_json::Value;

/// The sender's, of a process that runs in no container: `HOST:PID:START`.
fn assert_instance(message: &Value) {
    let sender = if message["side"] == "request" { "client_pid" } else { "server_pid" };
    let instance = message["instance"].as_str().unwrap_or_default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert!(instance.starts_with(&format!("{host}:{}:", message[sender])), "{message}");
}

/// A server that has read a request and not yet answered has sent nothing that could say who it is, and the request does not
/// wait for that.
#[test]
fn a_server_that_answers_late() {
    if !ready() {
        return;
    }
    let mut server = Command::new("python3")
        .arg(script("late_server.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start python3");
    let mut told = BufReader::new(server.stdout.take().expect("piped")).lines();
    let mut line = || told.next().expect("it goes on").expect("a line");
    let port: u16 = line().parse().expect("its port");
    let recording = Recording::messages(port);
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    client.write_all(b"GET /late HTTP/1.1\r\nHost: late\r\n\r\n").expect("send");
    assert_eq!(line(), "read");
    // Names wait for two ticks, which come each second.
    thread::sleep(Duration::from_millis(3_500));
    writeln!(server.stdin.take().expect("piped"), "answer").expect("it takes orders");
    client.read_to_end(&mut Vec::new()).expect("an answer");
    assert!(server.wait().expect("it ends").success());

    let recorded = recording.stop();
    assert_eq!(recorded.messages.len(), 2, "{}", recorded.ledger);
    for message in &recorded.messages {
        assert_eq!(message["server"], "late_server", "{message}");
        assert_eq!(message["server_pid"], server.id(), "{message}");
        assert_eq!(message["client_pid"], std::process::id(), "{message}");
        assert_instance(message);
    }
}

/// The port and the server's address are translated on the way there (DNAT), the client's on the way out (masquerade); the server
/// is started anew, and the agent.
#[test]
fn through_translated_addresses_and_across_restarts() {
    if !ready() {
        return;
    }
    let content = Content::new(&[10, 70_000]);
    let hosts = Routed::new();
    let (mut names, mut servers) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..2 {
        let recording = Recording::messages(Routed::PORT);
        for _ in 0..2 {
            let server = Server::node_in(&mut hosts.server("node"), &content, Routed::SERVER);
            hosts.publish(server.port);
            for size in [10, 70_000] {
                let url = format!("http://{}:{}/{size}", Routed::PUBLIC, Routed::PORT);
                let curl = ["--silent", "--show-error", "--fail", "--output", "/dev/null", &url];
                clients::run(hosts.client("curl").args(curl));
            }
        }
        let recorded = recording.stop();
        recorded.assert_ledger();
        let public = format!("{}:{}", Routed::PUBLIC, Routed::PORT);
        let ours: Vec<_> = recorded.messages.iter().filter(|m| m["server_addr"] == public.as_str()).collect();
        assert_eq!(ours.len(), 8, "each message once; {}", recorded.ledger);
        assert_eq!(recorded.count("response", |m| content.knows(m)), 4, "{}", recorded.ledger);
        for message in ours {
            assert_instance(message);
            names.insert((message["client"].to_string(), message["server"].to_string()));
            servers.insert(message["server_pid"].as_u64().expect("a process"));
        }
    }
    assert_eq!(names, BTreeSet::from([(r#""curl""#.to_owned(), r#""server""#.to_owned())]));
    assert_eq!(servers.len(), 4, "each start is another process");
}
