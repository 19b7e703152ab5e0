//! The kernel part by itself, for benchmarks: attached, and its records dropped unread. No event is made of them.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use pitot_common::abi::Loss;
use rustix::event::{PollFd, PollFlags, poll};

use crate::counters::Counters;
use crate::programs::{ProgramStats, Programs};
use crate::ring::PAUSE;
use crate::{Error, Options, load};

/// Programs that do nothing, on the hooks of the real ones: the floor of what capture can cost. Dropping it
/// detaches them.
#[derive(Debug)]
pub struct Empty {
    programs: Programs,
    /// Keeps them attached.
    _ebpf: Ebpf,
}

impl Empty {
    /// Attaches them.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn attach(options: &Options) -> Result<Self, Error> {
        let ebpf = load::attach_empty(options)?;
        Ok(Self { programs: Programs::of(&ebpf), _ebpf: ebpf })
    }

    /// Their figures.
    #[must_use]
    pub fn programs(&self) -> Vec<ProgramStats> {
        self.programs.stats()
    }
}

/// The kernel part without an agent. Dropping it detaches it.
pub struct KernelPart {
    ring: RingBuf<MapData>,
    counters: Counters,
    programs: Programs,
    /// Keeps it attached.
    _ebpf: Ebpf,
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
        let mut ebpf = load::attach(options)?.ebpf();
        let ring = RingBuf::try_from(ebpf.take_map("RECORDS").ok_or(Error::Missing("RECORDS"))?)?;
        let counters = Counters::of(&mut ebpf)?;
        Ok(Self { ring, counters, programs: Programs::of(&ebpf), _ebpf: ebpf })
    }

    /// Drops the records that wait in the ring, then sleeps as long as the agent does; how many they were.
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
        let amount = |reason| {
            let (records, bytes) = self.counters.lost(reason);
            Amount { records, bytes }
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
        self.programs.stats()
    }
}
