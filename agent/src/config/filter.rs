//! `capture.filter`: which connections are captured.

use std::str::FromStr as _;

use pitot_common::user::{AddressRange, Filter, FilterRule};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Which connections are captured: those that a rule of `include` matches (all, where there is none), and no rule of
/// `exclude`. Connections are captured whole, whichever end matches. Read again at SIGHUP; a connection that was left
/// out stays so until it ends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// If there are any, one of them must match.
    #[serde(deserialize_with = "rules")]
    pub include: Vec<Match>,
    /// None of them may match.
    #[serde(deserialize_with = "rules")]
    pub exclude: Vec<Match>,
}

/// Matches a connection when the process at one end has all of `pid`, `comm`, `cgroup` and `namespace` that are set, and
/// one end, the same or the other, all of `port` and `address` that are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Match {
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Command name, as in /proc/PID/comm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// cgroup path, as in /proc/PID/cgroup: it, and those below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Inode number of the network namespace (`stat -L -c %i /proc/PID/ns/net`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<u64>,
    /// TCP port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Range of addresses: `10.1.0.0/16`, `2001:db8::/32`, or one address.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "range")]
    pub address: Option<String>,
}

impl Rules {
    /// What they mean for connections.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let rules = |list: &[Match]| list.iter().map(Match::rule).collect();
        Filter { include: rules(&self.include), exclude: rules(&self.exclude) }
    }
}

impl Match {
    fn rule(&self) -> FilterRule {
        let Self { pid, comm, cgroup, namespace, port, address } = self.clone();
        // A range that cannot be read was refused when the configuration was.
        let address = address.and_then(|range| range.parse().ok());
        FilterRule { pid, comm, cgroup, namespace, port, address }
    }
}

fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Match>, D::Error> {
    let rules = Vec::<Match>::deserialize(deserializer)?;
    if rules.contains(&Match::default()) {
        return Err(D::Error::custom(
            "a rule that names nothing would match everything; name a pid, comm, cgroup, namespace, port or address",
        ));
    }
    Ok(rules)
}

fn range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let range = Option::<String>::deserialize(deserializer)?;
    if let Some(range) = &range {
        AddressRange::from_str(range).map_err(D::Error::custom)?;
    }
    Ok(range)
}
