//! Pitot, recording: started before, stopped after, and what it left.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;

use crate::Error;
use crate::wire::{Head, Id, Side};

/// `pitot record --format messages` in progress.
#[derive(Debug)]
pub struct Recording {
    child: Child,
    stderr: BufReader<ChildStderr>,
    dir: TempDir,
}

/// What it left.
#[derive(Debug, Default)]
pub struct Recorded {
    /// The messages, without their bodies.
    pub messages: Vec<Message>,
    /// The ledger.
    pub ledger: Ledger,
}

/// A line of the recording.
#[derive(Debug, Deserialize)]
pub struct Message {
    side: Side,
    target: Option<String>,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, serde_json::Value>,
    /// Same for a request and its response.
    #[serde(default)]
    pub exchange: String,
    /// Client's workload name.
    #[serde(default)]
    pub client: String,
    /// Server's workload name.
    #[serde(default)]
    pub server: String,
    /// Client's process.
    pub client_pid: Option<u32>,
    /// Server's process.
    pub server_pid: Option<u32>,
    /// Whether it claims to be all of it.
    #[serde(default = "complete")]
    pub complete: bool,
    /// Why not.
    pub incomplete: Option<String>,
    /// SHA-256 of the body, hex.
    #[serde(default)]
    pub body_sha256: String,
    /// Its length.
    #[serde(default)]
    pub body_bytes: u64,
}

fn complete() -> bool {
    true
}

impl Message {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.as_str()).unwrap_or_default()
    }

    /// Its name, if it is of this run.
    #[must_use]
    pub fn id(&self, run: &str) -> Option<Id> {
        if self.header("x-run") != run {
            return None;
        }
        let (connection, exchange) = self.header("x-message").split_once('/')?;
        Some(Id { connection: connection.parse().ok()?, exchange: exchange.parse().ok()?, side: self.side })
    }

    /// Whether its start line and header fields are those of this head.
    #[must_use]
    pub fn has_head(&self, head: &Head) -> bool {
        let start = match self.side {
            Side::Request => self.target.as_deref() == Some(head.target().as_str()),
            Side::Response => self.status == Some(200),
        };
        let text = head.encode();
        let text = String::from_utf8_lossy(&text);
        let mut fields = text.trim_end().lines().skip(1).filter_map(|line| line.split_once(": "));
        start && fields.all(|(name, value)| self.header(&name.to_ascii_lowercase()) == value)
    }
}

/// The contract's ledger.
#[derive(Debug, Default, Deserialize)]
pub struct Ledger {
    ledger: Accounts,
}

#[derive(Debug, Default, Deserialize)]
struct Accounts {
    bytes: Account,
    messages: Account,
}

#[derive(Debug, Default, Deserialize)]
struct Account {
    #[serde(alias = "started")]
    seen: u64,
    parsed: u64,
    pending: u64,
    skipped: BTreeMap<String, u64>,
    lost: BTreeMap<String, u64>,
}

impl Account {
    fn declared(&self) -> u64 {
        self.skipped.values().chain(self.lost.values()).sum()
    }
}

impl Ledger {
    /// Bytes said to be lost or skipped, but for those that were left out because the recording is not about them:
    /// they are others', or it is a mistake.
    #[must_use]
    pub fn declared_bytes(&self) -> u64 {
        let filtered = self.ledger.bytes.skipped.get("filtered").copied().unwrap_or(0);
        self.ledger.bytes.declared().saturating_sub(filtered)
    }

    /// Bytes of complete messages.
    #[must_use]
    pub fn parsed_bytes(&self) -> u64 {
        self.ledger.bytes.parsed
    }

    /// Bytes by reason, named as in the ledger.
    pub fn reasons(&self) -> impl Iterator<Item = (String, u64)> {
        let bytes = &self.ledger.bytes;
        let maps = [("skipped", &bytes.skipped), ("lost", &bytes.lost)];
        let named =
            |(kind, map)| BTreeMap::iter(map).map(move |(reason, n)| (format!("{kind}.{reason}"), *n));
        maps.into_iter().flat_map(named)
    }

