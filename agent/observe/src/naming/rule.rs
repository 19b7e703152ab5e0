//! Configured names.

use std::net::IpAddr;

use pitot_common::user::{AddressRange, Process};

/// Gives `name` to every process that matches all of its patterns that are set, or to every remote peer in `address`. A
/// pattern is exact but for `*` (any text) and `?` (any character). A rule that sets nothing matches nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The workload's name.
    pub name: String,
    /// Pattern for the kernel's command name.
    pub comm: Option<String>,
    /// Pattern for the base name of the executable.
    pub exe: Option<String>,
    /// Pattern for the name of an interpreter's script, as it would be used as the workload's name.
    pub script: Option<String>,
    /// Pattern for the cgroup path.
    pub cgroup: Option<String>,
    /// Pattern for the user's name, or its number in decimal digits.
    pub user: Option<String>,
    /// Pattern for the Kubernetes namespace.
    pub namespace: Option<String>,
    /// Pattern for the name of the Kubernetes pod.
    pub pod: Option<String>,
    /// Pattern for the name of the container.
    pub container: Option<String>,
    /// Range of remote addresses.
    pub address: Option<AddressRange>,
}

impl Rule {
    pub(super) fn matches(&self, process: &Process, script: Option<&str>) -> bool {
        let (user, number) = process.user.as_ref().map(|(id, name)| (name.as_str(), id.to_string())).unzip();
        let (namespace, pod) =
            process.pod.as_ref().map(|pod| (pod.namespace.as_str(), pod.name.as_str())).unzip();
        let tests = [
            (&self.comm, [Some(process.comm.as_str()), None]),
            (&self.exe, [Some(process.exe.as_str()), None]),
            (&self.script, [script, None]),
            (&self.cgroup, [Some(process.cgroup.as_str()), None]),
            (&self.user, [user, number.as_deref()]),
            (&self.namespace, [namespace, None]),
            (&self.pod, [pod, None]),
            (&self.container, [Some(process.container.as_str()), None]),
        ];
        tests.iter().any(|(pattern, _)| pattern.is_some())
            && tests.iter().all(|(pattern, texts)| {
                let matches = |pattern: &String| texts.iter().flatten().any(|text| glob(pattern, text));
                pattern.as_ref().is_none_or(matches)
            })
    }

    pub(super) fn covers(&self, address: IpAddr) -> bool {
        self.address.is_some_and(|range| range.contains(address))
    }
}

/// Whether `text` is of the form `pattern`. Linear in memory, backtracks to the last `*` only.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(q) if *q == '?' || q == c => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        };
        check("", "", true);
        check("a", "a", true);
        check("a", "ab", false);
        check("a*", "a", true);
        check("*b", "aab", true);
        check("*a*b", "xxaxab", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("*.slice/*", "/x.slice/y", true);
        check("a*b", "ac", false);
        check("é*", "éa", true);
    }
}
