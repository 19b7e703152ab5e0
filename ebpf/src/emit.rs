//! From a packet to records: the whole payload, in as many records as it needs, copied straight into the ring.

use core::ptr::{addr_of_mut, write_volatile};

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::bpf_skb_load_bytes;
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use aya_ebpf::programs::SkBuffContext;
use pitot_common::abi::{
    ABI_VERSION, ARGS_LEN, COMM_LEN, Header, KIND_PROCESS, KIND_SEGMENT, LARGE, Loss, MEDIUM, ProcessRecord,
    SMALL, SegmentRecord,
};

use crate::capture::Skb;
use crate::globals::{MAX_CHUNKS, OFF_MM_ARG_END, OFF_MM_ARG_START, OFF_TASK_COMM, OFF_TASK_MM, WAKE_AT};
use crate::maps::{PROCESSES, RECORDS, count};
use crate::overload::{self, Admission};
use crate::owner::{Owner, ProcessKey, kernel};
use crate::packet::Packet;
use crate::socket::{Kept, Socket};
pub(crate) use crate::walk::bounded;
use crate::walk::forget;

/// What all records of one packet share.
pub(crate) struct Facts<'a> {
    pub(crate) packet: &'a Packet,
    pub(crate) socket: &'a Socket,
    pub(crate) owner: Owner,
    pub(crate) time_ns: u64,
    pub(crate) hook: u8,
}

/// One record's share of a packet's payload.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) offset: u32,
    pub(crate) len: u32,
    /// Payload after this part that is not captured,
    pub(crate) short: u32,
    /// because of this, a [`Loss`] by number; 0 with `short` 0.
    pub(crate) reason: u8,
}

/// Emits a packet, after its process if that is new.
#[inline(always)]
pub(crate) fn packet(skb: &impl Skb, facts: &Facts<'_>, mut kept: Option<&mut Kept>) {
    let Facts { packet, owner, time_ns, .. } = *facts;
    announce(owner, time_ns, kept.as_deref_mut());
    let waiting = waiting();
    if packet.total == 0 {
        header(facts, Part { offset: 0, len: 0, short: 0, reason: 0 }, wake(waiting));
        return;
    }
    let admission = overload::admit(packet, waiting, time_ns, kept);
    if admission == Admission::Admitted {
        skb.payload(facts, u64::from(forget(skb.length(), wake(waiting) as u32)));
        return;
    }
    count(Loss::Overload, packet.total);
    if admission == Admission::Begins || packet.is_control() {
        without_payload(facts, Loss::Overload as u32);
    }
}

/// Emits the header of a packet whose payload is left out; for no reason if that is not counted.
#[inline(always)]
pub(crate) fn without_payload(facts: &Facts<'_>, reason: u32) {
    let short = if reason == 0 { 0 } else { facts.packet.total };
    let reason = if short == 0 { 0 } else { reason as u8 };
    header(facts, Part { offset: 0, len: 0, short, reason }, u64::from(BPF_RB_NO_WAKEUP));
}

/// Emits the process unless this socket's last record was of the same one.
#[inline(always)]
fn announce(owner: Owner, time_ns: u64, kept: Option<&mut Kept>) {
    let Some(kept) = kept else {
        process(owner, time_ns);
        return;
    };
    let same = kept.reported_pid == owner.pid && kept.reported_start_ns == owner.start_ns;
    if owner.pid != 0 && !same && process(owner, time_ns) {
        (kept.reported_pid, kept.reported_start_ns) = (owner.pid, owner.start_ns);
    }
}

