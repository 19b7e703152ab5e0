//! The shapes a flow's bodies were seen to have, so that a known one is shared instead of built.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::shape::{Entry, Shape};
use crate::trie::{Slot, Trie};

/// A shape, and the slot of each of its entries.
#[derive(Debug)]
struct Known {
    shape: Arc<Shape>,
    slots: Vec<Slot>,
}

/// A bounded cache of shapes, by hash.
#[derive(Debug)]
pub(crate) struct Shapes {
    known: HashMap<u64, Known>,
    capacity: usize,
}

impl Shapes {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { known: HashMap::new(), capacity }
    }

    /// Forgets every shape; the slots they hold are those of a tree that was cleared.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    /// The shape of the body just counted in `trie`, how often each entry occurs, and how many shapes were forgotten.
    pub(crate) fn of(&mut self, trie: &Trie) -> (Arc<Shape>, Vec<u32>, usize) {
        let hash = trie.hash();
        if let Some(known) = self.known.get(&hash)
            && let Some(counts) = counts_of(&known.slots, trie)
        {
            return (Arc::clone(&known.shape), counts, 0);
        }
        let (shape, slots) = build(hash, trie);
        let counts = slots.iter().map(|slot| trie.counted(*slot)).collect();
        let mut evicted = 0;
        if self.known.len() >= self.capacity {
            evicted = self.known.len();
            self.known.clear();
        }
        self.known.insert(hash, Known { shape: Arc::clone(&shape), slots });
        (shape, counts, evicted)
    }
}

/// The counts of `slots`, unless the body has others: then two sets have the same hash.
fn counts_of(slots: &[Slot], trie: &Trie) -> Option<Vec<u32>> {
    if slots.len() != trie.touched().len() {
        return None;
    }
    let counts: Vec<u32> = slots.iter().map(|slot| trie.counted(*slot)).collect();
    (!counts.contains(&0)).then_some(counts)
}

fn build(hash: u64, trie: &Trie) -> (Arc<Shape>, Vec<Slot>) {
    let mut sorted: Vec<(&Arc<str>, Slot)> =
        trie.touched().iter().filter_map(|slot| Some((trie.path(slot.node)?, *slot))).collect();
    sorted.sort_by(|(a, x), (b, y)| a.cmp(b).then(x.kind.cmp(&y.kind)));
    let place: HashMap<(u32, u8), u32> =
        sorted.iter().zip(0..).map(|((_, slot), i)| ((slot.node, slot.kind as u8), i)).collect();
    let entries = sorted
        .iter()
        .map(|(path, slot)| Entry {
            path: Arc::clone(path),
            kind: slot.kind,
            parent: trie.parent(slot.node).and_then(|p| place.get(&(p.node, p.kind as u8)).copied()),
        })
        .collect();
    let slots = sorted.iter().map(|(_, slot)| *slot).collect();
    (Arc::new(Shape { hash, entries }), slots)
}
