//! The lane of Unix stream sockets: what their readers take off the receive queue.
//!
//! A sender's call, whichever it is, puts socket buffers into the receiver's queue, and the receiver takes them off in order, under
//! a lock: so the position of each is the count of bytes before it. Two programs see a buffer, both
//! run by the receiver: at its first byte (`skb_copy_datagram_iovec`; not when it is spliced, maybe more than
//! once, and when it is only peeked at), and when it has been read whole (`consume_skb`). The first that comes captures it all.
//!
//! Urgent data (MSG_OOB) is a buffer of one byte in the same queue. A reader that does not ask for it never sees it, and it is not
//! consumed but freed. One that takes it by itself reads it like any other byte; only when its call returns are its flags seen.
//! So a buffer of one byte waits until it is consumed, and is a gap if such a call was made before.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{addr_of_mut, write_volatile};

use aya_ebpf::Global;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::helpers::{bpf_get_current_task, bpf_ktime_get_ns};
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::{Array, HashMap, LruHashMap};
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext};
use pitot_common::abi::{ABI_VERSION, HOOK_EGRESS, KIND_SOCKET, Loss, SocketRecord};

use crate::emit::{self, Facts, Part, process, wakeup};
use crate::globals::{OFF_SKB_SK, OFF_TASK_COMM, OFF_TASK_START, OFF_TASK_TGID, SELF_TGID};
use crate::maps::{OWN, RECORDS, VERDICTS, count, count_number};
use crate::owner::{NOBODY, Owner, kernel, owner_of, typed};
use crate::packet::{FIN, Packet, RST, SYN};
use crate::skb::{self, Buffer, Cursor, Fragment};
use crate::sock::{
    AF_UNIX, OFF_SOCK_FAMILY, OFF_SOCK_TYPE, OFF_UNIX_PEER, SOCK_STREAM, family, inode, is_stream, name,
    netns,
};
use crate::socket::Socket;

/// How many records one buffer may give. A Unix socket's buffer has at most 17 fragments (unless the kernel was built with
/// more) and, without splicing of huge pages, is below 48 KiB.
#[unsafe(no_mangle)]
static MAX_PIECES: Global<u32> = Global::new(24);
/// `sk_buff.prev`, bytes. This and the other offsets are those of the running kernel (BTF).
#[unsafe(no_mangle)]
static OFF_SKB_PREV: Global<u32> = Global::new(0);
/// `sk_buff.cb`, at which a Unix socket's buffer keeps the sender's `struct pid`.
#[unsafe(no_mangle)]
pub(crate) static OFF_SKB_CB: Global<u32> = Global::new(0);
/// `sock.sk_shutdown`
#[unsafe(no_mangle)]
static OFF_SOCK_SHUTDOWN: Global<u32> = Global::new(0);
/// `sock.sk_receive_queue`
#[unsafe(no_mangle)]
static OFF_SOCK_QUEUE: Global<u32> = Global::new(0);
/// `sock.sk_peer_pid`
#[unsafe(no_mangle)]
static OFF_SOCK_PEER_PID: Global<u32> = Global::new(0);
/// `pid.tasks`
#[unsafe(no_mangle)]
static OFF_PID_TASKS: Global<u32> = Global::new(0);
/// `task_struct.pid_links`
#[unsafe(no_mangle)]
static OFF_TASK_PID_LINKS: Global<u32> = Global::new(0);

/// `RCV_SHUTDOWN`: nothing more will be put into this socket's queue.
const NO_MORE_TO_READ: u8 = 1;
/// `SHUTDOWN_MASK`: the socket was closed, or shut down both ways.
const CLOSED: u8 = 3;
/// `MSG_OOB` and `MSG_PEEK`, of a reader's call.
const URGENT: u32 = 1;
const PEEK: u32 = 2;
/// Index of `PIDTYPE_TGID`, and the size of the list heads and links that it selects.
const TGID: u64 = 1;
const LIST_HEAD: u64 = 8;
const LIST_LINK: u64 = 16;
/// What tells a Unix socket's number from the cookie of an internet socket.
const UNIX_COOKIE: u64 = 1 << 63;

/// A socket that receives.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Receiver {
    sk: u64,
    inode: u64,
}

