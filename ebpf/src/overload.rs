//! Leaves connections out while the ring fills up, see [`pitot_common::overload`].

use core::ptr::{read_volatile, write_volatile};

use pitot_common::abi::LARGE;
use pitot_common::overload::{ALL, LOW, admits, epoch, limit, lowest, rank};

use crate::globals::{HASH_KEY, RING_BYTES};
use crate::maps::LOWEST_LIMIT;
use crate::packet::Packet;
use crate::socket::Kept;

/// What a packet's records take of the ring beside its payload, at most: a last record of the largest class, and the headers.
const RECORDS_OVERHEAD: u32 = LARGE as u32 + 40 * 128;

/// Whether a packet's payload goes into the ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Admitted,
    /// It does not, and this is the first packet of its connection that does not.
    Begins,
    /// It does not.
    LeftOut,
}

/// Decides, given how many bytes wait in the ring.
#[inline(always)]
pub(crate) fn admit(packet: &Packet, waiting: u32, time_ns: u64, kept: Option<&mut Kept>) -> Admission {
    let Some(word) = LOWEST_LIMIT.get_ptr_mut(0) else { return Admission::Admitted };
    // SAFETY: points to a map value of 8 bytes. A lower limit that another CPU writes at the same time may be lost; it is
    // then found again with the next packet.
    let before = unsafe { read_volatile(word) };
    let epoch = epoch(time_ns);
    let size = RING_BYTES.load();
    // A whole packet or nothing of it, so that no bytes are lost out of the middle.
    let fits = waiting + packet.total + RECORDS_OVERHEAD <= size;
    if fits && waiting <= size / 16 * LOW && (before >> 32) as u32 != epoch {
        return Admission::Admitted;
    }
    let after = lowest(before, epoch, limit(waiting, size));
    if after != before && after as u32 != ALL {
        // SAFETY: as above.
        unsafe { write_volatile(word, after) }
    }
    let ends = [(packet.src, packet.src_port), (packet.dst, packet.dst_port)];
    let admitted = fits && admits(after as u32, rank(HASH_KEY.load(), epoch, ends));
    let Some(kept) = kept else { return if admitted { Admission::Admitted } else { Admission::Begins } };
    if kept.left_out_in == epoch {
        return Admission::LeftOut;
    }
    if admitted {
        return Admission::Admitted;
    }
    kept.left_out_in = epoch;
    Admission::Begins
}
