//! The lane of tracepoints: TCP where programs on packets cannot be had.
//!
//! What a socket sends is taken as its packets are handed to a device (`net_dev_queue`), what it receives as TCP has checked
//! it (`tcp_probe`). The second is shown for established connections only. So the kernel's own numbers say where a direction
//! begins and ends (`inet_sock_set_state`), and what came at another time is taken as it is read
//! (`skb_copy_datagram_iovec`); what is left is declared.

use core::ops::Deref;

use aya_ebpf::Global;
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::bpf_get_socket_cookie;
use aya_ebpf::helpers::generated::bpf_skc_to_tcp_sock;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use pitot_common::abi::{HOOK_EGRESS, HOOK_INGRESS, Loss};

use crate::capture::{Skb, capture, facts};
use crate::emit::{self, Facts};
use crate::globals::{OFF_SKB_SK, OFF_SOCK_OWNED};
use crate::maps::count_number;
use crate::owner::{NOBODY, kernel, typed};
use crate::packet::{self, ACK, FIN, Headers, LOOPBACK_IFINDEX, Packet, SYN};
use crate::skb::{self, Buffer, Cursor};
use crate::sock::{self, AF_INET, AF_INET6, OFF_SOCK_FAMILY, OFF_SOCK_STATE};
use crate::socket::{Local, Received, Socket};
use crate::unix::OFF_SKB_CB;
use crate::{local_peer, walk};

/// Declares read-only globals that hold offsets in bytes, those of the running kernel (BTF).
macro_rules! offsets {
    ($($name:ident = $member:literal;)*) => {
        $(#[doc = concat!("`", $member, "`")]
        #[unsafe(no_mangle)]
        static $name: Global<u32> = Global::new(0);)*
    };
}

offsets! {
    OFF_SKB_DEV = "sk_buff.dev";
    OFF_SKB_IIF = "sk_buff.skb_iif";
    OFF_SKB_PROTOCOL = "sk_buff.protocol";
    OFF_SKB_NETWORK = "sk_buff.network_header";
    OFF_DEV_IFINDEX = "net_device.ifindex";
    OFF_REQUEST_LISTENER = "request_sock.__req_common.skc_listener";
    OFF_SOCK_CGROUP = "sock.sk_cgrp_data";
    OFF_SOCK_RX_IFINDEX = "sock.sk_rx_dst_ifindex";
    OFF_SOCK_FLAGS = "sock.__sk_common.skc_flags";
    OFF_CGROUP_NODE = "cgroup.kn";
    OFF_CGROUP_LEVEL = "cgroup.level";
    OFF_CGROUP_ANCESTORS = "cgroup.ancestors";
    OFF_NODE_ID = "kernfs_node.id";
    OFF_TCP_RCV_NXT = "tcp_sock.rcv_nxt";
    OFF_TCP_SND_UNA = "tcp_sock.snd_una";
    OFF_TCP_BYTES_RECEIVED = "tcp_sock.bytes_received";
    OFF_TCP_CB_SEQ = "tcp_skb_cb.seq";
}

/// `TCP_ESTABLISHED` and the states that lead to it; those in which there is no `struct sock`, or only a part of one.
const ESTABLISHED: u32 = 1;
const SYN_SENT: u32 = 2;
const SYN_RECV: u32 = 3;
const TIME_WAIT: u32 = 6;
const CLOSE: u32 = 7;
const NEW_SYN_RECV: u32 = 12;
const IPPROTO_TCP: u16 = 6;
/// Number of the flag `SOCK_DONE`: the peer's FIN was received.
const SOCK_DONE: u64 = 1;

/// How many records a packet may give. One that is sent has at most 17 fragments and, without BIG TCP, 64 KiB; one that arrives
/// can be made of 45 buffers.
const PIECES_SENT: u32 = 48;
const PIECES_RECEIVED: u32 = 96;

