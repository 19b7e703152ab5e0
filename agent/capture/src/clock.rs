//! From the kernel's monotonic clock to time since the Unix epoch.

use rustix::time::{ClockId, clock_gettime};

/// A fixed offset: event time never jumps with the wall clock, and is at most as wrong as the clock was at the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    offset_ns: i128,
}

impl Clock {
    pub(crate) fn now() -> Self {
        Self { offset_ns: read(ClockId::Realtime) - read(ClockId::Monotonic) }
    }

    /// Monotonic ns to ns since the Unix epoch.
    pub(crate) fn unix_ns(&self, monotonic_ns: u64) -> u64 {
        u64::try_from(i128::from(monotonic_ns) + self.offset_ns).unwrap_or(0)
    }

    /// The present, ns since the Unix epoch by this clock.
    pub(crate) fn unix_now_ns(&self) -> u64 {
        u64::try_from(read(ClockId::Monotonic) + self.offset_ns).unwrap_or(0)
    }
}

fn read(clock: ClockId) -> i128 {
    let time = clock_gettime(clock);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
