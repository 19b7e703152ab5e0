//! Checked decoding of ring records: the only way from the kernel's bytes to an event.
//!
//! Nothing is trusted: a record that is too short, of an unknown kind, or contradicts itself is refused with a reason and costs
//! only itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{error, fmt};

use super::{Hook, LossReason, ProcessId, Segment, Short, TcpFlags};
use crate::abi::{ABI_VERSION, COMM_LEN, HOOK_EGRESS, HOOK_INGRESS, Header, KIND_PROCESS, KIND_SEGMENT};

const HEADER: usize = size_of::<Header>();

/// A decoded record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// `time_ns` is still the kernel's monotonic clock.
    Segment(Segment),
    /// A process as the kernel saw it.
    Process(KernelProcess),
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
        src: SocketAddr::new(header.address(header.src())?, header.src_port()).into(),
        dst: SocketAddr::new(header.address(header.dst())?, header.dst_port()).into(),
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
        comm: text(comm.split(|b| *b == 0).next().unwrap_or_default()),
        args: split_args(args),
    })
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