/// Full records of constant size first and one tail after the loop: choosing the size inside the loop multiplies what
/// the verifier must walk.
#[inline(always)]
pub(crate) fn payload(ctx: &SkBuffContext, facts: &Facts<'_>, flags: u64) {
    let total = facts.packet.total;
    let mut offset = 0;
    for _ in 0..MAX_CHUNKS.load() {
        if total - offset < LARGE as u32 {
            break;
        }
        if !segment::<LARGE>(ctx, facts, Part { offset, len: LARGE as u32, short: 0, reason: 0 }, flags) {
            return;
        }
        offset += LARGE as u32;
    }
    let rest = total - offset;
    match rest {
        0 => {}
        1..=512 => {
            segment::<SMALL>(ctx, facts, Part { offset, len: rest, short: 0, reason: 0 }, flags);
        }
        513..=2048 => {
            segment::<MEDIUM>(ctx, facts, Part { offset, len: rest, short: 0, reason: 0 }, flags);
        }
        2049..=16384 => {
            segment::<LARGE>(ctx, facts, Part { offset, len: rest, short: 0, reason: 0 }, flags);
        }
        _ => {
            count(Loss::PacketTooLarge, rest);
            header(facts, Part { offset, len: 0, short: rest, reason: Loss::PacketTooLarge as u8 }, flags);
        }
    }
}

/// Emits one record; false, and the rest of the packet counted, if it could not be.
#[inline(always)]
fn segment<const N: usize>(ctx: &SkBuffContext, facts: &Facts<'_>, part: Part, flags: u64) -> bool {
    let Some(mut record) = RECORDS.reserve::<SegmentRecord<N>>(0) else {
        count(Loss::RingFull, facts.packet.total - part.offset);
        return false;
    };
    let record_ptr = record.as_mut_ptr();
    // SAFETY: points into the reservation, which is as large as the record.
    let (header, payload) =
        unsafe { (addr_of_mut!((*record_ptr).header), addr_of_mut!((*record_ptr).payload)) };
    write_header(header, facts, part);
    let at = facts.packet.payload + part.offset;
    let len = bounded::<N>(part.len);
    // SAFETY: `len` is at most N, the size of `payload`.
    let failed = unsafe { bpf_skb_load_bytes(ctx.as_ptr(), at, payload.cast(), len) } != 0;
    if failed {
        record.discard(u64::from(BPF_RB_NO_WAKEUP));
        count(Loss::LoadFailed, facts.packet.total - part.offset);
        return false;
    }
    record.submit(flags);
    true
}

/// Emits a record without payload; false if it could not be.
#[inline(always)]
pub(crate) fn header(facts: &Facts<'_>, part: Part, flags: u64) -> bool {
    let Some(mut record) = RECORDS.reserve::<SegmentRecord<0>>(0) else {
        // What is short is counted where that was decided.
        count(Loss::RingFull, facts.packet.total - part.offset - part.short);
        return false;
    };
    // SAFETY: points into the reservation.
    write_header(unsafe { addr_of_mut!((*record.as_mut_ptr()).header) }, facts, part);
    record.submit(flags);
    true
}

#[inline(always)]
pub(crate) fn write_header(header: *mut Header, facts: &Facts<'_>, part: Part) {
    /// Word by word and volatile, so that no call to memset or memcpy is made.
    macro_rules! put {
        ($($field:ident: $value:expr),* $(,)?) => {
            // SAFETY: `header` points to a reservation that holds a Header.
            unsafe { $(write_volatile(addr_of_mut!((*header).$field).cast(), $value);)* }
        };
    }
    let Facts { packet, socket, owner, time_ns, hook } = facts;
    put! {
        time_ns: *time_ns,
        cookie: socket.cookie,
        cgroup: socket.cgroup,
        owner_start_ns: owner.start_ns,
        owner_pid: owner.pid,
        seq: packet.seq,
        ack: packet.ack,
        total: packet.total,
        offset: part.offset,
        len: part.len,
        short: part.short,
        netns: socket.netns,
        src: packet.src[0],
        dst: packet.dst[0],
        src_port: packet.src_port,
        dst_port: packet.dst_port,
        kind: KIND_SEGMENT,
        hook: *hook,
        ip_version: packet.version,
        tcp_flags: packet.flags,
        short_reason: part.reason,
        abi: ABI_VERSION,
        padding: 0u16,
    }
    // SAFETY: as above; the second halves of the addresses, and the rest of the padding.
    unsafe {
        write_volatile(addr_of_mut!((*header).src).cast::<u64>().add(1), packet.src[1]);
        write_volatile(addr_of_mut!((*header).dst).cast::<u64>().add(1), packet.dst[1]);
        write_volatile(addr_of_mut!((*header).padding).cast::<u16>().add(1).cast::<u32>(), 0);
    }
}

