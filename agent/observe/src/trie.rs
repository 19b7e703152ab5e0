//! Every path a flow's bodies were seen to have, as a tree whose nodes also find the counts of the current body.
//!
//! A node guesses which sibling follows it (the one that did when it was last looked up), so that a body of a known
//! shape is counted without hashing a name. What that touches of a node is one line of the cache; the rest lies
//! elsewhere. The tree is a cache of names: clearing it changes the speed of what follows, never its result.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::hash;
use crate::identifier::looks_like_data;
use crate::path;
use crate::shape::{Entry, ValueKind};

/// Index of the node of `$`.
pub(crate) const ROOT: u32 = 0;
/// No node.
const NONE: u32 = u32::MAX;

/// A path and a kind: an entry of a shape to be. The caps on paths keep nodes far below 2^29.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot(u32);

impl Slot {
    const KIND_BITS: u32 = 3;

    fn new(node: u32, kind: ValueKind) -> Self {
        Self(node << Self::KIND_BITS | kind as u32)
    }

    pub(crate) fn node(self) -> u32 {
        self.0 >> Self::KIND_BITS
    }

    pub(crate) fn kind(self) -> ValueKind {
        let kind = (self.0 & ((1 << Self::KIND_BITS) - 1)) as usize;
        ValueKind::ALL.get(kind).copied().unwrap_or(ValueKind::Null)
    }
}

/// What the walk touches of a path.
#[derive(Debug)]
struct Node {
    name: Arc<str>,
    /// Of the path and `kind`.
    hash: u64,
    /// The object this member was last seen in, and where on the tape.
    seen_in: u64,
    seen_at: u32,
    /// The member that followed this one.
    next: u32,
    /// The member that came first, where this is an object.
    first: u32,
    elements: u32,
    /// The last body that holds this path, its last kind there, and the place of that slot among those touched.
    epoch: u32,
    place: u32,
    kind: ValueKind,
}

const _: () = assert!(size_of::<Node>() == 64);

/// What is needed where a path is new or has another kind.
#[derive(Debug)]
struct Origin {
    path: Arc<str>,
    path_hash: u64,
    /// The slot of the object or array that holds it.
    parent: Option<Slot>,
    wildcard: u32,
    members: HashMap<Arc<str>, u32>,
}

/// What the walk needs to know of an object whose members it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object {
    node: u32,
    /// Tells it from all others.
    instance: u64,
    /// The member before, or [`NONE`], and the one that is expected next.
    previous: u32,
    expected: u32,
}

/// A slot of the current body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touched {
    pub(crate) slot: Slot,
    pub(crate) count: u32,
}

/// The tree. Node ids are stable until [`Trie::clear`].
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    origins: Vec<Origin>,
    epoch: u32,
    instances: u64,
    /// Slots of the current body in the order they were first counted, and the sum of their hashes.
    touched: Vec<Touched>,
    hash: u64,
    /// See [`Trie::replaced`].
    replaced: Vec<u32>,
    /// Whether each slot was counted once only.
    is_single: bool,
    /// The places of nodes with several kinds in the current body.
    places: HashMap<Slot, u32>,
}

