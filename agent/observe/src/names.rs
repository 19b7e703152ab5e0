//! The names of processes, found once for each.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use pitot_common::user::ProcessId;
use pitot_protocols::message::Peer;

use crate::naming::Namer;

/// Processes whose names are remembered.
const MOST: usize = 4_096;

/// A bounded cache of names.
pub(crate) struct Names {
    namer: Namer,
    known: HashMap<ProcessId, Arc<str>>,
}

impl Names {
    pub(crate) fn new(namer: Namer) -> Self {
        Self { namer, known: HashMap::new() }
    }

    /// Hands the name of `peer` to `read`.
    pub(crate) fn with<R>(&mut self, peer: &Peer, read: impl FnOnce(&Arc<str>) -> R) -> R {
        match peer {
            Peer::Named(name) => read(name),
            Peer::Local(process) => {
                if let Some(name) = self.known.get(&process.id) {
                    return read(name);
                }
                if self.known.len() >= MOST {
                    self.known.clear(); // A name is found again: it is a pure function of the process.
                }
                read(self.known.entry(process.id).or_insert(self.namer.local(process)))
            }
            remote => read(&self.namer.peer(remote)),
        }
    }
}
