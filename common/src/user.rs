//! What user space makes of the kernel's records: owned, checked events, and the [`Source`] of them.
//!
//! Everything right of a [`Source`] is shared by live capture and replay.

use std::sync::Arc;

pub use crate::abi::Loss as LossReason;

pub mod cgroup;
pub mod decode;
mod endpoint;
mod filter;

pub use endpoint::{Endpoint, InvalidEndpoint};
pub use filter::{AddressRange, Filter, FilterRule, InvalidRange, Refusal};

/// One process, for as long as the machine is up: a pid alone is reused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Thread group id (what user space calls the pid) in the initial pid namespace.
    pub pid: u32,
    /// Start of the group leader, ns since boot.
    pub start_ns: u64,
}

/// A clock tick, in which /proc tells when a process was started: USER_HZ is 100 on every Linux architecture that matters here.
pub const TICK_NS: u64 = 10_000_000;

/// What is known of a process when it is first seen to own a socket. Never revised.
///
/// A [`CaptureEvent::Process`] precedes the first [`Segment`] whose `owner` names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Identity.
    pub id: ProcessId,
    /// Kernel command name, at most 15 bytes.
    pub comm: String,
    /// Base name of the executable, empty where it could not be read.
    pub exe: String,
    /// Arguments, the first is the program's name; cut to 256 bytes in all.
    pub args: Vec<String>,
    /// cgroup v2 path (or the `name=systemd` v1 path), empty where it could not be read.
    pub cgroup: String,
    /// Effective user id, and the name it has on the host (empty if none).
    pub user: Option<(u32, String)>,
    /// Inode number of its network namespace; 0 where it could not be read.
    pub netns: u64,
    /// The name its container was given, empty where there is none or nobody could be asked. Its id is in `cgroup`.
    pub container: String,
    /// The Kubernetes pod it runs in.
    pub pod: Option<Pod>,
    /// The name of the machine it runs on; empty in captures that were made before it was written down.
    pub host: String,
}

impl Process {
    /// What tells it from others of the same workload: the id of its container, else `HOST:PID:START`, the start in clock ticks
    /// since boot as in /proc/PID/stat; `None` where the machine is not known.
    #[must_use]
    pub fn instance(&self) -> Option<String> {
        let ProcessId { pid, start_ns } = self.id;
        let by_host =
            || (!self.host.is_empty()).then(|| format!("{}:{pid}:{}", self.host, start_ns / TICK_NS));
        cgroup::container_id(&self.cgroup).map(str::to_owned).or_else(by_host)
    }
}

/// What Kubernetes calls the place a process runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Namespace.
    pub namespace: String,
    /// Name of the pod.
    pub name: String,
}

/// A socket of this machine that is known without or before its traffic: it was open when capture began, or it is a Unix
/// socket.
///
/// A [`CaptureEvent::Socket`] of a Unix socket precedes the first [`Segment`] that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// When it was found, ns since the Unix epoch.
    pub time_ns: u64,
    /// Inode number of its network namespace; 0 where unknown.
    pub netns: u64,
    /// Its cookie; 0 where it has none yet.
    pub cookie: u64,
    /// Its own end.
    pub local: Endpoint,
    /// The other end; `None`: it listens, or is not known.
    pub remote: Option<Endpoint>,
    /// Whether it waits for connections.
    pub listens: bool,
    /// The process that owns it.
    pub owner: Option<ProcessId>,
    /// The name a Unix socket is bound to: a path, or `@` and an abstract name. Empty: none.
    pub path: String,
}

/// Capture could not keep up, and leaves whole connections out; or it can again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// When, ns since the Unix epoch.
    pub time_ns: u64,
    /// It begins; else it has ended.
    pub begins: bool,
    /// Connections left out so far in this overload.
    pub connections: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Where in the stack a segment was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Leaving a local socket: `src` is local and `owner`, `cookie`, `cgroup` are the sender's.
    Egress,
    /// Arriving from a peer that is not on this machine: `dst` is local, and the rest is the receiver's.
    Ingress,
}

