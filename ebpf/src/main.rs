//! Pitot's kernel programs; here those of the packet lane.
//!
//! **In:** every TCP packet that leaves or enters a socket of the root cgroup. **Out:** records
//! ([`pitot_common::abi`]) in one ring buffer, and counters of what was lost. Every program always lets the packet pass.
//!
//! `egress` sees what a local socket sends, whatever call sent it; `ingress` what comes from peers that are not on
//! this machine. A message between two local processes is therefore seen once, at its sender. Where a machine does not allow
//! such programs, those in `tracepoint.rs` show the same; `unix.rs` shows what goes over Unix sockets.
#![no_std]
#![no_main]
#![allow(unstable_features, reason = "inline assembly for BPF is unstable; the build sets RUSTC_BOOTSTRAP")]
#![feature(asm_experimental_arch)]

mod capture;
mod emit;
mod empty;
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
mod tracepoint;
mod unix;
mod verdict;
mod walk;

use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use pitot_common::abi::{HOOK_EGRESS, HOOK_INGRESS};

use crate::capture::{capture, facts};
use crate::globals::SYN_ACK_AT_INGRESS;
use crate::owner::NOBODY;
use crate::socket::Local;

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
        emit::without_payload(&facts, 0);
    }
    None
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: the verifier refuses a program that could.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
