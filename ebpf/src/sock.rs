//! What is read of a `struct sock` by whoever comes across one without a packet.

use aya_ebpf::Global;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use pitot_common::abi::PATH_LEN;

use crate::emit::bounded;
use crate::globals::{OFF_NET_INUM, OFF_SOCK_NET};
use crate::owner::kernel;

/// `sock.__sk_common.skc_family`, bytes. This and the other offsets are those of the running kernel (BTF).
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_FAMILY: Global<u32> = Global::new(0);
/// `sock.sk_type`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_TYPE: Global<u32> = Global::new(0);
/// `sock.sk_socket`
#[unsafe(no_mangle)]
static OFF_SOCK_SOCKET: Global<u32> = Global::new(0);
/// `socket.sk`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCKET_SK: Global<u32> = Global::new(0);
/// From a `struct socket` to the number of its inode: `socket_alloc.vfs_inode.i_ino`.
#[unsafe(no_mangle)]
static OFF_SOCKET_INO: Global<u32> = Global::new(0);
/// `unix_sock.peer`
#[unsafe(no_mangle)]
pub(crate) static OFF_UNIX_PEER: Global<u32> = Global::new(0);
/// `unix_sock.addr`
#[unsafe(no_mangle)]
static OFF_UNIX_ADDR: Global<u32> = Global::new(0);
/// `unix_address.len`
#[unsafe(no_mangle)]
static OFF_ADDRESS_LEN: Global<u32> = Global::new(0);
/// `unix_address.name`
#[unsafe(no_mangle)]
static OFF_ADDRESS_NAME: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_state`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_STATE: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_num`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_PORT: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_dport`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_PEER_PORT: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_rcv_saddr`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_V4: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_daddr`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_PEER_V4: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_v6_rcv_saddr`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_V6: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_v6_daddr`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_PEER_V6: Global<u32> = Global::new(0);
/// `sock.__sk_common.skc_cookie`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_COOKIE: Global<u32> = Global::new(0);
/// `sock.sk_protocol`
#[unsafe(no_mangle)]
pub(crate) static OFF_SOCK_PROTOCOL: Global<u32> = Global::new(0);

pub(crate) const AF_UNIX: u16 = 1;
pub(crate) const AF_INET: u16 = 2;
pub(crate) const AF_INET6: u16 = 10;
pub(crate) const SOCK_STREAM: u16 = 1;

/// Its address family; 0 where that can't be read.
#[inline(always)]
pub(crate) fn family(sk: u64) -> u16 {
    kernel(sk, OFF_SOCK_FAMILY.load()).unwrap_or(0)
}

#[inline(always)]
pub(crate) fn is_stream(sk: u64) -> bool {
    kernel::<u16>(sk, OFF_SOCK_TYPE.load()) == Some(SOCK_STREAM)
}

/// The number of an open socket; 0 where it is closed, or not accepted yet.
#[inline(always)]
pub(crate) fn inode(sk: u64) -> u64 {
    let socket = kernel::<u64>(sk, OFF_SOCK_SOCKET.load()).unwrap_or(0);
    // What points back is a socket, not memory that was one.
    if socket == 0 || kernel::<u64>(socket, OFF_SOCKET_SK.load()) != Some(sk) {
        return 0;
    }
    kernel(socket, OFF_SOCKET_INO.load()).unwrap_or(0)
}

/// Inode number of its network namespace.
#[inline(always)]
pub(crate) fn netns(sk: u64) -> u32 {
    let net = kernel::<u64>(sk, OFF_SOCK_NET.load()).unwrap_or(0);
    kernel(net, OFF_NET_INUM.load()).unwrap_or(0)
}

/// Copies the name a Unix socket is bound to, and gives its length.
#[inline(always)]
pub(crate) fn name(to: *mut [u8; PATH_LEN], sk: u64) -> u32 {
    let address = kernel::<u64>(sk, OFF_UNIX_ADDR.load()).unwrap_or(0);
    if address == 0 {
        return 0;
    }
    // Its length counts the address family, two bytes.
    let len = kernel::<u32>(address, OFF_ADDRESS_LEN.load()).unwrap_or(0);
    if len <= 2 || len > 2 + PATH_LEN as u32 {
        return 0;
    }
    let len = bounded::<PATH_LEN>(len - 2);
    let from = address + u64::from(OFF_ADDRESS_NAME.load()) + 2;
    // SAFETY: `len` is at most PATH_LEN; the helper checks the address it reads.
    let failed = unsafe { bpf_probe_read_kernel(to.cast(), len, from as *const _) } != 0;
    if failed { 0 } else { len }
}
