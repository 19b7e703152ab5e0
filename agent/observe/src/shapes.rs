//! The shapes a flow's bodies were seen to have, so that a known one is shared instead of built.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::shape::{Counts, Entry, Shape};
use crate::trie::{Slot, Trie};
use crate::value::Values;

/// A shape, and where the counts of its entries are found.
#[derive(Debug)]
struct Known {
    shape: Arc<Shape>,
    /// Of each entry.
    slots: Vec<Slot>,
    /// The order in which its last body touched the slots, and where in it those of the entries stand.
    order: Vec<Slot>,
    places: Vec<u32>,
    /// The entries of those places.
    entries: Vec<u32>,
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
    pub(crate) fn of(&mut self, trie: &Trie, values: &Values) -> (Arc<Shape>, Counts, Values, usize) {
        let hash = trie.hash();
        if let Some(known) = self.known.get_mut(&hash)
            && known.follow(trie)
        {
            return (Arc::clone(&known.shape), known.counts(trie), known.values(values), 0);
        }
        let known = build(hash, trie);
        let (shape, counts, values) = (Arc::clone(&known.shape), known.counts(trie), known.values(values));
        let mut evicted = 0;
        if self.known.len() >= self.capacity {
            evicted = self.known.len();
            self.known.clear();
        }
        self.known.insert(hash, known);
        (shape, counts, values, evicted)
    }
}

impl Known {
    /// Whether the body in `trie` has this shape, whatever the order of its members; it is expected next time.
    fn follow(&mut self, trie: &Trie) -> bool {
        let is_same = trie.touched().iter().map(|touched| touched.slot).eq(self.order.iter().copied());
        is_same || (self.order.len() == trie.touched().len() && self.reorder(trie))
    }

    #[cold]
    fn reorder(&mut self, trie: &Trie) -> bool {
        // Two sets of slots may have the same hash.
        let Some(places) = self.slots.iter().map(|slot| trie.place(*slot)).collect() else { return false };
        self.places = places;
        self.entries = inverse(&self.places);
        self.order.clear();
        self.order.extend(trie.touched().iter().map(|touched| touched.slot));
        true
    }

    /// Values whose places are known, by entry.
    fn values(&self, values: &Values) -> Values {
        values.at(|place| self.entries.get(place as usize).copied().unwrap_or_default())
    }

    fn counts(&self, trie: &Trie) -> Counts {
        if trie.is_single() {
            return Counts::Once;
        }
        let count = |place: &u32| trie.touched().get(*place as usize).map_or(0, |touched| touched.count);
        Counts::Each(self.places.iter().map(count).collect())
    }
}

fn build(hash: u64, trie: &Trie) -> Known {
    let mut sorted: Vec<(&Arc<str>, Slot, u32)> = trie
        .touched()
        .iter()
        .zip(0..)
        .filter_map(|(touched, place)| Some((trie.path(touched.slot.node())?, touched.slot, place)))
        .collect();
    sorted.sort_by(|(a, x, _), (b, y, _)| a.cmp(b).then(x.kind().cmp(&y.kind())));
    let entry_of: HashMap<Slot, u32> = sorted.iter().zip(0..).map(|((_, slot, _), i)| (*slot, i)).collect();
    let entries = sorted
        .iter()
        .map(|(path, slot, _)| Entry {
            path: Arc::clone(path),
            kind: slot.kind(),
            parent: trie.parent(slot.node()).and_then(|parent| entry_of.get(&parent).copied()),
        })
        .collect();
    let places: Vec<u32> = sorted.iter().map(|(_, _, place)| *place).collect();
    Known {
        shape: Arc::new(Shape { hash, entries }),
        slots: sorted.iter().map(|(_, slot, _)| *slot).collect(),
        order: trie.touched().iter().map(|touched| touched.slot).collect(),
        entries: inverse(&places),
        places,
    }
}

/// Where each of 0, 1, 2, ... stands in a permutation of them.
fn inverse(places: &[u32]) -> Vec<u32> {
    let mut inverse = vec![0; places.len()];
    for (i, place) in (0..).zip(places) {
        if let Some(entry) = inverse.get_mut(*place as usize) {
            *entry = i;
        }
    }
    inverse
}
