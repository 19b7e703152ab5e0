//! Sockets that are open already: one record for each open file that is a stream socket, of every process in every network
//! namespace, written to whoever reads the iterator.

use core::mem::MaybeUninit;
use core::ptr::{addr_of_mut, write_volatile};

use aya_ebpf::Global;
use aya_ebpf::bindings::seq_file;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_seq_write};
use pitot_common::abi::{ABI_VERSION, COMM_LEN, KIND_SOCKET, SocketRecord};

use crate::globals::{OFF_TASK_COMM, SELF_TGID};
use crate::owner::{Owner, kernel, owner_of};
use crate::sock::{
    self, AF_INET, AF_INET6, AF_UNIX, OFF_SOCK_COOKIE, OFF_SOCK_PEER_PORT, OFF_SOCK_PEER_V4,
    OFF_SOCK_PEER_V6, OFF_SOCK_PORT, OFF_SOCK_PROTOCOL, OFF_SOCK_STATE, OFF_SOCK_V4, OFF_SOCK_V6,
    OFF_SOCKET_SK, OFF_UNIX_PEER,
};

/// `file.f_inode`, bytes. This and the other offsets are those of the running kernel (BTF).
#[unsafe(no_mangle)]
static OFF_FILE_INODE: Global<u32> = Global::new(0);
/// `file.private_data`
#[unsafe(no_mangle)]
static OFF_FILE_PRIVATE: Global<u32> = Global::new(0);
/// `inode.i_mode`
#[unsafe(no_mangle)]
static OFF_INODE_MODE: Global<u32> = Global::new(0);

/// `S_IFMT` and `S_IFSOCK` of a file's mode.
const FILE_TYPE: u16 = 0o170_000;
const SOCKET: u16 = 0o140_000;
const IPPROTO_TCP: u16 = 6;
const IPPROTO_MPTCP: u16 = 262;
/// `TCP_CLOSE`: neither connected nor listening.
const CLOSED: u8 = 7;

/// `struct bpf_iter__task_file`
#[repr(C)]
pub struct TaskFile {
    meta: *const Meta,
    task: u64,
    fd: u64,
    file: u64,
}

/// `struct bpf_iter_meta`
#[repr(C)]
struct Meta {
    seq: *mut seq_file,
}

/// `int bpf_iter_task_file(struct bpf_iter_meta *meta, struct task_struct *task, u32 fd, struct file *file)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub extern "C" fn pitot_sockets(ctx: *mut TaskFile) -> i32 {
    // SAFETY: the kernel's own context; both pointers are null once, after the last file.
    let (meta, task, file) = unsafe { ((*ctx).meta, (*ctx).task, (*ctx).file) };
    if task != 0 && file != 0 {
        let _ = file_of(meta, task, file);
    }
    0
}

#[inline(always)]
fn file_of(meta: *const Meta, task: u64, file: u64) -> Option<()> {
    let inode = kernel::<u64>(file, OFF_FILE_INODE.load())?;
    if kernel::<u16>(inode, OFF_INODE_MODE.load())? & FILE_TYPE != SOCKET {
        return None;
    }
    // A socket's own file has its socket here, and one that was opened by its path only (O_PATH) nothing.
    let socket = kernel::<u64>(file, OFF_FILE_PRIVATE.load())?;
    let sk = kernel::<u64>(socket, OFF_SOCKET_SK.load())?;
    let owner = owner_of(task)?;
    let family = sock::family(sk);
    let state = kernel::<u8>(sk, OFF_SOCK_STATE.load())?;
    if !is_wanted(sk, family) || !sock::is_stream(sk) || state == CLOSED || owner.pid == SELF_TGID.load() {
        return None;
    }
    let mut record = MaybeUninit::<SocketRecord>::uninit();
    let record_ptr = record.as_mut_ptr();
    zero(record_ptr);
    macro_rules! put {
        ($($field:ident $(. $inner:ident)?: $value:expr),* $(,)?) => {
            // SAFETY: points to the record; word by word and volatile, so that no call to memcpy is made.
            unsafe { $(write_volatile(addr_of_mut!((*record_ptr).$field $(. $inner)?).cast(), $value);)* }
        };
    }
    put! {
        header.time_ns: bpf_ktime_get_ns(),
        header.cookie: kernel::<u64>(sk, OFF_SOCK_COOKIE.load())?,
        header.owner_start_ns: owner.start_ns,
        header.owner_pid: owner.pid,
        header.netns: sock::netns(sk),
        header.kind: KIND_SOCKET,
        header.abi: ABI_VERSION,
        socket: sock::inode(sk),
        state: state,
    }
    if family == AF_UNIX {
        unix_ends(record_ptr, sk);
    } else {
        inet_ends(record_ptr, sk, family);
    }
    command(record_ptr, &owner);
    // SAFETY: the record is initialised, and as long as said. The iterator's last step has no task, but its file.
    unsafe { bpf_seq_write((*meta).seq, record_ptr.cast(), size_of::<SocketRecord>() as u32) };
    Some(())
}

