//! Which connections to another network namespace end on this machine: their packets are captured once, where they are sent.
//!
//! A SYN or SYN-ACK that leaves a local socket is remembered by what NAT leaves alone: sequence and
//! acknowledgement number and the options after MSS. If the same packet enters a local socket, that
//! connection's peer is local, and its incoming packets are not captured. A forgotten entry means that a
//! packet is captured twice, never that it is lost.

use aya_ebpf::programs::SkBuffContext;

use crate::maps::{LOCAL_PEERS, SYNS_SENT};
use crate::packet::{Packet, SYN, is_loopback};
use crate::socket::Socket;

/// TCP header without options, and the MSS option, which comes first.
const AFTER_MSS: u32 = 20 + 4;

/// A SYN or SYN-ACK, whatever addresses it has by now.
#[repr(C)]
pub(crate) struct SynKey {
    seq: u32,
    ack: u32,
    options: [u32; 3],
}

/// A connection, seen from the local socket.
#[repr(C)]
pub(crate) struct PeerKey {
    local: [u64; 2],
    remote: [u64; 2],
    netns: u32,
    local_port: u16,
    remote_port: u16,
}

/// Remembers a connection's opening packets as they leave.
#[inline(always)]
pub(crate) fn sent(ctx: &SkBuffContext, packet: &Packet) {
    if packet.flags & SYN != 0 && !is_loopback(ctx) {
        let _ = SYNS_SENT.insert(syn_key(ctx, packet), 1, 0);
    }
}

/// Whether an arriving packet is captured where it was sent.
#[inline(always)]
pub(crate) fn received(ctx: &SkBuffContext, packet: &Packet, socket: &Socket) -> bool {
    let key = PeerKey {
        local: packet.dst,
        remote: packet.src,
        netns: socket.netns,
        local_port: packet.dst_port,
        remote_port: packet.src_port,
    };
    if packet.flags & SYN == 0 {
        return LOCAL_PEERS.get_ptr(&key).is_some();
    }
    let local = SYNS_SENT.get_ptr(syn_key(ctx, packet)).is_some();
    if local {
        let _ = LOCAL_PEERS.insert(&key, 1, 0);
    } else {
        // The tuple is used again, by a remote peer this time.
        let _ = LOCAL_PEERS.remove(&key);
    }
    local
}

/// Remembers that a local socket has sent this SYN-ACK. For where an arriving SYN or SYN-ACK is not seen; 64 random bits, as long as
/// both ends choose their numbers, name a connection well enough without options.
#[inline(always)]
pub(crate) fn answered(seq: u32, ack: u32) {
    let _ = SYNS_SENT.insert(&SynKey { seq, ack, options: [0; 3] }, 1, 0);
}

/// Whether the peer of a connection that is established now is local: the connection has received all before `next`, and
/// of what it sent all before `sent` was. Who connected remembers that, before it acknowledges.
#[inline(always)]
pub(crate) fn meets(next: u32, sent: u32, connected: bool) -> bool {
    if !connected {
        return SYNS_SENT.get_ptr(&SynKey { seq: next, ack: sent, options: [0; 3] }).is_some();
    }
    let _ = SYNS_SENT.insert(&SynKey { seq: sent, ack: next, options: [0; 3] }, 1, 0);
    SYNS_SENT.get_ptr(&SynKey { seq: next.wrapping_sub(1), ack: sent, options: [0; 3] }).is_some()
}

#[inline(always)]
fn syn_key(ctx: &SkBuffContext, packet: &Packet) -> SynKey {
    let options = ctx.load((packet.tcp + AFTER_MSS) as usize).unwrap_or([0; 3]);
    SynKey { seq: packet.seq, ack: packet.ack, options }
}
