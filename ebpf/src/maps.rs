//! The maps, and what counts a loss.

use core::arch::asm;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap, PerCpuArray, RingBuf};
use pitot_common::abi::{COUNTER_SLOTS, Loss};
use pitot_common::filter::Rules;

use crate::local_peer::{PeerKey, SynKey};
use crate::owner::ProcessKey;

/// Everything that leaves the kernel. Its size is set at load.
#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(1 << 24, 0);

/// Packets and payload bytes lost, two slots by [`Loss`] number, for each CPU. With atomic adds all the same: these programs can
/// be interleaved on one CPU.
#[map]
pub(crate) static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTER_SLOTS, 0);

/// One word, changed by user space with every change of [`VERDICTS`] (lower half) or [`RULES`] (upper half): what is
/// remembered of a socket's verdict is good as long as this is the same.
#[map]
pub(crate) static GENERATION: Array<u64> = Array::with_max_entries(1, 0);

/// By socket cookie: a [`Loss`] number, why what it sends and receives is not captured; or [`OWN`].
#[map]
pub(crate) static VERDICTS: LruHashMap<u64, u32> = LruHashMap::with_max_entries(64 * 1024, 0);

/// In [`VERDICTS`]: a connection of the agent's own, not captured and not counted.
pub(crate) const OWN: u32 = 255;

/// The filter, twice: the half of [`GENERATION`] that counts its changes says by its last bit which is valid.
#[map]
pub(crate) static RULES: Array<Rules> = Array::with_max_entries(2, 0);

/// See [`pitot_common::overload::lowest`].
#[map]
pub(crate) static LOWEST_LIMIT: Array<u64> = Array::with_max_entries(1, 0);

/// Processes already reported.
#[map]
pub(crate) static PROCESSES: LruHashMap<ProcessKey, u8> = LruHashMap::with_max_entries(16 * 1024, 0);

/// SYN and SYN-ACK packets that left a local socket for another network namespace or machine.
#[map]
pub(crate) static SYNS_SENT: LruHashMap<SynKey, u8> = LruHashMap::with_max_entries(16 * 1024, 0);

/// Connections whose peer is a socket on this machine: it is captured there.
#[map]
pub(crate) static LOCAL_PEERS: LruHashMap<PeerKey, u8> = LruHashMap::with_max_entries(64 * 1024, 0);

/// Counts one packet and `bytes` of its payload as lost.
#[inline(always)]
pub(crate) fn count(reason: Loss, bytes: u32) {
    count_number(reason as u32, bytes);
}

/// The same for a [`Loss`] by its number.
#[inline(always)]
pub(crate) fn count_number(reason: u32, bytes: u32) {
    let slot = 2 * reason;
    add(slot, 1);
    add(slot + 1, u64::from(bytes));
}

#[inline(always)]
fn add(slot: u32, n: u64) {
    if let Some(counter) = COUNTERS.get_ptr_mut(slot) {
        // SAFETY: `counter` points to a map value of 8 bytes, aligned, for as long as the program runs. The
        // instruction is the one `core` has no stable way to emit for this target.
        unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) n) }
    }
}
