//! What this machine allows, for `doctor`.

use std::fs;
use std::path::Path;

use rustix::system::uname;

use crate::load::Attached;
use crate::{Error, LaneChoice, Options, ProgramStats, TcpLane, btf, cgroup, load, privileges};

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

/// Every check of what these options ask for, in the order in which a miss should be mended. To tell what the kernel takes, its
/// part is attached for a moment.
#[must_use]
pub fn report(options: &Options) -> Vec<Check> {
    let btf = options.btf.as_path();
    let attached = load::attach(&Options { ring_bytes: 0, ..options.clone() });
    let mut checks = vec![
        Check::new("kernel part", kernel_part()),
        Check::new("kernel", kernel()),
        Check::new("preemption", Ok(preemption())),
        Check::new("type information (BTF)", type_information(btf)),
        Check::new("cgroup v2", cgroup_root(options.lane)),
        Check::new("capabilities", capabilities(options.lane)),
    ];
    match attached {
        Ok(attached) => {
            checks.push(Check::new("lane for TCP", Ok(tcp_lane(&attached))));
            checks.push(Check::new("lane for Unix sockets", unix_lane(options, &attached)));
            checks.push(Check::new("open sockets", Ok(open_sockets(&attached))));
            let programs = attached.programs().iter().map(program).collect::<Vec<_>>().join(", ");
            checks.push(Check::new("programs", Ok(programs)));
        }
        Err(error) => checks.push(Check::new("lane for TCP", Err(no_lane(&error)))),
    }
    checks
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

fn tcp_lane(attached: &Attached) -> String {
    match (attached.lane, &attached.refused) {
        (TcpLane::Packet, _) => "packets, by cgroup_skb programs".into(),
        (TcpLane::Tracepoint, None) => "socket buffers, by BTF tracepoints".into(),
        (TcpLane::Tracepoint, Some(refused)) => {
            format!("socket buffers, by BTF tracepoints, as packets can't be had: {refused}")
        }
    }
}

fn no_lane(error: &Error) -> (String, String) {
    let fix = match error {
        Error::Privileges(_) => "run as root",
        _ => "mend what is missed above, or use Linux 6.12 or newer",
    };
    (error.to_string(), fix.into())
}

fn unix_lane(options: &Options, attached: &Attached) -> Outcome {
    match &attached.unix {
        Ok(()) if !options.unix => Ok("switched off (capture.unix)".into()),
        Ok(()) => Ok("socket buffers, by BTF tracepoints".into()),
        Err(error) => Err((error.to_string(), "use a newer kernel, or set capture.unix: false".into())),
    }
}

/// How those are found that were open before capture began.
fn open_sockets(attached: &Attached) -> String {
    match &attached.inventory {
        Ok(()) => "listed by the kernel, by an iterator over open files".into(),
        Err(error) => format!("read from /proc, as the kernel can't list them: {error}"),
    }
}

/// Since the moment it was loaded; a program that runs may be left out while another run of it is under way.
fn program(stats: &ProgramStats) -> String {
    let ProgramStats { name, verified_insns, recursion_misses, .. } = stats;
    format!("{name} ({verified_insns} instructions verified, {recursion_misses} runs left out)")
}

/// Whether tasks are preempted inside the kernel, and with them programs on tracepoints.
fn preemption() -> String {
    let debug = fs::read_to_string("/sys/kernel/debug/sched/preempt").unwrap_or_default();
    let version = uname().version().to_string_lossy().into_owned();
    preemption_of(&debug, &version)
}

/// `debug` has the mode that is chosen in parentheses; `version` is that of uname(2).
fn preemption_of(debug: &str, version: &str) -> String {
    let chosen = debug.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(mode, _)| mode);
    let built = version.split_ascii_whitespace().find(|word| word.starts_with("PREEMPT"));
    match (chosen, built) {
        (Some(mode), _) => mode.to_owned(),
        (None, Some("PREEMPT_DYNAMIC")) => {
            "chosen at boot; /sys/kernel/debug/sched/preempt, which tells it, can't be read".into()
        }
        (None, Some("PREEMPT_RT")) => "full (PREEMPT_RT)".into(),
        (None, Some(_)) => "full".into(),
        (None, None) => "none or voluntary".into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_of_preemption() {
        let check =
            |debug: &str, version: &str, expected: &str| assert_eq!(preemption_of(debug, version), expected);
        check("none voluntary (full) lazy \n", "#1 SMP PREEMPT_DYNAMIC Debian", "full");
        check("full (lazy)\n", "#1 SMP", "lazy");
        check("", "#1 SMP PREEMPT_RT Debian", "full (PREEMPT_RT)");
        check("", "#1 SMP PREEMPT Debian", "full");
        check("", "#1 SMP Debian", "none or voluntary");
        assert!(preemption_of("", "#1 SMP PREEMPT_DYNAMIC Debian").starts_with("chosen at boot"));
    }
}