impl Trie {
    pub(crate) fn new() -> Self {
        let mut trie = Self {
            nodes: Vec::new(),
            origins: Vec::new(),
            epoch: 0,
            instances: 0,
            touched: Vec::new(),
            hash: 0,
            replaced: Vec::new(),
            is_single: true,
            places: HashMap::new(),
        };
        trie.add("".into(), "$", None);
        trie
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no body can follow without [`Trie::clear`].
    pub(crate) fn is_exhausted(&self) -> bool {
        self.epoch == u32::MAX
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Begins the next body.
    pub(crate) fn begin(&mut self) {
        self.epoch += 1;
        self.touched.clear();
        self.replaced.clear();
        if !self.places.is_empty() {
            self.places.clear();
        }
        self.hash = 0;
        self.is_single = true;
    }

    /// Counts a value of `kind` at `node`.
    #[inline]
    pub(crate) fn count(&mut self, node: u32, kind: ValueKind) {
        let Some(n) = self.nodes.get_mut(node as usize) else { return };
        if n.epoch != self.epoch && n.kind == kind {
            self.hash = self.hash.wrapping_add(n.hash);
            n.epoch = self.epoch;
            n.place = self.touched.len() as u32;
            self.touched.push(Touched { slot: Slot::new(node, kind), count: 1 });
        } else {
            self.count_again(node, kind);
        }
    }

    /// Counts a value where that path has been counted before in this body, or had another kind.
    #[inline(never)]
    fn count_again(&mut self, node: u32, kind: ValueKind) {
        let Some(n) = self.nodes.get_mut(node as usize) else { return };
        let is_first = n.epoch != self.epoch;
        if !is_first && n.kind == kind {
            self.is_single = false;
            if let Some(touched) = self.touched.get_mut(n.place as usize) {
                touched.count = touched.count.saturating_add(1);
            }
            return;
        }
        if !is_first {
            self.places.insert(Slot::new(node, n.kind), n.place);
        }
        n.kind = kind;
        n.hash = self.origins.get(node as usize).map_or(0, |origin| origin.hash(kind));
        if let Some(place) = self.places.get(&Slot::new(node, kind)) {
            n.place = *place;
            return self.count_again(node, kind);
        }
        self.hash = self.hash.wrapping_add(n.hash);
        n.epoch = self.epoch;
        n.place = self.touched.len() as u32;
        self.touched.push(Touched { slot: Slot::new(node, kind), count: 1 });
    }

    /// Slots of the current body, in the order they were first counted.
    pub(crate) fn touched(&self) -> &[Touched] {
        &self.touched
    }

    /// Whether each of [`Trie::touched`] was counted once.
    pub(crate) fn is_single(&self) -> bool {
        self.is_single
    }

    /// Hash of the set of slots of the current body.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The place in [`Trie::touched`] of what was counted last at `node`.
    #[inline]
    pub(crate) fn place_of(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(NONE, |node| node.place)
    }

    /// The place of `slot` in [`Trie::touched`].
    pub(crate) fn place(&self, slot: Slot) -> Option<u32> {
        let node = self.nodes.get(slot.node() as usize).filter(|node| node.epoch == self.epoch)?;
        if node.kind == slot.kind() { Some(node.place) } else { self.places.get(&slot).copied() }
    }

    pub(crate) fn path(&self, node: u32) -> Option<&Arc<str>> {
        self.origins.get(node as usize).map(|origin| &origin.path)
    }

    pub(crate) fn parent(&self, node: u32) -> Option<Slot> {
        self.origins.get(node as usize).and_then(|origin| origin.parent)
    }

    /// Enters an object of the current body.
    pub(crate) fn enter(&mut self, node: u32) -> Object {
        self.instances += 1;
        let expected = self.nodes.get(node as usize).map_or(NONE, |n| n.first);
        Object { node, instance: self.instances, previous: NONE, expected }
    }

    /// The node of the member `name` of `object`, whose value stands at `at` on the tape.
    #[inline]
    pub(crate) fn member(&mut self, object: &mut Object, name: &str, at: u32) -> u32 {
        let node = match self.nodes.get(object.expected as usize) {
            Some(n) if is_same_name(n.name.as_bytes(), name.as_bytes()) => object.expected,
            _ => self.find(object, name),
        };
        let Some(n) = self.nodes.get_mut(node as usize) else { return node };
        // Any number of members share a wildcard, which has no name.
        if n.seen_in == object.instance && n.name.len() == name.len() {
            self.replaced.push(n.seen_at);
        }
        n.seen_in = object.instance;
        n.seen_at = at;
        object.previous = node;
        object.expected = n.next;
        node
    }

    /// Where values stand that a later member of the same name, in the same object, replaces.
    pub(crate) fn replaced(&self) -> &[u32] {
        &self.replaced
    }

    /// Finds a member that is not the one expected. Where the expected one is only left out, the one after it is found
    /// without a look at the table, and the expectation stays; else it becomes this one.
    #[inline(never)]
    fn find(&mut self, object: &Object, name: &str) -> u32 {
        let skipped = self.nodes.get(object.expected as usize);
        if let Some(guess) = skipped.map(|skipped| skipped.next)
            && let Some(n) = self.nodes.get(guess as usize)
            && is_same_name(n.name.as_bytes(), name.as_bytes())
        {
            return guess;
        }
        let node = self.named(object.node, name);
        if let Some(previous) = self.nodes.get_mut(object.previous as usize) {
            previous.next = node;
        } else if let Some(object) = self.nodes.get_mut(object.node as usize) {
            object.first = node;
        }
        node
    }

    fn named(&mut self, object: u32, name: &str) -> u32 {
        let Some(parent) = self.origins.get(object as usize) else { return NONE };
        if let Some(node) = parent.members.get(name) {
            return *node;
        }
        let slot = Slot::new(object, ValueKind::Object);
        let mut path = parent.path.to_string();
        if !looks_like_data(name) {
            path::push_member(&mut path, name);
            let name: Arc<str> = name.into();
            let node = self.add(Arc::clone(&name), &path, Some(slot));
            if let Some(parent) = self.origins.get_mut(object as usize) {
                parent.members.insert(name, node);
            }
            return node;
        }
        if parent.wildcard != NONE {
            return parent.wildcard;
        }
        path::push_wildcard(&mut path);
        let node = self.add("".into(), &path, Some(slot));
        if let Some(parent) = self.origins.get_mut(object as usize) {
            parent.wildcard = node;
        }
        node
    }

    /// The node of the elements of `array`.
    #[inline]
    pub(crate) fn elements(&mut self, array: u32) -> u32 {
        match self.nodes.get(array as usize) {
            Some(node) if node.elements != NONE => node.elements,
            _ => self.add_elements(array),
        }
    }

    #[cold]
    fn add_elements(&mut self, array: u32) -> u32 {
        let Some(parent) = self.origins.get(array as usize) else { return NONE };
        let mut path = parent.path.to_string();
        path::push_elements(&mut path);
        let node = self.add("".into(), &path, Some(Slot::new(array, ValueKind::Array)));
        if let Some(parent) = self.nodes.get_mut(array as usize) {
            parent.elements = node;
        }
        node
    }

    fn add(&mut self, name: Arc<str>, path: &str, parent: Option<Slot>) -> u32 {
        let id = self.nodes.len() as u32;
        let origin = Origin {
            path: path.into(),
            path_hash: hash::fixed64(path.as_bytes()),
            parent,
            wildcard: NONE,
            members: HashMap::new(),
        };
        self.nodes.push(Node {
            name,
            hash: origin.hash(ValueKind::Null),
            seen_in: 0,
            seen_at: 0,
            next: NONE,
            first: NONE,
            elements: NONE,
            epoch: 0,
            place: 0,
            kind: ValueKind::Null,
        });
        self.origins.push(origin);
        id
    }
}

impl Origin {
    /// Hash of the path with `kind`.
    fn hash(&self, kind: ValueKind) -> u64 {
        Entry::hash_of(self.path_hash, kind)
    }
}

/// Whether two names are the same; the empty name, which nodes without one have too, is none. Most names are short: two
/// loads that may overlap tell, without a call.
#[inline]
pub(crate) fn is_same_name(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0 => false,
        1..4 => a.first() == b.first() && a.last() == b.last() && a.get(a.len() / 2) == b.get(b.len() / 2),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole() {
        for len in 0..40_u8 {
            let name: Vec<u8> = (b'a'..).take(len.into()).collect();
            assert_eq!(is_same_name(&name, &name.clone()), len > 0);
            for at in 0..name.len() {
                let mut other = name.clone();
                other[at] ^= 1;
                assert!(!is_same_name(&name, &other), "{len} {at}");
                assert!(!is_same_name(&name, &name[..at]), "{len} {at}");
            }
        }
    }

    /// However kinds alternate, each is counted for itself.
    #[test]
    fn kinds_of_one_path() {
        use ValueKind::{Null, Number, String};
        let mut trie = Trie::new();
        for kinds in [&[Null][..], &[String, Null, String, Number, Null, Null], &[Number]] {
            trie.begin();
            kinds.iter().for_each(|kind| trie.count(ROOT, *kind));
            let hash = trie
                .touched()
                .iter()
                .fold(0_u64, |sum, touched| sum.wrapping_add(trie.origins[0].hash(touched.slot.kind())));
            assert_eq!(trie.hash(), hash);
            for kind in ValueKind::ALL {
                let count =
                    trie.place(Slot::new(ROOT, kind)).map_or(0, |place| trie.touched()[place as usize].count);
                assert_eq!(
                    count as usize,
                    kinds.iter().filter(|k| **k == kind).count(),
                    "{kinds:?} {kind:?}"
                );
            }
        }
    }
}
