//! The process that owns a packet's local socket.
//!
//! A socket whose lock is held during transmission is held by the current task: softirq never transmits on an
//! owned socket. So the sender is known without any map, for most packets of small messages, and for
//! every connect, first send and close. A SYN-ACK is the exception: it is sent in the name of the listening socket,
//! whose lock somebody else may hold.
//!
//! The kernel's structures are read through typed pointers, which costs no helper call; where a kernel has no typed pointer
//! to the current task (before 5.11), by copying.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::generated::{self, bpf_get_current_task_btf, bpf_skc_to_tcp_sock};
use aya_ebpf::helpers::{bpf_get_current_task, bpf_probe_read_kernel};

use crate::capture::Skb;
use crate::globals::{
    OFF_SOCK_OWNED, OFF_TASK_FLAGS, OFF_TASK_LEADER, OFF_TASK_START, OFF_TASK_TGID, TYPED_TASK,
};
use crate::packet::Packet;

/// `PF_KTHREAD`: such a task transmits for others.
const KERNEL_THREAD: u32 = 0x0020_0000;

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

/// The same of a `T` that may be all zeros: zeros where it can't be read.
///
/// Without a branch, unlike `kernel(..).unwrap_or(0)`: there the compiler may put any register in the place of the value that is
/// not there, a pointer among them, and the verifier refuses what is then done to it.
#[inline(always)]
pub(crate) fn kernel_or_zero<T>(base: u64, offset: u32) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    let from = (base + u64::from(offset)) as *const c_void;
    // SAFETY: the helper checks the address; it fills all of `value`, with zeros if it can't read.
    unsafe {
        generated::bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, from);
        value.assume_init()
    }
}

/// Reads a `T` at `offset` of what a typed pointer points to.
#[inline(always)]
pub(crate) fn typed<T>(base: u64, offset: u32) -> T {
    // SAFETY: the verifier knows the type and refuses what is not in it; a bad address reads as 0.
    unsafe { ((base + u64::from(offset)) as *const T).read_volatile() }
}

/// Whether somebody holds the lock of a packet program's socket.
#[inline(always)]
pub(crate) fn is_locked(sk: *mut bpf_sock) -> bool {
    // SAFETY: `sk` is the context's.
    let tcp = unsafe { bpf_skc_to_tcp_sock(sk.cast()) } as u64;
    tcp != 0 && typed::<u32>(tcp, OFF_SOCK_OWNED.load()) != 0
}

/// The owner of the socket that sends `packet`.
#[inline(always)]
pub(crate) fn sending(skb: &impl Skb, sk: *mut bpf_sock, packet: &Packet) -> Owner {
    if packet.is_syn_ack() || !skb.is_locked(sk) {
        return NOBODY;
    }
    if TYPED_TASK.load() == 0 {
        // SAFETY: takes nothing.
        return owner_of(unsafe { bpf_get_current_task() }).unwrap_or(NOBODY);
    }
    // SAFETY: takes nothing.
    let task = unsafe { bpf_get_current_task_btf() } as u64;
    if typed::<u32>(task, OFF_TASK_FLAGS.load()) & KERNEL_THREAD != 0 {
        return NOBODY;
    }
    let leader = typed::<u64>(task, OFF_TASK_LEADER.load());
    Owner { pid: typed(task, OFF_TASK_TGID.load()), start_ns: typed(leader, OFF_TASK_START.load()), task }
}

/// The process of a task, read by copying.
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
