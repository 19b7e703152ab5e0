//! For benchmarks: programs that do nothing, one for each hook that captures. What they cost is the least that any could.

use aya_ebpf::macros::{btf_tracepoint, cgroup_skb};
use aya_ebpf::programs::{BtfTracePointContext, SkBuffContext};

use crate::ALLOW;

/// In the place of `pitot_egress`.
#[cgroup_skb]
pub fn pitot_empty_egress(_: SkBuffContext) -> i32 {
    ALLOW
}

/// In the place of `pitot_ingress`.
#[cgroup_skb]
pub fn pitot_empty_ingress(_: SkBuffContext) -> i32 {
    ALLOW
}

/// In the place of `pitot_unix_read`.
#[btf_tracepoint(function = "skb_copy_datagram_iovec")]
pub fn pitot_empty_read(_: BtfTracePointContext) -> i32 {
    0
}

/// In the place of `pitot_unix_consumed`.
#[btf_tracepoint(function = "consume_skb")]
pub fn pitot_empty_consumed(_: BtfTracePointContext) -> i32 {
    0
}

/// In the place of `pitot_unix_received`.
#[btf_tracepoint(function = "sock_recv_length")]
pub fn pitot_empty_received(_: BtfTracePointContext) -> i32 {
    0
}
