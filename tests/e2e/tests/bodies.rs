//! Every body exact: what the agent reports as complete has the hash of what was sent, and nothing is missing.

use pitot_e2e::content::Content;
use pitot_e2e::peers::Server;
use pitot_e2e::recording::{Recorded, Recording};
use pitot_e2e::{clients, ready};

/// One byte; around a segment; around the largest segment; 16 MiB.
const SIZES: [usize; 8] = [1, 17, 1447, 1448, 65_535, 65_536, 1 << 20, 16 << 20];

type Start = fn(&Content) -> Server;
type Fetch = fn(&[String]);

/// `fetch` gets every size from a server; every one must be recorded once, complete and exact.
fn check(name: &str, start: Start, fetch: Fetch) {
    if !ready() {
        return;
    }
    let content = Content::new(&SIZES);
    let server = start(&content);
    let recording = Recording::messages(server.port);
    fetch(&SIZES.map(|size| server.url(&size.to_string())));
    let recorded = recording.stop();
    assert_exact(name, &recorded, &content, SIZES.len());
}

fn assert_exact(name: &str, recorded: &Recorded, content: &Content, expected: usize) {
    let inexact: Vec<_> = recorded.complete("response").filter(|m| !content.knows(m)).collect();
    assert!(inexact.is_empty(), "{name}: reported as complete and not what was sent: {inexact:?}");
    let exact = recorded.count("response", |m| content.knows(m));
    assert_eq!(exact, expected, "{name}: exact responses; ledger {}", recorded.ledger);
    assert_eq!(recorded.count("request", |m| m["method"] == "GET"), expected, "{name}: requests");
    assert_eq!(recorded.lost_bytes(), 0, "{name}: {}", recorded.ledger);
    recorded.assert_ledger();
    println!("{name}: {exact} of {expected} bodies exact, ledger {}", recorded.ledger);
}

/// One test for each pair of client and server.
macro_rules! pairs {
    ($($name:ident: $client:path => $server:path;)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name), $server, $client);
        })*
    };
}

pairs! {
    curl_from_nginx: clients::curl => Server::nginx;
    curl_from_python: clients::curl => Server::python;
    curl_from_node: clients::curl => Server::node;
    requests_from_nginx: clients::requests => Server::nginx;
    requests_from_python: clients::requests => Server::python;
    requests_from_node: clients::requests => Server::node;
    node_from_nginx: clients::node => Server::nginx;
    node_from_python: clients::node => Server::python;
    node_from_node: clients::node => Server::node;
}

#[test]
fn two_hundred_connections() {
    if !ready() {
        return;
    }
    let content = Content::new(&[20_000]);
    let server = Server::nginx(&content);
    let recording = Recording::messages(server.port);
    clients::curl_parallel(&vec![server.url("20000"); 200], 200);
    let recorded = recording.stop();
    assert_exact("two_hundred_connections", &recorded, &content, 200);
    let mut connections: Vec<_> = recorded.complete("response").map(|m| m["conn"].to_string()).collect();
    connections.sort();
    connections.dedup();
    assert_eq!(connections.len(), 200);
}

#[test]
fn a_thousand_messages_on_one_connection() {
    if !ready() {
        return;
    }
    let content = Content::new(&[1000]);
    let server = Server::nginx(&content);
    let recording = Recording::messages(server.port);
    clients::curl(&vec![server.url("1000"); 1000]);
    let recorded = recording.stop();
    assert_exact("a_thousand_messages_on_one_connection", &recorded, &content, 1000);
    let first = &recorded.messages[0]["conn"];
    assert!(recorded.messages.iter().all(|m| &m["conn"] == first), "one connection");
}

/// Requests with bodies: the server says what it got.
#[test]
fn uploads() {
    if !ready() {
        return;
    }
    let content = Content::new(&SIZES);
    let server = Server::node(&content);
    let recording = Recording::messages(server.port);
    for size in SIZES {
        clients::curl_post(&server.url("upload"), &content.file(size));
    }
    let recorded = recording.stop();
    recorded.assert_uploads(&content, SIZES.len());
    recorded.assert_ledger();
}

/// The names of both ends, fixed before the first message.
#[test]
fn workload_names() {
    if !ready() {
        return;
    }
    let content = Content::new(&[10]);
    let server = Server::python(&content);
    let recording = Recording::messages(server.port);
    clients::requests(&[server.url("10")]);
    clients::node(&[server.url("10")]);
    let recorded = recording.stop();
    let names: Vec<_> =
        recorded.messages.iter().map(|m| (m["client"].as_str(), m["server"].as_str())).collect();
    let expected = (Some("fetch"), Some("http.server"));
    assert_eq!(names, vec![expected; 4]);
}
