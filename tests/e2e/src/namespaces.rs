//! Two hosts on one machine: network namespaces joined by a pair of virtual interfaces.

use std::process::Command;

use crate::clients::run;

/// Two namespaces with an address each; removed when dropped.
#[derive(Debug)]
pub struct Hosts {
    names: [String; 2],
    /// Their addresses.
    pub addresses: [&'static str; 2],
}

impl Hosts {
    /// Makes them.
    ///
    /// # Panics
    /// When `ip` refuses.
    #[must_use]
    pub fn new() -> Self {
        let names = ["a", "b"].map(|end| format!("pitot-e2e-{}-{end}", std::process::id()));
        let hosts = Self { names, addresses: ["10.77.0.1", "10.77.0.2"] };
        let [a, b] = &hosts.names;
        ip(&["netns", "add", a]);
        ip(&["netns", "add", b]);
        ip(&["-n", a, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", b]);
        for (name, address) in hosts.names.iter().zip(hosts.addresses) {
            ip(&["-n", name, "address", "add", &format!("{address}/24"), "dev", "v0"]);
            ip(&["-n", name, "link", "set", "v0", "up"]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        hosts
    }

    /// What runs `program` on host 0 or 1.
    #[must_use]
    pub fn command(&self, host: usize, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[host], program]);
        command
    }
}

impl Default for Hosts {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn ip(args: &[&str]) {
    run(Command::new("ip").args(args));
}
