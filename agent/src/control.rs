//! How commands reach a running agent: a Unix socket with mode 0600 in its state directory.
//!
//! A client connects and writes one [`Request`], a line of JSON. The answer is a line of JSON, `{"ok":true}` or
//! `{"error":"…"}`, then, where something was asked for, its bytes up to the end of the connection. A thread waits for
//! clients; the pipeline takes what they ask between two batches ([`Control::next`]), so a slow client delays nothing.

use std::fs::{self, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

/// The longest line of a request.
const LONGEST: u64 = 64 << 10;
/// How long either end waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be asked of a running agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What it has learned, as the bytes of a baseline file.
    Learned,
    /// Closes a finding: what changed is as it should be.
    Approve {
        /// The finding's.
        id: String,
    },
    /// Forgets flows, which are learned anew.
    Reset {
        /// A part of their names, as `baseline show` writes them.
        flow: String,
        /// Whether there may be more than one.
        all: bool,
    },
}

/// Bytes, or why there are none, in one line.
pub type Answer = Result<Vec<u8>, String>;

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    answer: SyncSender<Answer>,
}

impl Asked {
    /// Answers it. That nobody waits any more is not our matter.
    pub fn answer(self, answer: Answer) {
        let _ = self.answer.send(answer);
    }
}

/// The agent's end.
#[derive(Debug)]
pub struct Control {
    asked: Receiver<Asked>,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok(bool),
    Error(String),
}

impl Control {
    /// Listens in `directory`, in place of an agent that is no more.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let path = socket(directory);
        let name = path.display().to_string();
        // Under its name only once its mode is right.
        let temporary = directory.join("control.tmp");
        let _ = fs::remove_file(&temporary);
        let listener = UnixListener::bind(&temporary)
            .and_then(|listener| {
                fs::set_permissions(&temporary, Permissions::from_mode(0o600))?;
                fs::rename(&temporary, &path)?;
                Ok(listener)
            })
            .with_context(|| {
                format!("{name}: cannot listen; let state.directory name a directory that can be written")
            })?;
        let (sender, asked) = sync_channel(1);
        std::thread::Builder::new().name("control".into()).spawn(move || listen(&listener, &sender))?;
        Ok(Self { asked, path })
    }

    /// What somebody asks now.
    #[must_use]
    pub fn next(&self) -> Option<Asked> {
        self.asked.try_recv().ok()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes sure that no agent listens in `directory`.
///
/// # Errors
/// When one does.
pub fn check_free(directory: &Path) -> anyhow::Result<()> {
    if UnixStream::connect(socket(directory)).is_err() {
        return Ok(());
    }
    let name = directory.display();
    Err(anyhow!("{name}: another agent keeps its state here; give this one its own state.directory"))
}

/// Asks the agent whose state is in `directory`.
///
/// # Errors
/// One line: no agent, or what it says.
pub fn ask(directory: &Path, request: &Request) -> anyhow::Result<Vec<u8>> {
    let path = socket(directory);
    let name = path.display().to_string();
    let mut stream = UnixStream::connect(&path).with_context(|| {
        format!("{name}: no agent can be reached; start `pitot run`, or name its directory with --state")
    })?;
    answered(&mut stream, request)
        .with_context(|| format!("{name}: the agent does not answer"))?
        .map_err(|why| anyhow!(why))
}

fn answered(stream: &mut UnixStream, request: &Request) -> anyhow::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.by_ref().take(LONGEST).read_line(&mut status)?;
    Ok(match serde_json::from_str(&status)? {
        Status::Error(why) => Err(why),
        Status::Ok(_) => {
            let mut bytes = Vec::new();
            reader.take(pitot_state::LONGEST).read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    })
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("control")
}

/// Serves one client after the other, until nobody takes what they ask.
fn listen(listener: &UnixListener, asked: &SyncSender<Asked>) {
    for stream in listener.incoming().flatten() {
        match serve(stream, asked) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => log::debug!("control: {error}"),
        }
    }
}

/// Whether there may be another.
fn serve(mut stream: UnixStream, asked: &SyncSender<Asked>) -> io::Result<bool> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(&stream).take(LONGEST).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Err(error) => Err(format!("this is no request: {error}")),
        Ok(request) => {
            let (sender, answer) = sync_channel(1);
            if asked.send(Asked { request, answer: sender }).is_err() {
                return Ok(false);
            }
            answer.recv().unwrap_or_else(|_| Err("the agent ends".to_owned()))
        }
    };
    let (status, bytes) = match answer {
        Ok(bytes) => (Status::Ok(true), bytes),
        Err(why) => (Status::Error(why), Vec::new()),
    };
    let mut head = serde_json::to_vec(&status)?;
    head.push(b'\n');
    stream.write_all(&head)?;
    stream.write_all(&bytes)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers `count` requests as an agent would, each between two batches.
    fn agent(control: Control, count: usize) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            for asked in control.asked.iter().take(count) {
                let answer = match &asked.request {
                    Request::Learned => Ok(vec![7; 3 << 20]),
                    other => Err(format!("not {other:?}")),
                };
                asked.answer(answer);
            }
        })
    }

    #[test]
    fn an_agent_answers() {
        let directory = tempfile::tempdir().expect("a directory");
        let nobody = ask(directory.path(), &Request::Learned).expect_err("nobody listens");
        assert!(nobody.to_string().contains("no agent can be reached"), "{nobody}");

        let control = Control::open(directory.path()).expect("listens");
        let mode = fs::metadata(socket(directory.path())).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = check_free(directory.path()).expect_err("taken");
        assert!(other.to_string().contains("another agent keeps its state here"), "{other}");

        let served = agent(control, 2);
        assert_eq!(ask(directory.path(), &Request::Learned).expect("answers").len(), 3 << 20);
        let refused = ask(directory.path(), &Request::Approve { id: "a".into() }).expect_err("refused");
        assert_eq!(refused.to_string(), r#"not Approve { id: "a" }"#);
        served.join().expect("ends");
        assert!(!socket(directory.path()).exists(), "its socket goes with it");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let _control = Control::open(directory.path()).expect("listens");
        let mut stream = UnixStream::connect(socket(directory.path())).expect("listens");
        stream.write_all(b"{\"do\":\"dance\"}\n").expect("reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        assert!(answer.starts_with(r#"{"error":"this is no request: unknown variant `dance`"#), "{answer}");
    }
}
