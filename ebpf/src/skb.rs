//! A socket buffer's payload in kernel memory: its linear part, its page fragments, and the buffers that hang on it.
//!
//! Programs that are given a `struct sk_buff` by pointer have no helper for it (`bpf_skb_load_bytes` takes a packet
//! program's context). A fragment names its page by the address of the `struct page`; where that page lies in the
//! kernel's own mapping of memory is one constant away, which user space finds at start ([`PAGES`]); where it can't,
//! fragments are declared as not captured.

use core::ptr::{addr_of_mut, write_volatile};

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use pitot_common::abi::{LARGE, Loss, MEDIUM, SMALL, SegmentRecord};

use crate::emit::{Facts, Part, bounded, header, write_header};
use crate::maps::{RECORDS, count};
use crate::owner::{kernel, kernel_or_zero, typed};

/// `sk_buff.len`, bytes. This and the other offsets are those of the running kernel (BTF).
#[unsafe(no_mangle)]
static OFF_SKB_LEN: Global<u32> = Global::new(0);
/// `sk_buff.data_len`
#[unsafe(no_mangle)]
static OFF_SKB_DATA_LEN: Global<u32> = Global::new(0);
/// `sk_buff.head`
#[unsafe(no_mangle)]
pub(crate) static OFF_SKB_HEAD: Global<u32> = Global::new(0);
/// `sk_buff.data`
#[unsafe(no_mangle)]
static OFF_SKB_DATA: Global<u32> = Global::new(0);
/// `sk_buff.end`
#[unsafe(no_mangle)]
static OFF_SKB_END: Global<u32> = Global::new(0);
/// `sk_buff.next`
#[unsafe(no_mangle)]
static OFF_SKB_NEXT: Global<u32> = Global::new(0);
/// `skb_shared_info.frag_list`
#[unsafe(no_mangle)]
static OFF_SHARED_LIST: Global<u32> = Global::new(0);
/// `skb_shared_info.nr_frags`
#[unsafe(no_mangle)]
static OFF_SHARED_NR_FRAGS: Global<u32> = Global::new(0);
/// `skb_shared_info.frags`
#[unsafe(no_mangle)]
static OFF_SHARED_FRAGS: Global<u32> = Global::new(0);
/// `skb_frag.netmem`, `bio_vec.bv_page` before 6.10.
#[unsafe(no_mangle)]
static OFF_FRAG_PAGE: Global<u32> = Global::new(0);
/// `skb_frag.len`, `bio_vec.bv_len`.
#[unsafe(no_mangle)]
static OFF_FRAG_LEN: Global<u32> = Global::new(0);
/// `skb_frag.offset`, `bio_vec.bv_offset`.
#[unsafe(no_mangle)]
static OFF_FRAG_OFFSET: Global<u32> = Global::new(0);
/// The size of one fragment.
#[unsafe(no_mangle)]
static FRAG_SIZE: Global<u32> = Global::new(16);
/// Where pages lie: 1 if that is known; what to shift the address of a `struct page` by, and what to add.
#[map]
static PAGES: Array<u64> = Array::with_max_entries(3, 0);

/// A socket buffer.
pub(crate) struct Buffer {
    pub(crate) len: u32,
    /// Bytes in its linear part, and where that lies.
    pub(crate) linear: u32,
    pub(crate) data: u64,
    shared: u64,
}

/// How far a buffer has been walked. It lies in a map: the verifier does not follow what is in there, so that every piece looks the
/// same to it, and it walks one only.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Cursor {
    /// The `skb_shared_info` of the buffer it is in,
    shared: u64,
    /// and that buffer, if it is one of those that hang on the first.
    hanging: u64,
    /// Where the bytes lie that come next; 0 where that can't be told,
    at: u64,
    /// and how many of them.
    left: u32,
    /// The fragment after that.
    fragment: u32,
    /// Bytes emitted.
    offset: u32,
    /// Bytes still to be left out.
    skip: u32,
}

/// A fragment as it stands.
pub(crate) struct Fragment {
    pub(crate) page: u64,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

impl Buffer {
    #[inline(always)]
    /// `skb` is a pointer that the verifier knows for one.
    pub(crate) fn open(skb: u64) -> Self {
        let len = typed::<u32>(skb, OFF_SKB_LEN.load());
        let beyond = typed::<u32>(skb, OFF_SKB_DATA_LEN.load());
        let head = typed::<u64>(skb, OFF_SKB_HEAD.load());
        let end = typed::<u32>(skb, OFF_SKB_END.load());
        let data = typed(skb, OFF_SKB_DATA.load());
        Self { len, linear: len - beyond, data, shared: head + u64::from(end) }
    }

