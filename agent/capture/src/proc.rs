//! What /proc adds to a process the kernel part has seen.

use std::fs;
use std::path::Path;

use pitot_common::user::cgroup::{container_id, pod_uid};
use pitot_common::user::decode::{KernelProcess, split_args};
use pitot_common::user::{Process, ProcessId, TICK_NS};

use crate::host::Host;

/// Adds executable, cgroup, user, network namespace, container and pod, and the arguments if the kernel had none. A process
/// that is gone, or whose pid already belongs to another one, keeps what the kernel said.
pub(crate) fn complete(host: &mut Host, seen: KernelProcess) -> Process {
    let dir = format!("/proc/{}", seen.id.pid);
    let of_host = Process { host: host.name().to_owned(), ..Process::default() };
    let mut process = Process { id: seen.id, comm: seen.comm, args: seen.args, ..of_host };
    if !is_same(&dir, seen.id) {
        return process;
    }
    process.exe = fs::read_link(format!("{dir}/exe")).map(|path| base_name(&path)).unwrap_or_default();
    process.cgroup =
        fs::read_to_string(format!("{dir}/cgroup")).map(|text| cgroup(&text)).unwrap_or_default();
    if process.args.is_empty() {
        let line = fs::read(format!("{dir}/cmdline")).unwrap_or_default();
        process.args = split_args(&line[..line.len().min(pitot_common::abi::ARGS_LEN)]);
    }
    let status = fs::read_to_string(format!("{dir}/status")).unwrap_or_default();
    process.user = effective_user(&status).map(|id| (id, host.user(id)));
    process.netns = netns(&dir).unwrap_or(0);
    place(host, &mut process);
    if process.comm.is_empty() {
        process.comm =
            fs::read_to_string(format!("{dir}/comm")).map(|c| c.trim_end().to_owned()).unwrap_or_default();
    }
    process
}

/// The container, and the pod, that its cgroup says it runs in.
fn place(host: &mut Host, process: &mut Process) {
    if let Some((pod, container)) = pod_uid(&process.cgroup).and_then(|uid| host.pod(&uid)) {
        (process.pod, process.container) = (Some(pod), container);
    } else if let Some(id) = container_id(&process.cgroup) {
        process.container = host.container(id);
    }
}

/// The second number of `Uid`, proc_pid_status(5).
fn effective_user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The inode number of the network namespace of the process with this directory.
pub(crate) fn netns(dir: &str) -> Option<u64> {
    fs::read_link(format!("{dir}/ns/net")).ok().and_then(|link| inode(&link))
}

/// Which process this directory is of, its start cut to clock ticks.
pub(crate) fn id(dir: &str) -> Option<ProcessId> {
    let pid = dir.rsplit('/').next()?.parse().ok()?;
    let stat = fs::read_to_string(format!("{dir}/stat")).ok()?;
    Some(ProcessId { pid, start_ns: start_ticks(&stat)? * TICK_NS })
}

/// The number in `net:[4026531840]`, namespaces(7).
fn inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

fn is_same(dir: &str, id: ProcessId) -> bool {
    self::id(dir).is_some_and(|found| found.start_ns / TICK_NS == id.start_ns / TICK_NS)
}

/// Field 22 of proc_pid_stat(5); field 2, the command, may hold anything.
fn start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn base_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned()
}

/// The cgroup v2 path, or on hybrid hosts, where that is the root, systemd's own hierarchy (cgroups(7)).
fn cgroup(text: &str) -> String {
    let find = |prefix| text.lines().find_map(|line: &str| line.split_once(prefix).map(|(_, path)| path));
    match find("0::") {
        Some(path) if path != "/" => path.to_owned(),
        other => find(":name=systemd:").or(other).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_times() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 7777 20";
        let check = |comm: &str| assert_eq!(start_ticks(&format!("12 ({comm}) {rest}")), Some(7777));
        check("sh");
        check("a) S 1 2 (b");
        assert_eq!(start_ticks("12 (sh) S 1"), None);
    }

    #[test]
    fn users_and_namespaces() {
        assert_eq!(effective_user("Name:\tsh\nUid:\t1000\t70\t1000\t1000\nGid:\t1\t2\t3\t4\n"), Some(70));
        assert_eq!(effective_user("Uid:\t1000\n"), None);
        assert_eq!(effective_user(""), None);
        let check = |link: &str, expected| assert_eq!(inode(Path::new(link)), expected, "{link}");
        check("net:[4026531840]", Some(4_026_531_840));
        check("net:[x]", None);
        check("mnt:[1]", None);
    }

    #[test]
    fn this_process() {
        let own = std::process::id();
        let stat = fs::read_to_string(format!("/proc/{own}/stat")).unwrap();
        let id = ProcessId { pid: own, start_ns: start_ticks(&stat).unwrap() * TICK_NS };
        let seen = KernelProcess { id, comm: "t".into(), args: Vec::new() };
        let process = complete(&mut Host::new("/".into()), seen.clone());
        assert_eq!(process.user.as_ref().map(|(id, _)| *id), Some(rustix::process::geteuid().as_raw()));
        assert!(process.netns > 0 && !process.exe.is_empty() && process.instance().is_some());
        // Another process has its pid by now.
        let other = KernelProcess { id: ProcessId { start_ns: 1, ..id }, ..seen };
        assert_eq!(complete(&mut Host::new("/".into()), other).user, None);
    }

    #[test]
    fn cgroups() {
        let check = |text, expected| assert_eq!(cgroup(text), expected);
        check("0::/system.slice/nginx.service\n", "/system.slice/nginx.service");
        check("1:name=systemd:/a.service\n0::/\n", "/a.service");
        check("0::/\n", "/");
        check("", "");
    }

    #[test]
    fn deleted_executables() {
        let check = |path: &str, expected| assert_eq!(base_name(Path::new(path)), expected);
        check("/usr/bin/python3.11", "python3.11");
        check("/tmp/x (deleted)", "x");
    }
}