/// How far a packet has been walked, one for each program. A program on a tracepoint is not run on a CPU on which it is already under
/// way (that is counted), so nobody else uses it.
#[map]
static CURSORS: PerCpuArray<Cursor> = PerCpuArray::with_max_entries(3, 0);
const SENT: u32 = 0;
const ARRIVED: u32 = 1;
const READ: u32 = 2;

/// `TP_PROTO(struct sk_buff *skb)`: a packet is handed to a device.
#[btf_tracepoint(function = "net_dev_queue")]
pub fn pitot_sent(ctx: BtfTracePointContext) -> i32 {
    let _ = sent(ctx.arg(0));
    0
}

/// `TP_PROTO(struct sock *sk, const struct sk_buff *skb)`: a packet has arrived for an established connection.
#[btf_tracepoint(function = "tcp_probe")]
pub fn pitot_arrived(ctx: BtfTracePointContext) -> i32 {
    let _ = arrived(ctx.arg(0), ctx.arg(1));
    0
}

/// `TP_PROTO(const struct sk_buff *skb, int len)`: bytes are about to be copied to a reader.
#[btf_tracepoint(function = "skb_copy_datagram_iovec")]
pub fn pitot_read(ctx: BtfTracePointContext) -> i32 {
    let _ = read(ctx.arg(0));
    0
}

/// `TP_PROTO(const struct sock *sk, const int oldstate, const int newstate)`
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn pitot_state(ctx: BtfTracePointContext) -> i32 {
    let (sk, old, new) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1) as u32, ctx.arg::<u64>(2) as u32);
    let _ = match (old, new) {
        (CLOSE, SYN_SENT) => {
            give_cookie(sk);
            None
        }
        (SYN_SENT | SYN_RECV, ESTABLISHED) => opened(sk, old == SYN_SENT),
        (SYN_SENT | SYN_RECV, CLOSE) => None,
        (_, CLOSE) => closed(sk),
        _ => None,
    };
    0
}

/// Headers in kernel memory, from this address on.
struct Memory(u64);

/// A header, copied.
struct Copied<T>(T);

impl<T> Deref for Copied<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl Headers for Memory {
    type At<'a, T: 'a> = Copied<T>;

    #[inline(always)]
    fn at<T>(&self, at: u32) -> Option<Copied<T>> {
        kernel(self.0, at).map(Copied)
    }
}

/// A packet by its socket buffer.
struct Buffered {
    buffer: Buffer,
    /// Bytes of the buffer before the payload.
    before: u32,
    loopback: bool,
    /// Address of the local `struct sock`.
    sk: u64,
    /// Which of [`CURSORS`], and for how many records.
    cursor: u32,
    pieces: u32,
}

impl Skb for Buffered {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.buffer.len
    }

    #[inline(always)]
    fn is_loopback(&self) -> bool {
        self.loopback
    }

    #[inline(always)]
    fn sock(&self) -> u64 {
        self.sk
    }

    #[inline(always)]
    fn is_locked(&self, sk: *mut bpf_sock) -> bool {
        typed::<u32>(sk as u64, OFF_SOCK_OWNED.load()) != 0
    }

    #[inline(always)]
    fn ancestor(&self, level: u32) -> u64 {
        ancestor(self.sk, level)
    }

    #[inline(always)]
    fn payload(&self, facts: &Facts<'_>, flags: u64) {
        let Some(cursor) = CURSORS.get_ptr_mut(self.cursor) else { return };
        // SAFETY: points to a map value that is this program's on this CPU.
        unsafe { skb::payload(facts, &self.buffer, self.before, cursor, self.pieces, flags) }
    }
}

/// A connection whose state changes: no packet, but what is needed to judge it.
struct Moment {
    any: u32,
    sk: u64,
}

impl Skb for Moment {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.any
    }

    #[inline(always)]
    fn is_loopback(&self) -> bool {
        false
    }

    #[inline(always)]
    fn sock(&self) -> u64 {
        self.sk
    }

    #[inline(always)]
    fn is_locked(&self, sk: *mut bpf_sock) -> bool {
        typed::<u32>(sk as u64, OFF_SOCK_OWNED.load()) != 0
    }

    #[inline(always)]
    fn ancestor(&self, level: u32) -> u64 {
        ancestor(self.sk, level)
    }

    #[inline(always)]
    fn payload(&self, _: &Facts<'_>, _: u64) {}
}