#[inline(always)]
fn is_wanted(sk: u64, family: u16) -> bool {
    match family {
        AF_UNIX => true,
        AF_INET | AF_INET6 => {
            matches!(kernel::<u16>(sk, OFF_SOCK_PROTOCOL.load()), Some(IPPROTO_TCP | IPPROTO_MPTCP))
        }
        _ => false,
    }
}

/// What is left over on the stack is not for others.
#[inline(always)]
fn zero(record: *mut SocketRecord) {
    for i in 0..size_of::<SocketRecord>() / 8 {
        // SAFETY: inside the record, which is aligned to words and as long as so many.
        unsafe { write_volatile(record.cast::<u64>().add(i), 0) };
    }
}

#[inline(always)]
fn unix_ends(record: *mut SocketRecord, sk: u64) {
    let peer = kernel::<u64>(sk, OFF_UNIX_PEER.load()).unwrap_or(0);
    // SAFETY: points to a record.
    unsafe {
        write_volatile(addr_of_mut!((*record).peer), sock::inode(peer));
        let len = sock::name(addr_of_mut!((*record).path), sk);
        write_volatile(addr_of_mut!((*record).header.len), len);
    }
}

#[inline(always)]
fn inet_ends(record: *mut SocketRecord, sk: u64, family: u16) {
    let (version, from, to, len) = if family == AF_INET {
        (4u8, OFF_SOCK_V4.load(), OFF_SOCK_PEER_V4.load(), 4)
    } else {
        (6u8, OFF_SOCK_V6.load(), OFF_SOCK_PEER_V6.load(), 16)
    };
    let port = kernel::<u16>(sk, OFF_SOCK_PORT.load()).unwrap_or(0);
    let peer_port = kernel::<u16>(sk, OFF_SOCK_PEER_PORT.load()).unwrap_or(0);
    // SAFETY: points to a record, whose addresses hold 16 bytes; the helper checks the address it reads.
    unsafe {
        let header = addr_of_mut!((*record).header);
        write_volatile(addr_of_mut!((*header).ip_version), version);
        write_volatile(addr_of_mut!((*header).src_port), port);
        write_volatile(addr_of_mut!((*header).dst_port), u16::from_be(peer_port));
        let read = |to: *mut [u8; 16], offset: u32| {
            bpf_probe_read_kernel(to.cast(), len, (sk + u64::from(offset)) as *const _)
        };
        read(addr_of_mut!((*header).src), from);
        read(addr_of_mut!((*header).dst), to);
    }
}

#[inline(always)]
fn command(record: *mut SocketRecord, owner: &Owner) {
    let from = owner.task + u64::from(OFF_TASK_COMM.load());
    // SAFETY: points to a record, which holds COMM_LEN bytes there; the helper checks the address it reads.
    unsafe { bpf_probe_read_kernel(addr_of_mut!((*record).comm).cast(), COMM_LEN as u32, from as *const _) };
}
