//! The agent, recording what nobody looks at: its programs are loaded meanwhile.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::AGENT;

/// `pitot record` in progress.
pub(crate) struct Recording {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// From its start until every program was loaded and attached.
    pub(crate) loading: Duration,
}

impl Recording {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// What it said, when it ends before.
    pub(crate) fn start() -> Result<Self, String> {
        let started = Instant::now();
        let mut child = Command::new(AGENT)
            .args(["record", "--output", "/tmp/recorded"])
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{AGENT}: {e}"))?;
        let mut stderr = BufReader::new(child.stderr.take().ok_or("no stderr")?);
        let mut said = String::new();
        while !said.lines().any(|line| line == "ready") {
            if stderr.read_line(&mut said).map_err(|e| e.to_string())? == 0 {
                return Err(said);
            }
        }
        // What it goes without on this kernel; the console keeps it.
        eprint!("{said}");
        Ok(Self { child, stderr, loading: started.elapsed() })
    }

    /// Ends it as a user would.
    ///
    /// # Errors
    /// What it said, when it does not end well.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        kill_process(Pid::from_child(&self.child), Signal::INT).map_err(|e| e.to_string())?;
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).map_err(|e| e.to_string())?;
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("{status}: {said}")) }
    }
}
