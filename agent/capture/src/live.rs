//! [`Live`]: the kernel as a [`Source`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pitot_common::user::{CaptureEvent, Progress, Source};

use crate::host::Host;
use crate::programs::Programs;
use crate::ring::{Drain, MAX_BATCHES, Outlet, SPARE_BATCHES};
use crate::sched::{Backlog, Guard};
use crate::{Control, Error, LaneChoice, ProgramStats, load, preflight};

/// How long [`Live`] waits for events before it says that there are none.
const WAIT: Duration = Duration::from_millis(20);

/// The smallest ring buffer that holds a few of the largest records.
pub(crate) const MIN_RING_BYTES: u32 = 1 << 16;

/// How to capture.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size of the ring buffer in bytes; rounded up to a power of two of at least 64 KiB. Its pages count twice in RSS.
    pub ring_bytes: u32,
    /// Whether to capture Unix stream sockets too. Where that can't be done, a warning says why.
    pub unix: bool,
    /// Which programs capture TCP. Where `Auto` can't have those on packets, a warning says why.
    pub lane: LaneChoice,
    /// The kernel's type information.
    pub btf: PathBuf,
    /// Where the host's file system is seen: `/`, or in a container where it was mounted. For the names of users,
    /// containers and pods.
    pub host_root: PathBuf,
    /// Whether to give up, once attached, every capability that is not needed any more.
    pub drop_privileges: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_bytes: 16 << 20,
            unix: true,
            lane: LaneChoice::Auto,
            btf: preflight::BTF.into(),
            host_root: "/".into(),
            drop_privileges: false,
        }
    }
}

impl Options {
    pub(crate) fn ring_bytes(&self) -> u32 {
        self.ring_bytes.clamp(MIN_RING_BYTES, 1 << 30).next_power_of_two()
    }
}

/// Capture in progress. Dropping it detaches every program.
#[derive(Debug)]
pub struct Live {
    batches: Receiver<Vec<CaptureEvent>>,
    /// Takes emptied batches back: their memory, given back here and asked for there time and again, would cost both.
    emptied: SyncSender<Vec<CaptureEvent>>,
    stop: StopHandle,
    control: Control,
    programs: Programs,
    thread: Option<JoinHandle<()>>,
    backlog: Arc<Backlog>,
    /// Until capture ends.
    guard: Option<Guard>,
}

/// Stops a [`Live`] from anywhere: what is in the ring is still delivered, then it ends.
#[derive(Debug, Clone, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// Asks for the end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Live {
    /// Loads and attaches the kernel part. When this returns, every probe is attached.
    ///
    /// # Errors
    /// See [`Error`]; nothing stays attached.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let mut ebpf = load::attach(options)?.ebpf();
        let (control, programs) = (Control::of(&mut ebpf)?, Programs::of(&ebpf));
        let stop = StopHandle::default();
        let (sender, batches) = mpsc::sync_channel(MAX_BATCHES);
        let (emptied, spare) = mpsc::sync_channel(SPARE_BATCHES);
        let backlog = Arc::new(Backlog::default());
        // It needs a privilege of its own.
        let guard = Guard::start(&backlog).map_err(Error::Thread)?;
        if options.drop_privileges {
            crate::privileges::drop_after_attach().map_err(Error::Thread)?;
        }
        let host = Host::new(options.host_root.clone());
        let drain = Drain::new(
            ebpf,
            Outlet { sender, spare, backlog: Arc::clone(&backlog) },
            stop.clone(),
            host,
            control.clone(),
        )?;
        let thread = thread::Builder::new()
            .name("pitot-capture".into())
            .spawn(move || drain.run())
            .map_err(Error::Thread)?;
        Ok(Self {
            batches,
            emptied,
            stop,
            control,
            programs,
            thread: Some(thread),
            backlog,
            guard: Some(guard),
        })
    }

    /// A handle that changes what is captured.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// What the kernel says of each program.
    #[must_use]
    pub fn programs(&self) -> Vec<ProgramStats> {
        self.programs.stats()
    }

    /// A handle that stops it.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }
}

impl Source for Live {
    type Error = Error;

    fn next_batch(&mut self, out: &mut Vec<CaptureEvent>) -> Result<Progress, Error> {
        self.backlog.read_here();
        match self.batches.recv_timeout(WAIT) {
            Ok(mut batch) => {
                self.backlog.take();
                if out.is_empty() {
                    std::mem::swap(out, &mut batch);
                } else {
                    out.append(&mut batch);
                }
                // If enough of them wait to be used, this one is dropped.
                let _ = self.emptied.try_send(batch);
                Ok(Progress::More)
            }
            Err(RecvTimeoutError::Timeout) => Ok(Progress::Idle),
            Err(RecvTimeoutError::Disconnected) => {
                self.guard = None;
                Ok(Progress::End)
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.guard = None;
        self.stop.stop();
        // The thread may be waiting for room in the channel.
        while self.batches.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
