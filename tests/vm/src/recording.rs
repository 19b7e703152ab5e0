//! The agent, recording messages.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::AGENT;

const FILE: &str = "/tmp/recorded";

/// `pitot record` in progress.
pub(crate) struct Recording {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// From its start until every program was loaded and attached.
    pub(crate) loading: Duration,
}

impl Recording {
    pub(crate) fn start() -> Result<Self, String> {
        let started = Instant::now();
        let mut child = Command::new(AGENT)
            .args(["record", "--format", "messages", "--output", FILE])
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut stderr = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let mut said = String::new();
        while !said.lines().any(|line| line == "ready") {
            if stderr.read_line(&mut said).map_err(|e| e.to_string())? == 0 {
                return Err(said);
            }
        }
        Ok(Self { child, stderr, loading: started.elapsed() })
    }

    /// Its messages, and what it said at the end.
    pub(crate) fn stop(mut self) -> Result<(Vec<Value>, String), String> {
        kill_process(Pid::from_child(&self.child), Signal::INT).map_err(|e| e.to_string())?;
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).map_err(|e| e.to_string())?;
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("{status}: {said}"));
        }
        let text = fs::read_to_string(FILE).map_err(|e| e.to_string())?;
        Ok((text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(), said))
    }
}