/// The packet in `buffer`, and how many bytes of the buffer lie before its payload.
#[inline(always)]
fn parse(skb: u64, buffer: &Buffer) -> Option<(Packet, u32)> {
    let head = typed::<u64>(skb, skb::OFF_SKB_HEAD.load());
    let ip = head + u64::from(typed::<u16>(skb, OFF_SKB_NETWORK.load()));
    // The buffer begins at the frame's header or, where it has arrived, at TCP's.
    let pulled = buffer.data.wrapping_sub(ip) as u32;
    let length = buffer.len.wrapping_add(pulled);
    let packet = packet::packet(&Memory(ip), typed(skb, OFF_SKB_PROTOCOL.load()), length)?;
    let before = packet.payload.wrapping_sub(pulled);
    Some((packet, before))
}

#[inline(always)]
fn sent(skb: u64) -> Option<()> {
    let sk = typed::<u64>(skb, OFF_SKB_SK.load());
    if sk == 0 || !matches!(typed::<u16>(sk, OFF_SOCK_FAMILY.load()), AF_INET | AF_INET6) {
        return None;
    }
    let state = u32::from(typed::<u8>(sk, OFF_SOCK_STATE.load()));
    if state == TIME_WAIT {
        return None;
    }
    let buffer = Buffer::open(skb);
    let (packet, before) = parse(skb, &buffer)?;
    if packet.is_syn_ack() {
        local_peer::answered(packet.seq, packet.ack);
    }
    // A SYN-ACK is sent in the name of a request, which knows its listener.
    let whole =
        if state == NEW_SYN_RECV { kernel::<u64>(sk, OFF_REQUEST_LISTENER.load()).unwrap_or(0) } else { sk };
    let device = typed::<u64>(skb, OFF_SKB_DEV.load());
    let loopback = typed::<u32>(device, OFF_DEV_IFINDEX.load()) == LOOPBACK_IFINDEX;
    let local = Local::with(sk as *mut bpf_sock, state, || socket(sk, whole));
    let packed = Buffered { buffer, before, loopback, sk: whole, cursor: SENT, pieces: PIECES_SENT };
    capture(&packed, &packet, local, HOOK_EGRESS)
}

#[inline(always)]
fn arrived(sk: u64, skb: u64) -> Option<()> {
    give_cookie(sk);
    // What this machine sends itself is shown as it is sent.
    if typed::<u32>(skb, OFF_SKB_IIF.load()) == LOOPBACK_IFINDEX {
        return None;
    }
    let buffer = Buffer::open(skb);
    let (packet, before) = parse(skb, &buffer)?;
    let mut local = Local::with(sk as *mut bpf_sock, ESTABLISHED, || socket(sk, sk));
    if !local.kept.as_mut()?.received.shows(packet.seq, packet.total) {
        return None;
    }
    let packed = Buffered { buffer, before, loopback: false, sk, cursor: ARRIVED, pieces: PIECES_RECEIVED };
    capture(&packed, &packet, local, HOOK_INGRESS)
}

