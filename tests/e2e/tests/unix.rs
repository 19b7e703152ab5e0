//! The lane of Unix sockets: servers that no one here wrote, and curl.

use pitot_e2e::content::Content;
use pitot_e2e::recording::Recorded;
use pitot_e2e::unix::{Server, curl, lane, recorded, upload};

const SIZES: [usize; 7] = [1, 17, 4096, 16_384, 65_535, 65_536, 1 << 20];

fn exact(name: &str, recorded: &Recorded, content: &Content) {
    let inexact: Vec<_> = recorded.complete("response").filter(|m| !content.knows(m)).collect();
    assert!(inexact.is_empty(), "{name}: reported as complete and not what was sent: {inexact:?}");
    let count = recorded.count("response", |m| content.knows(m));
    assert_eq!(count, SIZES.len(), "{name}: exact responses; ledger {}", recorded.ledger);
    assert_eq!(recorded.count("request", |m| m["method"] == "GET"), SIZES.len(), "{name}: requests");
}

/// Every size over one connection, and each over its own.
fn check(name: &str, start: fn(&Content) -> Server) {
    if !lane() {
        return;
    }
    let content = Content::new(&SIZES);
    let server = start(&content);
    let paths = SIZES.map(|size| size.to_string());

    let together = recorded(&server, || curl(&server.socket, &paths));
    exact(name, &together, &content);
    let names: Vec<_> =
        together.messages.iter().map(|m| (m["client"].as_str(), m["server"].as_str())).collect();
    let (client, _) = names[0];
    assert!(client == Some("curl") && names.iter().all(|pair| *pair == names[0]), "{name}: {names:?}");

    let apart =
        recorded(&server, || paths.iter().for_each(|path| curl(&server.socket, std::slice::from_ref(path))));
    exact(name, &apart, &content);
}

#[test]
fn curl_from_nginx() {
    check("curl_from_nginx", Server::nginx);
}

#[test]
fn curl_from_python() {
    check("curl_from_python", Server::python);
}

#[test]
fn curl_from_node() {
    check("curl_from_node", Server::node);
}

/// Requests with bodies: the server says what it got.
#[test]
fn uploads() {
    if !lane() {
        return;
    }
    let content = Content::new(&SIZES);
    let server = Server::node(&content);
    let recorded =
        recorded(&server, || SIZES.iter().for_each(|size| upload(&server.socket, &content.file(*size))));
    recorded.assert_uploads(&content, SIZES.len());
}