/// What was captured of what a socket receives.
#[repr(C)]
#[derive(Clone, Copy)]
struct Stream {
    /// Bytes so far, captured or counted as lost.
    position: u64,
    /// The buffer at the head of the queue, if any of it was captured,
    buffer: u64,
    /// and how much: it may grow.
    done: u32,
    /// Left out: one of the ends is the agent.
    own: u32,
    /// Inode of the sender.
    sender: u64,
    netns: u32,
    /// Urgent data was taken out of it: any buffer of one byte may be such.
    urgent: u32,
    cursor: Cursor,
}

/// Every socket that was seen to receive, until it has ended: user space removes those that are closed.
#[map]
static UNIX_STREAMS: HashMap<Receiver, Stream> = HashMap::with_max_entries(32 * 1024, 0);

/// A sender's `struct sock` to that of its receiver: a sender that has closed does not know it any more.
#[map]
static UNIX_PEERS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(32 * 1024, 0);

/// Where a buffer of the agent's own lies: address and length of its linear part; page, offset and length of its first fragment.
#[map]
static CALIBRATION: Array<u64> = Array::with_max_entries(5, 0);

/// `TP_PROTO(const struct sk_buff *skb, int len)`: bytes are about to be copied to a reader.
#[btf_tracepoint(function = "skb_copy_datagram_iovec")]
pub fn pitot_unix_read(ctx: BtfTracePointContext) -> i32 {
    let skb = ctx.arg::<u64>(0);
    if let Some(sender) = sender_of(skb)
        && let Some(receiver) = first_in_queue(skb)
    {
        capture(skb, sender, receiver, false);
    }
    0
}

/// `TP_PROTO(struct sk_buff *skb, void *location)`: nobody needs it any more.
#[btf_tracepoint(function = "consume_skb")]
pub fn pitot_unix_consumed(ctx: BtfTracePointContext) -> i32 {
    let skb = ctx.arg::<u64>(0);
    if let Some(sender) = sender_of(skb) {
        match receiver_of(sender) {
            Some(receiver) => capture(skb, sender, receiver, true),
            None => count(Loss::Unreadable, 0),
        }
    }
    0
}

/// `TP_PROTO(struct sock *sk, int ret, int flags)`: a reader's call returns.
#[btf_tracepoint(function = "sock_recv_length")]
pub fn pitot_unix_received(ctx: BtfTracePointContext) -> i32 {
    let sk = ctx.arg::<u64>(0);
    if is_typed_unix_stream(sk) {
        let (received, flags) = (ctx.arg::<i32>(1), ctx.arg::<u32>(2));
        if flags & (URGENT | PEEK) == URGENT && received > 0 {
            let _ = took_urgent(sk);
        }
        let _ = end(sk);
    }
    0
}

/// Run by user space, never attached: notes where a buffer of the agent's own lies.
#[btf_tracepoint(function = "skb_copy_datagram_iovec")]
pub fn pitot_calibrate(ctx: BtfTracePointContext) -> i32 {
    let skb = ctx.arg::<u64>(0);
    // A peek goes on to the buffers behind, even if all it wants is one byte.
    if sender_of(skb).is_some() && first_in_queue(skb).is_some() && is_own(current()) {
        let _ = note_fragment(skb);
    }
    0
}

/// Run by user space, never attached: whether eight bytes at an address are those that are expected. Written out because the macro
/// for raw tracepoints drops what a program returns.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/skb_copy_datagram_iovec")]
pub extern "C" fn pitot_peek(ctx: *mut c_void) -> i32 {
    let ctx = RawTracePointContext::new(ctx);
    let (at, expected) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1));
    i32::from(kernel::<u64>(at, 0) == Some(expected))
}

/// Run by user space, never attached: what has become of a receiver. Bit 0: it is open; bit 1: nothing waits in its queue
/// and nothing more will come.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/skb_copy_datagram_iovec")]
pub extern "C" fn pitot_unix_state(ctx: *mut c_void) -> i32 {
    let ctx = RawTracePointContext::new(ctx);
    let (sk, number) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1));
    if inode(sk) != number {
        return 0;
    }
    1 | i32::from(is_at_end(sk)) << 1
}

#[inline(always)]
fn note_fragment(skb: u64) -> Option<()> {
    let buffer = Buffer::open(skb);
    let fragment = buffer.first_fragment()?;
    let Fragment { page, offset, len } = fragment;
    let values = [buffer.data, u64::from(buffer.linear), page, u64::from(offset), u64::from(len)];
    for (i, value) in (0..).zip(values) {
        let slot = CALIBRATION.get_ptr_mut(i)?;
        // SAFETY: points to a map value of 8 bytes.
        unsafe { write_volatile(slot, value) }
    }
    Some(())
}

