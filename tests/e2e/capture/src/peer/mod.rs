//! The two programs that talk while Pitot watches, and a third that a connection is passed to.

mod client;
mod server;

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use crate::content;
use crate::plan::{Line, Manner, Plan};
use crate::receive::{Part, Receiver};
use crate::send::{SendPath, Sender};
use crate::socket;
use crate::wire::{HEAD, Head};

/// What a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Accepts and answers.
    Server,
    /// Connects and asks.
    Client,
    /// Goes on with the client's connection that it gets over its standard input.
    Heir,
}

/// Does its part.
#[must_use]
pub fn run(role: Role, plan: &Plan) -> ExitCode {
    // Pitot may be told to look for it.
    if let Ok(comm) = std::ffi::CString::new(plan.comm.as_str()) {
        let _ = rustix::thread::set_name(&comm);
    }
    let done = match role {
        Role::Server => server::run(plan),
        Role::Client => client::run(plan),
        Role::Heir => client::inherit(plan),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The other end was told to break it off.
        Err(_) if plan.manner.cuts().is_some() => ExitCode::SUCCESS,
        Err(error) => {
            let why = error.to_string();
            tell(&match error.kind() {
                io::ErrorKind::Unsupported => Line::Unsupported { why },
                _ => Line::Failed { why: format!("{role:?}: {why}") },
            });
            ExitCode::FAILURE
        }
    }
}

/// A line to the driver, whole, whoever else is telling something.
fn tell(line: &Line) {
    // Numbers and short strings: nothing that could fail to become JSON.
    let Ok(mut text) = serde_json::to_string(line) else { return };
    text.push('\n');
    // Standard output is a pipe to the driver; when that is gone, nobody is left to tell.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// An end of a connection, with the ways under test.
struct End<'a> {
    plan: &'a Plan,
    socket: OwnedFd,
    sender: Sender,
    receiver: Receiver,
}

impl<'a> End<'a> {
    fn new(plan: &'a Plan, socket: OwnedFd) -> io::Result<Self> {
        if matches!(plan.send, SendPath::OneByte | SendPath::More) {
            socket::no_delay(&socket);
        }
        let (sender, receiver) = (Sender::new(plan.send)?, Receiver::new(plan.receive)?);
        Ok(Self { plan, socket, sender, receiver })
    }

    /// Sends a message: all of it, or half when the plan wants it cut.
    fn send(&mut self, head: &Head) -> io::Result<()> {
        let body = head.content();
        tell(&Line::Begin { id: head.id.clone(), body: body.len(), sha256: content::hash(&body) });
        let mut bytes = head.encode();
        bytes.extend_from_slice(&body);
        let last = head.id.exchange as usize + 1 == self.plan.exchanges.len();
        match self.plan.manner {
            Manner::Reset(side) if last && side == head.id.side => {
                self.sender.send(self.socket.as_fd(), &bytes[..bytes.len() / 2])?;
                socket::reset_on_close(&self.socket)?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Manner::Killed(side) if last && side == head.id.side => {
                self.sender.send(self.socket.as_fd(), &bytes[..bytes.len() / 2])?;
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
            }
            Manner::Forked => {
                let code = crate::raw::in_child(|| self.sender.send(self.socket.as_fd(), &bytes).is_ok())?;
                if code != 0 {
                    return Err(io::Error::other("the forked child could not send"));
                }
            }
            Manner::Dup if head.id.exchange % 2 == 1 => {
                let copy = rustix::io::dup(&self.socket)?;
                self.sender.send(copy.as_fd(), &bytes)?;
            }
            _ => self.sender.send(self.socket.as_fd(), &bytes)?,
        }
        // What ends by a reset never ends for who looks on: that all was sent is not to be known.
        if head.sized || self.plan.manner != Manner::UntilReset {
            tell(&Line::Sent { id: head.id.clone() });
        }
        Ok(())
    }

    /// Receives the next message; none at the end of the connection.
    fn receive(&mut self) -> io::Result<Option<Head>> {
        let mut bytes = vec![0; HEAD];
        if !self.receiver.fill(self.socket.as_fd(), &mut bytes, Part::Head)? {
            return Ok(None);
        }
        let head = Head::decode(&bytes).ok_or_else(|| io::Error::other("a head that nobody sent"))?;
        let mut body = vec![0; head.body];
        if !self.receiver.fill(self.socket.as_fd(), &mut body, Part::Body)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let sha256 = self.receiver.keeps(Part::Body).then(|| content::hash(&body));
        tell(&Line::Received { id: head.id.clone(), sha256 });
        Ok(Some(head))
    }
}
