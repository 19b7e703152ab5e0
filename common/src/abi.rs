//! What crosses the border: records in the ring buffer, globals set before load, map keys.
//!
//! Every record begins with a [`Header`]. A segment record is a header and the captured bytes in one of three
//! payload sizes (the record is as long as its size class; [`Header::len`] says how much of it is
//! payload). A process record is a header, the command name and the arguments; a socket record a header, the socket's
//! state, and names.

use core::mem::{offset_of, size_of};

/// Raised with every change of a record's layout or meaning.
pub const ABI_VERSION: u8 = 1;

/// Payload sizes of segment records, in bytes: powers of two, so that a bound can be shown to old
/// verifiers by a mask. Three, because the cost of a reservation grows with its size and most messages are small.
pub const SMALL: usize = 512;
/// See [`SMALL`].
pub const MEDIUM: usize = 2 * 1024;
/// See [`SMALL`]: what a large packet is cut into.
pub const LARGE: usize = 16 * 1024;

/// Length of a command name in the kernel (`TASK_COMM_LEN`), in bytes.
pub const COMM_LEN: usize = 16;
/// Bytes of a process's arguments that are copied; they end with NUL each, the last may be cut.
pub const ARGS_LEN: usize = 256;

/// [`Header::kind`]: payload, SYN, FIN or RST of one packet.
pub const KIND_SEGMENT: u8 = 1;
/// [`Header::kind`]: a process that owns a socket, once, before its first segment record.
pub const KIND_PROCESS: u8 = 2;

/// [`Header::kind`]: a socket that is known without its traffic.
pub const KIND_SOCKET: u8 = 3;

/// [`Header::hook`]: leaving a local socket.
pub const HOOK_EGRESS: u8 = 1;
/// [`Header::hook`]: arriving from a peer that is not on this machine.
pub const HOOK_INGRESS: u8 = 2;

/// First bytes of every record. Integers in the machine's byte order, addresses in the network's.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `bpf_ktime_get_ns`: CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// Socket cookie of the local socket.
    pub cookie: u64,
    /// cgroup v2 id of the local socket.
    pub cgroup: u64,
    /// Start of the owner's group leader, ns since boot; 0 with `owner_pid` 0.
    pub owner_start_ns: u64,
    /// Thread group id of the owner of the local socket; 0 where it could not be told.
    pub owner_pid: u32,
    /// TCP sequence number of the packet.
    pub seq: u32,
    /// TCP acknowledgement number.
    pub ack: u32,
    /// Payload bytes of the whole packet.
    pub total: u32,
    /// Offset of this record's payload in the packet's.
    pub offset: u32,
    /// Payload bytes in this record (of a process record: argument bytes).
    pub len: u32,
    /// Bytes that follow this record's payload in the packet and were not captured, for `short_reason`.
    pub short: u32,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Sender, IPv4 in the first four bytes.
    pub src: [u8; 16],
    /// Receiver.
    pub dst: [u8; 16],
    /// Sender's port.
    pub src_port: u16,
    /// Receiver's port.
    pub dst_port: u16,
    /// [`KIND_SEGMENT`], [`KIND_PROCESS`] or [`KIND_SOCKET`].
    pub kind: u8,
    /// [`HOOK_EGRESS`] or [`HOOK_INGRESS`].
    pub hook: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// Byte 13 of the TCP header.
    pub tcp_flags: u8,
    /// A [`Loss`] by number, 0 with `short` 0.
    pub short_reason: u8,
    /// [`ABI_VERSION`].
    pub abi: u8,
    /// Zero.
    pub padding: [u8; 6],
}

/// A segment record of one size class.
#[repr(C)]
pub struct SegmentRecord<const N: usize> {
    /// Its header.
    pub header: Header,
    /// Payload; what lies beyond [`Header::len`] is left over from earlier records and means nothing.
    pub payload: [u8; N],
}

/// A process record.
#[repr(C)]
pub struct ProcessRecord {
    /// Its header; only time, owner, `len`, `kind` and `abi` mean something.
    pub header: Header,
    /// Command name, NUL-padded.
    pub comm: [u8; COMM_LEN],
    /// The first [`Header::len`] bytes of the arguments.
    pub args: [u8; ARGS_LEN],
}

/// Room for the name of a Unix socket, bytes (108 in `sockaddr_un`): a power of two, as payload sizes are.
pub const PATH_LEN: usize = 128;
/// [`SocketRecord::state`]: it waits for connections (`TCP_LISTEN`, which Unix sockets use too).
pub const STATE_LISTEN: u8 = 10;