/// Shows what lies in a receive queue without having been shown as it arrived.
#[inline(always)]
fn read(skb: u64) -> Option<()> {
    let sk = typed::<u64>(skb, OFF_SKB_SK.load());
    if sk == 0 || !matches!(typed::<u16>(sk, OFF_SOCK_FAMILY.load()), AF_INET | AF_INET6) {
        return None;
    }
    if typed::<u16>(sk, sock::OFF_SOCK_PROTOCOL.load()) != IPPROTO_TCP {
        return None;
    }
    let mut local = Local::with(sk as *mut bpf_sock, ESTABLISHED, || socket(sk, sk));
    let received = &mut local.kept.as_mut()?.received;
    if !is_shown_here(sk, received) {
        return None;
    }
    let buffer = Buffer::open(skb);
    let seq = typed::<u32>(skb, OFF_SKB_CB.load() + OFF_TCP_CB_SEQ.load());
    let done = received.end.wrapping_sub(seq);
    // Beyond half of all numbers it is negative: then there is a gap before the buffer.
    let done = if done < 1 << 31 { done } else { 0 };
    if done >= buffer.len {
        return None;
    }
    let total = buffer.len - done;
    received.shows(seq.wrapping_add(done), total);
    let ack = kernel(sk, OFF_TCP_SND_UNA.load()).unwrap_or(0);
    let mut packet = Ends::of(sk).received(ACK, seq.wrapping_add(done), ack);
    packet.total = walk::forget(buffer.len, total);
    let packed =
        Buffered { buffer, before: done, loopback: false, sk, cursor: READ, pieces: PIECES_RECEIVED };
    capture(&packed, &packet, local, HOOK_INGRESS)
}

/// Shows where the direction begins that this socket receives, unless its peer does.
#[inline(always)]
fn opened(sk: u64, connected: bool) -> Option<()> {
    // SAFETY: `sk` is a socket to the verifier.
    let tcp = unsafe { bpf_skc_to_tcp_sock((sk as *mut bpf_sock).cast()) } as u64;
    if tcp == 0 {
        return None;
    }
    give_cookie(sk);
    let next = typed::<u32>(tcp, OFF_TCP_RCV_NXT.load());
    let sent = typed::<u32>(tcp, OFF_TCP_SND_UNA.load());
    let peer_is_local = local_peer::meets(next, sent, connected);
    // Data can come with the SYN (RFC 7413).
    let first = next.wrapping_sub(typed::<u64>(tcp, OFF_TCP_BYTES_RECEIVED.load()) as u32);
    let mut local = Local::with(sk as *mut bpf_sock, ESTABLISHED, || socket(sk, sk));
    if let Some(kept) = &mut local.kept {
        kept.received.begins(first, peer_is_local);
    }
    if peer_is_local {
        return None;
    }
    let (flags, ack) = if connected { (SYN | ACK, sent) } else { (SYN, 0) };
    let packet = Ends::of(sk).received(flags, first.wrapping_sub(1), ack);
    capture(&Moment { any: next, sk }, &packet, local, HOOK_INGRESS)
}

/// Declares what this socket has received and was never shown, and shows its peer's FIN.
#[inline(always)]
fn closed(sk: u64) -> Option<()> {
    // SAFETY: `sk` is a socket to the verifier.
    let tcp = unsafe { bpf_skc_to_tcp_sock((sk as *mut bpf_sock).cast()) } as u64;
    if tcp == 0 {
        return None;
    }
    let mut local = Local::with(sk as *mut bpf_sock, ESTABLISHED, || socket(sk, sk));
    let received = &local.kept.as_ref()?.received;
    if !is_shown_here(sk, received) {
        return None;
    }
    let end = received.end;
    let fin = typed::<u64>(sk, OFF_SOCK_FLAGS.load()) >> SOCK_DONE & 1;
    let next = typed::<u32>(tcp, OFF_TCP_RCV_NXT.load());
    let missing = next.wrapping_sub(fin as u32).wrapping_sub(end);
    let missing = if missing < 1 << 31 { missing } else { 0 };
    if missing == 0 && fin == 0 {
        return None;
    }
    let flags = if fin == 0 { ACK } else { ACK | FIN };
    let mut packet = Ends::of(sk).received(flags, end, typed(tcp, OFF_TCP_SND_UNA.load()));
    packet.total = missing;
    let verdict = local.verdict(&Moment { any: next, sk }, &packet);
    if verdict.is_unseen() {
        return None;
    }
    let reason = if verdict.is_capture() { Loss::NotShown as u32 } else { verdict.reason() };
    if missing != 0 && reason != 0 {
        count_number(reason, missing);
    }
    emit::without_payload(&facts(&packet, &local.socket, NOBODY, HOOK_INGRESS), reason);
    Some(())
}

