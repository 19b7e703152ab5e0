//! Live capture, as the commands use it.

use std::time::Instant;

use pitot_capture::{Control, Live, Options};
use pitot_common::user::{CaptureEvent, Filter, Progress, Refusal, Source as _};

use crate::cli::Kernel;
use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::stop::Stop;

/// What becomes of this process's privileges once the kernel part is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// Those that are not needed any more are given up.
    Drop,
    /// They stay: this process still has files to write as whoever started it, or processes to start.
    Keep,
}

/// Capture in progress, and what it is told to leave out.
#[derive(Debug)]
pub struct Capture {
    live: Live,
    control: Control,
}

impl Capture {
    /// Lets the kernel part leave these sockets out. A hint: what is wanted is decided by the pipeline.
    pub fn refuse(&self, refusals: &[Refusal]) {
        self.control.refuse(refusals);
    }

    /// Lets the kernel part leave out what it can see that `filter` does not let through.
    ///
    /// # Errors
    /// Class 3, when it cannot be told; then the filter is as it was.
    pub fn set_filter(&self, filter: &Filter) -> Outcome {
        self.control.set_filter(filter).map_err(Failure::machine)
    }
}

/// Loads and attaches the kernel part.
///
/// # Errors
/// Class 3: one line that names the fix.
pub fn open(config: &Config, kernel: &Kernel, privileges: Privileges) -> Result<Capture, Failure> {
    let drop_privileges = privileges == Privileges::Drop;
    let live =
        Live::open(&Options { drop_privileges, ..options(config, kernel) }).map_err(Failure::machine)?;
    let capture = Capture { control: live.control(), live };
    capture.set_filter(&config.capture.filter.filter())?;
    Ok(capture)
}

/// How to capture, by the configuration and the flags.
#[must_use]
pub fn options(config: &Config, kernel: &Kernel) -> Options {
    let mut options = Options {
        ring_bytes: config.capture.ring_bytes,
        unix: config.capture.unix,
        lane: kernel.lane.unwrap_or(config.capture.lane).into(),
        host_root: config.naming.host_root.clone().into(),
        ..Options::default()
    };
    if let Some(btf) = &kernel.btf {
        options.btf.clone_from(btf);
    }
    options
}

/// Hands batches to `take` until `stop` is asked or `deadline` has come, and then what was captured before.
/// `take` empties them; it is called with an empty one when nothing was captured for a while.
///
/// # Errors
/// `take`'s, or class 3 when capture fails.
pub fn pump(
    capture: &mut Capture,
    stop: &Stop,
    deadline: Option<Instant>,
    mut take: impl FnMut(&Capture, &mut Vec<CaptureEvent>) -> Outcome,
) -> Outcome {
    let end = capture.live.stop_handle();
    let mut events = Vec::new();
    loop {
        if stop.asked() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            end.stop();
        }
        let progress = capture.live.next_batch(&mut events).map_err(Failure::machine)?;
        take(capture, &mut events)?;
        events.clear();
        if progress == Progress::End {
            return Ok(());
        }
    }
}
