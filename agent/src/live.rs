//! Live capture, as the commands use it.

use std::time::Instant;

use pitot_capture::{Live, Options};
use pitot_common::user::{CaptureEvent, Progress, Source as _};

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

/// Loads and attaches the kernel part.
///
/// # Errors
/// Class 3: one line that names the fix.
pub fn open(config: &Config, kernel: &Kernel, privileges: Privileges) -> Result<Live, Failure> {
    let mut options = Options {
        ring_bytes: config.capture.ring_bytes,
        drop_privileges: privileges == Privileges::Drop,
        ..Options::default()
    };
    if let Some(btf) = &kernel.btf {
        options.btf.clone_from(btf);
    }
    Live::open(&options).map_err(Failure::machine)
}

/// Hands batches to `take` until `stop` is asked or `deadline` has come, and then what was captured before.
/// `take` empties them; it is called with an empty one when nothing was captured for a while.
///
/// # Errors
/// `take`'s, or class 3 when capture fails.
pub fn pump(
    live: &mut Live,
    stop: &Stop,
    deadline: Option<Instant>,
    mut take: impl FnMut(&mut Vec<CaptureEvent>) -> Outcome,
) -> Outcome {
    let end = live.stop_handle();
    let mut events = Vec::new();
    loop {
        if stop.asked() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            end.stop();
        }
        let progress = live.next_batch(&mut events).map_err(Failure::machine)?;
        take(&mut events)?;
        events.clear();
        if progress == Progress::End {
            return Ok(());
        }
    }
}
