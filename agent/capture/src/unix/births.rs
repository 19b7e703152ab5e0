//! Which sockets were made after capture began: of those every byte was seen.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Inode numbers of sockets are dealt to each CPU in runs of this many (Linux, `get_next_ino`), each run higher than those dealt before.
const RUN: u32 = 1024;

/// The run of a number: the first is that of 1 to 1,024.
fn run(number: u32) -> u32 {
    number.wrapping_sub(1) / RUN
}

/// The first run that was dealt after capture began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Births {
    /// `None`: nothing is known to be new.
    first_run: Option<u32>,
}

impl Births {
    /// Uses up the run of each CPU, so that every socket made from now on gets a number of a new one. CPUs that this thread may not
    /// run on keep theirs until it is used up: their sockets count as old until then.
    pub(crate) fn begin() -> Self {
        let Ok(allowed) = sched_getaffinity(None) else { return Self { first_run: use_up() } };
        let mut first_run: Option<u32> = None;
        for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)) {
            let mut only = CpuSet::new();
            only.set(cpu);
            if sched_setaffinity(None, &only).is_ok() {
                let run = use_up();
                first_run = first_run.or(run);
            }
        }
        // Refused where a CPU went away meanwhile; the thread then stays where it is.
        let _ = sched_setaffinity(None, &allowed);
        Self { first_run }
    }

    /// Whether the socket with this inode number was made since. Numbers have 32 bits and wrap around.
    pub(crate) fn is_new(self, number: u64) -> bool {
        let (Some(first), Ok(number)) = (self.first_run, u32::try_from(number)) else { return false };
        number != 0 && run(number).wrapping_sub(first) & RUNS_MASK < RUNS_MASK / 2
    }
}

/// There are 2^22 runs.
const RUNS_MASK: u32 = u32::MAX / RUN;

/// Makes sockets until their numbers are of another run, and says which; `None` if that does not happen.
fn use_up() -> Option<u32> {
    let before = run(number()?);
    (0..2 * RUN).find_map(|_| number().map(run).filter(|run| *run != before))
}

fn number() -> Option<u32> {
    let socket: OwnedFd = socket(AddressFamily::UNIX, SocketType::DGRAM, None).ok()?;
    u32::try_from(File::from(socket).metadata().ok()?.ino()).ok()
}

#[cfg(test)]
impl Births {
    /// As if that run had been the first.
    pub(crate) fn since(run: u32) -> Self {
        Self { first_run: Some(run) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_and_old() {
        let check = |first_run, number, expected| {
            let births = Births { first_run };
            assert_eq!(births.is_new(number), expected, "{first_run:?} {number}");
        };
        check(None, 5000, false);
        check(Some(4), 0, false);
        check(Some(4), 4 * 1024, false);
        check(Some(4), 4 * 1024 + 1, true);
        check(Some(4), 9 * 1024, true);
        check(Some(RUNS_MASK), 5, true);
        check(Some(RUNS_MASK), u64::from(u32::MAX) - 2048, false);
        check(Some(4), 1 << 33, false);
    }

    #[test]
    fn a_socket_made_since_is_new() {
        let old = number().unwrap();
        let births = Births::begin();
        let new = number().unwrap();
        assert!(births.is_new(u64::from(new)) && !births.is_new(u64::from(old)));
    }
}
