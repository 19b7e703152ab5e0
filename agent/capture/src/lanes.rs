//! Which programs capture what, by what this machine allows.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::{HashMap, MapData};
use aya::programs::{BtfTracePoint, RawTracePoint, RawTracePointRunOptions, TestRun as _};
use aya::{Btf as KernelTypes, Ebpf};
use log::debug;

use crate::btf::Btf;
use crate::load::{kernel_version, refused};
use crate::unix::Fate;
use crate::{Error, calibrate};

/// The programs that capture TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpLane {
    /// On packets, at the root of cgroup v2.
    Packet,
    /// On tracepoints.
    Tracepoint,
}

/// Which programs are to capture TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LaneChoice {
    /// Those on packets, else those on tracepoints.
    #[default]
    Auto,
    /// Those on packets or none.
    Packet,
    /// Those on tracepoints or none.
    Tracepoint,
}

/// What the programs on socket buffers read; the first member that there is counts.
const BUFFERS: Members = &[
    ("OFF_SKB_LEN", &["sk_buff.len"]),
    ("OFF_SKB_DATA_LEN", &["sk_buff.data_len"]),
    ("OFF_SKB_HEAD", &["sk_buff.head"]),
    ("OFF_SKB_DATA", &["sk_buff.data"]),
    ("OFF_SKB_END", &["sk_buff.end"]),
    ("OFF_SKB_NEXT", &["sk_buff.next"]),
    ("OFF_SKB_CB", &["sk_buff.cb"]),
    ("OFF_SHARED_NR_FRAGS", &["skb_shared_info.nr_frags"]),
    ("OFF_SHARED_FRAGS", &["skb_shared_info.frags"]),
    ("OFF_SHARED_LIST", &["skb_shared_info.frag_list"]),
    ("OFF_FRAG_PAGE", &["skb_frag.netmem", "bio_vec.bv_page"]),
    ("OFF_FRAG_LEN", &["skb_frag.len", "bio_vec.bv_len"]),
    ("OFF_FRAG_OFFSET", &["skb_frag.offset", "bio_vec.bv_offset"]),
    ("OFF_SOCK_FAMILY", &["sock.__sk_common.skc_family"]),
];

/// What the lane of Unix sockets reads beside.
const UNIX_SOCKETS: Members = &[
    ("OFF_SKB_PREV", &["sk_buff.prev"]),
    ("OFF_SOCK_TYPE", &["sock.sk_type"]),
    ("OFF_SOCK_SHUTDOWN", &["sock.sk_shutdown"]),
    ("OFF_SOCK_SOCKET", &["sock.sk_socket"]),
    ("OFF_SOCK_QUEUE", &["sock.sk_receive_queue"]),
    ("OFF_SOCK_PEER_PID", &["sock.sk_peer_pid"]),
    ("OFF_SOCKET_SK", &["socket.sk"]),
    ("OFF_SOCKET_INO", &["socket_alloc.vfs_inode.i_ino"]),
    ("OFF_UNIX_PEER", &["unix_sock.peer"]),
    ("OFF_UNIX_ADDR", &["unix_sock.addr"]),
    ("OFF_ADDRESS_LEN", &["unix_address.len"]),
    ("OFF_ADDRESS_NAME", &["unix_address.name"]),
    ("OFF_PID_TASKS", &["pid.tasks"]),
    ("OFF_TASK_PID_LINKS", &["task_struct.pid_links"]),
];

/// What the lane of tracepoints reads beside.
const TCP_SOCKETS: Members = &[
    ("OFF_SKB_DEV", &["sk_buff.dev"]),
    ("OFF_SKB_IIF", &["sk_buff.skb_iif"]),
    ("OFF_SKB_PROTOCOL", &["sk_buff.protocol"]),
    ("OFF_SKB_NETWORK", &["sk_buff.network_header"]),
    ("OFF_DEV_IFINDEX", &["net_device.ifindex"]),
    ("OFF_REQUEST_LISTENER", &["request_sock.__req_common.skc_listener"]),
    ("OFF_SOCK_CGROUP", &["sock.sk_cgrp_data"]),
    ("OFF_SOCK_RX_IFINDEX", &["sock.sk_rx_dst_ifindex"]),
    ("OFF_SOCK_FLAGS", &["sock.__sk_common.skc_flags"]),
    ("OFF_SOCK_PROTOCOL", &["sock.sk_protocol"]),
    ("OFF_SOCK_STATE", &["sock.__sk_common.skc_state"]),
    ("OFF_SOCK_COOKIE", &["sock.__sk_common.skc_cookie"]),
    ("OFF_SOCK_PORT", &["sock.__sk_common.skc_num"]),
    ("OFF_SOCK_PEER_PORT", &["sock.__sk_common.skc_dport"]),
    ("OFF_SOCK_V4", &["sock.__sk_common.skc_rcv_saddr"]),
    ("OFF_SOCK_PEER_V4", &["sock.__sk_common.skc_daddr"]),
    ("OFF_SOCK_V6", &["sock.__sk_common.skc_v6_rcv_saddr"]),
    ("OFF_SOCK_PEER_V6", &["sock.__sk_common.skc_v6_daddr"]),
    ("OFF_CGROUP_NODE", &["cgroup.kn"]),
    ("OFF_CGROUP_LEVEL", &["cgroup.level"]),
    ("OFF_CGROUP_ANCESTORS", &["cgroup.ancestors"]),
    ("OFF_NODE_ID", &["kernfs_node.id"]),
    ("OFF_TCP_RCV_NXT", &["tcp_sock.rcv_nxt"]),
    ("OFF_TCP_SND_UNA", &["tcp_sock.snd_una"]),
    ("OFF_TCP_BYTES_RECEIVED", &["tcp_sock.bytes_received"]),
    ("OFF_TCP_CB_SEQ", &["tcp_skb_cb.seq"]),
];

