//! The same from /proc, for kernels without the iterator: a link to read for each open file, and three tables for each network
//! namespace.
//!
//! What it does not tell: cookies, and which Unix sockets are connected to each other.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use pitot_common::user::decode::KernelSocket;
use pitot_common::user::{Endpoint, ProcessId, Socket};
use rustix::time::{ClockId, clock_gettime};

use super::MAX_RECORDS;
use crate::proc;

/// States of TCP in proc_net_tcp(5).
const CLOSED: u8 = 7;
const LISTENS: u8 = 10;
/// `__SO_ACCEPTCON`, in the flags of a Unix socket that waits for connections; and `SOCK_STREAM`.
const ACCEPTS: u32 = 1 << 16;
const STREAM: u32 = 1;

/// Every stream socket that is open, once for each process that holds it.
pub(super) fn read() -> Vec<KernelSocket> {
    let mut tables: HashMap<u64, HashMap<u64, Socket>> = HashMap::new();
    let mut found = Vec::new();
    let own = std::process::id();
    for pid in numbers(Path::new("/proc")).filter(|pid| *pid != u64::from(own)) {
        let process = format!("/proc/{pid}");
        let inodes: Vec<u64> = sockets(&process).collect();
        let (Some(netns), Some(id)) = (proc::netns(&process), proc::id(&process)) else { continue };
        if inodes.is_empty() || found.len() >= MAX_RECORDS {
            continue;
        }
        let table = tables.entry(netns).or_insert_with(|| table(&process, netns));
        found.extend(inodes.into_iter().filter_map(|inode| held(table.get(&inode)?, inode, id)));
    }
    found
}

fn held(socket: &Socket, inode: u64, owner: ProcessId) -> Option<KernelSocket> {
    let socket = Socket { owner: Some(owner), ..socket.clone() };
    // Its command is read with the rest of what /proc says of it.
    Some(KernelSocket { socket, inode, comm: String::new() })
}

