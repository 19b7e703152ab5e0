//! Checked decoding of ring records: the only way from the kernel's bytes to an event.
//!
//! Nothing is trusted: a record that is too short, of an unknown kind, or contradicts itself is refused with a reason and costs
//! only itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{error, fmt};

use super::{Endpoint, Hook, LossReason, ProcessId, Segment, Short, Socket, TcpFlags};
use crate::abi::{
    ABI_VERSION, COMM_LEN, HOOK_EGRESS, HOOK_INGRESS, Header, KIND_PROCESS, KIND_SEGMENT, KIND_SOCKET,
    STATE_LISTEN, SocketRecord,
};

const HEADER: usize = size_of::<Header>();

/// A decoded record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// `time_ns` is still the kernel's monotonic clock.
    Segment(Segment),
    /// A process as the kernel saw it.
    Process(KernelProcess),
    /// A socket.
    Socket(KernelSocket),
}

/// What the kernel alone can say of a process; the rest is read from /proc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelProcess {
    /// Identity.
    pub id: ProcessId,
    /// Command name.
    pub comm: String,
    /// Arguments; the last may be cut.
    pub args: Vec<String>,
}

/// A socket as the kernel saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelSocket {
    /// What there is to know of it; `time_ns` is still the kernel's monotonic clock.
    pub socket: Socket,
    /// Its inode number: what tells it from others where its ends do not.
    pub inode: u64,
    /// Command name of its owner.
    pub comm: String,
}

/// Why a record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Shorter than its header, or than its header says.
    TooShort,
    /// Written by another version of the kernel part.
    Abi(u8),
    /// A kind, hook, address family or reason that does not exist.
    Unknown(&'static str, u8),
    /// Payload that does not fit into its packet.
    Contradiction,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "a ring record ends before its own length"),
            Self::Abi(n) => write!(f, "a ring record has ABI version {n}, this agent reads {ABI_VERSION}"),
            Self::Unknown(what, n) => write!(f, "a ring record has unknown {what} {n}"),
            Self::Contradiction => write!(f, "a ring record's payload does not fit into its packet"),
        }
    }
}

impl error::Error for DecodeError {}

/// Decodes one record.
///
/// # Errors
/// [`DecodeError`], when the record can't be one of ours.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let header = Fields::new(bytes)?;
    match header.abi() {
        ABI_VERSION => {}
        other => return Err(DecodeError::Abi(other)),
    }
    match header.kind() {
        KIND_SEGMENT => segment(&header).map(Record::Segment),
        KIND_PROCESS => process(&header).map(Record::Process),
        KIND_SOCKET => socket(&header).map(Record::Socket),
        other => Err(DecodeError::Unknown("kind", other)),
    }
}

fn segment(header: &Fields<'_>) -> Result<Segment, DecodeError> {
    let (total, offset, len, short) = (header.total(), header.offset(), header.len(), header.short());
    let end = u64::from(offset) + u64::from(len) + u64::from(short);
    if end > u64::from(total) {
        return Err(DecodeError::Contradiction);
    }
    let payload = header.body.get(..len as usize).ok_or(DecodeError::TooShort)?;
    Ok(Segment {
        time_ns: header.time_ns(),
        hook: match header.hook() {
            HOOK_EGRESS => Hook::Egress,
            HOOK_INGRESS => Hook::Ingress,
            other => return Err(DecodeError::Unknown("hook", other)),
        },
        cookie: header.cookie(),
        cgroup: header.cgroup(),
        netns: u64::from(header.netns()),
        src: header.end(header.src(), header.src_port())?,
        dst: header.end(header.dst(), header.dst_port())?,
        seq: header.seq(),
        ack: header.ack(),
        flags: TcpFlags(header.tcp_flags()),
        owner: header.owner(),
        total,
        offset,
        payload: payload.to_vec(),
        short: match (short, header.short_reason()) {
            (0, 0) => None,
            (0, _) | (_, 0) => return Err(DecodeError::Contradiction),
            (bytes, reason) => Some(Short {
                reason: LossReason::from_number(reason).ok_or(DecodeError::Unknown("loss reason", reason))?,
                bytes,
            }),
        },
    })
}

