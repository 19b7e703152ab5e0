//! Connections that are older than the recording: found without waiting for their traffic, thousands at once.
#![allow(clippy::expect_used, reason = "a test: what is missing ends it, with its name")]

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Instant;

use pitot_e2e::held::{Client, Server};
use pitot_e2e::namespaces::Hosts;
use pitot_e2e::ready;
use pitot_e2e::recording::{Recorded, Recording};

/// Requests on each connection that is used. Only after some is it proven that client and server take turns, and so which
/// response answers which request.
const ROUNDS: usize = 12;
/// Of them, those whose response is complete beyond doubt.
const PROVEN: usize = 2;

fn use_some(client: &mut Client, port: u16, connections: usize) -> Recorded {
    let before = Instant::now();
    let recording = Recording::messages(port);
    println!("ready after {:?}", before.elapsed());
    for _ in 0..ROUNDS {
        client.request(connections);
    }
    recording.stop()
}

/// Every message is of the two processes, and complete as soon as that can be proven.
fn assert_known(recorded: &Recorded, connections: usize) {
    assert_eq!(recorded.messages.len(), 2 * ROUNDS * connections, "{}", recorded.ledger);
    for message in &recorded.messages {
        let ends = (&message["client"], &message["server"]);
        assert_eq!(ends, (&"hold_client".into(), &"hold_server".into()), "{message}");
        assert!(message["client_pid"].is_u64() && message["server_pid"].is_u64(), "{message}");
    }
    for (side, each) in [("request", ROUNDS - 1), ("response", PROVEN)] {
        let complete = recorded.complete(side).count();
        assert!(complete >= each * connections, "{complete} {side}s complete, {}", recorded.ledger);
    }
    assert_eq!(recorded.lost_bytes(), 0, "{}", recorded.ledger);
    recorded.assert_ledger();
}

#[test]
fn five_thousand_on_loopback() {
    if !ready() {
        return;
    }
    let server = Server::start(&mut Command::new("python3"), "127.0.0.1");
    let mut client = Client::start(&mut Command::new("python3"), "127.0.0.1", server.port, 5000);
    let recorded = use_some(&mut client, server.port, 300);
    assert_known(&recorded, 300);
}

#[test]
fn between_namespaces() {
    if !ready() {
        return;
    }
    let hosts = Hosts::new();
    let server = Server::start(&mut hosts.command(1, "python3"), hosts.addresses[1]);
    let mut client = Client::start(&mut hosts.command(0, "python3"), hosts.addresses[1], server.port, 100);
    let recorded = use_some(&mut client, server.port, 50);
    assert_known(&recorded, 50);
}

/// Whether the capture file of one request names a socket that has nothing to do with it.
fn holds(recording: Recording, client: &mut Client, path: &str) -> bool {
    client.request(1);
    let recorded = recording.stop();
    let file = fs::read(&recorded.file).expect("a capture file");
    file.windows(path.len()).any(|window| window == path.as_bytes())
}

#[test]
fn a_capture_file_tells_nothing_of_what_was_not_selected() {
    if !ready() {
        return;
    }
    let server = Server::start(&mut Command::new("python3"), "127.0.0.1");
    let mut client = Client::start(&mut Command::new("python3"), "127.0.0.1", server.port, 1);
    let files = tempfile::tempdir().expect("temporary directory");
    let path = files.path().join("somebody-else");
    let _listener = UnixListener::bind(&path).expect("a socket");
    let path = path.to_str().expect("UTF-8");
    assert!(holds(Recording::start(&["--format", "capture"]), &mut client, path), "all of it");
    assert!(!holds(Recording::capture(server.port), &mut client, path), "one port");
}
