//! What this machine allows, for `doctor`.

use std::path::Path;

use rustix::system::uname;

use crate::btf::{self, Btf};
use crate::lanes::BufferOffsets;
use crate::{Error, LaneChoice, Options, TcpLane, cgroup, load, privileges};

/// Where kernels with CONFIG_DEBUG_INFO_BTF keep their type information.
pub const BTF: &str = "/sys/kernel/btf/vmlinux";

/// One thing that capture needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it must be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do about a miss.
    pub fix: Option<String>,
}

impl Check {
    fn new(name: &'static str, result: Result<String, (String, String)>) -> Self {
        match result {
            Ok(detail) => Self { name, ok: true, detail, fix: None },
            Err((detail, fix)) => Self { name, ok: false, detail, fix: Some(fix) },
        }
    }
}

/// Every check of what these options ask for, in the order in which a miss should be mended. To tell which lane captures TCP,
/// the kernel part is attached for a moment.
#[must_use]
pub fn report(options: &Options) -> Vec<Check> {
    let btf = options.btf.as_path();
    vec![
        Check::new("kernel part", kernel_part()),
        Check::new("kernel", kernel()),
        Check::new("type information (BTF)", type_information(btf)),
        Check::new("cgroup v2", cgroup_root(options.lane)),
        Check::new("capabilities", capabilities(options.lane)),
        Check::new("lane for TCP", tcp_lane(options)),
        Check::new("lane for Unix sockets", unix_lane(btf)),
    ]
}

type Outcome = Result<String, (String, String)>;

fn kernel_part() -> Outcome {
    if load::BUILT {
        Ok("built in".into())
    } else {
        Err(("this pitot was built without it".into(), "run `cargo xtask setup`, then build again".into()))
    }
}

fn kernel() -> Outcome {
    let name = uname();
    let release = name.release().to_string_lossy().into_owned();
    if load::kernel_version() >= (5, 10) {
        Ok(release)
    } else {
        Err((release, "use Linux 5.10 or newer".into()))
    }
}

fn type_information(path: &Path) -> Outcome {
    match btf::offsets(path) {
        Ok(offsets) => Ok(format!("{} offsets found in {}", offsets.len(), path.display())),
        Err(error) => Err((
            error.to_string(),
            "use a distribution kernel, or build with CONFIG_DEBUG_INFO_BTF=y".into(),
        )),
    }
}

fn cgroup_root(lane: LaneChoice) -> Outcome {
    match cgroup::root() {
        Ok(path) => Ok(path.display().to_string()),
        Err(_) if lane != LaneChoice::Packet => Ok("not mounted; only the packet lane needs it".into()),
        Err(_) => Err(("not mounted".into(), "mount -t cgroup2 none /sys/fs/cgroup/unified".into())),
    }
}

fn tcp_lane(options: &Options) -> Outcome {
    let options = Options { ring_bytes: 0, unix: false, ..options.clone() };
    match load::attach(&options) {
        Ok(load::Attached { lane: TcpLane::Packet, .. }) => Ok("packets, by cgroup_skb programs".into()),
        Ok(load::Attached { refused: None, .. }) => Ok("socket buffers, by BTF tracepoints".into()),
        Ok(load::Attached { refused: Some(refused), .. }) => {
            Ok(format!("socket buffers, by BTF tracepoints, as packets can't be had: {refused}"))
        }
        Err(error) => {
            let fix = match error {
                Error::Privileges(_) => "run as root",
                _ => "mend what is missed above, or use Linux 6.12 or newer",
            };
            Err((error.to_string(), fix.into()))
        }
    }
}

fn unix_lane(path: &Path) -> Outcome {
    let offsets = btf::read(path).and_then(|bytes| BufferOffsets::unix(&Btf::of(path, &bytes)?));
    match offsets {
        Ok(_) => Ok("socket buffers, by BTF tracepoints".into()),
        Err(error) => Err((error.to_string(), "use a newer kernel, or set capture.unix: false".into())),
    }
}

fn capabilities(lane: LaneChoice) -> Outcome {
    let missing = privileges::missing(TcpLane::Packet);
    let needed = match lane {
        LaneChoice::Packet => missing.clone(),
        LaneChoice::Auto | LaneChoice::Tracepoint => privileges::missing(TcpLane::Tracepoint),
    };
    match (missing.is_empty(), needed.is_empty()) {
        (true, _) => Ok("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are held".into()),
        (_, true) => Ok("CAP_BPF and CAP_PERFMON are held; the packet lane needs CAP_NET_ADMIN too".into()),
        (_, false) => {
            let fix = "run as root, or: setcap cap_bpf,cap_perfmon,cap_net_admin+ep PATH_OF_PITOT";
            Err((format!("{} missing", needed.join(", ")), fix.into()))
        }
    }
}