fn numbers(directory: &Path) -> impl Iterator<Item = u64> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Inode numbers of the sockets among a process's open files.
fn sockets(process: &str) -> impl Iterator<Item = u64> {
    let directory = format!("{process}/fd");
    let files: Vec<u64> = numbers(Path::new(&directory)).collect();
    files.into_iter().filter_map(move |file| {
        let link = fs::read_link(format!("{directory}/{file}")).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

/// Every stream socket of the network namespace that a process is in, by its inode number.
fn table(process: &str, netns: u64) -> HashMap<u64, Socket> {
    let now = clock_gettime(ClockId::Monotonic);
    let template = Socket {
        time_ns: now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64,
        netns,
        cookie: 0,
        local: Endpoint::Unix(0),
        remote: None,
        listens: false,
        owner: None,
        path: String::new(),
    };
    let read = |table| fs::read(format!("{process}/net/{table}")).unwrap_or_default();
    let [tcp, tcp6, unix] =
        ["tcp", "tcp6", "unix"].map(|table| String::from_utf8_lossy(&read(table)).into_owned());
    let tcp = tcp.lines().chain(tcp6.lines()).filter_map(|line| tcp_socket(line, &template));
    tcp.chain(unix.lines().filter_map(|line| unix_socket(line, &template))).collect()
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...`
fn tcp_socket(line: &str, template: &Socket) -> Option<(u64, Socket)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (endpoint(fields.next()?)?, endpoint(fields.next()?)?);
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let inode: u64 = fields.nth(5)?.parse().ok()?;
    let listens = state == LISTENS;
    let remote = (!listens).then_some(remote);
    (state != CLOSED && inode != 0).then(|| (inode, Socket { local, remote, listens, ..template.clone() }))
}

/// `Num: RefCount Protocol Flags Type St Inode Path`, unix(7); a path may be missing, and hold anything.
fn unix_socket(line: &str, template: &Socket) -> Option<(u64, Socket)> {
    let mut fields = line.splitn(8, ' ').skip(3);
    let mut hex = || u32::from_str_radix(fields.next()?, 16).ok();
    let (flags, kind, _state) = (hex()?, hex()?, hex()?);
    // Inode numbers are aligned to the right.
    let rest = line.split_ascii_whitespace().nth(6)?;
    let inode: u64 = rest.parse().ok()?;
    let path = line.split_once(&format!(" {rest} ")).map(|(_, path)| path.to_owned()).unwrap_or_default();
    let (local, listens) = (Endpoint::Unix(inode), flags & ACCEPTS != 0);
    (kind == STREAM).then(|| (inode, Socket { local, listens, path, ..template.clone() }))
}

/// `0100007F:1F90`: the address as the words of memory that hold it, each in the machine's byte order; the port as a number.
fn endpoint(text: &str) -> Option<Endpoint> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = if address.len() == 8 {
        IpAddr::from(Ipv4Addr::from(word(0)?))
    } else {
        let words = [word(0)?, word(8)?, word(16)?, word(24)?];
        let bytes: [u8; 16] = std::array::from_fn(|i| words[i / 4][i % 4]);
        IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()
    };
    Some(Endpoint::from((ip, u16::from_str_radix(port, 16).ok()?)))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    fn template() -> Socket {
        let (local, path) = (Endpoint::Unix(0), String::new());
        Socket { time_ns: 0, netns: 9, cookie: 0, local, remote: None, listens: false, owner: None, path }
    }

    #[test]
    fn lines_of_tcp() {
        let check = |line: &str, expected: Option<(u64, &str, Option<&str>, bool)>| {
            let found = tcp_socket(line, &template());
            let shown = found.map(|(inode, socket)| {
                (inode, socket.local.to_string(), socket.remote.map(|end| end.to_string()), socket.listens)
            });
            let expected = expected.map(|(inode, local, remote, listens)| {
                (inode, local.to_owned(), remote.map(str::to_owned), listens)
            });
            assert_eq!(shown, expected, "{line}");
        };
        let rest =
            "00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 20 4 30 10 -1";
        check(
            &format!("   0: 0100007F:1F90 0100007F:9C40 01 {rest}"),
            Some((4711, "127.0.0.1:8080", Some("127.0.0.1:40000"), false)),
        );
        check(
            &format!("  12: 00000000:0050 00000000:0000 0A {rest}"),
            Some((4711, "0.0.0.0:80", None, true)),
        );
        let (mapped, six) = ("0000000000000000FFFF00000100007F", "00000000000000000000000001000000");
        check(
            &format!("1: {mapped}:1F90 {six}:0050 08 {rest}"),
            Some((4711, "127.0.0.1:8080", Some("[::1]:80"), false)),
        );
        check(&format!("   0: 0100007F:1F90 0100007F:9C40 07 {rest}"), None);
        check(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
            None,
        );
        check("", None);
        check("0: 01:02", None);
    }

    #[test]
    fn lines_of_unix() {
        let check = |line: &str, expected: Option<(u64, &str, bool)>| {
            let found = unix_socket(line, &template());
            let shown = found.as_ref().map(|(inode, socket)| (*inode, socket.path.as_str(), socket.listens));
            assert_eq!(shown, expected, "{line}");
        };
        let num = "0000000000000000: 00000002 00000000";
        check(&format!("{num} 00010000 0001 01  4711 /run/a b.sock"), Some((4711, "/run/a b.sock", true)));
        check(&format!("{num} 00000000 0001 03 14711 @name"), Some((14_711, "@name", false)));
        check(&format!("{num} 00000000 0001 03     9"), Some((9, "", false)));
        check(&format!("{num} 00000000 0002 01  4711 /dev/log"), None);
        check("Num       RefCount Protocol Flags    Type St Inode Path", None);
        check("", None);
    }

    /// Of another process, as one's own are not wanted.
    #[test]
    fn sockets_of_a_process() {
        let script = "import socket,sys\n\
                      a=socket.create_server(('127.0.0.1',0)); b=socket.create_connection(a.getsockname()); c,_=a.accept()\n\
                      print(a.getsockname()[1], b.getsockname()[1], flush=True); sys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let found = read();
        drop(child.stdin.take());
        child.wait().unwrap();
        let ports: Vec<u16> = line.split_ascii_whitespace().map(|port| port.parse().unwrap()).collect();
        let of_child = |socket: &&KernelSocket| {
            socket.socket.owner.is_some_and(|owner| owner.pid == child.id() && owner.start_ns > 0)
        };
        let mut ends: Vec<_> = found
            .iter()
            .filter(of_child)
            .map(|KernelSocket { socket, .. }| {
                (socket.local.port(), socket.remote.and_then(|end| end.port()), socket.listens)
            })
            .collect();
        ends.sort_unstable();
        let (server, client) = (Some(ports[0]), Some(ports[1]));
        let mut expected = [(server, None, true), (server, client, false), (client, server, false)];
        expected.sort_unstable();
        assert_eq!(ends, expected);
    }
}
