//! A real OpenTelemetry collector (rotel), which prints the events or the metrics that it takes.

use std::collections::BTreeSet;
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
    /// Starts one that prints events, if `PITOT_ROTEL` says where it is; else says that the test is skipped.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn of_events() -> Option<Self> {
        Self::start("logs")
    }

    /// The same, but it prints metrics.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn of_metrics() -> Option<Self> {
        Self::start("metrics")
    }

    fn start(printed: &str) -> Option<Self> {
        let Some(program) = std::env::var_os("PITOT_ROTEL") else {
            println!("skipped: no OpenTelemetry collector (PITOT_ROTEL; cargo xtask test sets it)");
            return None;
        };
        let dir = tempfile::tempdir().expect("temporary directory");
        let [grpc, http] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        let child = Command::new(program)
            .args(["start", "--exporter", "blackhole", "--debug-log", printed])
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

    /// Waits until it has taken every one of these data points: metric, attributes as `NAME=VALUE`, and value.
    ///
    /// # Panics
    /// When it ends before.
    pub fn await_points(&mut self, mut wanted: BTreeSet<(String, Vec<String>, u64)>) {
        let output = self.child.stdout.take().expect("it is read once");
        let (mut metric, mut attributes) = (String::new(), Vec::new());
        for line in BufReader::new(output).lines() {
            let line = line.expect("UTF-8");
            let line = line.trim().trim_start_matches("-> ");
            if let Some(name) = line.strip_prefix("Name: ") {
                metric = name.to_owned();
            } else if line.starts_with("NumberDataPoints") {
                attributes.clear();
            } else if let Some((name, value)) = line.split_once(": Str(") {
                attributes.push(format!("{name}={}", value.trim_end_matches(')')));
            } else if let Some(value) = line.strip_prefix("Value: ").and_then(|value| value.parse().ok()) {
                attributes.sort();
                wanted.remove(&(metric.clone(), attributes.clone(), value));
                if wanted.is_empty() {
                    return;
                }
            }
        }
        panic!("the collector ended without {wanted:?}");
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
