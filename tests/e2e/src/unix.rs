//! Servers on Unix sockets, and curl.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::content::Content;
use crate::peers::script;
use crate::recording::{Recorded, Recording};
use crate::{agent, clients, ready};

/// A server on a Unix socket, until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub socket: PathBuf,
    child: Child,
    _files: TempDir,
}

impl Server {
    /// nginx, serving the content; one worker.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn nginx(content: &Content) -> Self {
        let files = tempfile::tempdir().expect("temporary directory");
        let socket = files.path().join("socket");
        let (at, root) = (files.path().display(), content.dir.path().display());
        let configuration = format!(
            "daemon off; worker_processes 1; user root; pid {at}/pid; error_log {at}/error;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
             fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
             server {{ listen unix:{at}/socket; root {root}; }} }}\n"
        );
        let file = files.path().join("nginx.conf");
        fs::write(&file, configuration).expect("write configuration");
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-e").arg(files.path().join("error"));
        let child = command.spawn().expect("start nginx");
        // nginx gives no sign that it listens; a refused connection returns at once, so yield between tries.
        while UnixStream::connect(&socket).is_err() {
            std::thread::yield_now();
        }
        Self { child, socket, _files: files }
    }

    /// Python's `http.server`, serving the content.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn python(content: &Content) -> Self {
        Self::that_says_ready(Command::new("python3").arg(script("unix_server.py")), content)
    }

    /// Node's http server, as [`crate::peers::Server::node`].
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn node(content: &Content) -> Self {
        Self::that_says_ready(Command::new("node").arg(script("server.mjs")), content)
    }

    fn that_says_ready(command: &mut Command, content: &Content) -> Self {
        let files = tempfile::tempdir().expect("temporary directory");
        let socket = files.path().join("socket");
        command.arg(content.dir.path()).arg(&socket).stdout(Stdio::piped());
        let mut child = command.spawn().expect("start a server");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready");
        Self { child, socket, _files: files }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, so that nginx ends its worker too.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Whether this kernel has the lane; if not, says so in the form that the runner counts.
///
/// # Panics
/// When `pitot doctor` says nothing.
#[must_use]
pub fn lane() -> bool {
    if !ready() {
        return false;
    }
    let output = Command::new(agent()).args(["doctor", "--json"]).output().expect("pitot doctor");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
    let checks = report["checks"].as_array().expect("checks");
    let has = checks.iter().any(|check| check["name"] == "lane for Unix sockets" && check["ok"] == true);
    if !has {
        println!("skipped: end to end: this kernel has no lane for Unix sockets (pitot doctor)");
    }
    has
}

/// What curl and this server said to each other: other tests' curls run beside.
#[must_use]
pub fn recorded(server: &Server, talk: impl FnOnce()) -> Recorded {
    let recording = Recording::start(&["--format", "messages", "--comm", "curl"]);
    talk();
    let mut recorded = recording.stop();
    let address = format!("unix:{}", server.socket.display());
    recorded.messages.retain(|message| message["server_addr"] == address.as_str());
    recorded.assert_ledger();
    recorded
}

/// Fetches each path with curl, over one connection.
///
/// # Panics
/// When curl fails.
pub fn curl(socket: &Path, paths: &[String]) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--unix-socket"]).arg(socket);
    for path in paths {
        command.args(["--output", "/dev/null"]).arg(format!("http://localhost/{path}"));
    }
    clients::run(&mut command);
}

/// Posts a file with curl.
///
/// # Panics
/// When curl fails.
pub fn upload(socket: &Path, file: &Path) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--header", "Expect:", "--unix-socket"]).arg(socket);
    command.arg("--data-binary").arg(format!("@{}", file.display())).arg("http://localhost/upload");
    clients::run(&mut command);
}
