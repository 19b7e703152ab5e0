//! Servers: nginx, Python's http.server, Node.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::content::Content;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    child: Child,
    _files: Option<TempDir>,
}

impl Server {
    /// nginx, serving the content; one worker.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn nginx(content: &Content) -> Self {
        let port = free_port();
        let files = tempfile::tempdir().expect("temporary directory");
        let at = files.path().display();
        let root = content.dir.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {at}/{name};\n"))
            .collect();
        let configuration = format!(
            "daemon off; worker_processes 1; user root; pid {at}/pid; error_log {at}/error;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; keepalive_requests 100000; {temporary}\n\
             server {{ listen 127.0.0.1:{port}; root {root}; \
             types {{ application/json json; }} default_type application/octet-stream; }} }}\n"
        );
        let file = files.path().join("nginx.conf");
        fs::write(&file, configuration).expect("write configuration");
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(files.path().join("error"))
            .spawn()
            .expect("start nginx");
        Self { port, child, _files: Some(files) }.listening()
    }

    /// `python3 -m http.server`, serving the content.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn python(content: &Content) -> Self {
        let port = free_port();
        let child = Command::new("python3")
            .args(["-m", "http.server", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1", &port.to_string()])
            .current_dir(content.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start python3");
        Self { port, child, _files: None }.listening()
    }

    /// Node's http server: `GET /SIZE` chunked, `POST` answers with the hash of what it got.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn node(content: &Content) -> Self {
        Self::node_in(&mut Command::new("node"), content, "127.0.0.1")
    }

    /// The same, started by `command` (which ends with what starts Node), listening on `host`.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn node_in(command: &mut Command, content: &Content, host: &str) -> Self {
        let mut child = command
            .arg(script("server.mjs"))
            .arg(content.dir.path())
            .arg(host)
            .stdout(Stdio::piped())
            .spawn()
            .expect("start node");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("port of node");
        Self { port: line.trim().parse().expect("port of node"), child, _files: None }
    }

    /// Address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn listening(self) -> Self {
        // The server gives no sign that it listens; a refused connection returns at once, so yield between tries.
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            std::thread::yield_now();
        }
        self
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, so that nginx ends its worker too.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        let _ = self.child.wait();
    }
}

/// A script of ours that runs in somebody else's runtime.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
