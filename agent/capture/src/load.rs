//! Loading and attaching the kernel part.

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType};
use aya::{Btf as KernelTypes, Ebpf, EbpfLoader, Endianness};
use log::{debug, warn};
use rustix::system::uname;

use crate::btf::{self, Btf};
use crate::lanes::{self, BufferOffsets};
use crate::live::MIN_RING_BYTES;
use crate::programs::Programs;
use crate::{Error, LaneChoice, Options, ProgramStats, TcpLane, cgroup, inventory, privileges};

/// Whether this agent was built with the kernel part.
pub(crate) const BUILT: bool = cfg!(pitot_ebpf);

#[cfg(pitot_ebpf)]
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/pitot-ebpf"));
#[cfg(not(pitot_ebpf))]
static OBJECT: &[u8] = &[];

/// Full-sized records one packet may give: 80 KiB, more than any packet without BIG TCP; or 512 KiB, the largest
/// packet there is. Verifiers before 6.12 take too long for the second.
const CHUNKS_OLD: u32 = 5;
const CHUNKS_NEW: u32 = 32;

/// First kernel known to show IPv6 SYN-ACKs as they leave: 5.10 and 6.1 do not, what lies between was not tried.
const SYN_ACK_AT_EGRESS: (u32, u32) = (6, 12);

/// First kernel that gives programs a typed pointer to the current task (`bpf_get_current_task_btf`).
const TYPED_TASK: (u32, u32) = (5, 11);

/// The programs, and where each is attached.
const PROGRAMS: Attachments =
    [("pitot_egress", CgroupSkbAttachType::Egress), ("pitot_ingress", CgroupSkbAttachType::Ingress)];

/// What benchmarks attach in their place: programs that do nothing.
const EMPTY: Attachments = [
    ("pitot_empty_egress", CgroupSkbAttachType::Egress),
    ("pitot_empty_ingress", CgroupSkbAttachType::Ingress),
];

/// The same for the lane of Unix sockets.
const EMPTY_UNIX: [(&str, &str); 3] = [
    ("pitot_empty_read", "skb_copy_datagram_iovec"),
    ("pitot_empty_consumed", "consume_skb"),
    ("pitot_empty_received", "sock_recv_length"),
];

