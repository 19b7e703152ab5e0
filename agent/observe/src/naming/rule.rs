//! Configured names.

use std::net::IpAddr;
use std::str::FromStr;

use pitot_common::user::Process;
use serde::Deserialize;

/// Gives `name` to every process that matches all of its patterns that are set, or to every remote peer in `address`. A
/// pattern is exact but for `*` (any text) and `?` (any character). A rule that sets nothing matches nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The workload's name.
    pub name: String,
    /// Pattern for the kernel's command name.
    #[serde(default)]
    pub comm: Option<String>,
    /// Pattern for the base name of the executable.
    #[serde(default)]
    pub exe: Option<String>,
    /// Pattern for the name of an interpreter's script, as it would be used as the workload's name.
    #[serde(default)]
    pub script: Option<String>,
    /// Pattern for the cgroup path.
    #[serde(default)]
    pub cgroup: Option<String>,
    /// Pattern for the user's name, or its number in decimal digits.
    #[serde(default)]
    pub user: Option<String>,
    /// Pattern for the Kubernetes namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Pattern for the name of the Kubernetes pod.
    #[serde(default)]
    pub pod: Option<String>,
    /// Pattern for the name of the container.
    #[serde(default)]
    pub container: Option<String>,
    /// Range of remote addresses.
    #[serde(default)]
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

/// Addresses with a common prefix: `10.1.0.0/16`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AddressRange {
    base: IpAddr,
    prefix: u32,
}

/// A text that is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a range of addresses; write it like 10.1.0.0/16 or 2001:db8::/32")]
pub struct InvalidRange {
    text: String,
}

impl AddressRange {
    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros() >= self.prefix,
            (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros() >= self.prefix,
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (base, prefix) =
                text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
            let base: IpAddr = base.trim().parse().ok()?;
            let bits = if base.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Some(bits), |p| p.trim().parse().ok().filter(|p| *p <= bits))?;
            Some(Self { base, prefix })
        };
        parse().ok_or_else(|| InvalidRange { text: text.to_owned() })
    }
}

impl TryFrom<String> for AddressRange {
    type Error = InvalidRange;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
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

    #[test]
    fn ranges() {
        let check = |range: &str, address: &str, expected: bool| {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{address}");
        };
        check("10.1.0.0/16", "10.1.255.1", true);
        check("10.1.0.0/16", "10.2.0.1", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        for bad in ["", "10.0.0.0/33", "x", "10.0.0/8", "::/129", "10.0.0.0/-1"] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
    }
}
