//! The peers' processes, and what they tell.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tempfile::TempDir;

use crate::Error;
use crate::case::{Case, Socket};
use crate::compare::Told;
use crate::link::Link;
use crate::plan::{Address, Line, Plan};

/// Lines that wait to be taken.
const WAITING: usize = 1_024;

/// The processes of one case; killed when dropped.
#[derive(Debug)]
pub(super) struct Peers {
    children: Vec<Child>,
    orders: Option<ChildStdin>,
    /// What each child that is not done will say.
    lines: Receiver<Said>,
    sender: SyncSender<Said>,
    talking: usize,
    deadline: Instant,
    patience: Duration,
    told: Told,
    /// The ends of a `socketpair`.
    pair: Option<(OwnedFd, OwnedFd)>,
    /// Where this program is known as `suite-client` and `suite-server`, when names matter.
    aliases: Option<TempDir>,
    /// What lies between them.
    link: Option<Link>,
    pids: HashMap<&'static str, u32>,
}

#[derive(Debug)]
enum Said {
    Line(Line),
    /// Something that is no line of a peer.
    Noise(String),
    End,
}

impl Peers {
    pub(super) fn new(case: &Case, patience: Duration) -> Result<Self, Error> {
        let (sender, lines) = sync_channel(WAITING);
        let pair = (case.socket == Socket::Socketpair).then(|| {
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        });
        let pair = pair.transpose().map_err(|error| Error::io("socketpair")(error.into()))?;
        let mut peers = Self {
            children: Vec::new(),
            orders: None,
            lines,
            sender,
            talking: 0,
            deadline: Instant::now() + patience,
            patience,
            told: Told::default(),
            pair,
            aliases: case.names.then(aliases).transpose()?,
            link: case.link.map(|between| Link::new(between, case.socket == Socket::V6)).transpose()?,
            pids: HashMap::new(),
        };
        for _ in 0..case.busy {
            peers.busy()?;
        }
        Ok(peers)
    }

    /// Starts the server; where it listens.
    pub(super) fn server(&mut self, plan: &Plan) -> Result<Address, Error> {
        let mut plan = plan.clone();
        if let (Some(link), Address::Tcp(at) | Address::Mptcp(at)) = (&self.link, &mut plan.address) {
            *at = link.listen();
        }
        let plan = &plan;
        let stdin = match self.pair.take() {
            Some((server, client)) => {
                // The client's is kept until it is started.
                let ours = server.try_clone().map_err(Error::io("socketpair"))?;
                self.pair = Some((ours, client));
                Stdio::from(server)
            }
            None => Stdio::null(),
        };
        self.start("server", plan, stdin)?;
        match self.next()? {
            Line::Listening { address } => Ok(address),
            other => Err(Error::Peer(format!("the server said {other:?}"))),
        }
    }

    /// Starts the client.
    pub(super) fn client(&mut self, plan: &Plan) -> Result<(), Error> {
        let stdin = self.pair.take().map_or_else(Stdio::piped, |(_, client)| Stdio::from(client));
        let mut plan = plan.clone();
        if let Some(link) = &self.link {
            plan.address = link.dial(&plan.address)?;
        }
        let plan = &plan;
        self.start("client", plan, stdin)
    }

    /// Waits until the client's connections are open.
    pub(super) fn connected(&mut self) -> Result<(), Error> {
        match self.next()? {
            Line::Connected => Ok(()),
            other => Err(Error::Peer(format!("the client said {other:?}"))),
        }
    }

    /// Lets it begin.
    pub(super) fn go(&mut self) -> Result<(), Error> {
        let orders = self.orders.as_mut().ok_or(Error::Peer("the client takes no orders".into()))?;
        writeln!(orders, "go").map_err(Error::io("the client"))
    }

    /// Waits until both have done their part.
    pub(super) fn finish(mut self) -> Result<Told, Error> {
        while self.talking > 0 {
            if let Some(line) = self.take()? {
                self.told.add(line);
            }
        }
        Ok(std::mem::take(&mut self.told))
    }

    /// The process of each role.
    pub(super) fn pids(&self) -> HashMap<&'static str, u32> {
        self.pids.clone()
    }

    /// This program as a peer.
    fn own(&self, role: &str) -> Result<Command, Error> {
        let program = match &self.aliases {
            Some(dir) => dir.path().join(format!("suite-{role}")),
            None => own_path()?,
        };
        let mut command = match &self.link {
            Some(link) => {
                let [ip, arguments @ ..] = link.prefix(role);
                let mut command = Command::new(ip);
                command.args(arguments).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(["peer", role]);
        Ok(command)
    }

    fn start(&mut self, role: &'static str, plan: &Plan, stdin: Stdio) -> Result<(), Error> {
        let plan = serde_json::to_string(plan).map_err(|error| Error::io("plan")(error.into()))?;
        let mut child =
            self.own(role)?.arg(plan).stdin(stdin).stdout(Stdio::piped()).spawn().map_err(Error::io(role))?;
        self.orders = child.stdin.take();
        let stdout = child.stdout.take().ok_or(Error::Peer(format!("{role} has no standard output")))?;
        self.pids.insert(role, child.id());
        self.children.push(child);
        self.talking += 1;
        let sender = self.sender.clone();
        // Ends with the child's output; a driver that is gone does not listen, which ends it too.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let said = serde_json::from_str(&line).map_or(Said::Noise(line), Said::Line);
                if sender.send(said).is_err() {
                    return;
                }
            }
            let _ = sender.send(Said::End);
        });
        Ok(())
    }

    fn busy(&mut self) -> Result<(), Error> {
        let mut command = self.own("busy")?;
        // Ends when its standard input does: also when the driver is killed.
        let child = command.stdin(Stdio::piped()).spawn().map_err(Error::io("busy"))?;
        self.children.push(child);
        Ok(())
    }

    fn next(&mut self) -> Result<Line, Error> {
        loop {
            if let Some(line) = self.take()? {
                return Ok(line);
            }
        }
    }

    /// The next line; none when a peer is done.
    fn take(&mut self) -> Result<Option<Line>, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(Said::Line(Line::Unsupported { why })) => Err(Error::Unsupported(why)),
            Ok(Said::Line(Line::Failed { why })) => Err(Error::Peer(why)),
            Ok(Said::Line(line)) => Ok(Some(line)),
            Ok(Said::Noise(line)) => Err(Error::Peer(format!("a peer said {line:?}"))),
            Ok(Said::End) => {
                self.talking -= 1;
                Ok(None)
            }
            Err(RecvTimeoutError::Timeout) => Err(Error::Deadline(self.patience)),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Peer("all peers are gone".into())),
        }
    }
}

fn own_path() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(Error::io("own path"))
}

/// A directory with this program under the names of the peers.
fn aliases() -> Result<TempDir, Error> {
    let (own, dir) = (own_path()?, tempfile::tempdir().map_err(Error::io("a temporary directory"))?);
    for role in ["client", "server", "busy"] {
        let alias = dir.path().join(format!("suite-{role}"));
        // A link where the file system allows it.
        std::fs::hard_link(&own, &alias)
            .or_else(|_| std::fs::copy(&own, &alias).map(drop))
            .map_err(Error::io(alias.display()))?;
    }
    Ok(dir)
}

impl Drop for Peers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