fn process(header: &Fields<'_>) -> Result<KernelProcess, DecodeError> {
    let comm = header.body.get(..COMM_LEN).ok_or(DecodeError::TooShort)?;
    let args = header.body.get(COMM_LEN..COMM_LEN + header.len() as usize).ok_or(DecodeError::TooShort)?;
    Ok(KernelProcess {
        id: header.owner().ok_or(DecodeError::Contradiction)?,
        comm: name(comm),
        args: split_args(args),
    })
}

fn socket(header: &Fields<'_>) -> Result<KernelSocket, DecodeError> {
    /// Where the members after the header lie in what follows it.
    const SOCKET: usize = std::mem::offset_of!(SocketRecord, socket) - HEADER;
    const PEER: usize = std::mem::offset_of!(SocketRecord, peer) - HEADER;
    const STATE: usize = std::mem::offset_of!(SocketRecord, state) - HEADER;
    const COMM: usize = std::mem::offset_of!(SocketRecord, comm) - HEADER;
    const PATH: usize = std::mem::offset_of!(SocketRecord, path) - HEADER;
    let body: &[u8; size_of::<SocketRecord>() - HEADER] =
        header.body.first_chunk().ok_or(DecodeError::TooShort)?;
    let number = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| body[at + i]));
    let (inode, peer, listens) = (number(SOCKET), number(PEER), body[STATE] == STATE_LISTEN);
    let path = body[PATH..].get(..header.len() as usize).ok_or(DecodeError::Contradiction)?;
    // A mapped address is what the packets of such a socket carry, too.
    let inet = |address: SocketAddr| Endpoint::from((address.ip().to_canonical(), address.port()));
    let (local, remote) = if header.ip_version() == 0 {
        (Endpoint::Unix(inode), (peer != 0).then_some(Endpoint::Unix(peer)))
    } else {
        (inet(header.source()?), Some(header.destination()?).filter(|to| to.port() != 0).map(inet))
    };
    Ok(KernelSocket {
        socket: Socket {
            time_ns: header.time_ns(),
            netns: u64::from(header.netns()),
            cookie: header.cookie(),
            local,
            remote: remote.filter(|_| !listens),
            listens,
            owner: header.owner(),
            path: unix_path(path),
        },
        inode,
        comm: name(&body[COMM..COMM + COMM_LEN]),
    })
}

/// The name of a Unix socket (unix(7)) as it is written: a path up to its NUL; an abstract one with `@` for the NUL that it
/// begins with, and for those in it.
fn unix_path(bytes: &[u8]) -> String {
    match bytes {
        [0, ..] => text(bytes).replace('\0', "@"),
        _ => name(bytes),
    }
}

/// Text up to the first NUL.
fn name(bytes: &[u8]) -> String {
    text(bytes.split(|b| *b == 0).next().unwrap_or_default())
}

