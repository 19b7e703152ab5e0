//! The agent, recording.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::agent;
use crate::content::Content;

/// `pitot record` in progress.
#[derive(Debug)]
pub struct Recording {
    child: Child,
    stderr: BufReader<ChildStderr>,
    dir: TempDir,
}

/// What it left.
#[derive(Debug)]
pub struct Recorded {
    /// Its directory; the file below is in it.
    pub dir: TempDir,
    /// The file it wrote.
    pub file: PathBuf,
    /// The lines of a messages file.
    pub messages: Vec<Value>,
    /// The ledger.
    pub ledger: Value,
}

impl Recording {
    /// Records the messages of connections with this port.
    #[must_use]
    pub fn messages(port: u16) -> Self {
        Self::start(&["--format", "messages", "--port", &port.to_string()])
    }

    /// Records the packets of connections with this port.
    #[must_use]
    pub fn capture(port: u16) -> Self {
        Self::start(&["--format", "capture", "--port", &port.to_string()])
    }

    /// Starts `pitot record` and waits until every probe is attached.
    ///
    /// # Panics
    /// When it ends before.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        Self::start_by(&mut Command::new(agent()), args)
    }

    /// The same by `command`, which ends with the agent's path.
    ///
    /// # Panics
    /// When it ends before.
    #[must_use]
    pub fn start_by(command: &mut Command, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut child = command
            .arg("record")
            .args(args)
            .arg("--output")
            .arg(dir.path().join("recorded"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("start pitot");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        while !said.lines().any(|line| line == "ready") {
            assert_ne!(stderr.read_line(&mut said).expect("stderr"), 0, "pitot record ended: {said}");
        }
        Self { child, stderr, dir }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it by SIGINT and reads what it wrote.
    ///
    /// # Panics
    /// When it fails, or its output is not what the contract says.
    #[must_use]
    pub fn stop(mut self) -> Recorded {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).expect("signal pitot");
        let lines: Vec<String> = self.stderr.lines().map(|line| line.expect("stderr")).collect();
        let status = self.child.wait().expect("pitot ends");
        assert!(status.success(), "pitot record: {status}, {lines:?}");
        let ledger = lines.last().expect("a ledger");
        let file = self.dir.path().join("recorded");
        let text = std::fs::read(&file).expect("recorded file");
        // A capture file is no text: it has no messages to read.
        let messages = std::str::from_utf8(&text)
            .map(|text| text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
            .unwrap_or_default();
        let ledger = serde_json::from_str(ledger).unwrap_or_else(|e| panic!("ledger {ledger:?}: {e}"));
        Recorded { dir: self.dir, file, messages, ledger }
    }
}

impl Recorded {
    /// The complete messages of one side.
    pub fn complete(&self, side: &'static str) -> impl Iterator<Item = &Value> {
        self.messages.iter().filter(move |m| m["side"] == side && m["complete"] != false)
    }

    /// How many complete messages of this side this predicate holds for.
    pub fn count(&self, side: &'static str, holds: impl Fn(&Value) -> bool) -> usize {
        self.complete(side).filter(|m| holds(m)).count()
    }

    /// Checks that so many requests with bodies are what was sent, and that the server (ours in Node) says the same of each.
    ///
    /// # Panics
    /// When they are not.
    pub fn assert_uploads(&self, content: &Content, expected: usize) {
        let exact = self.complete("request").all(|m| content.knows(m));
        assert!(exact, "a complete request is not what was sent");
        assert_eq!(self.count("request", |m| m["method"] == "POST"), expected);
        for request in self.complete("request") {
            let answer = self.complete("response").find(|m| m["exchange"] == request["exchange"]);
            assert_eq!(answer.map(|m| &m["body"]["sha256"]), Some(&request["body_sha256"]));
        }
    }

    /// Checks that both accounts of the ledger add up and nothing is pending.
    ///
    /// # Panics
    /// When they do not.
    pub fn assert_ledger(&self) {
        let ledger = &self.ledger["ledger"];
        for (account, total) in [("bytes", "seen"), ("messages", "started")] {
            let account = &ledger[account];
            let sum = |name: &str| {
                account[name]
                    .as_object()
                    .expect(name)
                    .values()
                    .map(|n| n.as_u64().expect("count"))
                    .sum::<u64>()
            };
            let decided = account["parsed"].as_u64().expect("parsed") + sum("skipped") + sum("lost");
            assert_eq!(account[total].as_u64(), Some(decided), "{ledger}");
            assert_eq!(account["pending"], 0, "{ledger}");
        }
    }

    /// Bytes that were not captured, for any reason.
    #[must_use]
    pub fn lost_bytes(&self) -> u64 {
        let lost = self.ledger["ledger"]["bytes"]["lost"].as_object().expect("lost");
        lost.values().filter_map(Value::as_u64).sum()
    }
}