    /// What does not add up.
    #[must_use]
    pub fn contradiction(&self) -> Option<String> {
        let accounts = [("bytes", &self.ledger.bytes), ("messages", &self.ledger.messages)];
        accounts.into_iter().find_map(|(name, account)| {
            let decided = account.parsed + account.declared();
            (account.seen != decided || account.pending != 0).then(|| {
                format!("{name}: {} seen, {decided} decided, {} pending", account.seen, account.pending)
            })
        })
    }
}

/// Which connections are recorded.
#[derive(Debug, Clone)]
pub enum Select {
    /// With this port at an end.
    Port(u16),
    /// With a process of this command name at an end.
    Comm(String),
}

impl Recording {
    /// Starts it, and waits until it captures.
    ///
    /// # Errors
    /// When it ends before.
    pub fn start(
        pitot: &Path,
        with: &[String],
        select: &Select,
        environment: &[(&str, String)],
    ) -> Result<Self, Error> {
        let dir = tempfile::tempdir().map_err(Error::io("a temporary directory"))?;
        let select = match select {
            Select::Port(port) => ["--port".to_owned(), port.to_string()],
            Select::Comm(comm) => ["--comm".to_owned(), comm.clone()],
        };
        let mut child = Command::new(pitot)
            .args(["record", "--format", "messages", "--output"])
            .arg(Self::file(&dir))
            .args(select)
            .args(with)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::io(pitot.display()))?;
        let stderr = child.stderr.take().ok_or(Error::Peer("pitot has no standard error".into()))?;
        let mut recording = Self { child, stderr: BufReader::new(stderr), dir };
        let mut said = String::new();
        while !said.lines().any(|line| line == "ready") {
            if recording.stderr.read_line(&mut said).map_err(Error::io("pitot"))? == 0 {
                return Err(Error::Pitot(said));
            }
        }
        Ok(recording)
    }

    fn file(dir: &TempDir) -> PathBuf {
        dir.path().join("messages")
    }

    /// Ends it by SIGINT and reads what it wrote.
    ///
    /// # Errors
    /// When it fails, takes longer than `patience`, or its output is not what the contract says.
    pub fn stop(mut self, patience: Duration) -> Result<Recorded, Error> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).map_err(|error| Error::io("pitot")(error.into()))?;
        let said = self.rest(patience)?;
        let status = self.child.wait().map_err(Error::io("pitot"))?;
        let ledger = said.lines().next_back().unwrap_or_default();
        if !status.success() {
            return Err(Error::Pitot(format!("{status}: {said}")));
        }
        let ledger =
            serde_json::from_str(ledger).map_err(|e| Error::Pitot(format!("ledger {ledger:?}: {e}")))?;
        Ok(Recorded { messages: read(&Self::file(&self.dir))?, ledger })
    }

    /// What else it says until it ends.
    fn rest(&mut self, patience: Duration) -> Result<String, Error> {
        let fail = Error::io("pitot");
        let (deadline, mut said) = (Instant::now() + patience, self.stderr.buffer().to_vec());
        let stderr = self.stderr.get_mut();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| Error::Pitot("waits for ever".into()))?;
            let readable = poll(&mut [PollFd::new(&*stderr, PollFlags::IN)], Some(&left));
            if readable.map_err(|error| fail(error.into()))? == 0 {
                return Err(Error::Pitot(format!("did not end within {patience:?} of SIGINT")));
            }
            let mut buffer = [0; 4096];
            match stderr.read(&mut buffer).map_err(&fail)? {
                0 => return Ok(String::from_utf8_lossy(&said).into_owned()),
                count => said.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(file: &Path) -> Result<Vec<Message>, Error> {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(file).map_err(Error::io(file.display()))?);
    let (mut messages, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(Error::io(file.display()))? == 0 {
            return Ok(messages);
        }
        // A gap is no message; what it means for messages is in the ledger.
        if line.windows(6).take(64).any(|window| window == b"\"gap\":") {
            continue;
        }
        let message = serde_json::from_slice(&line).map_err(|error| {
            let beginning = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
            Error::Pitot(format!("a line that is no message: {error}: {beginning}"))
        })?;
        messages.push(message);
    }
}