type Attachments = [(&'static str, CgroupSkbAttachType); 2];

/// Loads the object for this kernel and attaches every program, those of the lane that is chosen. Dropping the result detaches
/// them.
///
/// # Errors
/// See [`Error`]; where no lane can be had, that of the packet lane.
pub(crate) fn attach(options: &Options) -> Result<Attached, Error> {
    let attached = |lane| attach_lane(options, lane);
    match options.lane {
        LaneChoice::Packet => attached(TcpLane::Packet),
        LaneChoice::Tracepoint => attached(TcpLane::Tracepoint),
        LaneChoice::Auto => {
            attached(TcpLane::Packet).or_else(|refused| match attached(TcpLane::Tracepoint) {
                Ok(attached) => Ok(Attached { refused: Some(refused), ..attached }),
                Err(error) => {
                    debug!("nor is TCP captured by tracepoints: {error}");
                    Err(refused)
                }
            })
        }
    }
}

/// The kernel part, attached.
pub(crate) struct Attached {
    ebpf: Ebpf,
    pub(crate) lane: TcpLane,
    /// Why it is not the packet lane, if that was tried.
    pub(crate) refused: Option<Error>,
    /// Why open sockets must be read from /proc, if they must.
    pub(crate) inventory: Result<(), Error>,
    /// Why Unix sockets are not captured, if that was asked for.
    pub(crate) unix: Result<(), Error>,
}

impl Attached {
    /// The kernel part, once it was said what of it is the second choice or missing.
    pub(crate) fn ebpf(self) -> Ebpf {
        if let Some(refused) = self.refused {
            warn!("TCP is captured by tracepoints, as packets can't be had: {refused}");
        }
        if let Err(error) = self.inventory {
            warn!("sockets that are open already are read from /proc: {error}");
        }
        if let Err(error) = self.unix {
            warn!("Unix sockets are not captured: {error}");
        }
        self.ebpf
    }

    /// What the kernel says of the programs that were loaded.
    pub(crate) fn programs(&self) -> Vec<ProgramStats> {
        Programs::of(&self.ebpf).stats()
    }
}

fn attach_lane(options: &Options, lane: TcpLane) -> Result<Attached, Error> {
    let Loaded { mut ebpf, inventory, unix, tcp } = load(options.ring_bytes(), &options.btf, lane)?;
    let types = kernel_types(options)?;
    match lane {
        TcpLane::Packet => attach_all(&mut ebpf, PROGRAMS)?,
        TcpLane::Tracepoint => {
            tcp?.calibrate(&mut ebpf, &types)?;
            lanes::attach_tcp(&mut ebpf, &types)?;
        }
    }
    let inventory = inventory.and_then(|()| inventory::load(&mut ebpf, &types));
    let attach_unix = |offsets: BufferOffsets| {
        if lane == TcpLane::Packet {
            offsets.calibrate(&mut ebpf, &types)?;
        }
        lanes::attach_unix(&mut ebpf, &types)
    };
    let unix = if options.unix { unix.and_then(attach_unix) } else { Ok(()) };
    Ok(Attached { ebpf, lane, refused: None, inventory, unix })
}

/// Attaches programs that do nothing, for benchmarks.
///
/// # Errors
/// See [`Error`].
pub(crate) fn attach_empty(options: &Options) -> Result<Ebpf, Error> {
    let Loaded { mut ebpf, .. } = load(MIN_RING_BYTES, &options.btf, TcpLane::Packet)?;
    attach_all(&mut ebpf, EMPTY)?;
    if options.unix {
        let types = kernel_types(options)?;
        for (name, tracepoint) in EMPTY_UNIX {
            lanes::attach(&mut ebpf, &types, name, tracepoint)
                .unwrap_or_else(|error| debug!("{name} is not attached: {error}"));
        }
    }
    Ok(ebpf)
}

fn kernel_types(options: &Options) -> Result<KernelTypes, Error> {
    KernelTypes::parse_file(&options.btf, Endianness::default()).map_err(|e| Error::Load(Box::new(e.into())))
}

fn attach_all(ebpf: &mut Ebpf, programs: Attachments) -> Result<(), Error> {
    let root = cgroup::open()?;
    for (name, kind) in programs {
        let program: &mut CgroupSkb = ebpf
            .program_mut(name)
            .ok_or(Error::Missing(name))?
            .try_into()
            .map_err(|source| refused(name, source))?;
        program.load().map_err(|source| refused(name, source))?;
        // With links, several programs on a cgroup are always allowed, and asking for it is refused.
        program.attach(&root, kind, CgroupAttachMode::Single).map_err(|source| refused(name, source))?;
        debug!("{name} is attached");
    }
    Ok(())
}

/// The kernel part, and which of its optional programs can be loaded.
struct Loaded {
    ebpf: Ebpf,
    inventory: Result<(), Error>,
    unix: Result<BufferOffsets, Error>,
    tcp: Result<BufferOffsets, Error>,
}

fn load(ring_bytes: u32, btf: &Path, lane: TcpLane) -> Result<Loaded, Error> {
    if !BUILT {
        return Err(Error::NotBuilt);
    }
    let missing = privileges::missing(lane);
    if !missing.is_empty() {
        return Err(Error::Privileges(missing));
    }
    let bytes = btf::read(btf)?;
    let types = Btf::of(btf, &bytes)?;
    let offsets = types.offsets(&btf::MEMBERS)?;
    let inventory = types.offsets(&inventory::MEMBERS);
    let unix = BufferOffsets::unix(&types);
    let tcp = BufferOffsets::tcp(&types);
    let own = std::process::id();
    let chunks = if kernel_version() >= (6, 12) { CHUNKS_NEW } else { CHUNKS_OLD };
    let syn_ack_at_ingress = u32::from(kernel_version() < SYN_ACK_AT_EGRESS);
    let typed_task = u32::from(kernel_version() >= TYPED_TASK);
    let multipath = types.first_offset(&["tcp_sock.is_mptcp"]).unwrap_or(0);
    // Nobody outside knows the seed of this process's hash tables.
    let hash_key = RandomState::new().hash_one(own);
    let wake_at = ring_bytes / 16;
    let mut loader = EbpfLoader::new();
    let buffers = unix.iter().chain(&tcp).flat_map(|lane| &lane.globals);
    for (global, offset) in offsets.iter().chain(inventory.iter().flatten()).chain(buffers) {
        loader.override_global(global, offset, true);
    }
    loader
        .override_global("SELF_TGID", &own, true)
        .override_global("MAX_CHUNKS", &chunks, true)
        .override_global("TYPED_TASK", &typed_task, true)
        .override_global("OFF_TCP_MULTIPATH", &multipath, true)
        .override_global("SYN_ACK_AT_INGRESS", &syn_ack_at_ingress, true)
        .override_global("WAKE_AT", &wake_at, true)
        .override_global("RING_BYTES", &ring_bytes, true)
        .override_global("HASH_KEY", &hash_key, true)
        .map_max_entries("RECORDS", ring_bytes)
        .load(OBJECT)
        .map(|ebpf| Loaded { ebpf, inventory: inventory.map(drop), unix, tcp })
        .map_err(|source| Error::Load(Box::new(source)))
}

pub(crate) fn refused(program: &'static str, source: aya::programs::ProgramError) -> Error {
    // A log of the verifier says at its end why: a line each, since a line that is too long is cut.
    let text = source.to_string();
    let from = text.lines().count().saturating_sub(40);
    text.lines().skip(from).for_each(|line| debug!("{program}: {line}"));
    Error::Program { program, source: Box::new(source) }
}

/// Major and minor version of the running kernel; (0, 0) where it can't be read.
pub(crate) fn kernel_version() -> (u32, u32) {
    let name = uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