/// Globals, and the members whose offsets they hold: kernels name some differently.
type Members = &'static [(&'static str, &'static [&'static str])];

/// The first kernel whose verifier is known to take the programs on socket buffers: 5.10 refuses them after a million
/// instructions, what lies between was not tried.
const BUFFERS_SINCE: (u32, u32) = (6, 12);

/// What the programs on socket buffers need to know of this kernel.
#[derive(Debug)]
pub(crate) struct BufferOffsets {
    /// Globals to set before load.
    pub(crate) globals: Vec<(&'static str, u32)>,
    /// See [`calibrate::shift`].
    shift: Option<u32>,
}

impl BufferOffsets {
    /// For the lane of Unix sockets.
    ///
    /// # Errors
    /// [`Error::TooOld`], or [`Error::BtfMember`] of the first member that this kernel does not have.
    pub(crate) fn unix(btf: &Btf<'_>) -> Result<Self, Error> {
        Self::find(btf, "the lane of Unix sockets", UNIX_SOCKETS)
    }

    /// For the lane of tracepoints.
    ///
    /// # Errors
    /// As for [`Self::unix`].
    pub(crate) fn tcp(btf: &Btf<'_>) -> Result<Self, Error> {
        Self::find(btf, "the lane of tracepoints", TCP_SOCKETS)
    }

    fn find(btf: &Btf<'_>, lane: &'static str, members: Members) -> Result<Self, Error> {
        if kernel_version() < BUFFERS_SINCE {
            return Err(Error::TooOld { lane, since: BUFFERS_SINCE });
        }
        let find = |&(global, members): &(&'static str, &'static [&'static str])| {
            let missing = Error::BtfMember(members.first().copied().unwrap_or_default());
            Ok((global, btf.first_offset(members).ok_or(missing)?))
        };
        let mut globals = BUFFERS.iter().chain(members).map(find).collect::<Result<Vec<_>, Error>>()?;
        let fragment = btf.size("skb_frag").or_else(|| btf.size("bio_vec"));
        globals.push(("FRAG_SIZE", fragment.ok_or(Error::BtfMember("skb_frag"))?));
        Ok(Self { globals, shift: calibrate::shift(btf) })
    }

    /// Finds out where the kernel keeps the pages of socket buffers.
    ///
    /// # Errors
    /// When the kernel refuses a program that this takes.
    pub(crate) fn calibrate(&self, ebpf: &mut Ebpf, types: &KernelTypes) -> Result<(), Error> {
        let calibrated = match self.shift {
            Some(shift) => calibrate::calibrate(ebpf, types, shift)?,
            None => false,
        };
        debug!("pages of socket buffers can be read: {calibrated}");
        Ok(())
    }
}

/// The programs of the lane of tracepoints, and where each is attached: first what reads the numbers of which the others
/// depend.
const TCP: [(&str, &str); 4] = [
    ("pitot_state", "inet_sock_set_state"),
    ("pitot_sent", "net_dev_queue"),
    ("pitot_arrived", "tcp_probe"),
    ("pitot_read", "skb_copy_datagram_iovec"),
];

/// Attaches the lane of tracepoints.
///
/// # Errors
/// When the kernel refuses one of its programs.
pub(crate) fn attach_tcp(ebpf: &mut Ebpf, types: &KernelTypes) -> Result<(), Error> {
    TCP.into_iter().try_for_each(|(name, tracepoint)| attach(ebpf, types, name, tracepoint))
}

/// The programs of the Unix lane, where each is attached, and whether it can be done without.
const UNIX: [(&str, &str, bool); 3] = [
    ("pitot_unix_read", "skb_copy_datagram_iovec", false),
    ("pitot_unix_consumed", "consume_skb", false),
    // From 6.3 on.
    ("pitot_unix_received", "sock_recv_length", true),
];

/// Attaches the lane of Unix sockets.
///
/// # Errors
/// When the kernel refuses one of its programs.
pub(crate) fn attach_unix(ebpf: &mut Ebpf, types: &KernelTypes) -> Result<(), Error> {
    for (name, tracepoint, optional) in UNIX {
        match attach(ebpf, types, name, tracepoint) {
            Err(error) if optional => debug!("{name} is not attached: {error}"),
            result => result?,
        }
    }
    let state = raw_tracepoint(ebpf, STATE)?;
    state.load().map_err(|source| refused(STATE, source))
}

/// Tells what has become of a receiver.
const STATE: &str = "pitot_unix_state";
/// Receivers looked at in one go.
const LOOKS: usize = 4096;
/// From this version on a tracepoint's program can be preempted by another task, whose run of it is then left out.
const PREEMPTIBLE: (u32, u32) = (6, 19);

/// Looks after the lane of Unix sockets while it runs.
pub(crate) struct UnixWatch {
    /// By address and inode number of the receiver; the values are the kernel part's own business.
    streams: HashMap<MapData, [u64; 2], [u64; 10]>,
    looks: usize,
    misses: u64,
}

impl UnixWatch {
    /// `None` if the lane is not attached.
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Option<Self>, Error> {
        if raw_tracepoint(ebpf, STATE)?.fd().is_err() {
            return Ok(None);
        }
        let streams = ebpf.take_map("UNIX_STREAMS").ok_or(Error::Missing("UNIX_STREAMS"))?;
        Ok(Some(Self { streams: HashMap::try_from(streams)?, looks: 0, misses: 0 }))
    }

