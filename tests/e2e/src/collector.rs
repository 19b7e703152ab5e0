//! A real OpenTelemetry collector (rotel), which prints every event it takes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::peers::free_port;

/// Runs until dropped.
#[derive(Debug)]
pub struct Collector {
    /// Its OTLP endpoint over HTTP.
    pub endpoint: String,
    child: Child,
    _dir: TempDir,
}

impl Collector {
    /// Starts it, if `PITOT_ROTEL` says where it is; else says that the test is skipped.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("PITOT_ROTEL") else {
            println!("skipped: no OpenTelemetry collector (PITOT_ROTEL; cargo xtask test sets it)");
            return None;
        };
        let dir = tempfile::tempdir().expect("temporary directory");
        let [grpc, http] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let child = Command::new(program)
            .args(["start", "--exporter", "blackhole", "--debug-log", "logs"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
            .arg("--pid-file")
            .arg(dir.path().join("pid"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the collector");
        Some(Self { endpoint: format!("http://{http}"), child, _dir: dir })
    }

    /// The lines of the next event it takes, trimmed; waits for it.
    ///
    /// # Panics
    /// When it ends before.
    #[must_use]
    pub fn next_event(&mut self) -> Vec<String> {
        let output = self.child.stdout.take().expect("one event is read of it");
        let mut event: Vec<String> = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line.expect("UTF-8").trim().to_owned();
            let last = line.starts_with("Flags:");
            event.push(line);
            if last {
                return event;
            }
        }
        panic!("the collector ended: {event:?}");
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
