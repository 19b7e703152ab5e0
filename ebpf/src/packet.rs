//! IP and TCP headers (RFC 791, 8200, 9293).

use aya_ebpf::programs::SkBuffContext;
use pitot_common::abi::Loss;

use crate::maps::count;

const ETH_P_IP: u32 = 0x0800;
const ETH_P_IPV6: u32 = 0x86dd;
const IPPROTO_TCP: u8 = 6;
/// In every network namespace `lo` is interface 1, and packets to its own other addresses pass there too.
const LOOPBACK_IFINDEX: u32 = 1;
/// Extension headers walked in an IPv6 packet.
const MAX_EXTENSIONS: u32 = 4;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// One TCP packet. Ports and numbers in the machine's order, addresses in the network's.
pub(crate) struct Packet {
    pub(crate) version: u8,
    pub(crate) flags: u8,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) src: [u64; 2],
    pub(crate) dst: [u64; 2],
    /// Where the TCP header begins, bytes from the start of the packet.
    pub(crate) tcp: u32,
    /// Where the payload begins.
    pub(crate) payload: u32,
    /// Payload bytes.
    pub(crate) total: u32,
}

impl Packet {
    #[inline(always)]
    pub(crate) fn is_syn_ack(&self) -> bool {
        self.flags & (SYN | ACK) == SYN | ACK
    }
}

#[repr(C)]
struct Ipv4 {
    version_ihl: u8,
    tos: u8,
    total_length: u16,
    id: u16,
    fragment: u16,
    ttl: u8,
    protocol: u8,
    checksum: u16,
    src: u32,
    dst: u32,
}

#[repr(C)]
struct Ipv6 {
    version_class_flow: u32,
    payload_length: u16,
    next_header: u8,
    hop_limit: u8,
    src: [u64; 2],
    dst: [u64; 2],
}

#[repr(C)]
struct Tcp {
    src_port: u16,
    dst_port: u16,
    seq: u32,
    ack: u32,
    offset: u8,
    flags: u8,
}

/// Where TCP was found below IP.
struct Ip {
    version: u8,
    src: [u64; 2],
    dst: [u64; 2],
    tcp: u32,
}

/// Whether the packet stays on this machine and in this namespace.
#[inline(always)]
pub(crate) fn is_loopback(ctx: &SkBuffContext) -> bool {
    // SAFETY: `skb` is the program's context; reading this field is checked and rewritten by the verifier.
    unsafe { (*ctx.skb.skb).ifindex == LOOPBACK_IFINDEX }
}

#[inline(always)]
pub(crate) fn is_ipv6(ctx: &SkBuffContext) -> bool {
    u32::from(u16::from_be(ctx.skb.protocol() as u16)) == ETH_P_IPV6
}

/// The packet, if it is TCP and holds payload or opens or ends a connection. A TCP packet that can't be read is counted.
#[inline(always)]
pub(crate) fn parse(ctx: &SkBuffContext) -> Option<Packet> {
    let ip = match u32::from(u16::from_be(ctx.skb.protocol() as u16)) {
        ETH_P_IP => ipv4(ctx)?,
        ETH_P_IPV6 => ipv6(ctx)?,
        _ => return None,
    };
    let length = ctx.len();
    let Ok(tcp) = ctx.load::<Tcp>(ip.tcp as usize) else {
        count(Loss::BadHeader, 0);
        return None;
    };
    let payload = ip.tcp + u32::from(tcp.offset >> 4) * 4;
    if payload > length {
        count(Loss::BadHeader, 0);
        return None;
    }
    // skb->len, never the IP length: that is 0 in segments above 64 KiB.
    let total = length - payload;
    if total == 0 && tcp.flags & (SYN | FIN | RST) == 0 {
        return None;
    }
    Some(Packet {
        version: ip.version,
        flags: tcp.flags,
        src_port: u16::from_be(tcp.src_port),
        dst_port: u16::from_be(tcp.dst_port),
        seq: u32::from_be(tcp.seq),
        ack: u32::from_be(tcp.ack),
        src: ip.src,
        dst: ip.dst,
        tcp: ip.tcp,
        payload,
        total,
    })
}

#[inline(always)]
fn ipv4(ctx: &SkBuffContext) -> Option<Ip> {
    let ip = ctx.load::<Ipv4>(0).ok()?;
    // A later fragment holds no TCP header; local sockets do not send them.
    let later_fragment = u16::from_be(ip.fragment) & 0x1fff != 0;
    if ip.protocol != IPPROTO_TCP || later_fragment {
        return None;
    }
    Some(Ip {
        version: 4,
        src: [u64::from(ip.src), 0],
        dst: [u64::from(ip.dst), 0],
        tcp: u32::from(ip.version_ihl & 0x0f) * 4,
    })
}

#[inline(always)]
fn ipv6(ctx: &SkBuffContext) -> Option<Ip> {
    let ip = ctx.load::<Ipv6>(0).ok()?;
    let mut next = ip.next_header;
    let mut at = size_of::<Ipv6>() as u32;
    for _ in 0..MAX_EXTENSIONS {
        match next {
            IPPROTO_TCP => return Some(Ip { version: 6, src: ip.src, dst: ip.dst, tcp: at }),
            // Hop-by-hop options (segments above 64 KiB carry one), routing, destination options.
            0 | 43 | 60 => {
                let [following, length] = ctx.load::<[u8; 2]>(at as usize).ok()?;
                next = following;
                at += (u32::from(length) + 1) * 8;
            }
            _ => return None,
        }
    }
    None
}
