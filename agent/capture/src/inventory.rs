//! Sockets that are open: which process holds each, and which of them wait for connections.
//!
//! The kernel part's iterator over open files gives one record for each file that is a stream socket; where it can't be had, /proc
//! tells nearly the same. A socket can be open in several processes: then nobody can say whose it is, until it sends.

mod procfs;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read as _};

use aya::programs::{Iter, Program};
use aya::{Btf as KernelTypes, Ebpf};
use log::{debug, warn};
use pitot_common::abi::SocketRecord;
use pitot_common::user::decode::{KernelSocket, Record, decode};

use crate::Error;
use crate::btf::Member;
use crate::load::refused;

const PROGRAM: &str = "pitot_sockets";
/// Records taken from one reading of the iterator: what lies beyond is known once it sends.
const MAX_RECORDS: usize = 256 * 1024;

/// What the iterator reads, beside what the programs on packets do.
pub(crate) const MEMBERS: [Member; 21] = [
    ("OFF_FILE_INODE", "file.f_inode"),
    ("OFF_FILE_PRIVATE", "file.private_data"),
    ("OFF_INODE_MODE", "inode.i_mode"),
    ("OFF_SOCKET_SK", "socket.sk"),
    ("OFF_SOCKET_INO", "socket_alloc.vfs_inode.i_ino"),
    ("OFF_SOCK_SOCKET", "sock.sk_socket"),
    ("OFF_SOCK_TYPE", "sock.sk_type"),
    ("OFF_SOCK_PROTOCOL", "sock.sk_protocol"),
    ("OFF_SOCK_FAMILY", "sock.__sk_common.skc_family"),
    ("OFF_SOCK_STATE", "sock.__sk_common.skc_state"),
    ("OFF_SOCK_COOKIE", "sock.__sk_common.skc_cookie"),
    ("OFF_SOCK_PORT", "sock.__sk_common.skc_num"),
    ("OFF_SOCK_PEER_PORT", "sock.__sk_common.skc_dport"),
    ("OFF_SOCK_V4", "sock.__sk_common.skc_rcv_saddr"),
    ("OFF_SOCK_PEER_V4", "sock.__sk_common.skc_daddr"),
    ("OFF_SOCK_V6", "sock.__sk_common.skc_v6_rcv_saddr"),
    ("OFF_SOCK_PEER_V6", "sock.__sk_common.skc_v6_daddr"),
    ("OFF_UNIX_PEER", "unix_sock.peer"),
    ("OFF_UNIX_ADDR", "unix_sock.addr"),
    ("OFF_ADDRESS_LEN", "unix_address.len"),
    ("OFF_ADDRESS_NAME", "unix_address.name"),
];

/// Loads the iterator.
///
/// # Errors
/// When this kernel does not have it.
pub(crate) fn load(ebpf: &mut Ebpf, types: &KernelTypes) -> Result<(), Error> {
    program(ebpf)?.load("task_file", types).map_err(|source| refused(PROGRAM, source))
}

/// Every stream socket that is open now, the sockets in the order of their first holders.
pub(crate) fn read(ebpf: &mut Ebpf) -> Vec<KernelSocket> {
    let sockets = iterate(ebpf).unwrap_or_else(|error| {
        debug!("no sockets from the iterator, but from /proc: {error}");
        by_socket(procfs::read())
    });
    debug!("{} sockets are open", sockets.len());
    sockets
}

/// The same, by the iterator only.
///
/// # Errors
/// When it is not loaded, or breaks off.
pub(crate) fn iterate(ebpf: &mut Ebpf) -> Result<Vec<KernelSocket>, Error> {
    Ok(by_socket(parse(&records(ebpf)?)))
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Iter, Error> {
    let program: &mut Program = ebpf.program_mut(PROGRAM).ok_or(Error::Missing(PROGRAM))?;
    program.try_into().map_err(|source| refused(PROGRAM, source))
}

fn records(ebpf: &mut Ebpf) -> Result<Vec<u8>, Error> {
    let refused = |source| refused(PROGRAM, source);
    let program = program(ebpf)?;
    let link = program.attach().map_err(refused)?;
    let link = program.take_link(link).map_err(refused)?;
    let mut file = link.into_file().map_err(|e| Error::Inventory(io::Error::other(e)))?;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    while bytes.len() < MAX_RECORDS * size_of::<SocketRecord>() {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(len) => bytes.extend_from_slice(chunk.get(..len).unwrap_or_default()),
            // It has walked very many files without a socket.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(source) => return Err(Error::Inventory(source)),
        }
    }
    warn!("more than {MAX_RECORDS} sockets are open: the rest is known once it sends");
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Vec<KernelSocket> {
    bytes
        .chunks_exact(size_of::<SocketRecord>())
        .filter_map(|record| match decode(record) {
            Ok(Record::Socket(found)) => Some(found),
            other => {
                debug!("not a socket's record: {other:?}");
                None
            }
        })
        .collect()
}

/// Each socket once; one that several processes hold has no owner.
fn by_socket(found: Vec<KernelSocket>) -> Vec<KernelSocket> {
    let mut index: HashMap<u64, usize> = HashMap::new();
    let mut sockets: Vec<KernelSocket> = Vec::new();
    for holder in found {
        let at = *index.entry(holder.inode).or_insert(sockets.len());
        match sockets.get_mut(at) {
            None => sockets.push(holder),
            Some(known) if known.socket.owner != holder.socket.owner => known.socket.owner = None,
            Some(_) => {}
        }
    }
    sockets
}

#[cfg(test)]
mod tests {
    use pitot_common::user::{Endpoint, ProcessId, Socket};

    use super::*;

    fn held(inode: u64, pid: u32) -> KernelSocket {
        let socket = Socket {
            time_ns: 1,
            netns: 1,
            cookie: 0,
            local: Endpoint::Unix(inode),
            remote: None,
            listens: false,
            owner: Some(ProcessId { pid, start_ns: 1 }),
            path: String::new(),
        };
        KernelSocket { socket, inode, comm: "c".into() }
    }

    #[test]
    fn whose_a_socket_is() {
        let check = |found: &[(u64, u32)], expected: &[(u64, Option<u32>)]| {
            let found = found.iter().map(|(inode, pid)| held(*inode, *pid)).collect();
            let sockets = by_socket(found);
            let shown: Vec<_> =
                sockets.iter().map(|s| (s.inode, s.socket.owner.map(|owner| owner.pid))).collect();
            assert_eq!(shown, expected);
        };
        check(&[], &[]);
        check(&[(5, 1), (6, 1)], &[(5, Some(1)), (6, Some(1))]);
        // Two descriptors, or two threads, of one process.
        check(&[(5, 1), (5, 1)], &[(5, Some(1))]);
        check(&[(5, 1), (6, 2), (5, 2)], &[(5, None), (6, Some(2))]);
        check(&[(5, 1), (5, 2), (5, 1)], &[(5, None)]);
    }

    #[test]
    fn what_is_no_record_is_left_out() {
        assert!(parse(&[0; size_of::<SocketRecord>() + 3]).is_empty());
    }
}
