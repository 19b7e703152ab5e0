//! What can keep capture from starting. Each is one line that names the fix.

use std::io;
use std::path::PathBuf;

/// Why capture can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The agent was built without the kernel part.
    #[error("this pitot was built without its kernel part: run `cargo xtask setup`, then build again")]
    NotBuilt,
    /// Capabilities are missing.
    #[error("missing {}: run as root, or grant them (setcap, or securityContext.capabilities.add)", .0.join(", "))]
    Privileges(Vec<&'static str>),
    /// The kernel's type information can't be read.
    #[error("no kernel type information (BTF) at {}: {source}; a kernel with CONFIG_DEBUG_INFO_BTF=y is needed", path.display())]
    Btf {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it can't be read.
        source: io::Error,
    },
    /// The kernel's type information is damaged.
    #[error("the kernel type information (BTF) at {} is damaged near byte {offset}: it must be the running kernel's own", path.display())]
    BtfDamaged {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        offset: usize,
    },
    /// A kernel structure has no such member.
    #[error(
        "this kernel's type information has no {0}: pitot does not guess offsets, please report the kernel version"
    )]
    BtfMember(&'static str),
    /// The kernel's verifier would walk a program for minutes and refuse it in the end.
    #[error("{lane} needs Linux {}.{} or newer", since.0, since.1)]
    TooOld {
        /// Which programs.
        lane: &'static str,
        /// The first version that is known to take them.
        since: (u32, u32),
    },
    /// No cgroup v2 hierarchy is mounted.
    #[error(
        "no cgroup v2 hierarchy in /proc/self/mountinfo: mount one (`mount -t cgroup2 none /sys/fs/cgroup/unified`)"
    )]
    NoCgroup,
    /// The cgroup root can't be opened.
    #[error("can't open the cgroup v2 root {}: {source}", path.display())]
    Cgroup {
        /// Where it is mounted.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel part could not be loaded.
    #[error("the kernel refused Pitot's programs or maps: {0}")]
    Load(#[source] Box<aya::EbpfError>),
    /// A program could not be loaded or attached.
    #[error("the kernel refused the program {program}: {}", reason(source))]
    Program {
        /// Its name.
        program: &'static str,
        /// What aya says; its verifier log is logged at debug level.
        source: Box<aya::programs::ProgramError>,
    },
    /// A map could not be opened.
    #[error("a map of the kernel part can't be used: {0}")]
    Map(#[from] aya::maps::MapError),
    /// The kernel part lacks something this agent needs: they are not of the same version.
    #[error("the kernel part has no {0}: rebuild pitot")]
    Missing(&'static str),
    /// The list of open sockets broke off.
    #[error("the kernel's list of open sockets can't be read: {0}")]
    Inventory(#[source] io::Error),
    /// The draining thread could not be started.
    #[error("can't start the capture thread: {0}")]
    Thread(#[source] io::Error),
}

/// What the kernel says, and of what its verifier says the reason, which comes before the counts at the end.
fn reason(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let (said, log) = text.split_once(" Verifier output: ").unwrap_or((&text, ""));
    let is_count = |line: &&str| {
        line.starts_with("processed ")
            || line.starts_with("verification time ")
            || line.starts_with("stack depth ")
    };
    let why = log.lines().rev().map(str::trim).filter(|line| !line.is_empty()).find(|line| !is_count(line));
    let said = said.lines().next().unwrap_or_default();
    why.map_or_else(|| said.to_owned(), |why| format!("{said} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifiers_reason_is_its_last_word() {
        let check = |text: &str, expected: &str| assert_eq!(reason(&io::Error::other(text)), expected);
        check("not permitted", "not permitted");
        check("refused. Verifier output: ", "refused.");
        check(
            "refused. Verifier output: 0: r1 = r2\n1: exit\nR0 !read_ok\nverification time 5 usec\nprocessed 2 insns",
            "refused. R0 !read_ok",
        );
    }
}
