//! The maps, and what counts a loss.

use core::arch::asm;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LruHashMap, RingBuf};
use pitot_common::abi::{COUNTER_SLOTS, Loss};

use crate::local_peer::{PeerKey, SynKey};
use crate::owner::ProcessKey;

/// Everything that leaves the kernel. Its size is set at load.
#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(1 << 24, 0);

/// Packets and payload bytes lost, two slots by [`Loss`] number. Shared, with atomic adds: these programs can be interleaved on one
/// CPU, so a per-CPU counter would lose counts too.
#[map]
pub(crate) static COUNTERS: Array<u64> = Array::with_max_entries(COUNTER_SLOTS, 0);

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
    let slot = 2 * reason as u32;
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
