//! The local socket of a packet, and what is kept with it from packet to packet.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{BPF_SK_STORAGE_GET_F_CREATE, bpf_sock};
use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_skb_cgroup_id};
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::SkBuffContext;

use crate::capture::Skb;
use crate::globals::{OFF_SKB_SK, OFF_TCP_MULTIPATH};
use crate::owner::kernel;
use crate::packet::Packet;
use crate::sock;
use crate::verdict::{self, Verdict};

/// `TCP_LISTEN`
const LISTEN: u32 = 10;

/// What is known of each socket, for as long as it lives.
#[btf_map]
static SOCKETS: SkStorage<Kept> = SkStorage::new();

/// Kept with a socket; zero when it is new. Two programs can write at once: they write the same.
#[repr(C)]
pub(crate) struct Kept {
    cookie: u64,
    cgroup: u64,
    netns: u32,
    /// The owner that was last reported.
    pub(crate) reported_pid: u32,
    pub(crate) reported_start_ns: u64,
    /// See [`crate::verdict`]: the verdict, and the generation it is of.
    pub(crate) verdict: u32,
    /// Not 0: the agent's own.
    pub(crate) own: u32,
    pub(crate) judged_at: u64,
    /// The last epoch (see [`pitot_common::overload`]) in which it was left out.
    pub(crate) left_out_in: u32,
    /// One of [`UNSETTLED`], [`PLAIN`] and [`MULTIPATH`].
    path: u32,
    /// Of what it receives, in the lane of tracepoints: see [`crate::tracepoint`].
    pub(crate) received: Received,
}

/// What was shown of what a socket receives.
#[repr(C)]
pub(crate) struct Received {
    /// The number after the last byte shown; valid if `known`.
    pub(crate) end: u32,
    /// Not 0: something was shown, or is known to begin at `end`.
    pub(crate) known: u32,
    /// Not 0: its peer is on this machine, and shows what it sends.
    pub(crate) peer_is_local: u32,
    padding: u32,
}

impl Received {
    /// Notes that the bytes from `seq` on are shown now; false if the peer shows them.
    #[inline(always)]
    pub(crate) fn shows(&mut self, seq: u32, total: u32) -> bool {
        let end = seq.wrapping_add(total);
        // Half of the number space lies ahead.
        if self.known == 0 || end.wrapping_sub(self.end) < 1 << 31 {
            (self.end, self.known) = (end, 1);
        }
        self.peer_is_local == 0
    }

    /// Notes where they begin, and whether the peer shows them.
    #[inline(always)]
    pub(crate) fn begins(&mut self, first: u32, peer_is_local: bool) {
        (self.end, self.known, self.peer_is_local) = (first, 1, u32::from(peer_is_local));
    }
}

/// [`Kept::path`]: nothing was sent yet, so the peer may still turn out not to know Multipath TCP.
const UNSETTLED: u32 = 0;
/// [`Kept::path`]: TCP, where a byte's number is its position.
const PLAIN: u32 = 1;
/// [`Kept::path`]: one of several connections that carry one stream.
const MULTIPATH: u32 = 2;

/// A local socket.
#[derive(Clone, Copy)]
pub(crate) struct Socket {
    pub(crate) cookie: u64,
    /// cgroup v2 id.
    pub(crate) cgroup: u64,
    /// Inode number of its network namespace; 0 where it could not be read.
    pub(crate) netns: u32,
}

/// The packet's local socket as a program has it.
pub(crate) struct Local {
    pub(crate) sk: *mut bpf_sock,
    pub(crate) socket: Socket,
    /// None if there is no memory for it.
    pub(crate) kept: Option<&'static mut Kept>,
}

impl Local {
    /// None if the packet has no socket.
    #[inline(always)]
    pub(crate) fn of(ctx: &SkBuffContext) -> Option<Self> {
        // SAFETY: reading this field of the context is checked and rewritten by the verifier.
        let sk = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
        if sk.is_null() {
            return None;
        }
        // SAFETY: `sk` is the context's; reading this field of it is checked and rewritten by the verifier.
        let state = unsafe { core::ptr::addr_of!((*sk).state).read_volatile() };
        Some(Self::with(sk, state, || Socket::read(ctx)))
    }

