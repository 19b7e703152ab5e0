//! From a packet and its socket to records: the way that both lanes go.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_skb_ancestor_cgroup_id;
use aya_ebpf::programs::SkBuffContext;
use pitot_common::abi::HOOK_EGRESS;

use crate::emit::{self, Facts};
use crate::globals::{OFF_SKB_SK, SELF_TGID};
use crate::owner::{self, NOBODY, Owner, kernel};
use crate::packet::{self, Packet};
use crate::socket::{Local, Socket};

/// A packet as a lane has it in hand.
pub(crate) trait Skb {
    /// Its length, of which the verifier knows nothing.
    fn length(&self) -> u32;

    /// Whether it stays on this machine and in its namespace.
    fn is_loopback(&self) -> bool;

    /// Address of its local `struct sock`; 0 where that can't be read.
    fn sock(&self) -> u64;

    /// Whether somebody holds the lock of its socket, to which `sk` points.
    fn is_locked(&self, sk: *mut bpf_sock) -> bool;

    /// Id of the ancestor of that socket's cgroup `level` steps below the root; 0 where there is none.
    fn ancestor(&self, level: u32) -> u64;

    /// Emits its payload, each record submitted with `flags`. What could not be emitted is counted.
    fn payload(&self, facts: &Facts<'_>, flags: u64);
}

impl Skb for SkBuffContext {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.len()
    }

    #[inline(always)]
    fn is_loopback(&self) -> bool {
        packet::is_loopback(self)
    }

    #[inline(always)]
    fn sock(&self) -> u64 {
        kernel(self.as_ptr() as u64, OFF_SKB_SK.load()).unwrap_or(0)
    }

    #[inline(always)]
    fn is_locked(&self, sk: *mut bpf_sock) -> bool {
        owner::is_locked(sk)
    }

    #[inline(always)]
    fn ancestor(&self, level: u32) -> u64 {
        // SAFETY: the helper takes the program's context.
        unsafe { bpf_skb_ancestor_cgroup_id(self.as_ptr().cast(), level as i32) }
    }

    #[inline(always)]
    fn payload(&self, facts: &Facts<'_>, flags: u64) {
        emit::payload(self, facts, flags);
    }
}

/// Emits the packet, or what is to be known of it if its payload is left out.
#[inline(always)]
pub(crate) fn capture(skb: &impl Skb, packet: &Packet, mut local: Local, hook: u8) -> Option<()> {
    let mut verdict = local.verdict(skb, packet);
    if !verdict.is_capture() {
        verdict.count(packet.total);
        if !packet.is_control() || verdict.is_unseen() {
            return None;
        }
    }
    let owner = if hook == HOOK_EGRESS { owner::sending(skb, local.sk, packet) } else { NOBODY };
    if owner.pid != 0 && owner.pid == SELF_TGID.load() {
        verdict = local.is_own();
    }
    let facts = facts(packet, &local.socket, owner, hook);
    if verdict.is_capture() {
        emit::packet(skb, &facts, local.kept);
    } else if packet.is_control() {
        emit::without_payload(&facts, verdict.reason());
    }
    Some(())
}

#[inline(always)]
pub(crate) fn facts<'a>(packet: &'a Packet, socket: &'a Socket, owner: Owner, hook: u8) -> Facts<'a> {
    // SAFETY: takes nothing.
    Facts { packet, socket, owner, time_ns: unsafe { bpf_ktime_get_ns() }, hook }
}
