//! Pitot's kernel programs: the packet lane.
//!
//! **In:** every TCP packet that leaves or enters a socket of the root cgroup. **Out:** records
//! ([`pitot_common::abi`]) in one ring buffer, and counters of what was lost. Every program always lets the packet pass.
//!
//! `egress` sees what a local socket sends, whatever call sent it; `ingress` what comes from peers that are not on
//! this machine. A message between two local processes is therefore seen once, at its sender.
#![no_std]
#![no_main]
#![allow(unstable_features, reason = "inline assembly for BPF is unstable; the build sets RUSTC_BOOTSTRAP")]
#![feature(asm_experimental_arch)]

mod emit;
mod globals;
mod inventory;
mod local_peer;
mod maps;
mod overload;
mod owner;
mod packet;
mod skb;
mod sock;
mod socket;
mod unix;
mod verdict;
mod walk;

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use pitot_common::abi::{HOOK_EGRESS, HOOK_INGRESS};

use crate::emit::Facts;
use crate::globals::{SELF_TGID, SYN_ACK_AT_INGRESS};
use crate::owner::{NOBODY, Owner};
use crate::packet::Packet;
use crate::socket::{Local, Socket};

/// What a cgroup_skb program returns to let the packet pass: always.
const ALLOW: i32 = 1;

/// `static int __cgroup_bpf_run_filter_skb(struct sock *sk, struct sk_buff *skb, CGROUP_INET_EGRESS)`
#[cgroup_skb]
pub fn pitot_egress(ctx: SkBuffContext) -> i32 {
    let _ = egress(&ctx);
    ALLOW
}

/// `static int __cgroup_bpf_run_filter_skb(struct sock *sk, struct sk_buff *skb, CGROUP_INET_INGRESS)`
#[cgroup_skb]
pub fn pitot_ingress(ctx: SkBuffContext) -> i32 {
    let _ = ingress(&ctx);
    ALLOW
}

#[inline(always)]
fn egress(ctx: &SkBuffContext) -> Option<()> {
    let packet = packet::parse(ctx)?;
    local_peer::sent(ctx, &packet);
    let local = Local::of(ctx)?;
    capture(ctx, &packet, local, HOOK_EGRESS)
}

#[inline(always)]
fn ingress(ctx: &SkBuffContext) -> Option<()> {
    let loopback = packet::is_loopback(ctx);
    if loopback && (SYN_ACK_AT_INGRESS.load() == 0 || !packet::is_ipv6(ctx)) {
        return None;
    }
    let packet = packet::parse(ctx)?;
    let mut local = Local::of(ctx)?;
    if !loopback {
        if local_peer::received(ctx, &packet, &local.socket) {
            return None;
        }
        return capture(ctx, &packet, local, HOOK_INGRESS);
    }
    if packet.is_syn_ack() {
        // In its sender's name, of whom only the namespace is known here.
        (local.socket.cookie, local.socket.cgroup) = (0, 0);
        let facts = facts(&packet, &local.socket, NOBODY, HOOK_EGRESS);
        emit::without_payload(ctx, &facts, 0);
    }
    None
}

/// Emits the packet, or what is to be known of it if its payload is left out.
#[inline(always)]
fn capture(ctx: &SkBuffContext, packet: &Packet, mut local: Local, hook: u8) -> Option<()> {
    let mut verdict = local.verdict(ctx, packet);
    if !verdict.is_capture() {
        verdict.count(packet.total);
        if !packet.is_control() || verdict.is_unseen() {
            return None;
        }
    }
    let owner = if hook == HOOK_EGRESS { owner::sending(local.sk, packet) } else { NOBODY };
    if owner.pid != 0 && owner.pid == SELF_TGID.load() {
        verdict = local.is_own();
    }
    let facts = facts(packet, &local.socket, owner, hook);
    if verdict.is_capture() {
        emit::packet(ctx, &facts, local.kept);
    } else if packet.is_control() {
        emit::without_payload(ctx, &facts, verdict.reason());
    }
    Some(())
}

#[inline(always)]
fn facts<'a>(packet: &'a Packet, socket: &'a Socket, owner: Owner, hook: u8) -> Facts<'a> {
    // SAFETY: takes nothing.
    Facts { packet, socket, owner, time_ns: unsafe { bpf_ktime_get_ns() }, hook }
}

/// For benchmarks: what a program costs that does nothing.
#[cgroup_skb]
pub fn pitot_empty_egress(_: SkBuffContext) -> i32 {
    ALLOW
}

/// See [`pitot_empty_egress`].
#[cgroup_skb]
pub fn pitot_empty_ingress(_: SkBuffContext) -> i32 {
    ALLOW
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier refuses a program that could.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
