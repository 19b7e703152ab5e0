//! Two hosts on one machine: network namespaces and what lies between them.

pub mod relay;

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;
use crate::plan::Address;

/// What lies between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// A pair of virtual interfaces, as they are: segments as large as the kernel likes.
    Veth,
    /// The same, each segment a packet of its own.
    SmallSegments,
    /// The same, segments of more than 64 KiB.
    BigTcp,
    /// Segments of more than 64 KiB on the loopback interface of one namespace.
    BigTcpOnLoopback,
    /// The same, and data may come with a SYN (TCP Fast Open without cookies).
    EarlyData,
    /// One packet in 25 is lost, in each direction, as it leaves and as it arrives.
    Loss,
    /// A relay between two TUN devices that reorders and duplicates.
    Relay,
    /// A router that translates both addresses.
    Nat,
    /// A router that translates both addresses, and the server's port.
    NatPort,
    /// Two pairs of virtual interfaces, a subflow of Multipath TCP on each.
    TwoPaths,
}

/// Namespaces, and processes in between; gone when dropped.
#[derive(Debug)]
pub struct Link {
    between: Between,
    names: Vec<String>,
    relay: Option<Child>,
    v6: bool,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;
const ROUTER: usize = 2;

/// The port that the router translates.
const PUBLIC_PORT: u16 = 8_080;
/// What a segment may hold with BIG TCP, in bytes.
const BIG: &str = "185000";

impl Link {
    /// Makes the namespaces and connects them.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when this machine has not what it takes.
    pub fn new(between: Between, v6: bool) -> Result<Self, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = |end| format!("pitot-suite-{}-{number}-{end}", std::process::id());
        let mut link = Self { between, names: Vec::new(), relay: None, v6 };
        for end in 0..if link.is_routed() { 3 } else { 2 } {
            ip(&["netns", "add", &name(end)])?;
            link.names.push(name(end));
            ip(&["-n", &name(end), "link", "set", "lo", "up"])?;
        }
        link.connect()?;
        Ok(link)
    }

