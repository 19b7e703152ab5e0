//! One pass over a tape: counts every (path, kind).

use simd_json::{Node, StaticNode};

use crate::shape::ValueKind;
use crate::trie::{NONE, Object, ROOT, Trie};

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
#[derive(Clone, Copy)]
struct Frame {
    /// Values still to come.
    remaining: usize,
    /// The node of its elements, where it is an array, else [`NONE`].
    elements: u32,
    object: Object,
}

/// Reusable state of the walk.
#[derive(Default)]
pub(crate) struct Walker {
    stack: Vec<Frame>,
    /// Where values stand that a later member of the same name replaces.
    replaced: Vec<u32>,
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
        if !self.replaced.is_empty() {
            self.replaced.sort_unstable();
            self.replaced.dedup();
            let found = self.replaced.len();
            self.pass(tape, trie, caps)?;
            return Ok(found);
        }
        Ok(0)
    }

    fn pass(&mut self, tape: &[Node<'_>], trie: &mut Trie, caps: Caps) -> Result<(), Overflow> {
        let skip = std::mem::take(&mut self.replaced);
        trie.begin();
        self.stack.clear();
        // The body, as if it were the only element of an array.
        let mut frame = Frame { remaining: 1, elements: ROOT, object: Object::NONE };
        let mut values = tape.iter();
        loop {
            while frame.remaining == 0 {
                let Some(outer) = self.stack.pop() else { return Ok(()) };
                frame = outer;
            }
            frame.remaining -= 1;
            let is_member = frame.elements == NONE;
            let name = if is_member { values.next() } else { None };
            let at = (tape.len() - values.len()) as u32;
            let Some(value) = values.next() else { return Ok(()) };
            let (kind, len, below) = describe(value);
            let is_replaced = !skip.is_empty() && skip.binary_search(&at).is_ok();
            let counted = (!is_replaced).then_some(kind);
            let node = if is_member {
                let Some(Node::String(name)) = name else { return Ok(()) };
                let (node, duplicate_of) = trie.member(&mut frame.object, name, at, counted);
                self.replaced.extend(duplicate_of);
                node
            } else {
                trie.count(frame.elements, counted);
                frame.elements
            };
            if trie.touched().len() > caps.paths {
                return Err(Overflow::Paths);
            }
            if is_replaced {
                values = tape.get(at as usize + 1 + below..).unwrap_or_default().iter();
            } else if len > 0 {
                self.stack.push(frame);
                frame = match kind {
                    ValueKind::Object => Frame { remaining: len, elements: NONE, object: trie.enter(node) },
                    _ => Frame { remaining: len, elements: trie.elements(node), object: Object::NONE },
                };
            }
        }
    }
}

/// Kind of a value, how many values it holds, and how many tape nodes stand below it.
#[inline]
fn describe(value: &Node<'_>) -> (ValueKind, usize, usize) {
    match value {
        Node::Object { len, count } => (ValueKind::Object, *len, *count),
        Node::Array { len, count } => (ValueKind::Array, *len, *count),
        Node::String(_) => (ValueKind::String, 0, 0),
        Node::Static(StaticNode::Null) => (ValueKind::Null, 0, 0),
        Node::Static(StaticNode::Bool(_)) => (ValueKind::Boolean, 0, 0),
        Node::Static(_) => (ValueKind::Number, 0, 0),
    }
}
