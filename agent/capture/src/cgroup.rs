//! Where the cgroup v2 root is mounted.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::Error;

/// The mount point; on hybrid hosts that is the `unified` directory.
///
/// # Errors
/// [`Error::NoCgroup`].
pub(crate) fn root() -> Result<PathBuf, Error> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    find(&mounts).map(PathBuf::from).ok_or(Error::NoCgroup)
}

/// The root, opened to attach to.
///
/// # Errors
/// [`Error::NoCgroup`], [`Error::Cgroup`].
pub(crate) fn open() -> Result<File, Error> {
    let path = root()?;
    File::open(&path).map_err(|source| Error::Cgroup { path, source })
}

/// The mount point of the cgroup2 mount that shows the whole hierarchy (proc_pid_mountinfo(5), cgroup_namespaces(7)).
///
/// Inside a cgroup namespace, as in a pod, `/` is that namespace's own part of it, and the whole, where the host's mount is
/// handed in, has a root that lies above: `/..`, `/../..`.
fn find(mountinfo: &str) -> Option<String> {
    let whole = |root: &str| root.strip_prefix('/').is_some_and(|up| up.split('/').all(|part| part == ".."));
    let find = |wanted: &dyn Fn(&str) -> bool| {
        mountinfo.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut fields = before.split(' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            (after.starts_with("cgroup2 ") && wanted(root)).then(|| point.replace("\\040", " "))
        })
    };
    find(&whole).or_else(|| find(&|root| root == "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(find(text).as_deref(), expected);
        check("", None);
        check("31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", Some("/sys/fs/cgroup"));
        check("31 25 0:27 / /a\\040b rw shared:4 master:1 - cgroup2 none rw", Some("/a b"));
        check("31 25 0:27 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw", None);
        check("31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", None);
        let own = "31 25 0:27 / /sys/fs/cgroup ro - cgroup2 cgroup ro";
        check(
            &format!("{own}\n40 25 0:27 /../../.. /host/cgroup ro - cgroup2 cgroup2 ro"),
            Some("/host/cgroup"),
        );
        check(&format!("{own}\n40 25 0:27 /../other /mnt ro - cgroup2 cgroup2 ro"), Some("/sys/fs/cgroup"));
    }
}