    /// What has become of receivers, by inode number. Those that are closed are removed from the kernel part's table. Of very
    /// many, each call looks at some.
    pub(crate) fn fates(&mut self, ebpf: &mut Ebpf) -> Result<Vec<(u64, Fate)>, Error> {
        let keys: Vec<[u64; 2]> = self.streams.keys().filter_map(Result::ok).collect();
        let turns = keys.len() / LOOKS + 1;
        self.looks = self.looks.wrapping_add(1);
        let turn = (self.looks % turns) as u64;
        let program = raw_tracepoint(ebpf, STATE)?;
        let mut fates = Vec::new();
        for key in keys.into_iter().filter(|[_, number]| number % turns as u64 == turn) {
            let mut options = RawTracePointRunOptions::new();
            options.args[..2].copy_from_slice(&key);
            let state = program.test_run(options).map_err(|source| refused(STATE, source))?;
            let fate = match state.return_value {
                1 => continue,
                3 => Fate::AtEnd,
                _ => Fate::Closed,
            };
            let _ = self.streams.remove(&key);
            fates.push((key[1], fate));
        }
        Ok(fates)
    }

    /// Whether a buffer may have been missed since the last call.
    pub(crate) fn missed(&mut self, ebpf: &mut Ebpf) -> bool {
        if kernel_version() < PREEMPTIBLE {
            return false;
        }
        let misses = ["pitot_unix_read", "pitot_unix_consumed"]
            .into_iter()
            .filter_map(|name| recursion_misses(typed_tracepoint(ebpf, name).ok()?))
            .sum();
        let before = std::mem::replace(&mut self.misses, misses);
        misses > before
    }
}

/// How often a program was left out because it was running already on that CPU.
fn recursion_misses(program: &BtfTracePoint) -> Option<u64> {
    let fd = program.fd().ok()?.as_fd().as_raw_fd();
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
}

/// Loads a program and attaches it to a tracepoint whose arguments have types.
pub(crate) fn attach(
    ebpf: &mut Ebpf,
    types: &KernelTypes,
    name: &'static str,
    tracepoint: &str,
) -> Result<(), Error> {
    let program = typed_tracepoint(ebpf, name)?;
    program.load(tracepoint, types).map_err(|source| refused(name, source))?;
    program.attach().map_err(|source| refused(name, source))?;
    debug!("{name} is attached");
    Ok(())
}

/// A program on a tracepoint whose arguments have types, by name.
pub(crate) fn typed_tracepoint<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut BtfTracePoint, Error> {
    let program = ebpf.program_mut(name).ok_or(Error::Missing(name))?;
    program.try_into().map_err(|source| refused(name, source))
}

/// A program on a raw tracepoint, by name.
pub(crate) fn raw_tracepoint<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut RawTracePoint, Error> {
    let program = ebpf.program_mut(name).ok_or(Error::Missing(name))?;
    program.try_into().map_err(|source| refused(name, source))
}
