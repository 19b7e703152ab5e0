//! What the kernel part counted as lost, of all CPUs.

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use pitot_common::abi::Loss;

use crate::Error;

/// Reads the counters; each look costs two system calls a reason.
pub(crate) struct Counters(PerCpuArray<MapData, u64>);

impl Counters {
    pub(crate) fn of(ebpf: &mut Ebpf) -> Result<Self, Error> {
        Ok(Self(PerCpuArray::try_from(ebpf.take_map("COUNTERS").ok_or(Error::Missing("COUNTERS"))?)?))
    }

    /// Packets and payload bytes since the start.
    pub(crate) fn lost(&self, reason: Loss) -> (u64, u64) {
        let slot = 2 * reason as u32;
        (self.sum(slot), self.sum(slot + 1))
    }

    fn sum(&self, slot: u32) -> u64 {
        self.0.get(&slot, 0).map_or(0, |cpus| cpus.iter().sum())
    }
}
