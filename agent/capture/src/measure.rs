//! The kernel part by itself, for benchmarks: attached, and its records dropped unread. No event is made of them.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::{Array, MapData, RingBuf};
use pitot_common::abi::Loss;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::programs::{self, ProgramStats};
use crate::{Error, Options, load};

/// How long to sleep between looks into the ring.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000 };

/// Programs that do nothing, on the hooks of the real ones: the floor of what capture can cost. Dropping it
/// detaches them.
#[derive(Debug)]
pub struct Empty(Ebpf);

impl Empty {
    /// Attaches them.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn attach(options: &Options) -> Result<Self, Error> {
        load::attach_empty(options).map(Self)
    }

    /// Their figures.
    #[must_use]
    pub fn programs(&self) -> Vec<ProgramStats> {
        programs::stats(&self.0)
    }
}

/// The kernel part without an agent. Dropping it detaches it.
pub struct KernelPart {
    ring: RingBuf<MapData>,
    counters: Array<MapData, u64>,
    ebpf: Ebpf,
}

/// Records and the bytes of them, header included, or packets and their payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
}

impl KernelPart {
    /// Loads and attaches it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn attach(options: &Options) -> Result<Self, Error> {
        let mut ebpf = load::attach(options)?;
        let ring = RingBuf::try_from(ebpf.take_map("RECORDS").ok_or(Error::Missing("RECORDS"))?)?;
        let counters = Array::try_from(ebpf.take_map("COUNTERS").ok_or(Error::Missing("COUNTERS"))?)?;
        Ok(Self { ring, counters, ebpf })
    }

    /// Drops the records that wait in the ring, then sleeps a moment; how many they were.
    pub fn drain(&mut self) -> Amount {
        let mut dropped = Amount::default();
        while let Some(record) = self.ring.next() {
            dropped.records += 1;
            dropped.bytes += record.len() as u64;
        }
        let mut fds = [PollFd::new(&self.ring, PollFlags::IN)];
        // Interrupted or refused: the ring is looked at all the same.
        let _ = poll(&mut fds, Some(&PAUSE));
        dropped
    }

    /// What was lost so far, by the name of the reason.
    #[must_use]
    pub fn lost(&self) -> BTreeMap<&'static str, Amount> {
        let read = |slot| self.counters.get(&slot, 0).unwrap_or(0);
        let amount = |reason: Loss| {
            let slot = 2 * reason as u32;
            Amount { records: read(slot), bytes: read(slot + 1) }
        };
        Loss::ALL
            .into_iter()
            .map(|reason| (reason.as_str(), amount(reason)))
            .filter(|(_, amount)| amount.records > 0)
            .collect()
    }

    /// Figures of its programs.
    #[must_use]
    pub fn programs(&self) -> Vec<ProgramStats> {
        programs::stats(&self.ebpf)
    }
}
