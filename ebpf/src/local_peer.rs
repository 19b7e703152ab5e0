//! Which connections to another network namespace end on this machine: their packets are captured once, where they are sent.
//!
//! A SYN or SYN-ACK that leaves a local socket is remembered by what NAT leaves alone: sequence and
//! acknowledgement number and the options after MSS. If the same packet enters a local socket, that
//! connection's peer is local, and its incoming packets are not captured. A forgotten entry means that a
//! packet is captured twice, never that it is lost.
//!
//! Old kernels do not show IPv6 SYN-ACKs as they leave. There, who receives such a SYN from a local socket remembers what its answer
//! will hold, and both are captured as they arrive: the SYN tells the responder's addresses, the SYN-ACK where its stream begins.
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "a key that is lent stays where it lies; each copy of one can cost a verifier thousands of instructions"
)]

use aya_ebpf::programs::SkBuffContext;

use crate::globals::SYN_ACK_AT_INGRESS;
use crate::maps::{LOCAL_PEERS, SYNS_SENT};
use crate::packet::{Packet, SYN, is_loopback};
use crate::socket::Socket;

/// TCP header without options, and the MSS option, which comes first.
const AFTER_MSS: u32 = 20 + 4;

/// A SYN or SYN-ACK, whatever addresses it has by now.
#[repr(C)]
#[derive(Clone, Copy)]
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
    let hidden = SYN_ACK_AT_INGRESS.load() != 0 && packet.version == 6;
    let syn = syn_key(ctx, packet);
    let sent = if hidden && packet.is_syn_ack() { syn.of_hidden_answer() } else { syn };
    if SYNS_SENT.get_ptr(&sent).is_none() {
        // The tuple is used again, by a remote peer this time.
        let _ = LOCAL_PEERS.remove(&key);
        return false;
    }
    let _ = LOCAL_PEERS.insert(&key, 1, 0);
    if !hidden {
        return true;
    }
    if !packet.is_syn_ack() {
        let _ = SYNS_SENT.insert(syn.hidden_answer(), 1, 0);
    }
    // Data in a SYN was captured where it was sent.
    packet.total != 0
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

/// The layout of the options after MSS where they begin with a timestamp (RFC 7323), after what fills or permits.
const TIMESTAMP: u32 = u32::from_le_bytes([0, 0, 8, 10]);
const TIMESTAMP_MASK: u32 = u32::from_le_bytes([0, 0, 255, 255]);
/// Tells the keys of hidden answers from those of what was seen leaving.
const HIDDEN: [u32; 3] = [1, 0, 0];

impl SynKey {
    /// For a SYN: the SYN-ACK that will answer it, by the number it acknowledges and the timestamp it echoes.
    #[inline(always)]
    fn hidden_answer(&self) -> Self {
        Self { seq: self.timestamp(1), ack: self.seq.wrapping_add(1), options: HIDDEN }
    }

    /// The same for a SYN-ACK that arrives.
    #[inline(always)]
    fn of_hidden_answer(&self) -> Self {
        Self { seq: self.timestamp(2), ack: self.ack, options: HIDDEN }
    }

    /// Word `i` of the options: 1 is the sender's time, 2 the one it echoes; 0 without timestamps.
    #[inline(always)]
    fn timestamp(&self, i: usize) -> u32 {
        if self.options[0] & TIMESTAMP_MASK == TIMESTAMP { self.options[i] } else { 0 }
    }
}

#[inline(always)]
fn syn_key(ctx: &SkBuffContext, packet: &Packet) -> SynKey {
    let options = ctx.load((packet.tcp + AFTER_MSS) as usize).unwrap_or([0; 3]);
    SynKey { seq: packet.seq, ack: packet.ack, options }
}
