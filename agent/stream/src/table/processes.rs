//! The processes that segments may name.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use pitot_common::user::{Process, ProcessId};

use super::lru::{Lru, Slot};

/// A bounded map; what it forgets is the least recently asked for.
#[derive(Debug)]
pub(super) struct Processes {
    slots: HashMap<ProcessId, Slot>,
    values: Lru<Arc<Process>, 1>,
    max: usize,
}

impl Processes {
    pub(super) fn new(max: usize) -> Self {
        Self { slots: HashMap::new(), values: Lru::new(), max: max.max(1) }
    }

    /// Adds a process unless it is known already. True if another had to be forgotten for it.
    pub(super) fn insert(&mut self, process: Arc<Process>) -> bool {
        if self.slots.contains_key(&process.id) {
            return false;
        }
        let full = self.values.len() >= self.max;
        if full && let Some(oldest) = self.values.oldest(0).and_then(|slot| self.values.remove(slot)) {
            self.slots.remove(&oldest.id);
        }
        let id = process.id;
        self.slots.insert(id, self.values.insert(0, process));
        full
    }

    pub(super) fn get(&mut self, id: ProcessId) -> Option<Arc<Process>> {
        let slot = *self.slots.get(&id)?;
        self.values.touch(slot, 0);
        self.values.get(slot).map(Arc::clone)
    }
}
