//! Live and replay differ only in the source: a recorded capture gives the same, every time, with any number of workers.

use std::fs;
use std::process::Command;

use pitot_e2e::content::Content;
use pitot_e2e::peers::Server;
use pitot_e2e::recording::Recording;
use pitot_e2e::{agent, clients, ready};

#[test]
fn byte_identical() {
    if !ready() {
        return;
    }
    let content = Content::new(&[10, 1000]);
    // JSON that changes its shape after the flow was learned.
    fs::write(content.dir.path().join("before"), r#"{"id":1,"amount":10}"#).unwrap();
    fs::write(content.dir.path().join("after"), r#"{"id":1,"amount_minor":1000}"#).unwrap();
    let server = Server::nginx(&content);
    // One route, two documents: the path is the same, so rename the file in between.
    let served = content.dir.path().join("order.json");
    fs::copy(content.dir.path().join("before"), &served).unwrap();
    let recording = Recording::start(&["--format", "capture", "--port", &server.port.to_string()]);
    clients::curl(&vec![server.url("order.json"); 300]);
    fs::copy(content.dir.path().join("after"), &served).unwrap();
    clients::curl(&vec![server.url("order.json"); 100]);
    let recorded = recording.stop();

    let replay = |workers: &str| {
        let output = Command::new(agent())
            .args(["replay", "--workers", workers])
            .arg(&recorded.file)
            .env("PITOT_LOG", "warn")
            .output()
            .expect("replay");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let first = replay("1");
    assert!(!first.is_empty(), "a change must be found");
    println!("{}", String::from_utf8_lossy(&first));
    for workers in ["1", "1", "4", "4", "64"] {
        assert_eq!(replay(workers), first, "{workers} workers");
    }
}