/// The socket that sent this buffer, if it is a Unix stream socket.
#[inline(always)]
fn sender_of(skb: u64) -> Option<u64> {
    let sk = typed::<u64>(skb, OFF_SKB_SK.load());
    (sk != 0 && is_typed_unix_stream(sk)).then_some(sk)
}

/// The same as [`is_unix_stream`] of a socket that the verifier knows for one: the refusal of everything else must cost next to
/// nothing.
#[inline(always)]
fn is_typed_unix_stream(sk: u64) -> bool {
    typed::<u16>(sk, OFF_SOCK_FAMILY.load()) == AF_UNIX
        && typed::<u16>(sk, OFF_SOCK_TYPE.load()) == SOCK_STREAM
}

#[inline(always)]
fn is_unix_stream(sk: u64) -> bool {
    family(sk) == AF_UNIX && is_stream(sk)
}

/// The socket in whose queue this buffer is the first: what comes before it is then the queue itself.
#[inline(always)]
fn first_in_queue(skb: u64) -> Option<Receiver> {
    let before = kernel::<u64>(skb, OFF_SKB_PREV.load())?;
    let sk = before.wrapping_sub(u64::from(OFF_SOCK_QUEUE.load()));
    if before == 0 || !is_unix_stream(sk) {
        return None;
    }
    let inode = inode(sk);
    (inode != 0).then_some(Receiver { sk, inode })
}

/// The socket that receives from `sender`.
#[inline(always)]
fn receiver_of(sender: u64) -> Option<Receiver> {
    let mut sk = kernel::<u64>(sender, OFF_UNIX_PEER.load())?;
    if sk == 0 {
        let known = UNIX_PEERS.get_ptr(sender)?;
        // SAFETY: points to a map value of 8 bytes.
        sk = unsafe { known.read_volatile() };
        // As long as it is open it keeps its peer, so that nothing else can have taken its place.
        if kernel::<u64>(sk, OFF_UNIX_PEER.load()) != Some(sender) {
            return None;
        }
    }
    let inode = inode(sk);
    (inode != 0).then_some(Receiver { sk, inode })
}

#[inline(always)]
fn current() -> Owner {
    // SAFETY: takes nothing.
    owner_of(unsafe { bpf_get_current_task() }).unwrap_or(NOBODY)
}

#[inline(always)]
fn is_own(owner: Owner) -> bool {
    owner.pid != 0 && owner.pid == SELF_TGID.load()
}

/// Captures what was not yet captured of a buffer.
#[inline(always)]
fn capture(skb: u64, sender: u64, receiver: Receiver, consumed: bool) {
    let buffer = Buffer::open(skb);
    if buffer.len == 0 {
        // What a connecting socket puts into the listener's queue.
        return;
    }
    // SAFETY: takes nothing.
    let time_ns = unsafe { bpf_ktime_get_ns() };
    let Some(stream) = stream(skb, sender, receiver, time_ns, buffer.len) else { return };
    // SAFETY: points to a map value; readers of one socket exclude each other (`unix_sock.iolock`).
    let stream = unsafe { &mut *stream };
    if stream.own != 0 || (buffer.len == 1 && !consumed) {
        return;
    }
    let done = if stream.buffer == skb { stream.done } else { 0 };
    if buffer.len > done {
        let position = stream.position;
        stream.position = position + u64::from(buffer.len - done);
        emit(stream, receiver, position, done, &buffer, time_ns);
    }
    stream.buffer = if consumed { 0 } else { skb };
    stream.done = if consumed { 0 } else { buffer.len };
}

/// Emits what lies behind `done` in a buffer, unless the connection was refused.
#[inline(always)]
fn emit(stream: &mut Stream, receiver: Receiver, position: u64, done: u32, buffer: &Buffer, time_ns: u64) {
    let cookie = UNIX_COOKIE | receiver.inode;
    let total = buffer.len - done;
    if let Some(verdict) = VERDICTS.get_ptr(cookie) {
        // SAFETY: points to a map value of 4 bytes.
        let reason = unsafe { verdict.read_volatile() };
        if reason != OWN {
            count_number(reason, total);
        }
        return;
    }
    let flags = if position == 0 { SYN } else { 0 };
    let packet = packet(stream, receiver.inode, position, total, flags);
    let socket = Socket { cookie, cgroup: 0, netns: stream.netns };
    let facts = Facts { packet: &packet, socket: &socket, owner: NOBODY, time_ns, hook: HOOK_EGRESS };
    if stream.urgent != 0 && buffer.len == 1 {
        count(Loss::Urgent, 1);
        emit::header(&facts, Part { offset: 0, len: 0, short: 1, reason: Loss::Urgent as u8 }, wakeup());
        return;
    }
    // SAFETY: the cursor is this stream's, and so is the turn.
    unsafe { skb::payload(&facts, buffer, done, &raw mut stream.cursor, MAX_PIECES.load(), wakeup()) }
}

