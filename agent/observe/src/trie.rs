//! Every path a flow's bodies were seen to have, as a tree whose nodes also hold the counts of the current body.
//!
//! A node guesses which sibling follows it (the one that did last time), so that a body of a known shape is
//! counted without hashing a name. The tree is a cache of names: clearing it changes the speed of what follows, never
//! its result.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::hash;
use crate::identifier::looks_like_data;
use crate::path;
use crate::shape::ValueKind;

/// Index of the node of `$`.
pub(crate) const ROOT: u32 = 0;
/// No node.
const NONE: u32 = u32::MAX;
/// Guesses before a name is looked up: one, and one more for an optional member that is absent this time.
const GUESSES: usize = 2;

/// A path and a kind: an entry of a shape to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) node: u32,
    pub(crate) kind: ValueKind,
}

/// How often a slot was counted in the body of `epoch`.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    epoch: u32,
    count: u32,
}

#[derive(Debug)]
struct Node {
    name: Box<str>,
    /// The member that followed this one last time.
    next: u32,
    /// The member that came first last time, where this is an object.
    first: u32,
    wildcard: u32,
    elements: u32,
    /// The object this member was last seen in, and where on the tape.
    seen_in: u64,
    seen_at: u32,
    marks: [Mark; ValueKind::COUNT],
    hashes: [u64; ValueKind::COUNT],
    path: Arc<str>,
    /// The slot of the object or array that holds it.
    parent: Option<Slot>,
    members: HashMap<Box<str>, u32>,
}

impl Node {
    fn new(name: &str, path: &str, parent: Option<Slot>) -> Self {
        let hash = hash::fixed64(path.as_bytes());
        Self {
            name: name.into(),
            next: NONE,
            first: NONE,
            wildcard: NONE,
            elements: NONE,
            seen_in: 0,
            seen_at: 0,
            marks: Default::default(),
            hashes: std::array::from_fn(|kind| hash::mix(hash.wrapping_add(kind as u64 + 1))),
            path: path.into(),
            parent,
            members: HashMap::new(),
        }
    }
}

/// What the walk needs to know of a member that it found.
pub(crate) struct Member {
    pub(crate) node: u32,
    /// Where on the tape the same name was found before, in the same object.
    pub(crate) duplicate_of: Option<u32>,
}

/// The tree. Node ids are stable until [`Trie::clear`].
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    epoch: u32,
    instance: u64,
    /// Slots of the current body, and the sum of their hashes.
    touched: Vec<Slot>,
    hash: u64,
}

impl Trie {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::new("", "$", None)], epoch: 0, instance: 0, touched: Vec::new(), hash: 0 }
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
        self.hash = 0;
    }

    /// Counts a value of `kind` at `node`.
    #[inline]
    pub(crate) fn count(&mut self, node: u32, kind: ValueKind) {
        let Some(n) = self.nodes.get_mut(node as usize) else { return };
        let mark = &mut n.marks[kind as usize];
        if mark.epoch == self.epoch {
            mark.count = mark.count.saturating_add(1);
        } else {
            *mark = Mark { epoch: self.epoch, count: 1 };
            self.hash = self.hash.wrapping_add(n.hashes[kind as usize]);
            self.touched.push(Slot { node, kind });
        }
    }

    /// Slots of the current body, in the order they were first counted.
    pub(crate) fn touched(&self) -> &[Slot] {
        &self.touched
    }

    /// Hash of the set of slots of the current body.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// How often `slot` was counted in the current body.
    pub(crate) fn counted(&self, slot: Slot) -> u32 {
        let mark =
            self.nodes.get(slot.node as usize).map(|n| n.marks[slot.kind as usize]).unwrap_or_default();
        if mark.epoch == self.epoch { mark.count } else { 0 }
    }

    pub(crate) fn path(&self, node: u32) -> Option<&Arc<str>> {
        self.nodes.get(node as usize).map(|n| &n.path)
    }

    pub(crate) fn parent(&self, node: u32) -> Option<Slot> {
        self.nodes.get(node as usize).and_then(|n| n.parent)
    }

    /// A number for one object of a body.
    pub(crate) fn next_instance(&mut self) -> u64 {
        self.instance += 1;
        self.instance
    }

    /// The member `name` of `object`, which is number `instance`; `previous` is the member before it. `at` is where its
    /// value stands on the tape.
    #[inline]
    pub(crate) fn member(
        &mut self,
        object: u32,
        instance: u64,
        previous: Option<u32>,
        name: &str,
        at: u32,
    ) -> Member {
        let node = self.find(object, previous, name);
        let Some(n) = self.nodes.get_mut(node as usize) else { return Member { node, duplicate_of: None } };
        let is_wildcard = n.name.is_empty() && !name.is_empty();
        let duplicate_of = (n.seen_in == instance && !is_wildcard).then_some(n.seen_at);
        n.seen_in = instance;
        n.seen_at = at;
        Member { node, duplicate_of }
    }

    #[inline]
    fn find(&mut self, object: u32, previous: Option<u32>, name: &str) -> u32 {
        let mut guess = match previous {
            Some(previous) => self.nodes.get(previous as usize).map_or(NONE, |n| n.next),
            None => self.nodes.get(object as usize).map_or(NONE, |n| n.first),
        };
        for attempt in 0..GUESSES {
            let Some(n) = self.nodes.get(guess as usize) else { break };
            if *n.name == *name && !name.is_empty() {
                if attempt > 0 {
                    self.expect(object, previous, guess);
                }
                return guess;
            }
            guess = n.next;
        }
        let node = self.look_up(object, name);
        self.expect(object, previous, node);
        node
    }

    /// Remembers that `node` came after `previous`.
    fn expect(&mut self, object: u32, previous: Option<u32>, node: u32) {
        let (of, is_first) = previous.map_or((object, true), |previous| (previous, false));
        if let Some(n) = self.nodes.get_mut(of as usize) {
            *(if is_first { &mut n.first } else { &mut n.next }) = node;
        }
    }

    fn look_up(&mut self, object: u32, name: &str) -> u32 {
        let Some(parent) = self.nodes.get(object as usize) else { return NONE };
        if let Some(node) = parent.members.get(name) {
            return *node;
        }
        let slot = Slot { node: object, kind: ValueKind::Object };
        let mut path = parent.path.to_string();
        if !looks_like_data(name) {
            path::push_member(&mut path, name);
            let node = self.add(name, &path, slot);
            if let Some(parent) = self.nodes.get_mut(object as usize) {
                parent.members.insert(name.into(), node);
            }
            return node;
        }
        if parent.wildcard != NONE {
            return parent.wildcard;
        }
        path::push_wildcard(&mut path);
        let node = self.add("", &path, slot);
        if let Some(parent) = self.nodes.get_mut(object as usize) {
            parent.wildcard = node;
        }
        node
    }

    /// The node of the elements of `array`.
    #[inline]
    pub(crate) fn elements(&mut self, array: u32) -> u32 {
        let Some(parent) = self.nodes.get(array as usize) else { return NONE };
        if parent.elements != NONE {
            return parent.elements;
        }
        let mut path = parent.path.to_string();
        path::push_elements(&mut path);
        let node = self.add("", &path, Slot { node: array, kind: ValueKind::Array });
        if let Some(parent) = self.nodes.get_mut(array as usize) {
            parent.elements = node;
        }
        node
    }

    fn add(&mut self, name: &str, path: &str, parent: Slot) -> u32 {
        // The caps on nodes keep this far below u32::MAX.
        let id = self.nodes.len() as u32;
        self.nodes.push(Node::new(name, path, Some(parent)));
        id
    }
}
