//! What this machine allows, for `doctor`.

use std::path::{Path, PathBuf};

use rustix::system::uname;

use crate::btf::{self, Btf};
use crate::lanes::UnixOffsets;
use crate::{cgroup, load, privileges};

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

/// Every check, in the order in which a miss should be mended. `btf` is normally [`BTF`].
#[must_use]
pub fn report(btf: &Path) -> Vec<Check> {
    vec![
        Check::new("kernel part", kernel_part()),
        Check::new("kernel", kernel()),
        Check::new("type information (BTF)", type_information(btf)),
        Check::new("cgroup v2", cgroup_root()),
        Check::new("capabilities", capabilities()),
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

fn cgroup_root() -> Outcome {
    cgroup::root()
        .map(|path: PathBuf| path.display().to_string())
        .map_err(|_| ("not mounted".into(), "mount -t cgroup2 none /sys/fs/cgroup/unified".into()))
}

fn unix_lane(path: &Path) -> Outcome {
    let offsets = btf::read(path).and_then(|bytes| UnixOffsets::find(&Btf::of(path, &bytes)?));
    match offsets {
        Ok(_) => Ok("socket buffers, by BTF tracepoints".into()),
        Err(error) => Err((error.to_string(), "use a newer kernel, or set capture.unix: false".into())),
    }
}

fn capabilities() -> Outcome {
    let missing = privileges::missing();
    if missing.is_empty() {
        Ok("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are held".into())
    } else {
        let fix = "run as root, or: setcap cap_bpf,cap_perfmon,cap_net_admin+ep PATH_OF_PITOT";
        Err((format!("{} missing", missing.join(", ")), fix.into()))
    }
}
