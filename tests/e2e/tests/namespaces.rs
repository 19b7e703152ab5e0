//! Ends in two network namespaces: each message once, both ends named.

use pitot_e2e::content::Content;
use pitot_e2e::namespaces::Hosts;
use pitot_e2e::peers::Server;
use pitot_e2e::recording::Recording;
use pitot_e2e::{clients, ready};

#[test]
fn across_a_virtual_link() {
    if !ready() {
        return;
    }
    let hosts = Hosts::new();
    let content = Content::new(&[10, 100_000, 1 << 20]);
    let server = Server::node_in(&mut hosts.command(1, "node"), &content, hosts.addresses[1]);
    let recording = Recording::messages(server.port);
    let url = |size: usize| format!("http://{}:{}/{size}", hosts.addresses[1], server.port);
    for size in [10, 100_000, 1 << 20] {
        clients::run(hosts.command(0, "curl").args([
            "--silent",
            "--fail",
            "--output",
            "/dev/null",
            &url(size),
        ]));
    }
    let recorded = recording.stop();
    assert_eq!(recorded.count("response", |m| content.knows(m)), 3, "{:?}", recorded.ledger);
    assert_eq!(recorded.messages.len(), 6, "each message once");
    for message in &recorded.messages {
        assert_eq!((&message["client"], &message["server"]), (&"curl".into(), &"server".into()));
    }
    recorded.assert_ledger();
}
