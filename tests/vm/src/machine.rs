//! From a bare kernel to a machine: file systems, loopback, and its end.

use std::ffi::CString;
use std::fs;
use std::path::Path;

use rustix::mount::{MountFlags, mount};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketType, sendto, socket};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::system::{RebootCommand, init_module, reboot, uname};

/// (file system, where), in this order. The kernel has mounted nothing.
const MOUNTS: [(&str, &str); 9] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("tracefs", "/sys/kernel/tracing"),
    ("debugfs", "/sys/kernel/debug"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// Open files a process may have. A kernel starts with a hard limit of 4096, and cases open thousands of connections.
const OPEN_FILES: u64 = 1 << 16;

/// Kernel modules, in no order.
const MODULES: &str = "/modules";

/// Does all of it, and says what failed.
pub(crate) fn prepare() -> Vec<String> {
    let mounts = MOUNTS.iter().filter_map(|(kind, at)| {
        let none = None::<&CString>;
        let made = fs::create_dir_all(at).map_err(|e| e.to_string());
        let mounted = made.and_then(|()| {
            mount("none", *at, *kind, MountFlags::empty(), none.map(CString::as_c_str))
                .map_err(|e| e.to_string())
        });
        mounted.err().map(|error| format!("{kind} on {at}: {error}"))
    });
    let mut failed: Vec<_> = mounts.chain(loopback_up().err().map(|error| format!("lo: {error}"))).collect();
    failed.extend(load_modules());
    let open_files = Rlimit { current: Some(OPEN_FILES), maximum: Some(OPEN_FILES) };
    failed.extend(setrlimit(Resource::Nofile, open_files).err().map(|error| format!("open files: {error}")));
    failed
}

/// Loads every module of the archive. One that needs another that is not there yet is tried again.
fn load_modules() -> Vec<String> {
    let mut waiting: Vec<_> =
        fs::read_dir(MODULES).into_iter().flatten().flatten().map(|e| e.path()).collect();
    loop {
        let before = waiting.len();
        let mut failed = Vec::new();
        waiting.retain(|path| {
            let loaded = fs::read(path)
                .map_err(|e| e.to_string())
                .and_then(|module| init_module(&module, c"").map_err(|e| e.to_string()));
            failed.extend(loaded.as_ref().err().map(|error| format!("{}: {error}", path.display())));
            loaded.is_err()
        });
        if waiting.is_empty() || waiting.len() == before {
            return failed;
        }
    }
}

/// Sets interface 1, which is `lo`, up (rtnetlink(7), RTM_NEWLINK).
fn loopback_up() -> rustix::io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    const LENGTH: u32 = 32;
    let mut message = Vec::with_capacity(LENGTH as usize);
    // struct nlmsghdr: length, type, flags, sequence number, port.
    message.extend(LENGTH.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    // struct ifinfomsg: family and type (any), index, flags, which flags.
    message.extend([0; 4]);
    message.extend(1_u32.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    // No protocol is protocol 0: NETLINK_ROUTE.
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).map(drop)
}

/// The kernel's release.
pub(crate) fn release() -> String {
    uname().release().to_string_lossy().into_owned()
}

/// The preemption mode, where the kernel can choose: of `none voluntary (full)`, the one in brackets.
pub(crate) fn preemption() -> Option<String> {
    let modes = fs::read_to_string(Path::new("/sys/kernel/debug/sched/preempt")).ok()?;
    modes.split(['(', ')']).nth(1).map(str::to_owned)
}

/// Does not return if the kernel does as asked.
pub(crate) fn power_off() {
    rustix::fs::sync();
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        eprintln!("guest: cannot power off: {error}");
    }
}
