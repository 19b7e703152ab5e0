//! Workload names (contract, section 4): who a flow's client and server are.
//!
//! A pure function of the process record, the peer's address, the Host of the request and the configured rules. In this
//! order: a rule; the Kubernetes namespace and owner; the container's name, or where it has none that is known the first
//! 12 hex digits of its id; the systemd unit; of an interpreter its script; the executable; the command name.

mod cgroup;
mod kubernetes;
mod rule;
mod script;

use std::net::IpAddr;
use std::sync::Arc;

use pitot_common::user::{Endpoint, Process};
use pitot_protocols::message::Peer;

pub use rule::Rule;

/// The name of a peer of which nothing is known.
pub const EXTERNAL: &str = "external";
/// The longest name, in characters.
const LONGEST: usize = 64;

/// Names workloads. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Namer {
    rules: Arc<[Rule]>,
}

impl Namer {
    /// Names by `rules`, the first that matches, and else by what is known of the process.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules: rules.into() }
    }

    /// The name of one end of an exchange.
    #[must_use]
    pub fn peer(&self, peer: &Peer) -> Arc<str> {
        match peer {
            Peer::Named(name) => Arc::clone(name),
            Peer::Local(process) => self.local(process),
            Peer::Address(address) => self.remote(*address, None),
            Peer::Host { address, authority } => self.remote(*address, Some(authority)),
        }
    }

    /// The name of a process on this machine.
    ///
    /// ```
    /// use pitot_common::user::{Process, ProcessId};
    /// use pitot_observe::Namer;
    ///
    /// let process = Process {
    ///     id: ProcessId { pid: 7, start_ns: 1 },
    ///     comm: "python3".into(),
    ///     exe: "python3.11".into(),
    ///     args: vec!["python3".into(), "-u".into(), "/srv/sync.py".into()],
    ///     cgroup: "/user.slice/user-1000.slice/session-3.scope".into(),
    ///     ..Process::default()
    /// };
    /// assert_eq!(&*Namer::default().local(&process), "sync");
    /// ```
    #[must_use]
    pub fn local(&self, process: &Process) -> Arc<str> {
        let script = script::name(process);
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(process, script.as_deref())) {
            return rule.name.as_str().into();
        }
        let container = Some(process.container.as_str()).filter(|name| !name.is_empty());
        let outside = || cgroup::container(&process.cgroup).or_else(|| cgroup::unit(&process.cgroup));
        let name = process
            .pod
            .as_ref()
            .map(kubernetes::name)
            .or_else(|| container.or_else(outside).map(str::to_owned))
            .or(script)
            .unwrap_or_else(|| if process.exe.is_empty() { &process.comm } else { &process.exe }.clone());
        clean(&name).unwrap_or_else(|| EXTERNAL.into())
    }

    /// The name of a peer whose process is not known: a rule's, or of a server its Host or :authority without port.
    fn remote(&self, address: Endpoint, authority: Option<&str>) -> Arc<str> {
        address
            .ip()
            .and_then(|ip| self.by_address(ip))
            .or_else(|| host(authority?))
            .unwrap_or_else(|| EXTERNAL.into())
    }

    fn by_address(&self, address: IpAddr) -> Option<Arc<str>> {
        let address = address.to_canonical();
        self.rules.iter().find(|rule| rule.covers(address)).map(|rule| rule.name.as_str().into())
    }
}

/// Without characters that could harm where the name is shown, and not too long.
fn clean(name: &str) -> Option<Arc<str>> {
    let name: String = name
        .trim()
        .chars()
        .map(|c| if c.is_control() || c.is_whitespace() { '_' } else { c })
        .take(LONGEST)
        .collect();
    (!name.is_empty()).then(|| name.into())
}

