//! Read-only values set before load; the verifier sees them as constants.

use aya_ebpf::Global;

/// `sk_buff.sk`, bytes. This and the other offsets are those of the running kernel (BTF).
#[unsafe(no_mangle)]
pub(crate) static OFF_SKB_SK: Global<u32> = Global::new(0);
/// `sock.sk_lock.owned`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_OWNED: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_net.net`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_NET: Global<u32> = Global::new(0);
/// `net.ns.inum`
#[unsafe(no_mangle)]
pub(crate) static OFF_NET_INUM: Global<u32> = Global::new(0);
/// `task_struct.flags`
#[unsafe(no_mangle)]
pub(crate) static OFF_TASK_FLAGS: Global<u32> = Global::new(0);
/// `task_struct.tgid`
#[unsafe(no_mangle)]
pub(crate) static OFF_TASK_TGID: Global<u32> = Global::new(0);
/// `task_struct.group_leader`
#[unsafe(no_mangle)]
pub(crate) static OFF_TASK_LEADER: Global<u32> = Global::new(0);
/// `task_struct.start_boottime`
#[unsafe(no_mangle)]
pub(crate) static OFF_TASK_START: Global<u32> = Global::new(0);
/// `task_struct.comm`
#[unsafe(no_mangle)]
pub(crate) static OFF_TASK_COMM: Global<u32> = Global::new(0);
/// `task_struct.mm`
#[unsafe(no_mangle)]
pub(crate) static OFF_TASK_MM: Global<u32> = Global::new(0);
/// `mm_struct.arg_start`
#[unsafe(no_mangle)]
pub(crate) static OFF_MM_ARG_START: Global<u32> = Global::new(0);
/// `mm_struct.arg_end`
#[unsafe(no_mangle)]
pub(crate) static OFF_MM_ARG_END: Global<u32> = Global::new(0);
/// `tcp_sock.is_mptcp`; 0 where the kernel is built without Multipath TCP.
#[unsafe(no_mangle)]
pub(crate) static OFF_TCP_MULTIPATH: Global<u32> = Global::new(0);

/// Not 0 on kernels whose egress hook does not show IPv6 SYN-ACKs: over loopback they are taken as they arrive. Where it
/// shows them after all, the second one is what a retransmission would be.
#[unsafe(no_mangle)]
pub(crate) static SYN_ACK_AT_INGRESS: Global<u32> = Global::new(0);
/// Not 0 where the kernel gives a typed pointer to the current task (5.11).
#[unsafe(no_mangle)]
pub(crate) static TYPED_TASK: Global<u32> = Global::new(0);
/// The agent's own process: its payload is never captured.
#[unsafe(no_mangle)]
pub(crate) static SELF_TGID: Global<u32> = Global::new(0);
/// How many full-sized records one packet may give. Old verifiers take minutes for the number that
/// the largest packets need, so the loader chooses by kernel.
#[unsafe(no_mangle)]
pub(crate) static MAX_CHUNKS: Global<u32> = Global::new(5);
/// The reader is woken when this many bytes wait in the ring, otherwise it polls.
#[unsafe(no_mangle)]
pub(crate) static WAKE_AT: Global<u32> = Global::new(1 << 20);
/// Size of the ring buffer, bytes.
#[unsafe(no_mangle)]
pub(crate) static RING_BYTES: Global<u32> = Global::new(1 << 24);
/// Secret of this run, see [`pitot_common::overload::rank`].
#[unsafe(no_mangle)]
pub(crate) static HASH_KEY: Global<u64> = Global::new(0);