/// A socket record: in the ring, or what the iterator over open files writes.
#[repr(C)]
pub struct SocketRecord {
    /// Its header. Means something: time, cookie, owner, namespace, addresses and ports (`src` is its own end, zeros
    /// where there is none), `ip_version` (0: a Unix socket), `len` (bytes of the path), `kind` and `abi`.
    pub header: Header,
    /// Inode number of the socket.
    pub socket: u64,
    /// Of a Unix socket: inode number of its peer; 0 where it has none.
    pub peer: u64,
    /// TCP's number for its state.
    pub state: u8,
    /// Zero.
    pub padding: [u8; 7],
    /// Command name of its owner, NUL-padded.
    pub comm: [u8; COMM_LEN],
    /// `sun_path`; that of an abstract name begins with NUL.
    pub path: [u8; PATH_LEN],
}

/// Why the kernel part lost something. Append-only: the numbers are in capture files and counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Loss {
    /// No room in the ring buffer.
    RingFull = 1,
    /// The packet's bytes could not be read.
    LoadFailed = 2,
    /// More payload in one packet than the program copies.
    PacketTooLarge = 3,
    /// The packet's headers could not be understood.
    BadHeader = 4,
    /// A record whose content contradicts itself; user space refused it.
    BadRecord = 5,
    /// The connection was left out for a stated time because the ring was filling up.
    Overload = 6,
    /// A configured filter leaves the connection out.
    Filtered = 7,
    /// Its first bytes were no protocol that Pitot reads.
    NotOurProtocol = 8,
    /// A program was not run because another run of it was under way on that CPU.
    Recursion = 9,
    /// Memory that holds the bytes could not be read.
    Unreadable = 10,
    /// A table of the kernel part was full.
    MapFull = 11,
    /// A filter asks for a process, and nobody knew in time whose the connection is.
    NotAttributed = 12,
    /// Sent with TCP's urgent flag: whether the receiver reads the urgent byte in the stream is its own choice.
    Urgent = 13,
    /// Sent on one of several connections that carry one Multipath TCP stream (RFC 8684): its own numbers do not place it.
    Multipath = 14,
    /// Arrived at a moment of its connection at which the lane of tracepoints is shown nothing, and was never read by copying.
    NotShown = 15,
}

impl Loss {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 15] = [
        Self::RingFull,
        Self::LoadFailed,
        Self::PacketTooLarge,
        Self::BadHeader,
        Self::BadRecord,
        Self::Overload,
        Self::Filtered,
        Self::NotOurProtocol,
        Self::Recursion,
        Self::Unreadable,
        Self::MapFull,
        Self::NotAttributed,
        Self::Urgent,
        Self::Multipath,
        Self::NotShown,
    ];

    /// The name used in ledgers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::LoadFailed => "load_failed",
            Self::PacketTooLarge => "packet_too_large",
            Self::BadHeader => "bad_header",
            Self::BadRecord => "bad_record",
            Self::Overload => "overload",
            Self::Filtered => "filtered",
            Self::NotOurProtocol => "not_our_protocol",
            Self::Recursion => "recursion",
            Self::Unreadable => "unreadable",
            Self::MapFull => "map_full",
            Self::NotAttributed => "not_attributed",
            Self::Urgent => "urgent",
            Self::Multipath => "multipath",
            Self::NotShown => "not_shown",
        }
    }

    /// Whether bytes with this reason were left out on purpose; the others are lost.
    #[must_use]
    pub fn is_skip(self) -> bool {
        matches!(self, Self::Filtered | Self::NotOurProtocol | Self::NotAttributed)
    }

    /// The reason with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == number)
    }
}

/// Slots of the counter array: two (packets, payload bytes) for each [`Loss`] number, slot 0 and 1 unused.
pub const COUNTER_SLOTS: u32 = 2 * (Loss::ALL.len() as u32 + 1);

const _: () = {
    assert!(size_of::<Header>() == 112);
    assert!(offset_of!(Header, owner_pid) == 32);
    assert!(offset_of!(Header, src) == 64);
    assert!(offset_of!(Header, src_port) == 96);
    assert!(offset_of!(Header, kind) == 100);
    assert!(offset_of!(Header, abi) == 105);
    assert!(size_of::<SegmentRecord<SMALL>>() == 112 + SMALL);
    assert!(size_of::<SegmentRecord<LARGE>>() == 112 + LARGE);
    assert!(size_of::<ProcessRecord>() == 112 + COMM_LEN + ARGS_LEN);
    assert!(offset_of!(SocketRecord, comm) == 112 + 24);
    assert!(size_of::<SocketRecord>() == 112 + 24 + COMM_LEN + PATH_LEN);
};
