//! The local socket of a packet, and the process that owns it.
//!
//! A socket whose lock is held during transmission is held by the current task: softirq never transmits on an
//! owned socket. So the sender is known without any map, for most packets of small messages, and for
//! every connect, first send and close.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{
    bpf_get_current_task, bpf_get_socket_cookie, bpf_probe_read_kernel, bpf_skb_cgroup_id,
};
use aya_ebpf::programs::SkBuffContext;

use crate::globals::{
    OFF_NET_INUM, OFF_SKB_SK, OFF_SOCK_NET, OFF_SOCK_OWNED, OFF_TASK_FLAGS, OFF_TASK_LEADER, OFF_TASK_START,
    OFF_TASK_TGID,
};

/// `PF_KTHREAD`: such a task transmits for others.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// The local socket.
pub(crate) struct Socket {
    pub(crate) cookie: u64,
    pub(crate) cgroup: u64,
    /// Inode number of its network namespace; 0 where it could not be read.
    pub(crate) netns: u32,
    /// Whether its lock is held, so that the current task is its owner.
    pub(crate) owned: bool,
}

/// Who owns the local socket; `pid` 0 where that can't be told.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    pub(crate) start_ns: u64,
    /// The task, for what is read of a process once.
    pub(crate) task: u64,
}

pub(crate) const NOBODY: Owner = Owner { pid: 0, start_ns: 0, task: 0 };

/// A process, as a map key.
#[repr(C)]
pub(crate) struct ProcessKey {
    pub(crate) start_ns: u64,
    pub(crate) pid: u64,
}

/// Reads a `T` at `base + offset` of kernel memory.
#[inline(always)]
pub(crate) fn kernel<T>(base: u64, offset: u32) -> Option<T> {
    // SAFETY: the helper checks the address and fails instead of faulting.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T).ok() }
}

#[inline(always)]
pub(crate) fn socket(ctx: &SkBuffContext) -> Socket {
    // SAFETY: both helpers take the program's context.
    let (cookie, cgroup) = unsafe { (bpf_get_socket_cookie(ctx.as_ptr()), bpf_skb_cgroup_id(ctx.skb.skb)) };
    let sk = kernel::<u64>(ctx.as_ptr() as u64, OFF_SKB_SK.load()).unwrap_or(0);
    let net = kernel::<u64>(sk, OFF_SOCK_NET.load()).unwrap_or(0);
    Socket {
        cookie,
        cgroup,
        netns: kernel(net, OFF_NET_INUM.load()).unwrap_or(0),
        owned: kernel::<u32>(sk, OFF_SOCK_OWNED.load()).unwrap_or(0) != 0,
    }
}

#[inline(always)]
pub(crate) fn current(socket: &Socket) -> Owner {
    if !socket.owned {
        return NOBODY;
    }
    // SAFETY: takes nothing.
    let task = unsafe { bpf_get_current_task() };
    owner_of(task).unwrap_or(NOBODY)
}

#[inline(always)]
pub(crate) fn owner_of(task: u64) -> Option<Owner> {
    if kernel::<u32>(task, OFF_TASK_FLAGS.load())? & KERNEL_THREAD != 0 {
        return None;
    }
    let leader = kernel::<u64>(task, OFF_TASK_LEADER.load())?;
    Some(Owner {
        pid: kernel(task, OFF_TASK_TGID.load())?,
        start_ns: kernel(leader, OFF_TASK_START.load())?,
        task,
    })
}
