//! A client and a server that hold many connections, and use them when they are told to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::peers::script;

/// The server, until this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub port: u16,
    _process: Process,
}

/// The client, until this is dropped.
#[derive(Debug)]
pub struct Client(Process);

/// A process that talks by lines.
#[derive(Debug)]
struct Process {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it by `command`, which ends with what starts Python, on address `host`.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(command: &mut Command, host: &str) -> Self {
        let mut process = Process::start(command.arg(script("hold_server.py")).arg(host));
        Self { port: process.line().parse().expect("its port"), _process: process }
    }
}

impl Client {
    /// Starts it by `command`, which ends with what starts Python, and waits for its `connections` to `host`.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(command: &mut Command, host: &str, port: u16, connections: usize) -> Self {
        let command = command.arg(script("hold_client.py")).arg(host);
        let mut process = Process::start(command.arg(port.to_string()).arg(connections.to_string()));
        assert_eq!(process.line(), "open");
        Self(process)
    }

    /// One request, and its response, on each of the first so many connections.
    ///
    /// # Panics
    /// When it fails.
    pub fn request(&mut self, connections: usize) {
        writeln!(self.0.orders, "{connections}").expect("it takes orders");
        assert_eq!(self.0.line(), "done");
    }
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start python3");
        let orders = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, orders, answers }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
