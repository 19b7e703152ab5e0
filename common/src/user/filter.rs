//! Which connections are captured, and which are not any more.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{Endpoint, LossReason, Process};

/// Capture of these sockets may stop: nobody uses what they send and receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Cookies of the two ends of one connection; 0 where an end is not on this machine, or its cookie is not known yet.
    pub cookies: [u64; 2],
    /// Why: [`LossReason::Filtered`] or [`LossReason::NotOurProtocol`].
    pub reason: LossReason,
}

/// Which connections are captured: those that no rule of `exclude` matches, and that one of `include` matches, if there
/// is any. Connections are captured whole: it does not matter at which end a rule matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// If there are any, one of them must match.
    pub include: Vec<FilterRule>,
    /// None of them may match.
    pub exclude: Vec<FilterRule>,
}

impl Filter {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

/// Matches a connection when one end's process has everything that is named of a process (`pid`, `comm`, `cgroup`,
/// `namespace`), and one end, the same or the other, has everything that is named of an address (`port`, `address`). A rule
/// that names nothing matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterRule {
    /// Process id.
    pub pid: Option<u32>,
    /// Command name, as in /proc/PID/comm.
    pub comm: Option<String>,
    /// cgroup path, as in /proc/PID/cgroup: it, and those below.
    pub cgroup: Option<String>,
    /// Inode number of the network namespace.
    pub namespace: Option<u64>,
    /// TCP port.
    pub port: Option<u16>,
    /// IP addresses.
    pub address: Option<AddressRange>,
}

impl FilterRule {
    /// Whether it names anything of a process.
    #[must_use]
    pub fn names_process(&self) -> bool {
        self.pid.is_some() || self.comm.is_some() || self.cgroup.is_some() || self.namespace.is_some()
    }

    /// Whether `process` has everything that is named of one.
    #[must_use]
    pub fn matches_process(&self, process: &Process) -> bool {
        self.pid.is_none_or(|pid| process.id.pid == pid)
            && self.comm.as_ref().is_none_or(|comm| process.comm == *comm)
            && self.cgroup.as_ref().is_none_or(|cgroup| is_below(&process.cgroup, cgroup))
            && self.namespace.is_none_or(|namespace| process.netns == namespace)
    }

    /// Whether one of the ends has everything that is named of an address.
    #[must_use]
    pub fn matches_ends(&self, ends: [Endpoint; 2]) -> bool {
        ends.into_iter().any(|end| {
            self.port.is_none_or(|port| end.port() == Some(port))
                && self.address.is_none_or(|range| end.ip().is_some_and(|ip| range.contains(ip)))
        })
    }
}

/// Whether the cgroup `path` is `ancestor` or below it.
fn is_below(path: &str, ancestor: &str) -> bool {
    let ancestor = ancestor.trim_end_matches('/');
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Addresses with a common prefix: `10.1.0.0/16`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// One of them.
    pub base: IpAddr,
    /// Leading bits they share.
    pub prefix: u8,
}

impl AddressRange {
    /// Whether `address` lies in it; an IPv4-mapped IPv6 address is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (u32::from(a) ^ u32::from(b)).leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (u128::from(a) ^ u128::from(b)).leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// A text that is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRange(String);

impl fmt::Display for InvalidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a range of addresses; write it like 10.1.0.0/16 or 2001:db8::/32", self.0)
    }
}

impl std::error::Error for InvalidRange {}

impl FromStr for AddressRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let parse = || {
            let (base, prefix) =
                text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
            let base: IpAddr = base.trim().parse().ok()?;
            let bits = if base.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Some(bits), |p| p.trim().parse().ok().filter(|p| *p <= bits))?;
            Some(Self { base, prefix })
        };
        parse().ok_or_else(|| InvalidRange(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::ProcessId;

    #[test]
    fn a_cgroup_and_those_below() {
        let check =
            |path, ancestor, expected| assert_eq!(is_below(path, ancestor), expected, "{path} {ancestor}");
        check("/a/b", "/a/b", true);
        check("/a/b", "/a/", true);
        check("/a/b", "/", true);
        check("/ab", "/a", false);
        check("", "/a", false);
    }

    #[test]
    fn ranges() {
        let check = |range: &str, address: &str, expected| {
            let parsed: AddressRange = range.parse().expect(range);
            assert_eq!(parsed.contains(address.parse().expect(address)), expected, "{range} {address}");
        };
        check("10.1.0.0/16", "10.1.255.1", true);
        check("10.1.0.0/16", "10.2.0.1", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("0.0.0.0/0", "::1", false);
        check("10.0.0.7", "10.0.0.7", true);
        check("10.0.0.7", "::ffff:10.0.0.7", true);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("::1", "::2", false);
        check("192.0.2.1", "192.0.2.2", false);
        for bad in ["", "x", "10.0.0.0/33", "10.0.0", "10.0.0/8", "::/129", "a/8", "10.0.0.0/", "10.0.0.0/-1"]
        {
            assert_eq!(bad.parse::<AddressRange>(), Err(InvalidRange(bad.into())));
        }
    }

    #[test]
    fn rules() {
        let id = ProcessId { pid: 7, start_ns: 1 };
        let process =
            Process { id, comm: "curl".into(), cgroup: "/app/x".into(), netns: 9, ..Process::default() };
        let rule = FilterRule {
            pid: Some(7),
            comm: Some("curl".into()),
            cgroup: Some("/app".into()),
            ..Default::default()
        };
        assert!(rule.matches_process(&process) && rule.names_process());
        assert!(!FilterRule { namespace: Some(8), ..rule.clone() }.matches_process(&process));
        assert!(!FilterRule { pid: Some(8), ..rule }.matches_process(&process));

        let ends = ["10.0.0.1:40000", "10.0.0.2:80"].map(|end| end.parse().expect(end));
        let check = |port, address: Option<&str>, expected| {
            let address = address.map(|range| range.parse().expect(range));
            let rule = FilterRule { port, address, ..Default::default() };
            assert_eq!(rule.matches_ends(ends), expected, "{port:?} {address:?}");
        };
        check(None, None, true);
        check(Some(80), None, true);
        check(Some(40_000), None, true);
        check(Some(81), None, false);
        check(Some(80), Some("10.0.0.2"), true);
        check(Some(80), Some("10.0.0.1"), false);
        check(None, Some("10.0.0.0/24"), true);
        let unix = [Endpoint::Unix(1), Endpoint::Unix(2)];
        assert!(FilterRule::default().matches_ends(unix));
        assert!(!FilterRule { port: Some(80), ..Default::default() }.matches_ends(unix));
    }
}
