//! One pass over a tape: counts every (path, kind).

use simd_json::{Node, StaticNode};

use crate::shape::ValueKind;
use crate::trie::{Object, ROOT, Trie};
use crate::value;

/// Why a body was not counted to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overflow {
    Nodes,
    Paths,
}

/// The most one body may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    pub(crate) nodes: usize,
    pub(crate) paths: usize,
}

/// An object or array whose values are being counted.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Values still to come.
    remaining: usize,
    holder: Holder,
}

#[derive(Debug, Clone, Copy)]
enum Holder {
    Object(Object),
    /// The node of its elements.
    Array(u32),
}

/// What is left of a tape.
struct Values<'t, 'v> {
    rest: &'t [Node<'v>],
    /// Where on the tape it begins.
    at: u32,
    /// Where values stand that are not to be counted, in order.
    skip: &'t [u32],
    /// See [`Walker::values`].
    leaves: &'t mut value::Values,
}

/// Reusable state of the walk.
#[derive(Default)]
pub(crate) struct Walker {
    stack: Vec<Frame>,
    /// Where values stand that a later member of the same name replaces.
    replaced: Vec<u32>,
    /// The values of the last body; their entries are the places of their slots among those touched.
    values: value::Values,
}

impl Walker {
    /// Counts the values of `tape` in `trie`. Returns how many members were replaced by a later one of the same name in
    /// the same object; as most parsers do (RFC 8259, section 4), only the last one counts.
    pub(crate) fn walk(&mut self, tape: &[Node<'_>], trie: &mut Trie, caps: Caps) -> Result<usize, Overflow> {
        if tape.len() > caps.nodes {
            return Err(Overflow::Nodes);
        }
        self.replaced.clear();
        self.pass(tape, trie, caps)?;
        if trie.replaced().is_empty() {
            return Ok(0);
        }
        self.replaced.extend_from_slice(trie.replaced());
        self.replaced.sort_unstable();
        self.replaced.dedup();
        self.pass(tape, trie, caps)?;
        Ok(self.replaced.len())
    }

    /// The values of the body walked last; their entries are places among those touched.
    pub(crate) fn values(&self) -> &value::Values {
        &self.values
    }

    fn pass(&mut self, tape: &[Node<'_>], trie: &mut Trie, caps: Caps) -> Result<(), Overflow> {
        trie.begin();
        self.stack.clear();
        self.values.clear();
        let mut values = Values { rest: tape, at: 0, skip: &self.replaced, leaves: &mut self.values };
        // The body, as if it were the only element of an array.
        let mut frame = Frame { remaining: 1, holder: Holder::Array(ROOT) };
        loop {
            let inner = match &mut frame.holder {
                Holder::Object(object) => values.members(object, &mut frame.remaining, trie, caps.paths),
                Holder::Array(node) => values.elements(*node, &mut frame.remaining, trie, caps.paths),
            };
            if trie.touched().len() > caps.paths {
                return Err(Overflow::Paths);
            }
            match inner {
                Some(inner) => {
                    self.stack.push(frame);
                    frame = inner.open(trie);
                }
                None => match self.stack.pop() {
                    Some(outer) => frame = outer,
                    None => return Ok(()),
                },
            }
        }
    }
}

/// A value that was counted, and holds others that were not.
struct Inner {
    node: u32,
    kind: ValueKind,
    len: usize,
}

impl Inner {
    fn open(self, trie: &mut Trie) -> Frame {
        let holder = match self.kind {
            ValueKind::Object => Holder::Object(trie.enter(self.node)),
            _ => Holder::Array(trie.elements(self.node)),
        };
        Frame { remaining: self.len, holder }
    }
}

impl Values<'_, '_> {
    /// Counts members of an object up to the next one that holds values, which is returned, or that is one path too many.
    fn members(
        &mut self,
        object: &mut Object,
        remaining: &mut usize,
        trie: &mut Trie,
        most: usize,
    ) -> Option<Inner> {
        while *remaining > 0 {
            *remaining -= 1;
            let [Node::String(name), value, rest @ ..] = self.rest else { return None };
            self.rest = rest;
            self.at += 2;
            let node = trie.member(object, name, self.at - 1);
            if let Some(inner) = self.count(value, node, trie, most) {
                return Some(inner);
            }
        }
        None
    }

    /// The same, of the elements of an array.
    fn elements(&mut self, node: u32, remaining: &mut usize, trie: &mut Trie, most: usize) -> Option<Inner> {
        while *remaining > 0 {
            *remaining -= 1;
            let [value, rest @ ..] = self.rest else { return None };
            self.rest = rest;
            self.at += 1;
            if let Some(inner) = self.count(value, node, trie, most) {
                return Some(inner);
            }
        }
        None
    }

    /// Counts the value just taken.
    #[inline(always)]
    fn count(&mut self, value: &Node<'_>, node: u32, trie: &mut Trie, most: usize) -> Option<Inner> {
        let (kind, len, below) = describe(value);
        if !self.skip.is_empty() && self.skip(below) {
            return None;
        }
        trie.count(node, kind);
        self.leaves.push(trie.place_of(node), value);
        (len > 0 || trie.touched().len() > most).then_some(Inner { node, kind, len })
    }

    /// Whether the value just taken is one to skip; then skips what it holds, so many tape nodes.
    #[cold]
    fn skip(&mut self, below: usize) -> bool {
        let is_skipped = self.skip.binary_search(&(self.at - 1)).is_ok();
        if is_skipped {
            self.rest = self.rest.get(below..).unwrap_or_default();
            self.at += below as u32;
        }
        is_skipped
    }
}

/// Kind of a value, how many values it holds, and how many tape nodes stand below it.
#[inline]
pub(crate) fn describe(value: &Node<'_>) -> (ValueKind, usize, usize) {
    match value {
        Node::Object { len, count } => (ValueKind::Object, *len, *count),
        Node::Array { len, count } => (ValueKind::Array, *len, *count),
        Node::String(_) => (ValueKind::String, 0, 0),
        Node::Static(StaticNode::Null) => (ValueKind::Null, 0, 0),
        Node::Static(StaticNode::Bool(_)) => (ValueKind::Boolean, 0, 0),
        Node::Static(_) => (ValueKind::Number, 0, 0),
    }
}
