//! A connection older than the recording: what is complete is exact, what cannot be proved is not claimed.
#![allow(clippy::expect_used, reason = "a test: what is missing ends it, with its name")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pitot_e2e::content::Content;
use pitot_e2e::peers::{Server, script};
use pitot_e2e::ready;
use pitot_e2e::recording::Recording;

/// A client that keeps its connection.
struct Client {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    fn start() -> Self {
        let mut child = Command::new("python3")
            .arg(script("fetch_on_demand.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start python3");
        let orders = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, orders, answers }
    }

    fn fetch(&mut self, url: &str) {
        writeln!(self.orders, "{url}").expect("the client takes orders");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the client answers");
        assert_eq!(line, "done\n");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn joined_in_the_middle() {
    if !ready() {
        return;
    }
    let content = Content::new(&[10, 3000, 70_000]);
    let server = Server::nginx(&content);
    let mut client = Client::start();
    let urls = ["10", "3000", "70000"].map(|size| server.url(size));
    client.fetch(&urls[0]);

    let recording = Recording::messages(server.port);
    for url in urls.iter().cycle().take(60) {
        client.fetch(url);
    }
    let recorded = recording.stop();

    assert!(recorded.complete("response").all(|m| content.knows(m)), "complete, and not what was sent");
    // The first few only prove that the two ends take turns.
    let exact = recorded.complete("response").count();
    assert!((45..=60).contains(&exact), "{exact} of 60, {}", recorded.ledger);
    assert_eq!(recorded.lost_bytes(), 0);
    recorded.assert_ledger();
    println!("{exact} of 60 responses complete on a connection joined in the middle");
}