/// Emits the process at first sight; false if its record was lost: then with its next packet.
#[inline(always)]
pub(crate) fn process(owner: Owner, time_ns: u64) -> bool {
    if owner.pid == 0 {
        return true;
    }
    let key = ProcessKey { start_ns: owner.start_ns, pid: u64::from(owner.pid) };
    if PROCESSES.get_ptr(&key).is_some() {
        return true;
    }
    let Some(mut record) = RECORDS.reserve::<ProcessRecord>(0) else {
        return false;
    };
    let record_ptr = record.as_mut_ptr();
    // SAFETY: points into the reservation. Only the fields a process record means are written.
    unsafe {
        let header = addr_of_mut!((*record_ptr).header);
        write_volatile(addr_of_mut!((*header).time_ns), time_ns);
        write_volatile(addr_of_mut!((*header).owner_start_ns), owner.start_ns);
        write_volatile(addr_of_mut!((*header).owner_pid), owner.pid);
        write_volatile(addr_of_mut!((*header).kind), KIND_PROCESS);
        write_volatile(addr_of_mut!((*header).abi), ABI_VERSION);
        let comm = addr_of_mut!((*record_ptr).comm);
        let from = (owner.task + u64::from(OFF_TASK_COMM.load())) as *const _;
        bpf_probe_read_kernel(comm.cast(), COMM_LEN as u32, from);
        let len = arguments(addr_of_mut!((*record_ptr).args), owner.task);
        write_volatile(addr_of_mut!((*header).len), len);
    }
    record.submit(u64::from(BPF_RB_FORCE_WAKEUP));
    let _ = PROCESSES.insert(&key, 1, 0);
    true
}

/// Copies the arguments of `task`, which is the current one, and gives their length. They can be paged out; then there are none.
#[inline(always)]
fn arguments(to: *mut [u8; ARGS_LEN], task: u64) -> u32 {
    let mm = kernel::<u64>(task, OFF_TASK_MM.load()).unwrap_or(0);
    let start = kernel::<u64>(mm, OFF_MM_ARG_START.load()).unwrap_or(0);
    let end = kernel::<u64>(mm, OFF_MM_ARG_END.load()).unwrap_or(0);
    if end <= start {
        return 0;
    }
    let len = bounded::<ARGS_LEN>((end - start).min(ARGS_LEN as u64) as u32);
    // SAFETY: `len` is at most ARGS_LEN; the helper checks the user's address.
    let failed = unsafe { bpf_probe_read_user(to.cast(), len, start as *const _) } != 0;
    if failed { 0 } else { len }
}

/// How to submit a record that is not part of a packet.
#[inline(always)]
pub(crate) fn wakeup() -> u64 {
    wake(waiting())
}

/// Bytes that wait in the ring.
#[inline(always)]
fn waiting() -> u32 {
    RECORDS.query(u64::from(BPF_RB_AVAIL_DATA)) as u32
}

/// Wakes the reader only as the fill level passes [`WAKE_AT`], a power of two, or a multiple of it; below, it polls. What one
/// packet adds must not step over it.
#[inline(always)]
fn wake(waiting: u32) -> u64 {
    let at = WAKE_AT.load();
    let passes = waiting >= at && waiting & (at - 1) < 8 * LARGE as u32;
    u64::from(if passes { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP })
}