/// Whether what this socket receives is shown here, and how far is known.
#[inline(always)]
fn is_shown_here(sk: u64, received: &Received) -> bool {
    let over_loopback = typed::<u32>(sk, OFF_SOCK_RX_IFINDEX.load()) == LOOPBACK_IFINDEX;
    received.known != 0 && received.peer_is_local == 0 && !over_loopback
}

/// Both ends of a connection, as its local socket has them.
struct Ends {
    version: u8,
    local: [u64; 2],
    remote: [u64; 2],
    local_port: u16,
    remote_port: u16,
}

impl Ends {
    #[inline(always)]
    fn of(sk: u64) -> Self {
        let (mut local, mut remote) = (
            address::<[u64; 2]>(sk, sock::OFF_SOCK_V6.load()),
            address::<[u64; 2]>(sk, sock::OFF_SOCK_PEER_V6.load()),
        );
        let mapped = remote[0] == 0 && remote[1] as u32 == 0xffff_0000;
        let version = if sock::family(sk) == AF_INET || mapped { 4 } else { 6 };
        if version == 4 {
            local = [u64::from(address::<u32>(sk, sock::OFF_SOCK_V4.load())), 0];
            remote = [u64::from(address::<u32>(sk, sock::OFF_SOCK_PEER_V4.load())), 0];
        }
        let local_port = kernel(sk, sock::OFF_SOCK_PORT.load()).unwrap_or(0);
        let remote_port = u16::from_be(kernel(sk, sock::OFF_SOCK_PEER_PORT.load()).unwrap_or(0));
        Self { version, local, remote, local_port, remote_port }
    }

    /// A packet without payload from the other end to this one.
    #[inline(always)]
    fn received(self, flags: u8, seq: u32, ack: u32) -> Packet {
        Packet {
            version: self.version,
            flags,
            src_port: self.remote_port,
            dst_port: self.local_port,
            seq,
            ack,
            src: self.remote,
            dst: self.local,
            tcp: 0,
            payload: 0,
            total: 0,
        }
    }
}

#[inline(always)]
fn address<T: Default>(sk: u64, offset: u32) -> T {
    kernel(sk, offset).unwrap_or_default()
}

/// Has the kernel make a cookie for a socket that has none. It does so only when asked, and can be asked only with a socket that is
/// a tracepoint's argument.
#[inline(always)]
fn give_cookie(sk: u64) {
    if typed::<u64>(sk, sock::OFF_SOCK_COOKIE.load()) == 0 {
        // SAFETY: `sk` is a socket to the verifier, and all that this helper wants here.
        unsafe { bpf_get_socket_cookie(sk as *mut _) };
    }
}

/// What is read once of the socket `sk`; `whole` is it, or the listener it stands for.
#[inline(always)]
fn socket(sk: u64, whole: u64) -> Socket {
    let cookie = typed(sk, sock::OFF_SOCK_COOKIE.load());
    Socket { cookie, cgroup: node_id(cgroup(whole)), netns: sock::netns(whole) }
}

/// Its cgroup v2.
#[inline(always)]
fn cgroup(sk: u64) -> u64 {
    kernel(sk, OFF_SOCK_CGROUP.load()).unwrap_or(0)
}

#[inline(always)]
fn node_id(cgroup: u64) -> u64 {
    let node = kernel::<u64>(cgroup, OFF_CGROUP_NODE.load()).unwrap_or(0);
    kernel(node, OFF_NODE_ID.load()).unwrap_or(0)
}

#[inline(always)]
fn ancestor(sk: u64, level: u32) -> u64 {
    let cgroup = cgroup(sk);
    if level > kernel::<u32>(cgroup, OFF_CGROUP_LEVEL.load()).unwrap_or(0) {
        return 0;
    }
    let at = cgroup + u64::from(OFF_CGROUP_ANCESTORS.load()) + 8 * u64::from(level);
    node_id(kernel(at, 0).unwrap_or(0))
}