    /// Where the server listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        let at = if self.between == Between::BigTcpOnLoopback {
            loopback(self.v6)
        } else {
            self.address(SERVER, 0)
        };
        SocketAddr::new(at, 0)
    }

    /// Where the client finds a server that listens there.
    ///
    /// # Errors
    /// When the router does not take the rule.
    pub fn dial(&self, listening: &Address) -> Result<Address, Error> {
        match listening {
            Address::Tcp(at) if self.is_routed() => {
                let to = format!("dnat to {at}");
                let port = if self.between == Between::Nat { at.port() } else { PUBLIC_PORT };
                let rule = ["add", "rule", "ip", "s", "pre", "tcp", "dport", &port.to_string(), &to];
                self.nft(ROUTER, &rule)?;
                Ok(Address::Tcp(SocketAddr::new(self.address(ROUTER, 0), port)))
            }
            other => Ok(other.clone()),
        }
    }

    /// The beginning of a command line that runs a program where this role is.
    #[must_use]
    pub fn prefix(&self, role: &str) -> [String; 4] {
        let end = if role == "client" && self.between != Between::BigTcpOnLoopback { CLIENT } else { SERVER };
        ["ip", "netns", "exec", &self.names[end]].map(str::to_owned)
    }

    fn is_routed(&self) -> bool {
        matches!(self.between, Between::Nat | Between::NatPort)
    }

    /// Address of this end on the client's side of network `path`.
    fn address(&self, end: usize, path: u8) -> IpAddr {
        let host = end as u8 + 1;
        if self.v6 {
            IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, path.into(), 0, 0, 0, host.into()))
        } else if self.is_routed() && end == SERVER {
            IpAddr::V4(Ipv4Addr::new(10, 78, path, host))
        } else {
            IpAddr::V4(Ipv4Addr::new(10, 77, path, host))
        }
    }

    fn connect(&mut self) -> Result<(), Error> {
        match self.between {
            Between::Veth => self.veth(CLIENT, SERVER, 0),
            Between::SmallSegments => {
                self.veth(CLIENT, SERVER, 0)?;
                self.both(&["gso_max_segs", "1"])
            }
            Between::EarlyData => {
                self.veth(CLIENT, SERVER, 0)?;
                // Client and server, both without cookies, any listener.
                [CLIENT, SERVER]
                    .into_iter()
                    .try_for_each(|end| self.sysctl(end, "net.ipv4.tcp_fastopen=1543"))
            }
            Between::BigTcp => {
                self.veth(CLIENT, SERVER, 0)?;
                self.both(&self.big())
            }
            Between::BigTcpOnLoopback => self.set(SERVER, "lo", &self.big()),
            Between::Loss => {
                self.veth(CLIENT, SERVER, 0)?;
                [CLIENT, SERVER].into_iter().try_for_each(|end| self.lossy(end))
            }
            Between::Relay => self.relay(),
            Between::Nat | Between::NatPort => self.nat(),
            Between::TwoPaths => {
                self.veth(CLIENT, SERVER, 0)?;
                self.veth(CLIENT, SERVER, 1)?;
                self.subflows()
            }
        }
    }

    fn big(&self) -> Vec<&'static str> {
        let [gso, gro] = if self.v6 {
            ["gso_max_size", "gro_max_size"]
        } else {
            ["gso_ipv4_max_size", "gro_ipv4_max_size"]
        };
        vec![gso, BIG, gro, BIG]
    }

    /// A pair of virtual interfaces with addresses of network `path`.
    fn veth(&self, one: usize, other: usize, path: u8) -> Result<(), Error> {
        let device = |end: usize| format!("v{path}{end}");
        let (name, peer) = (device(other), device(one));
        let names = [self.names[one].as_str(), self.names[other].as_str()];
        let [from, to] = names;
        ip(&["-n", from, "link", "add", &name, "type", "veth", "peer", "name", &peer, "netns", to])?;
        self.up(one, &name, self.address(one, path))?;
        self.up(other, &peer, self.address(other, path))
    }

    fn up(&self, end: usize, device: &str, address: IpAddr) -> Result<(), Error> {
        let address = if self.v6 { format!("{address}/64") } else { format!("{address}/24") };
        let mut arguments = vec!["-n", &self.names[end], "address", "add", &address, "dev", device];
        if self.v6 {
            arguments.push("nodad");
        }
        ip(&arguments)?;
        self.set(end, device, &["up"])
    }

    fn set(&self, end: usize, device: &str, what: &[&str]) -> Result<(), Error> {
        ip(&[&["-n", self.names[end].as_str(), "link", "set", "dev", device], what].concat())
    }

    fn both(&self, what: &[&str]) -> Result<(), Error> {
        self.set(CLIENT, "v01", what)?;
        self.set(SERVER, "v00", what)
    }

    fn nft(&self, end: usize, arguments: &[&str]) -> Result<(), Error> {
        run(Command::new("ip").args(["netns", "exec", &self.names[end], "nft"]).args(arguments))
    }

    fn sysctl(&self, end: usize, setting: &str) -> Result<(), Error> {
        run(Command::new("ip").args(["netns", "exec", &self.names[end], "sysctl", "-qw", setting]))
    }

    fn lossy(&self, end: usize) -> Result<(), Error> {
        self.nft(end, &["add", "table", "inet", "s"])?;
        for hook in ["input", "output"] {
            let chain = format!("{{ type filter hook {hook} priority 0 ; }}");
            self.nft(end, &["add", "chain", "inet", "s", hook, &chain])?;
            let rule = "meta l4proto tcp numgen random mod 100 < 4 drop";
            self.nft(end, &["add", "rule", "inet", "s", hook, rule])?;
        }
        Ok(())
    }

    fn relay(&mut self) -> Result<(), Error> {
        if !Path::new("/dev/net/tun").exists() {
            return Err(Error::Unsupported("there is no /dev/net/tun".into()));
        }
        let own = std::env::current_exe().map_err(Error::io("own path"))?;
        let mut command = Command::new(own);
        let namespaces = self.names.iter().map(|name| format!("/run/netns/{name}"));
        let command = command.args(["peer", "relay"]).args(namespaces);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(Error::io("relay"))?;
        let said = child.stdout.take().map(BufReader::new);
        self.relay = Some(child);
        let mut line = String::new();
        said.map(|mut said| said.read_line(&mut line)).transpose().map_err(Error::io("relay"))?;
        if line.trim() != relay::READY {
            return Err(Error::Peer(format!("the relay said {line:?}")));
        }
        for end in [CLIENT, SERVER] {
            self.up(end, relay::DEVICE, self.address(end, 0))?;
        }
        Ok(())
    }

    fn nat(&self) -> Result<(), Error> {
        self.veth(CLIENT, ROUTER, 0)?;
        let [server, router] = [SERVER, ROUTER].map(|end| self.names[end].as_str());
        ip(&["-n", router, "link", "add", "s", "type", "veth", "peer", "name", "r", "netns", server])?;
        self.up(ROUTER, "s", IpAddr::V4(Ipv4Addr::new(10, 78, 0, 1)))?;
        self.up(SERVER, "r", self.address(SERVER, 0))?;
        self.sysctl(ROUTER, "net.ipv4.ip_forward=1")?;
        self.nft(ROUTER, &["add", "table", "ip", "s"])?;
        for (chain, hook, priority) in [("pre", "prerouting", "-100"), ("post", "postrouting", "100")] {
            let chain_of = format!("{{ type nat hook {hook} priority {priority} ; }}");
            self.nft(ROUTER, &["add", "chain", "ip", "s", chain, &chain_of])?;
        }
        self.nft(ROUTER, &["add", "rule", "ip", "s", "post", "oifname", "s", "masquerade"])
    }

    fn subflows(&self) -> Result<(), Error> {
        let mptcp = |end: usize, arguments: &[&str]| {
            ip(&[&["-n", self.names[end].as_str(), "mptcp"], arguments].concat())
        };
        let second = self.address(CLIENT, 1).to_string();
        for end in [CLIENT, SERVER] {
            mptcp(end, &["limits", "set", "subflow", "2", "add_addr_accepted", "2"])?;
        }
        let signal = self.address(SERVER, 1).to_string();
        mptcp(SERVER, &["endpoint", "add", &signal, "dev", "v10", "signal"])?;
        mptcp(CLIENT, &["endpoint", "add", &second, "dev", "v11", "subflow"])
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(relay) = &mut self.relay {
            let _ = relay.kill();
            let _ = relay.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn loopback(v6: bool) -> IpAddr {
    if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
}

fn ip(arguments: &[&str]) -> Result<(), Error> {
    run(Command::new("ip").args(arguments))
}

/// A tool that is missing, or does not know what it is asked for, is something that this machine has not.
fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| Error::Unsupported(format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    Err(Error::Unsupported(format!(
        "{program} {}: {}",
        arguments.join(" "),
        said.lines().next().unwrap_or_default()
    )))
}
