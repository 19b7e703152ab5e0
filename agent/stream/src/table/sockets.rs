//! Sockets that are known without their traffic: whose they are, what they are called, and which wait for connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use pitot_common::user::{Endpoint, Socket};

use super::entry::Tuple;
use super::lru::{Lru, Slot};

/// A bounded collection; what it forgets is the one used least recently.
#[derive(Debug)]
pub(super) struct Sockets {
    slots: HashMap<Key, Vec<Slot>>,
    values: Lru<Arc<Socket>, 1>,
    max: usize,
}

/// Where a socket is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// By its own end and the other one, in whichever namespace.
    Connected(Endpoint, Endpoint),
    /// By its port, in any namespace.
    Listening(u16),
    /// By its number.
    Unix(Endpoint),
}

impl Key {
    /// `None`: there is no way to come across such a socket.
    fn of(socket: &Socket) -> Option<Self> {
        match (socket.local, socket.remote) {
            (Endpoint::Unix(_), _) => Some(Self::Unix(socket.local)),
            (Endpoint::Inet(local), _) if socket.listens => Some(Self::Listening(local.port())),
            (local, Some(remote)) => Some(Self::Connected(local, remote)),
            (_, None) => None,
        }
    }

    fn of_end(local: Endpoint, remote: Endpoint) -> Self {
        match local {
            Endpoint::Unix(_) => Self::Unix(local),
            Endpoint::Inet(_) => Self::Connected(local, remote),
        }
    }
}

impl Sockets {
    pub(super) fn new(max: usize) -> Self {
        Self { slots: HashMap::new(), values: Lru::new(), max: max.max(1) }
    }

    /// Adds a socket, in place of what was known of the same. True if another had to be forgotten for it.
    pub(super) fn insert(&mut self, socket: Arc<Socket>) -> bool {
        let Some(key) = Key::of(&socket) else { return false };
        let is_same = |other: &Socket| {
            (other.netns, other.local, other.remote) == (socket.netns, socket.local, socket.remote)
        };
        self.remove(key, is_same);
        let full = self.values.len() >= self.max;
        if full && let Some(oldest) = self.values.oldest(0) {
            self.forget(oldest);
        }
        let slot = self.values.insert(0, socket);
        self.slots.entry(key).or_default().push(slot);
        full
    }

    /// The socket at `local` of a connection to `remote` that was seen in namespace `netns`. One in another namespace will
    /// do where no other has these ends and they mean the same there.
    pub(super) fn end(&mut self, netns: u64, local: Endpoint, remote: Endpoint) -> Option<Arc<Socket>> {
        let slots = self.slots.get(&Key::of_end(local, remote))?;
        let here = |slot: &&Slot| self.values.get(**slot).is_some_and(|socket| socket.netns == netns);
        let slot = match slots.iter().find(here) {
            Some(slot) => *slot,
            None => only(slots).filter(|_| !local.ip().is_some_and(is_loopback))?,
        };
        self.values.touch(slot, 0);
        self.values.get(slot).map(Arc::clone)
    }

    /// Whether connections to `address` in namespace `netns` are waited for.
    pub(super) fn listens(&self, netns: u64, address: Endpoint) -> bool {
        let (Some(ip), Some(port)) = (address.ip(), address.port()) else { return false };
        self.listening(port).any(|socket| socket.netns == netns && takes_at(socket, ip))
    }

    fn listening(&self, port: u16) -> impl Iterator<Item = &Arc<Socket>> {
        let slots = self.slots.get(&Key::Listening(port));
        slots.into_iter().flatten().filter_map(|slot| self.values.get(*slot))
    }

    /// What is known of these ends of a connection: their sockets, and those that wait for connections there.
    pub(super) fn of(&self, ends: [Endpoint; 2]) -> Vec<Arc<Socket>> {
        let [one, other] = ends;
        let connected = [Key::of_end(one, other), Key::of_end(other, one)];
        let connected = connected.iter().filter_map(|key| self.slots.get(key)).flatten();
        let connected = connected.filter_map(|slot| self.values.get(*slot));
        let waiting = ends.into_iter().filter_map(|end| Some((end.ip()?, end.port()?)));
        let listening =
            waiting.flat_map(|(ip, port)| self.listening(port).filter(move |socket| takes_at(socket, ip)));
        connected.chain(listening).map(Arc::clone).collect()
    }

    /// Forgets what was known before `time_ns` of the ends of a connection seen as `view`: it is over.
    pub(super) fn forget_older(&mut self, view: Tuple, time_ns: u64) {
        for tuple in [view, view.reverse()] {
            let is_old = |socket: &Socket| socket.netns == view.netns && socket.time_ns < time_ns;
            self.remove(Key::of_end(tuple.src, tuple.dst), is_old);
        }
    }

    fn remove(&mut self, key: Key, unwanted: impl Fn(&Socket) -> bool) {
        let slots = self.slots.get(&key).into_iter().flatten();
        let found: Vec<Slot> = slots
            .filter(|slot| self.values.get(**slot).is_some_and(|socket| unwanted(socket)))
            .copied()
            .collect();
        found.into_iter().for_each(|slot| self.forget(slot));
    }

    fn forget(&mut self, slot: Slot) {
        let Some(socket) = self.values.remove(slot) else { return };
        let Some(key) = Key::of(&socket) else { return };
        if let Some(slots) = self.slots.get_mut(&key) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.slots.remove(&key);
            }
        }
    }
}

/// Whether a socket that waits on `own` is given connections to `ip`: one without an address takes all of its own family,
/// and an IPv6 one, unless it was told not to, IPv4 too.
fn takes(own: IpAddr, ip: IpAddr) -> bool {
    own == ip || (own.is_unspecified() && (own.is_ipv6() || ip.is_ipv4()))
}

fn takes_at(socket: &Socket, ip: IpAddr) -> bool {
    socket.local.ip().is_some_and(|own| takes(own, ip))
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn only(slots: &[Slot]) -> Option<Slot> {
    match slots {
        [slot] => Some(*slot),
        _ => None,
    }
}
