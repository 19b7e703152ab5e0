//! How the agent shares the processors with what it observes: it gives way.
//!
//! ```text
//!   ring --> [drain] --> batches --> [reader]
//!                 \                 IDLE, while few batches wait; as it was started, while many do
//!                  `--- [guard] ---'  looks at both, every now and then
//! ```
//!
//! - The thread that drains the ring does little, and in time: a busy machine fills the ring in 10 ms. It stays as it is.
//! - The reader, which does most of the work, is [`IDLE`] (sched(7)): it runs where nobody else wants to, and a processor that
//!   runs nothing else counts as free. On a saturated machine it would starve, so that capture had to leave out
//!   connections: when too much waits for it, or the drain makes no progress (it may wait for memory that the starved
//!   reader is just giving back), it gets a fair share until nothing waits any more.
//! - The guard sees to that. It takes no lock and no memory, so that nothing can starve it.
//!
//! To come back from [`IDLE`] takes CAP_SYS_NICE: without it nobody gives way. A process that was given another policy keeps it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use log::debug;
use rustix::process::getpriority_process;
use rustix::thread::{CapabilitySet, capabilities, gettid};

use crate::StopHandle;
use crate::privileges::keep_only;

/// SCHED_NORMAL and SCHED_IDLE, sched(7).
const NORMAL: u32 = libc::SCHED_OTHER as u32;
const IDLE: u32 = libc::SCHED_IDLE as u32;
/// From look to look.
const LOOK: Duration = Duration::from_millis(20);
/// With so many batches waiting, about 100 ms of a busy server's traffic, the reader gets a fair share.
const MANY: usize = 8;
/// A drain that has done nothing from so many looks to the next, 100 ms, is stuck.
const STUCK: u32 = 5;

/// What the guard looks at. Counts only: it does not matter which thread sees which first.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Batches sent and not taken.
    waiting: AtomicUsize,
    /// Counts what the drain does.
    progress: AtomicU64,
    /// The thread that takes them; 0 before the first.
    reader: AtomicI32,
}

impl Backlog {
    /// A batch is about to be sent.
    pub(crate) fn send(&self) {
        self.waiting.fetch_add(1, Relaxed);
    }

    /// The calling thread has taken a batch.
    pub(crate) fn take(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    /// The calling thread is the one that takes batches.
    pub(crate) fn read_here(&self) {
        self.reader.store(gettid().as_raw_nonzero().get(), Relaxed);
    }

    /// The drain has looked into the ring.
    pub(crate) fn advance(&self) {
        self.progress.fetch_add(1, Relaxed);
    }
}

/// Lets the reader give way as long as that does no harm. Until this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    thread: Option<JoinHandle<()>>,
    over: StopHandle,
}

impl Guard {
    /// Starts it, if this process has a policy to give up and may take it back: its thread keeps CAP_SYS_NICE, and nothing else.
    pub(crate) fn start(backlog: &Arc<Backlog>) -> io::Result<Self> {
        let over = StopHandle::default();
        let allowed = capabilities(None)?.effective.contains(CapabilitySet::SYS_NICE);
        let Some(nice) = own_nice().filter(|_| allowed) else { return Ok(Self { thread: None, over }) };
        let (backlog, until) = (Arc::clone(backlog), over.clone());
        let watch = Watch { backlog, nice, last: 0, idle_looks: 0, way: Way::Shares };
        let thread = thread::Builder::new().name("pitot-guard".into()).spawn(move || {
            if keep_only(CapabilitySet::SYS_NICE).is_ok() {
                watch.run(&until);
            }
        })?;
        Ok(Self { thread: Some(thread), over })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.over.stop();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// How the reader runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Only where nobody else wants to.
    Gives,
    /// As it was started.
    Shares,
}

struct Watch {
    backlog: Arc<Backlog>,
    nice: i32,
    /// What the drain had done at the last look.
    last: u64,
    /// How many looks in a row found nothing done.
    idle_looks: u32,
    way: Way,
}

impl Watch {
    fn run(mut self, over: &StopHandle) {
        while !over.is_stopped() {
            thread::park_timeout(LOOK);
            let progress = self.backlog.progress.load(Relaxed);
            let idle = std::mem::replace(&mut self.last, progress) == progress;
            self.idle_looks = if idle { self.idle_looks.saturating_add(1) } else { 0 };
            let way = next(self.way, self.backlog.waiting.load(Relaxed), self.idle_looks >= STUCK);
            self.go(way);
        }
        // The reader has other things to do now.
        self.go(Way::Shares);
    }

    fn go(&mut self, way: Way) {
        let reader = self.backlog.reader.load(Relaxed);
        if way == self.way || reader == 0 {
            return;
        }
        let policy = match way {
            Way::Gives => IDLE,
            Way::Shares => NORMAL,
        };
        match set(reader, policy, self.nice) {
            Ok(()) => self.way = way,
            Err(error) => debug!("the reader's scheduling policy: {error}"),
        }
    }
}

/// How the reader is to run while so many batches wait, and the drain is stuck or not.
fn next(now: Way, waiting: usize, stuck: bool) -> Way {
    match now {
        _ if stuck || waiting >= MANY => Way::Shares,
        Way::Shares if waiting > 0 => Way::Shares,
        _ => Way::Gives,
    }
}

/// The nice value of the calling thread; none if it was given another policy than the usual one.
fn own_nice() -> Option<i32> {
    // SAFETY: takes no pointer.
    let policy = unsafe { libc::sched_getscheduler(0) };
    if policy == libc::SCHED_OTHER { getpriority_process(None).ok() } else { None }
}

/// sched_setattr(2) of a thread; 0 is the calling one.
fn set(thread: i32, policy: u32, nice: i32) -> io::Result<()> {
    /// `struct sched_attr` as of its first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy,
        flags: 0,
        nice,
        priority: 0,
        runtime: 0,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of `attributes`, which outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, thread, &raw const attributes, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_shares_until_nothing_waits() {
        use Way::{Gives, Shares};
        let check = |now, waiting, stuck, expected| {
            assert_eq!(next(now, waiting, stuck), expected, "{now:?}, {waiting} waiting, stuck: {stuck}");
        };
        check(Gives, MANY - 1, false, Gives);
        check(Gives, MANY, false, Shares);
        check(Gives, 0, true, Shares);
        check(Shares, MANY, true, Shares);
        check(Shares, 1, false, Shares);
        check(Shares, 0, false, Gives);
    }

    #[test]
    fn a_thread_gets_the_policy() {
        let policy = || {
            assert!(own_nice().is_some());
            set(0, IDLE, own_nice().unwrap_or(0)).unwrap();
            // A policy that somebody chose is nobody's to change.
            assert_eq!(own_nice(), None);
            // SAFETY: takes no pointer.
            unsafe { libc::sched_getscheduler(0) }
        };
        assert_eq!(thread::spawn(policy).join().unwrap(), libc::SCHED_IDLE);
    }
}
