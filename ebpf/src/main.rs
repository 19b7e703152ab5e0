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
mod owner;
mod packet;
mod skb;
mod sock;
mod unix;

use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use pitot_common::abi::{HOOK_EGRESS, HOOK_INGRESS};

use crate::globals::SYN_ACK_AT_INGRESS;

/// What a cgroup_skb program returns to let the packet pass: always.
const ALLOW: i32 = 1;

/// `static int __cgroup_bpf_run_filter_skb(struct sock *sk, struct sk_buff *skb, CGROUP_INET_EGRESS)`
#[cgroup_skb]
pub fn pitot_egress(ctx: SkBuffContext) -> i32 {
    if let Some(packet) = packet::parse(&ctx) {
        let socket = owner::socket(&ctx);
        local_peer::sent(&ctx, &packet);
        emit::packet(&ctx, &packet, &socket, owner::current(&socket), HOOK_EGRESS);
    }
    ALLOW
}

/// `static int __cgroup_bpf_run_filter_skb(struct sock *sk, struct sk_buff *skb, CGROUP_INET_INGRESS)`
#[cgroup_skb]
pub fn pitot_ingress(ctx: SkBuffContext) -> i32 {
    let loopback = packet::is_loopback(&ctx);
    if loopback && (SYN_ACK_AT_INGRESS.load() == 0 || !packet::is_ipv6(&ctx)) {
        return ALLOW;
    }
    let Some(packet) = packet::parse(&ctx) else { return ALLOW };
    let mut socket = owner::socket(&ctx);
    let hook = if loopback {
        if !packet.is_syn_ack() {
            return ALLOW;
        }
        // In its sender's name, of whom only the namespace is known here.
        (socket.cookie, socket.cgroup) = (0, 0);
        HOOK_EGRESS
    } else {
        if local_peer::received(&ctx, &packet, &socket) {
            return ALLOW;
        }
        HOOK_INGRESS
    };
    emit::packet(&ctx, &packet, &socket, owner::NOBODY, hook);
    ALLOW
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