    /// Its first fragment, if it has one.
    #[inline(always)]
    pub(crate) fn first_fragment(&self) -> Option<Fragment> {
        Fragment::of(self.shared, 0)
    }
}

impl Fragment {
    /// Number `i` of those in this `skb_shared_info`, if there are as many.
    #[inline(always)]
    fn of(shared: u64, i: u32) -> Option<Self> {
        if i >= u32::from(kernel::<u8>(shared, OFF_SHARED_NR_FRAGS.load())?) {
            return None;
        }
        let at = shared + u64::from(OFF_SHARED_FRAGS.load()) + u64::from(i * FRAG_SIZE.load());
        Some(Self {
            page: kernel(at, OFF_FRAG_PAGE.load())?,
            offset: kernel(at, OFF_FRAG_OFFSET.load())?,
            len: kernel(at, OFF_FRAG_LEN.load())?,
        })
    }
}

/// Where a fragment lies in the kernel's mapping; 0 where that is not known.
#[inline(always)]
fn address(fragment: &Fragment) -> u64 {
    let value = |i| PAGES.get(i).copied().unwrap_or(0);
    // An odd page is no page but a device's memory.
    if value(0) == 0 || fragment.page & 1 != 0 {
        return 0;
    }
    (fragment.page << (value(1) & 63)).wrapping_add(value(2)).wrapping_add(u64::from(fragment.offset))
}

/// Emits the payload of `buffer` from `done` on, which is what `facts` speaks of, in at most `pieces` records submitted with
/// `flags`. What the ring has no room for is counted.
///
/// # Safety
/// `cursor` points into a map's value that nobody else uses.
#[inline(always)]
pub(crate) unsafe fn payload(
    facts: &Facts<'_>,
    buffer: &Buffer,
    done: u32,
    cursor: *mut Cursor,
    pieces: u32,
    flags: u64,
) {
    // SAFETY: the caller's.
    unsafe {
        write_volatile(addr_of_mut!((*cursor).shared), buffer.shared);
        write_volatile(addr_of_mut!((*cursor).hanging), 0);
        write_volatile(addr_of_mut!((*cursor).at), buffer.data);
        write_volatile(addr_of_mut!((*cursor).left), buffer.linear);
        write_volatile(addr_of_mut!((*cursor).fragment), 0);
        write_volatile(addr_of_mut!((*cursor).offset), 0);
        write_volatile(addr_of_mut!((*cursor).skip), done);
    }
    for _ in 0..pieces {
        // SAFETY: as above.
        if !unsafe { step(facts, cursor, flags) } {
            return;
        }
    }
    // SAFETY: as above.
    let offset = unsafe { addr_of_mut!((*cursor).offset).read_volatile() };
    if offset < facts.packet.total {
        let rest = facts.packet.total - offset;
        count(Loss::PacketTooLarge, rest);
        missing(facts, offset, rest, Loss::PacketTooLarge, flags);
    }
}

/// Emits the next piece; false when there is none, or no room for it.
///
/// # Safety
/// As for [`payload`].
#[inline(always)]
unsafe fn step(facts: &Facts<'_>, cursor: *mut Cursor, flags: u64) -> bool {
    // SAFETY: the caller's.
    let Cursor { shared, hanging, mut at, mut left, fragment, offset, skip } =
        unsafe { cursor.read_volatile() };
    if offset >= facts.packet.total {
        return false;
    }
    if left == 0 {
        let Some(found) = Fragment::of(shared, fragment) else {
            // SAFETY: as above.
            if unsafe { next_buffer(shared, hanging, cursor) } {
                return true;
            }
            let rest = facts.packet.total - offset;
            count(Loss::Unreadable, rest);
            missing(facts, offset, rest, Loss::Unreadable, flags);
            return false;
        };
        (at, left) = (address(&found), found.len);
        // SAFETY: as above.
        unsafe { write_volatile(addr_of_mut!((*cursor).fragment), fragment + 1) };
    }
    let skipped = skip.min(left);
    let len = (left - skipped).min(LARGE as u32).min(facts.packet.total - offset);
    if at != 0 {
        at += u64::from(skipped);
    }
    if len > 0 && !piece(facts, at, Part { offset, len, short: 0, reason: 0 }, flags) {
        count(Loss::RingFull, facts.packet.total - offset);
        return false;
    }
    if at != 0 {
        at += u64::from(len);
    }
    // SAFETY: as above.
    unsafe {
        write_volatile(addr_of_mut!((*cursor).at), at);
        write_volatile(addr_of_mut!((*cursor).left), left - skipped - len);
        write_volatile(addr_of_mut!((*cursor).offset), offset + len);
        write_volatile(addr_of_mut!((*cursor).skip), skip - skipped);
    }
    true
}

/// Moves to the next buffer that hangs on the first; false if there is none.
///
/// # Safety
/// As for [`payload`].
#[inline(always)]
unsafe fn next_buffer(shared: u64, hanging: u64, cursor: *mut Cursor) -> bool {
    let next = if hanging == 0 {
        kernel::<u64>(shared, OFF_SHARED_LIST.load())
    } else {
        kernel::<u64>(hanging, OFF_SKB_NEXT.load())
    };
    let next = next.unwrap_or(0);
    if next == 0 {
        return false;
    }
    let number = |offset| kernel_or_zero::<u32>(next, offset);
    let address = |offset| kernel_or_zero::<u64>(next, offset);
    let linear = number(OFF_SKB_LEN.load()).wrapping_sub(number(OFF_SKB_DATA_LEN.load()));
    // SAFETY: the caller's.
    unsafe {
        write_volatile(addr_of_mut!((*cursor).hanging), next);
        let shared = address(OFF_SKB_HEAD.load()) + u64::from(number(OFF_SKB_END.load()));
        write_volatile(addr_of_mut!((*cursor).shared), shared);
        write_volatile(addr_of_mut!((*cursor).at), address(OFF_SKB_DATA.load()));
        write_volatile(addr_of_mut!((*cursor).left), linear);
        write_volatile(addr_of_mut!((*cursor).fragment), 0);
    }
    true
}

/// Emits one piece of at most [`LARGE`] bytes.
#[inline(always)]
fn piece(facts: &Facts<'_>, at: u64, part: Part, flags: u64) -> bool {
    let outcome = if at == 0 {
        Outcome::Unreadable
    } else if part.len <= SMALL as u32 {
        copied::<SMALL>(facts, at, part, flags)
    } else if part.len <= MEDIUM as u32 {
        copied::<MEDIUM>(facts, at, part, flags)
    } else {
        copied::<LARGE>(facts, at, part, flags)
    };
    match outcome {
        Outcome::Sent => true,
        Outcome::NoRoom => false,
        Outcome::Unreadable => {
            count(Loss::Unreadable, part.len);
            missing(facts, part.offset, part.len, Loss::Unreadable, flags)
        }
    }
}

enum Outcome {
    Sent,
    NoRoom,
    Unreadable,
}

#[inline(always)]
fn copied<const N: usize>(facts: &Facts<'_>, at: u64, part: Part, flags: u64) -> Outcome {
    let Some(mut record) = RECORDS.reserve::<SegmentRecord<N>>(0) else {
        return Outcome::NoRoom;
    };
    let record_ptr = record.as_mut_ptr();
    // SAFETY: points into the reservation, which is as large as the record.
    let (header, payload) =
        unsafe { (addr_of_mut!((*record_ptr).header), addr_of_mut!((*record_ptr).payload)) };
    write_header(header, facts, part);
    // Read back from memory that the verifier does not track: what it must know of the bound ends here, and the loop's own
    // numbers stay alike, so that it need not walk every combination of pieces.
    // SAFETY: points to the header just written.
    let len = bounded::<N>(unsafe { addr_of_mut!((*header).len).read_volatile() });
    // SAFETY: `len` is at most N, the size of `payload`; the helper checks the address it reads.
    if unsafe { bpf_probe_read_kernel(payload.cast(), len, at as *const _) } != 0 {
        record.discard(u64::from(BPF_RB_NO_WAKEUP));
        return Outcome::Unreadable;
    }
    record.submit(flags);
    Outcome::Sent
}

/// Says that `len` bytes at `offset` are not captured.
#[inline(always)]
fn missing(facts: &Facts<'_>, offset: u32, len: u32, reason: Loss, flags: u64) -> bool {
    header(facts, Part { offset, len: 0, short: len, reason: reason as u8 }, flags)
}