/// The host of an authority (RFC 3986, section 3.2), lower case, without port, brackets and final dot; `None` where it is
/// no host.
fn host(authority: &str) -> Option<Arc<str>> {
    let authority = authority.trim();
    let authority = authority.rsplit_once('@').map_or(authority, |(_user, host)| host);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?.0,
        None => authority.split_once(':').map_or(authority, |(host, _port)| host),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_host = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':'));
    if host.is_empty() || host.len() > 253 || !is_host {
        return None;
    }
    Some(host.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pitot_common::user::{Pod, ProcessId};

    pub(super) fn process(exe: &str, args: &[&str], cgroup: &str) -> Process {
        Process {
            id: ProcessId { pid: 1, start_ns: 1 },
            comm: exe.chars().take(15).collect(),
            exe: exe.into(),
            args: args.iter().map(|a| (*a).to_owned()).collect(),
            cgroup: cgroup.into(),
            ..Process::default()
        }
    }

    #[test]
    fn order_of_local_names() {
        let id = "0123456789ab".to_owned() + &"cd".repeat(26);
        let docker = format!("/system.slice/docker-{id}.scope");
        let check = |exe: &str, args: &[&str], cgroup: &str, expected: &str| {
            assert_eq!(&*Namer::default().local(&process(exe, args, cgroup)), expected);
        };
        check("nginx", &["nginx"], &docker, "0123456789ab");
        let named = Process { container: "shop-web-1".into(), ..process("nginx", &["nginx"], &docker) };
        assert_eq!(&*Namer::default().local(&named), "shop-web-1");
        let pod = Some(Pod { namespace: "shop".into(), name: "billing-7d4b9c6f5d-x2kzv".into() });
        assert_eq!(&*Namer::default().local(&Process { pod, ..named }), "shop/billing");
        check("python3", &["python3", "sync.py"], "/system.slice/etl.service", "etl");
        check("python3", &["python3", "sync.py"], "/user.slice/user-1000.slice/session-3.scope", "sync");
        check("python3", &["python3"], "/", "python3");
        check("billing", &["/opt/billing", "--port", "1"], "", "billing");
        check("", &[], "", "external");
        check("my app\n", &[], "", "my_app");
        let no_exe = Process { comm: "worker".into(), ..process("", &[], "") };
        assert_eq!(&*Namer::default().local(&no_exe), "worker");
    }

    #[test]
    fn rules_come_first() {
        let rule = |name: &str| Rule { name: name.into(), ..Rule::default() };
        let namer = Namer::new(vec![
            Rule { script: Some("sync*".into()), ..rule("etl") },
            Rule { exe: Some("nginx".into()), cgroup: Some("*edge*".into()), ..rule("edge") },
            Rule { address: Some("10.1.0.0/16".parse().unwrap()), ..rule("legacy") },
            Rule { user: Some("postgres".into()), ..rule("db") },
            Rule { user: Some("1234".into()), ..rule("job") },
            Rule { namespace: Some("shop".into()), container: Some("envoy".into()), ..rule("mesh") },
            Rule { namespace: Some("shop-*".into()), pod: Some("api-*".into()), ..rule("api") },
            rule("never"),
        ]);
        let local =
            |exe: &str, args: &[&str], cgroup: &str| namer.local(&process(exe, args, cgroup)).to_string();
        assert_eq!(local("python3", &["python3", "/x/sync_all.py"], "/system.slice/a.service"), "etl");
        assert_eq!(local("nginx", &["nginx"], "/x/edge-1"), "edge");
        assert_eq!(local("nginx", &["nginx"], "/x"), "nginx");
        let of = |process: Process| namer.local(&process).to_string();
        let plain = || process("x", &[], "");
        let user = |id, name: &str| Process { user: Some((id, name.into())), ..plain() };
        assert_eq!(of(user(70, "postgres")), "db");
        assert_eq!(of(user(1234, "")), "job");
        assert_eq!(of(user(12, "")), "x");
        let pod = |namespace: &str, name: &str, container: &str| Process {
            pod: Some(Pod { namespace: namespace.into(), name: name.into() }),
            container: container.into(),
            ..plain()
        };
        assert_eq!(of(pod("shop", "api-9xtbz", "envoy")), "mesh");
        assert_eq!(of(pod("shop", "api-9xtbz", "api")), "shop/api");
        assert_eq!(of(pod("shop-eu", "api-9xtbz", "api")), "api");
        let remote = |address: &str, host| {
            namer.remote(Endpoint::Inet((address.parse::<IpAddr>().unwrap(), 80).into()), host).to_string()
        };
        assert_eq!(remote("10.1.2.3", Some("pay.example")), "legacy");
        assert_eq!(remote("::ffff:10.1.2.3", None), "legacy");
        assert_eq!(remote("10.2.2.3", Some("pay.example")), "pay.example");
        assert_eq!(remote("10.1.0.1", None), "legacy");
        assert_eq!(remote("10.2.0.1", None), "external");
    }

    #[test]
    fn hosts() {
        let check = |authority: &str, expected: &str| {
            let address = "192.0.2.1:80".parse().unwrap();
            assert_eq!(&*Namer::default().remote(address, Some(authority)), expected, "{authority}");
        };
        check("Pay.Example:8443", "pay.example");
        check("pay.example.", "pay.example");
        check("192.0.2.1:80", "192.0.2.1");
        check("[2001:DB8::1]:80", "2001:db8::1");
        check("user@pay.example", "pay.example");
        check("", "external");
        check(":80", "external");
        check("a b", "external");
        check("[::1", "external");
    }
}
