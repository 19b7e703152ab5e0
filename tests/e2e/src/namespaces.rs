//! Hosts on one machine: network namespaces joined by pairs of virtual interfaces.

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
        inside(&self.names[host], program)
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

/// A client and a server with a router between, that translates the server's address and port, and the client's address.
#[derive(Debug)]
pub struct Routed {
    client: String,
    router: String,
    server: String,
}

impl Routed {
    /// Where the client finds the server,
    pub const PUBLIC: &str = "10.78.0.1";
    /// on this port;
    pub const PORT: u16 = 18_080;
    /// and where it is.
    pub const SERVER: &str = "10.79.0.2";

    /// Makes them.
    ///
    /// # Panics
    /// When `ip` or `nft` refuses.
    #[must_use]
    pub fn new() -> Self {
        let [client, router, server] =
            ["client", "router", "server"].map(|end| format!("pitot-e2e-{}-{end}", std::process::id()));
        let hosts = Self { client, router, server };
        let Self { client, router, server } = &hosts;
        for name in [client, router, server] {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        for (host, end, of_router, of_host) in
            [(client, "c", Self::PUBLIC, "10.78.0.2"), (server, "s", "10.79.0.1", Self::SERVER)]
        {
            ip(&["-n", router, "link", "add", end, "type", "veth", "peer", "name", "v0", "netns", host]);
            for (name, device, address) in [(router, end, of_router), (host, "v0", of_host)] {
                ip(&["-n", name, "address", "add", &format!("{address}/24"), "dev", device]);
                ip(&["-n", name, "link", "set", device, "up"]);
            }
        }
        run(inside(router, "sh").args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]));
        hosts.nft(&["add", "table", "ip", "p"]);
        hosts.nft(&["add", "chain", "ip", "p", "to", "{ type nat hook prerouting priority -100; }"]);
        hosts.nft(&["add", "chain", "ip", "p", "from", "{ type nat hook postrouting priority 100; }"]);
        hosts.nft(&["add", "rule", "ip", "p", "from", "oifname", "s", "masquerade"]);
        hosts
    }

    /// Lets the client find the server's `port`, and no other any more.
    ///
    /// # Panics
    /// When `nft` refuses.
    pub fn publish(&self, port: u16) {
        let (public, to) = (Self::PORT.to_string(), format!("{}:{port}", Self::SERVER));
        self.nft(&["flush", "chain", "ip", "p", "to"]);
        self.nft(&["add", "rule", "ip", "p", "to", "tcp", "dport", &public, "dnat", "to", &to]);
    }

    /// What runs `program` on the client's host.
    #[must_use]
    pub fn client(&self, program: &str) -> Command {
        inside(&self.client, program)
    }

    /// What runs `program` on the server's host.
    #[must_use]
    pub fn server(&self, program: &str) -> Command {
        inside(&self.server, program)
    }

    fn nft(&self, args: &[&str]) {
        run(inside(&self.router, "nft").args(args));
    }
}

impl Default for Routed {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Routed {
    fn drop(&mut self) {
        for name in [&self.client, &self.router, &self.server] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

fn ip(args: &[&str]) {
    run(Command::new("ip").args(args));
}
