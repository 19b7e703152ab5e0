//! One pass over a tape: counts every (path, kind).

use simd_json::{Node, StaticNode};

use crate::shape::ValueKind;
use crate::trie::{ROOT, Trie};

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
struct Frame {
    node: u32,
    /// Values still to come.
    remaining: usize,
    /// Of an object; 0 for an array.
    instance: u64,
    /// The member before.
    previous: Option<u32>,
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
        let mut at = 0;
        let mut node = ROOT;
        while let Some(value) = tape.get(at) {
            let skipped = !skip.is_empty() && skip.binary_search(&(at as u32)).is_ok();
            let (kind, len, below) = describe(value);
            if skipped {
                at += 1 + below;
            } else {
                at += 1;
                trie.count(node, kind);
                if len > 0 {
                    let instance = if kind == ValueKind::Object { trie.next_instance() } else { 0 };
                    self.stack.push(Frame { node, remaining: len, instance, previous: None });
                }
            }
            if trie.touched().len() > caps.paths {
                return Err(Overflow::Paths);
            }
            match self.next_value(tape, trie, &mut at) {
                Some(next) => node = next,
                None => break,
            }
        }
        Ok(())
    }

    /// The node of the next value, and moves `at` to it.
    #[inline]
    fn next_value(&mut self, tape: &[Node<'_>], trie: &mut Trie, at: &mut usize) -> Option<u32> {
        let frame = loop {
            match self.stack.last_mut() {
                None => return None,
                Some(frame) if frame.remaining > 0 => break frame,
                Some(_) => {}
            }
            self.stack.pop();
        };
        frame.remaining -= 1;
        if frame.instance == 0 {
            return Some(trie.elements(frame.node));
        }
        let Some(Node::String(name)) = tape.get(*at) else { return None };
        *at += 1;
        let member = trie.member(frame.node, frame.instance, frame.previous, name, *at as u32);
        frame.previous = Some(member.node);
        self.replaced.extend(member.duplicate_of);
        Some(member.node)
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