#[inline(always)]
fn packet(stream: &Stream, receiver: u64, position: u64, total: u32, flags: u8) -> Packet {
    Packet {
        version: 0,
        flags,
        src_port: 0,
        dst_port: 0,
        // A position has 64 bits.
        seq: position as u32,
        ack: (position >> 32) as u32,
        src: [stream.sender, 0],
        dst: [receiver, 0],
        tcp: 0,
        payload: 0,
        total,
    }
}

/// Notes that a receiver took urgent data out of what it receives. Another thread that reads from it before this one's call returns
/// is not allowed for.
#[inline(always)]
fn took_urgent(sk: u64) -> Option<()> {
    let receiver = Receiver { sk, inode: inode(sk) };
    let sender = kernel::<u64>(sk, OFF_UNIX_PEER.load())?;
    if receiver.inode == 0 || sender == 0 {
        return None;
    }
    // SAFETY: takes nothing.
    let time_ns = unsafe { bpf_ktime_get_ns() };
    // Which buffer it was in is not known here.
    let stream = stream(0, sender, receiver, time_ns, 1)?;
    // SAFETY: points to a map value.
    unsafe { write_volatile(addr_of_mut!((*stream).urgent), 1) };
    Some(())
}

/// What is known of the stream to `receiver`; both ends are announced when that is nothing.
#[inline(always)]
fn stream(skb: u64, sender: u64, receiver: Receiver, time_ns: u64, len: u32) -> Option<*mut Stream> {
    if let Some(known) = UNIX_STREAMS.get_ptr_mut(receiver) {
        return Some(known);
    }
    let owner = current();
    let other = sender_process(skb, receiver.sk);
    let from = Receiver { sk: sender, inode: inode(sender) };
    let own = is_own(owner) || is_own(other);
    let netns = netns(receiver.sk);
    if !own {
        process(owner, time_ns);
        announce(receiver, from.inode, owner, netns, time_ns);
        if UNIX_STREAMS.get_ptr(from).is_none() && from.inode != 0 {
            announce(from, receiver.inode, other, netns, time_ns);
        }
    }
    let mut new = MaybeUninit::<Stream>::uninit();
    let at = new.as_mut_ptr();
    // Word by word and volatile, so that no call to memset is made.
    // SAFETY: writes every field.
    let new = unsafe {
        write_volatile(addr_of_mut!((*at).position), 0);
        write_volatile(addr_of_mut!((*at).buffer), 0);
        write_volatile(addr_of_mut!((*at).done), 0);
        write_volatile(addr_of_mut!((*at).own), u32::from(own));
        write_volatile(addr_of_mut!((*at).sender), from.inode);
        write_volatile(addr_of_mut!((*at).netns), netns);
        write_volatile(addr_of_mut!((*at).urgent), 0);
        for word in 0..size_of::<Cursor>() / 8 {
            write_volatile(addr_of_mut!((*at).cursor).cast::<u64>().add(word), 0);
        }
        new.assume_init_ref()
    };
    if UNIX_STREAMS.insert(receiver, new, 0).is_err() {
        count(Loss::MapFull, len);
        return None;
    }
    let _ = UNIX_PEERS.insert(sender, receiver.sk, 0);
    UNIX_STREAMS.get_ptr_mut(receiver)
}

