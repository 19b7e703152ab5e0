//! `naming`: names for workloads that the operator knows better.

use pitot_common::user::AddressRange;
use pitot_observe::Namer;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Config;

/// How workloads are named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Naming {
    /// Where the host's file system is seen: `/`, or in a container the directory below which its `/etc/passwd`,
    /// `/var/log/pods` and the state of docker and podman were mounted, as far as their names are wanted.
    pub host_root: String,
    /// The first rule that matches names the workload. What no rule matches is named by its Kubernetes namespace and
    /// owner, container, systemd unit, script, executable, or Host.
    pub rules: Vec<Rule>,
}

impl Default for Naming {
    fn default() -> Self {
        Self { host_root: "/".into(), rules: Vec::new() }
    }
}

/// Gives `name` to every process that matches all of its patterns that are set, or to every remote peer in `address`. In
/// a pattern `*` is any text and `?` any character.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The workload's name.
    #[serde(deserialize_with = "not_empty")]
    #[schemars(length(min = 1))]
    pub name: String,
    /// Pattern for the kernel's command name (at most 15 bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Pattern for the base name of the executable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Pattern for the name of an interpreter's script, without its extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Pattern for the cgroup path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Pattern for the user's name on the host, or its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Pattern for the Kubernetes namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Pattern for the name of the Kubernetes pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Pattern for the name of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Range of remote addresses: `10.1.0.0/16`, `2001:db8::/32`, or one address.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "range")]
    pub address: Option<String>,
}

impl Config {
    /// What names workloads by these rules.
    #[must_use]
    pub fn namer(&self) -> Namer {
        Namer::new(self.naming.rules.iter().map(Rule::compiled).collect())
    }
}

impl Rule {
    fn compiled(&self) -> pitot_observe::naming::Rule {
        let Self { name, comm, exe, script, cgroup, user, namespace, pod, container, address } = self.clone();
        // A range that cannot be read was refused when the configuration was.
        let address = address.and_then(|range| range.parse().ok());
        pitot_observe::naming::Rule {
            name,
            comm,
            exe,
            script,
            cgroup,
            user,
            namespace,
            pod,
            container,
            address,
        }
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() { Err(D::Error::custom("a name is expected")) } else { Ok(name) }
}

fn range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let range = Option::<String>::deserialize(deserializer)?;
    if let Some(range) = &range {
        range.parse::<AddressRange>().map_err(D::Error::custom)?;
    }
    Ok(range)
}