/// TCP header flags, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// ACK.
    pub const ACK: u8 = 0x10;
    /// URG.
    pub const URG: u8 = 0x20;

    /// Whether every flag in `mask` is set.
    #[must_use]
    pub fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }
}

/// One record of one packet: part of a TCP segment's payload, or a segment without payload that opens
/// or ends a connection. `src` sent it, `dst` receives it, at either hook.
///
/// A packet larger than the largest record comes as several, each with the same header fields, its own
/// `offset`, and the packet's `total`. Packets may come twice (retransmission) and out of order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// When it was captured, ns since the Unix epoch.
    pub time_ns: u64,
    /// Where it was captured.
    pub hook: Hook,
    /// Socket cookie of the local socket; 0 where unknown.
    pub cookie: u64,
    /// cgroup v2 id of the local socket; 0 where unknown.
    pub cgroup: u64,
    /// Cookie of the network namespace it was captured in.
    pub netns: u64,
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// TCP sequence number of the packet (of its SYN where it has one, else of its first payload byte).
    pub seq: u32,
    /// TCP acknowledgement number; meaningless without the ACK flag.
    pub ack: u32,
    /// TCP flags.
    pub flags: TcpFlags,
    /// Process that owns the local socket, where the kernel could tell.
    pub owner: Option<ProcessId>,
    /// Payload bytes of the whole packet.
    pub total: u32,
    /// Offset of `payload` in the packet's payload.
    pub offset: u32,
    /// The bytes captured by this record.
    pub payload: Vec<u8>,
    /// Bytes after `payload` that belonged to this record and could not be captured, with the reason.
    /// `offset + payload.len() + short.bytes <= total`.
    pub short: Option<Short>,
}

/// Payload that the kernel saw and did not hand over, at a known position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// Why.
    pub reason: LossReason,
    /// How many bytes.
    pub bytes: u32,
}

/// Something lost since the last such event whose position is not known. It informs the ledger; what
/// decides about a message is the gap in its positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// When it was noticed, ns since the Unix epoch.
    pub time_ns: u64,
    /// Why.
    pub reason: LossReason,
    /// Packets or records.
    pub records: u64,
    /// Payload bytes.
    pub bytes: u64,
}

/// What a [`Source`] gives, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureEvent {
    /// A process, before the first segment that names it.
    Process(Arc<Process>),
    /// A socket that was there before its traffic, or before the first segment that names it.
    Socket(Arc<Socket>),
    /// Part of a connection.
    Segment(Segment),
    /// An overload begins or ends.
    Overload(Overload),
    /// Something lost.
    Lost(Lost),
    /// A second of event time went by: the only clock everything to the right has. ns since the epoch.
    Tick(u64),
}

/// Whether a [`Source`] has more to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Events were added, more may follow at once.
    More,
    /// Nothing for now (live only): ask again.
    Idle,
    /// Nothing ever again.
    End,
}

/// Where capture events come from: the kernel, or a capture file.
pub trait Source {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Appends a bounded number of events to `out`.
    ///
    /// # Errors
    /// When the source cannot go on; events appended before the error are good.
    fn next_batch(&mut self, out: &mut Vec<CaptureEvent>) -> Result<Progress, Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances() {
        let check = |cgroup: &str, host: &str, expected: Option<&str>| {
            let id = ProcessId { pid: 7, start_ns: 90 * TICK_NS + 1 };
            let process = Process { id, cgroup: cgroup.into(), host: host.into(), ..Process::default() };
            assert_eq!(process.instance().as_deref(), expected);
        };
        let id = "0123456789abcdef".repeat(4);
        check("/system.slice/nginx.service", "box", Some("box:7:90"));
        check(&format!("/docker/{id}"), "box", Some(&id));
        check(&format!("/docker/{id}"), "", Some(&id));
        check("/", "", None);
    }
}