    /// The socket that `sk` points to, which is in `state`; `read` finds out what is not remembered of it.
    #[inline(always)]
    pub(crate) fn with(sk: *mut bpf_sock, state: u32, read: impl FnOnce() -> Socket) -> Self {
        let mut kept = kept(sk);
        let socket = Socket::look_up(kept.as_deref_mut(), read);
        // A listening socket stands for many connections: nothing is remembered of them.
        let kept = if state == LISTEN { None } else { kept };
        Self { sk, socket, kept }
    }

    #[inline(always)]
    pub(crate) fn verdict(&mut self, skb: &impl Skb, packet: &Packet) -> Verdict {
        let multipath = self.is_multipath(skb, packet);
        match &self.kept {
            Some(kept) if kept.own != 0 => Verdict::OWN,
            _ if multipath => Verdict::MULTIPATH,
            _ => verdict::of(skb, packet, &self.socket, self.kept.as_deref_mut()),
        }
    }

    /// Whether the socket is a part of a Multipath TCP connection (RFC 8684). Settled with the first payload: by then both
    /// ends have said in the handshake whether they know it, and one that does not makes it plain TCP.
    #[inline(always)]
    fn is_multipath(&mut self, skb: &impl Skb, packet: &Packet) -> bool {
        if OFF_TCP_MULTIPATH.load() == 0 {
            return false;
        }
        let settled = self.kept.as_ref().map_or(UNSETTLED, |kept| kept.path);
        if settled != UNSETTLED || packet.total == 0 {
            return settled == MULTIPATH;
        }
        let multipath = kernel::<u8>(skb.sock(), OFF_TCP_MULTIPATH.load()).unwrap_or(0) == 1;
        if let Some(kept) = &mut self.kept {
            kept.path = if multipath { MULTIPATH } else { PLAIN };
        }
        multipath
    }

    /// Remembers that it is the agent's.
    #[inline(always)]
    pub(crate) fn is_own(&mut self) -> Verdict {
        if let Some(kept) = &mut self.kept {
            kept.own = 1;
        }
        Verdict::OWN
    }
}

#[inline(always)]
fn kept(sk: *mut bpf_sock) -> Option<&'static mut Kept> {
    let map = core::ptr::from_ref(&SOCKETS).cast_mut().cast();
    let create = u64::from(BPF_SK_STORAGE_GET_F_CREATE);
    // SAFETY: `sk` is a socket to the verifier; the helper gives a value of the map's type that lives as long as the program runs.
    unsafe { bpf_sk_storage_get(map, sk.cast(), core::ptr::null_mut(), create).cast::<Kept>().as_mut() }
}

impl Socket {
    #[inline(always)]
    fn look_up(kept: Option<&mut Kept>, read: impl FnOnce() -> Self) -> Self {
        let Some(kept) = kept else { return read() };
        if kept.cookie == 0 {
            let read = read();
            (kept.cgroup, kept.netns) = (read.cgroup, read.netns);
            // Last: whoever sees it on another CPU finds the others too.
            // SAFETY: a field of what is kept.
            unsafe { core::ptr::addr_of_mut!(kept.cookie).write_volatile(read.cookie) }
            return read;
        }
        Self { cookie: kept.cookie, cgroup: kept.cgroup, netns: kept.netns }
    }

    #[inline(always)]
    fn read(ctx: &SkBuffContext) -> Self {
        // SAFETY: both helpers take the program's context.
        let (cookie, cgroup) =
            unsafe { (bpf_get_socket_cookie(ctx.as_ptr()), bpf_skb_cgroup_id(ctx.skb.skb)) };
        let sk = kernel::<u64>(ctx.as_ptr() as u64, OFF_SKB_SK.load()).unwrap_or(0);
        Self { cookie, cgroup, netns: sock::netns(sk) }
    }
}