/// Splits NUL-terminated arguments. Also what `/proc/PID/cmdline` holds.
#[must_use]
pub fn split_args(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() { Vec::new() } else { bytes.split(|b| *b == 0).map(text).collect() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A header, read field by field at the offsets the compiler gave it.
struct Fields<'a> {
    head: &'a [u8; HEADER],
    body: &'a [u8],
}

/// One getter for each field: `name: type`, from the field of the same name.
macro_rules! getters {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(fn $name(&self) -> $type {
            <$type>::from_ne_bytes(self.bytes(std::mem::offset_of!(Header, $name)))
        })*
    };
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (head, body) = bytes.split_first_chunk::<HEADER>().ok_or(DecodeError::TooShort)?;
        Ok(Self { head, body })
    }

    getters! {
        time_ns: u64, cookie: u64, cgroup: u64, owner_start_ns: u64, owner_pid: u32, seq: u32, ack: u32,
        total: u32, offset: u32, len: u32, short: u32, netns: u32, src_port: u16, dst_port: u16, kind: u8,
        hook: u8, ip_version: u8, tcp_flags: u8, short_reason: u8, abi: u8,
    }

    fn src(&self) -> [u8; 16] {
        self.bytes(std::mem::offset_of!(Header, src))
    }

    fn dst(&self) -> [u8; 16] {
        self.bytes(std::mem::offset_of!(Header, dst))
    }

    /// One end of a segment. Of a Unix socket the first eight bytes are its number.
    fn end(&self, bytes: [u8; 16], port: u16) -> Result<Endpoint, DecodeError> {
        match (self.ip_version(), bytes) {
            (0, [a, b, c, d, e, f, g, h, ..]) => {
                Ok(Endpoint::Unix(u64::from_ne_bytes([a, b, c, d, e, f, g, h])))
            }
            _ => Ok(SocketAddr::new(self.address(bytes)?, port).into()),
        }
    }

    fn source(&self) -> Result<SocketAddr, DecodeError> {
        Ok(SocketAddr::new(self.address(self.src())?, self.src_port()))
    }

    fn destination(&self) -> Result<SocketAddr, DecodeError> {
        Ok(SocketAddr::new(self.address(self.dst())?, self.dst_port()))
    }

    fn owner(&self) -> Option<ProcessId> {
        (self.owner_pid() != 0).then(|| ProcessId { pid: self.owner_pid(), start_ns: self.owner_start_ns() })
    }

    fn address(&self, bytes: [u8; 16]) -> Result<IpAddr, DecodeError> {
        match self.ip_version() {
            4 => Ok(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))),
            6 => Ok(IpAddr::V6(Ipv6Addr::from(bytes))),
            other => Err(DecodeError::Unknown("IP version", other)),
        }
    }

    /// `offset` comes from the layout of [`Header`], so the range is always inside it.
    fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        std::array::from_fn(|i| self.head[offset + i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::PATH_LEN;

    /// Bytes of a valid segment record of 4 payload bytes, to be damaged.
    fn record() -> Vec<u8> {
        let mut bytes = vec![0; HEADER + 512];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(std::mem::offset_of!(Header, time_ns), &7u64.to_ne_bytes());
        put(std::mem::offset_of!(Header, owner_pid), &42u32.to_ne_bytes());
        put(std::mem::offset_of!(Header, owner_start_ns), &9u64.to_ne_bytes());
        put(std::mem::offset_of!(Header, total), &10u32.to_ne_bytes());
        put(std::mem::offset_of!(Header, offset), &3u32.to_ne_bytes());
        put(std::mem::offset_of!(Header, len), &4u32.to_ne_bytes());
        put(std::mem::offset_of!(Header, src), &[127, 0, 0, 1]);
        put(std::mem::offset_of!(Header, dst), &[127, 0, 0, 2]);
        put(std::mem::offset_of!(Header, src_port), &8080u16.to_ne_bytes());
        put(
            std::mem::offset_of!(Header, kind),
            &[KIND_SEGMENT, HOOK_EGRESS, 4, TcpFlags::ACK, 0, ABI_VERSION],
        );
        put(HEADER, b"abcd");
        bytes
    }

    fn with(field: usize, value: &[u8]) -> Vec<u8> {
        let mut bytes = record();
        bytes[field..field + value.len()].copy_from_slice(value);
        bytes
    }

    #[test]
    fn segment_fields() {
        let Ok(Record::Segment(segment)) = decode(&record()) else { panic!("refused") };
        assert_eq!(segment.src, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(segment.owner, Some(ProcessId { pid: 42, start_ns: 9 }));
        assert_eq!((segment.total, segment.offset, segment.payload.as_slice()), (10, 3, b"abcd".as_slice()));
        assert_eq!(segment.short, None);
    }

    #[test]
    fn refusals() {
        let at = |field| field;
        let check = |bytes: Vec<u8>, expected| assert_eq!(decode(&bytes), Err(expected));
        check(vec![], DecodeError::TooShort);
        check(record()[..HEADER + 3].to_vec(), DecodeError::TooShort);
        check(with(at(std::mem::offset_of!(Header, abi)), &[9]), DecodeError::Abi(9));
        check(with(at(std::mem::offset_of!(Header, kind)), &[0]), DecodeError::Unknown("kind", 0));
        check(with(at(std::mem::offset_of!(Header, hook)), &[3]), DecodeError::Unknown("hook", 3));
        check(
            with(at(std::mem::offset_of!(Header, ip_version)), &[5]),
            DecodeError::Unknown("IP version", 5),
        );
        check(with(at(std::mem::offset_of!(Header, total)), &6u32.to_ne_bytes()), DecodeError::Contradiction);
        check(
            with(at(std::mem::offset_of!(Header, len)), &u32::MAX.to_ne_bytes()),
            DecodeError::Contradiction,
        );
        check(with(at(std::mem::offset_of!(Header, short)), &1u32.to_ne_bytes()), DecodeError::Contradiction);
        check(with(at(std::mem::offset_of!(Header, short_reason)), &[1]), DecodeError::Contradiction);
    }

    #[test]
    fn processes() {
        let mut bytes = with(std::mem::offset_of!(Header, kind), &[KIND_PROCESS]);
        bytes[HEADER..HEADER + 5].copy_from_slice(b"node\0");
        bytes[HEADER + COMM_LEN..HEADER + COMM_LEN + 4].copy_from_slice(b"a\0b\0");
        let expected = KernelProcess {
            id: ProcessId { pid: 42, start_ns: 9 },
            comm: "node".into(),
            args: vec!["a".into(), "b".into()],
        };
        assert_eq!(decode(&bytes), Ok(Record::Process(expected)));
    }

    /// A socket record of process 42, `ends` as version, own port, other port.
    fn socket(ends: (u8, u16, u16), state: u8, peer: u64, path: &[u8]) -> Vec<u8> {
        let mut bytes = with(std::mem::offset_of!(Header, kind), &[KIND_SOCKET]);
        bytes.resize(size_of::<SocketRecord>(), 0);
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(std::mem::offset_of!(Header, ip_version), &[ends.0]);
        put(std::mem::offset_of!(Header, src_port), &ends.1.to_ne_bytes());
        put(std::mem::offset_of!(Header, dst_port), &ends.2.to_ne_bytes());
        put(std::mem::offset_of!(Header, len), &(path.len() as u32).to_ne_bytes());
        put(std::mem::offset_of!(SocketRecord, socket), &5u64.to_ne_bytes());
        put(std::mem::offset_of!(SocketRecord, peer), &peer.to_ne_bytes());
        put(std::mem::offset_of!(SocketRecord, state), &[state]);
        put(std::mem::offset_of!(SocketRecord, comm), b"node\0");
        put(std::mem::offset_of!(SocketRecord, path), path);
        bytes
    }

    #[test]
    fn sockets() {
        let check = |bytes: &[u8], local: &str, remote: Option<&str>, path: &str| {
            let Ok(Record::Socket(found)) = decode(bytes) else { panic!("refused") };
            assert_eq!((found.inode, found.comm.as_str()), (5, "node"));
            let socket = found.socket;
            assert_eq!(socket.owner, Some(ProcessId { pid: 42, start_ns: 9 }));
            assert_eq!(socket.local, local.parse().unwrap());
            assert_eq!(socket.remote, remote.map(|end| end.parse().unwrap()));
            assert_eq!((socket.path.as_str(), socket.listens), (path, bytes[HEADER + 16] == STATE_LISTEN));
        };
        check(&socket((4, 80, 9), 1, 0, b""), "127.0.0.1:80", Some("127.0.0.2:9"), "");
        check(&socket((4, 80, 0), STATE_LISTEN, 0, b""), "127.0.0.1:80", None, "");
        check(&socket((0, 0, 0), 1, 6, b"/run/a\0"), "unix:5", Some("unix:6"), "/run/a");
        check(&socket((0, 0, 0), STATE_LISTEN, 0, b"\0a\0b"), "unix:5", None, "@a@b");
        let mut mapped = socket((6, 80, 9), 1, 0, b"");
        let v6 = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last];
        mapped[64..80].copy_from_slice(&v6(1));
        mapped[80..96].copy_from_slice(&v6(2));
        check(&mapped, "10.0.0.1:80", Some("10.0.0.2:9"), "");

        let refused = |bytes: &[u8], expected| assert_eq!(decode(bytes), Err(expected));
        let whole = socket((4, 80, 9), 1, 0, b"");
        refused(&whole[..whole.len() - 1], DecodeError::TooShort);
        refused(&socket((5, 80, 9), 1, 0, b""), DecodeError::Unknown("IP version", 5));
        let mut too_long = whole;
        too_long[std::mem::offset_of!(Header, len)] = PATH_LEN as u8 + 1;
        refused(&too_long, DecodeError::Contradiction);
    }

    #[test]
    fn arguments() {
        let check = |bytes: &[u8], expected: &[&str]| assert_eq!(split_args(bytes), expected);
        check(b"", &[]);
        check(b"\0", &[]);
        check(b"a\0", &["a"]);
        check(b"a\0\0b\0", &["a", "", "b"]);
        check(b"a\0cu", &["a", "cu"]);
    }
}
