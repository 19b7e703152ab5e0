//! The ledger under load: with a ring that is far too small, every byte that went over the wire is accounted for, once, and
//! what is said to be whole is whole.
#![allow(clippy::expect_used, reason = "a test: what is missing ends it, with its name")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use pitot_e2e::content::Content;
use pitot_e2e::peers::Server;
use pitot_e2e::ready;
use pitot_e2e::recording::Recording;

const SIZES: [usize; 3] = [100, 5_000, 70_000];
const CONNECTIONS: usize = 16;
const REQUESTS: usize = 200;

/// Payload of one connection, both directions, counted where it is sent and received.
fn load(port: u16) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("nginx listens");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut bytes = 0;
    for size in SIZES.iter().cycle().take(REQUESTS) {
        let request = format!("GET /{size} HTTP/1.1\r\nHost: ledger\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("send");
        bytes += request.len() as u64;
        loop {
            let mut line = String::new();
            bytes += reader.read_line(&mut line).expect("a head") as u64;
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; *size];
        reader.read_exact(&mut body).expect("a body");
        bytes += *size as u64;
    }
    bytes
}

#[test]
fn the_sums_hold_when_the_ring_is_too_small() {
    if !ready() {
        return;
    }
    let content = Content::new(&SIZES);
    let server = Server::nginx(&content);
    let config = content.dir.path().join("pitot.yaml");
    fs::write(&config, "capture: {ring_bytes: 65536}\n").expect("write the configuration");
    let port = server.port.to_string();
    let config = config.to_str().expect("UTF-8");
    let recording = Recording::start(&["--format", "messages", "--port", &port, "--config", config]);

    let port = server.port;
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| thread::spawn(move || load(port))).collect();
    let sent: u64 = clients.into_iter().map(|client| client.join().expect("a client")).sum();
    let recorded = recording.stop();

    recorded.assert_ledger();
    assert!(recorded.lost_bytes() > 0, "the ring held everything: {}", recorded.ledger);
    let bytes = &recorded.ledger["ledger"]["bytes"];
    // Others' traffic on this machine, which the kernel part counts as filtered, is not part of it.
    let filtered = bytes["skipped"]["filtered"].as_u64().unwrap_or(0);
    let seen = bytes["seen"].as_u64().expect("a count") - filtered;
    assert!(seen >= sent, "{sent} bytes were sent: {}", recorded.ledger);
    for message in recorded.complete("response") {
        assert!(content.knows(message), "a message is not as it was sent: {message}");
    }
    let started = recorded.ledger["ledger"]["messages"]["started"].as_u64().expect("a count");
    assert!(started <= 2 * (CONNECTIONS * REQUESTS) as u64, "{}", recorded.ledger);
}
