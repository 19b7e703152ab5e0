//! The lane of Unix sockets: servers that no one here wrote, and curl.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pitot_e2e::content::Content;
use pitot_e2e::peers::script;
use pitot_e2e::recording::{Recorded, Recording};
use pitot_e2e::{agent, clients, ready};
use tempfile::TempDir;

const SIZES: [usize; 7] = [1, 17, 4096, 16_384, 65_535, 65_536, 1 << 20];

/// A server on a Unix socket, until it is dropped.
struct Server {
    child: Child,
    socket: PathBuf,
    _files: TempDir,
}

impl Server {
    fn nginx(content: &Content) -> Self {
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

    fn python(content: &Content) -> Self {
        Self::that_says_ready(Command::new("python3").arg(script("unix_server.py")), content)
    }

    fn node(content: &Content) -> Self {
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
fn lane() -> bool {
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
fn recorded(server: &Server, talk: impl FnOnce()) -> Recorded {
    let recording = Recording::start(&["--format", "messages", "--comm", "curl"]);
    talk();
    let mut recorded = recording.stop();
    let address = format!("unix:{}", server.socket.display());
    recorded.messages.retain(|message| message["server_addr"] == address.as_str());
    recorded.assert_ledger();
    recorded
}

fn curl(socket: &Path, paths: &[String]) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--unix-socket"]).arg(socket);
    for path in paths {
        command.args(["--output", "/dev/null"]).arg(format!("http://localhost/{path}"));
    }
    clients::run(&mut command);
}

fn upload(socket: &Path, file: &Path) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--header", "Expect:", "--unix-socket"]).arg(socket);
    command.arg("--data-binary").arg(format!("@{}", file.display())).arg("http://localhost/upload");
    clients::run(&mut command);
}

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
    assert!(
        recorded.complete("request").all(|m| content.knows(m)),
        "a complete request is not what was sent"
    );
    assert_eq!(recorded.count("request", |m| m["method"] == "POST"), SIZES.len());
    for request in recorded.complete("request") {
        let answer = recorded.complete("response").find(|m| m["exchange"] == request["exchange"]);
        assert_eq!(answer.map(|m| &m["body"]["sha256"]), Some(&request["body_sha256"]));
    }
}
