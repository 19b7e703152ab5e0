//! IP and TCP headers (RFC 791, 8200, 9293).

use core::ops::Deref;

use aya_ebpf::programs::SkBuffContext;
use pitot_common::abi::Loss;

use crate::maps::count;
use crate::walk::forget;

const ETH_P_IP: u32 = 0x0800;
const ETH_P_IPV6: u32 = 0x86dd;
const IPPROTO_TCP: u8 = 6;
/// In every network namespace `lo` is interface 1, and packets to its own other addresses pass there too.
pub(crate) const LOOPBACK_IFINDEX: u32 = 1;
/// Extension headers walked in an IPv6 packet.
const MAX_EXTENSIONS: u32 = 4;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

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
    /// Whether it opens or ends a connection.
    #[inline(always)]
    pub(crate) fn is_control(&self) -> bool {
        self.flags & (SYN | FIN | RST) != 0
    }

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
    src: [u32; 4],
    dst: [u32; 4],
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

/// Where a lane reads headers.
pub(crate) trait Headers {
    /// A header, or the place where it lies.
    type At<'a, T: 'a>: Deref<Target = T>
    where
        Self: 'a;

    /// A header `at` bytes from the start of IP's, if it is there.
    fn at<T>(&self, at: u32) -> Option<Self::At<'_, T>>;
}

/// The part of a packet that lies in one piece of memory. It holds all headers: TCP has pulled them there before it asks a
/// program about an arriving packet, and puts them there when it sends.
pub(crate) struct Linear {
    start: usize,
    end: usize,
}

impl Linear {
    #[inline(always)]
    pub(crate) fn of(ctx: &SkBuffContext) -> Self {
        // SAFETY: reading these fields of the context is checked and rewritten by the verifier.
        unsafe { Self { start: (*ctx.skb.skb).data as usize, end: (*ctx.skb.skb).data_end as usize } }
    }
}

impl Headers for Linear {
    type At<'a, T: 'a> = &'a T;

    #[inline(always)]
    fn at<T>(&self, at: u32) -> Option<&T> {
        let from = self.start + at as usize;
        // SAFETY: in bounds. Headers are aligned to 4 bytes on the machines this runs on, and so are the types read here.
        (from + size_of::<T>() <= self.end).then(|| unsafe { &*(from as *const T) })
    }
}

/// The packet that `ctx` holds, see [`packet`].
///
/// No helper is called: most packets are not TCP's or bare acknowledgements, and must cost nothing.
#[inline(always)]
pub(crate) fn parse(ctx: &SkBuffContext) -> Option<Packet> {
    packet(&Linear::of(ctx), ctx.skb.protocol() as u16, ctx.len())
}

/// The packet of these headers, if it is TCP and holds payload or opens or ends a connection. A TCP packet that can't be read is
/// counted. `protocol` is that of its frame, in the network's order; `length` counts from the start of the IP header.
#[inline(always)]
pub(crate) fn packet(headers: &impl Headers, protocol: u16, length: u32) -> Option<Packet> {
    let ip = match u32::from(u16::from_be(protocol)) {
        ETH_P_IP => ipv4(headers)?,
        ETH_P_IPV6 => ipv6(headers)?,
        _ => return None,
    };
    let Some(tcp) = headers.at::<Tcp>(ip.tcp) else {
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
    // So that one walk serves all ways in which the headers can lie.
    Some(Packet {
        version: forget(length, u32::from(ip.version)) as u8,
        flags: tcp.flags,
        src_port: u16::from_be(tcp.src_port),
        dst_port: u16::from_be(tcp.dst_port),
        seq: u32::from_be(tcp.seq),
        ack: u32::from_be(tcp.ack),
        src: ip.src,
        dst: ip.dst,
        tcp: forget(length, ip.tcp),
        payload: forget(length, payload),
        total: forget(length, total),
    })
}

#[inline(always)]
fn ipv4(headers: &impl Headers) -> Option<Ip> {
    let ip = headers.at::<Ipv4>(0)?;
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
fn ipv6(headers: &impl Headers) -> Option<Ip> {
    let ip = headers.at::<Ipv6>(0)?;
    let mut next = ip.next_header;
    let mut at = size_of::<Ipv6>() as u32;
    for _ in 0..MAX_EXTENSIONS {
        match next {
            IPPROTO_TCP => {
                return Some(Ip { version: 6, src: words(ip.src), dst: words(ip.dst), tcp: at });
            }
            // Hop-by-hop options (segments above 64 KiB carry one), routing, destination options.
            0 | 43 | 60 => {
                let [following, length] = *headers.at::<[u8; 2]>(at)?;
                next = following;
                at += (u32::from(length) + 1) * 8;
            }
            _ => return None,
        }
    }
    None
}

/// An address as two words in memory order.
#[inline(always)]
fn words(address: [u32; 4]) -> [u64; 2] {
    let [a, b, c, d] = address.map(u64::from);
    // The machine is little-endian, as the target this is built for.
    [a | b << 32, c | d << 32]
}