/// Whose process the sender is: what the buffer says, else who connected (or listened) at the other end. A socket that was
/// passed on since has another.
#[inline(always)]
fn sender_process(skb: u64, receiver: u64) -> Owner {
    let of_buffer = kernel::<u64>(skb, OFF_SKB_CB.load()).unwrap_or(0);
    let pid = if of_buffer != 0 {
        of_buffer
    } else {
        kernel::<u64>(receiver, OFF_SOCK_PEER_PID.load()).unwrap_or(0)
    };
    if pid == 0 {
        return NOBODY;
    }
    let tasks = u64::from(OFF_PID_TASKS.load()) + TGID * LIST_HEAD;
    let link = kernel::<u64>(pid + tasks, 0).unwrap_or(0);
    if link == 0 {
        return NOBODY;
    }
    let task = link - (u64::from(OFF_TASK_PID_LINKS.load()) + TGID * LIST_LINK);
    Owner {
        pid: kernel(task, OFF_TASK_TGID.load()).unwrap_or(0),
        start_ns: kernel(task, OFF_TASK_START.load()).unwrap_or(0),
        task,
    }
}

/// Emits what is known of a socket.
#[inline(always)]
fn announce(socket: Receiver, peer: u64, owner: Owner, netns: u32, time_ns: u64) {
    let Some(mut record) = RECORDS.reserve::<SocketRecord>(0) else { return };
    let record_ptr = record.as_mut_ptr();
    macro_rules! put {
        ($($field:ident $(. $inner:ident)?: $value:expr),* $(,)?) => {
            // SAFETY: points into the reservation.
            unsafe { $(write_volatile(addr_of_mut!((*record_ptr).$field $(. $inner)?).cast(), $value);)* }
        };
    }
    put! {
        header.time_ns: time_ns,
        header.cookie: UNIX_COOKIE | socket.inode,
        header.owner_start_ns: owner.start_ns,
        header.owner_pid: owner.pid,
        header.netns: netns,
        header.kind: KIND_SOCKET,
        header.ip_version: 0u8,
        header.abi: ABI_VERSION,
        socket: socket.inode,
        peer: peer,
        state: 1u64,
        comm: 0u64,
    }
    // SAFETY: points into the reservation; `name` writes at most PATH_LEN bytes; a command name has COMM_LEN.
    unsafe {
        let len = name(addr_of_mut!((*record_ptr).path), socket.sk);
        write_volatile(addr_of_mut!((*record_ptr).header.len), len);
        write_volatile(addr_of_mut!((*record_ptr).comm).cast::<u64>().add(1), 0);
        if owner.task != 0 {
            let from = (owner.task + u64::from(OFF_TASK_COMM.load())) as *const _;
            bpf_probe_read_kernel(addr_of_mut!((*record_ptr).comm).cast(), 16, from);
        }
    }
    record.submit(wakeup());
}

/// Whether a receiver has read all that it ever will.
#[inline(always)]
fn is_at_end(sk: u64) -> bool {
    // In this order: what is put into the queue is there before the shutdown is.
    let over = kernel::<u8>(sk, OFF_SOCK_SHUTDOWN.load()).unwrap_or(0) & NO_MORE_TO_READ != 0;
    let queue = sk + u64::from(OFF_SOCK_QUEUE.load());
    over && kernel::<u64>(queue, 0) == Some(queue)
}

/// Says, once, that a receiver has read the end (FIN), and whether its peer is closed, so that it reads no more (RST).
#[inline(always)]
fn end(sk: u64) -> Option<()> {
    if !is_at_end(sk) {
        return None;
    }
    let receiver = Receiver { sk, inode: inode(sk) };
    let stream = UNIX_STREAMS.get_ptr_mut(receiver)?;
    // SAFETY: points to a map value.
    let stream = unsafe { &*stream };
    let peer = kernel::<u64>(sk, OFF_UNIX_PEER.load())?;
    let closed = kernel::<u8>(peer, OFF_SOCK_SHUTDOWN.load())? & CLOSED == CLOSED;
    let own = stream.own != 0;
    let back = Receiver { sk: peer, inode: stream.sender };
    let flags = if closed { FIN | RST } else { FIN };
    let packet = packet(stream, receiver.inode, stream.position, 0, flags);
    let socket = Socket { cookie: UNIX_COOKIE | receiver.inode, cgroup: 0, netns: stream.netns };
    // SAFETY: takes nothing.
    let time_ns = unsafe { bpf_ktime_get_ns() };
    if !own {
        let facts = Facts { packet: &packet, socket: &socket, owner: NOBODY, time_ns, hook: HOOK_EGRESS };
        if !emit::header(&facts, Part { offset: 0, len: 0, short: 0, reason: 0 }, wakeup()) {
            return None;
        }
    }
    if closed {
        let _ = UNIX_STREAMS.remove(back);
    }
    let _ = UNIX_STREAMS.remove(receiver);
    Some(())
}
