//! The body that is expected next of a flow: one like those before, name for name and kind for kind.
//!
//! Most flows are written by one program and look the same for long. Where all but the values is the same byte for byte, the
//! values are read off ([`Template`]); else one comparison with the tape tells the shape, and the tree of names is not
//! walked. Like the other caches it changes no result: what differs at all is walked.

use std::sync::Arc;

use simd_json::Node;

use crate::operation;
use crate::shape::{Counts, Shape, ValueKind};
use crate::template::Template;
use crate::trie::is_same_name;
use crate::value::{Leaf, Values};
use crate::walk::describe;

/// Bodies that were not expected, of one shape and in a row, after which that shape is.
const ENOUGH: u32 = 16;
/// The longest tape that is remembered.
const LONGEST: usize = 4_096;

/// A tape node, without its value.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The name of a member: where it ends among [`Body::names`], one after the other.
    Name(u32),
    /// A value, how many values it holds, and its entry where it holds none.
    Value(ValueKind, u32, u32),
}

/// A tape, without values. All that follows one another lies together: with many flows, each is far from the cache.
#[derive(Debug, Default)]
struct Body {
    parts: Vec<Part>,
    names: Vec<u8>,
    /// How many values a body has that hold none.
    values: usize,
}

/// A shape, and how often each of its entries occurs.
type Shaped = (Arc<Shape>, Counts);

/// What is expected; at first, nothing.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    body: Body,
    template: Option<Template>,
    shaped: Option<Shaped>,
    /// What the last body had that was not expected, and how many in a row had it.
    other: Option<Shaped>,
    in_a_row: u32,
}

impl Expected {
    /// Shape, counts and values of a body, if it is the expected one.
    pub(crate) fn find(&self, tape: &[Node<'_>]) -> Option<(Arc<Shape>, Counts, Values)> {
        let (shape, counts) = self.shaped.as_ref().filter(|_| self.body.is_like(tape))?;
        Some((Arc::clone(shape), counts.clone(), self.body.values(tape)))
    }

    /// The same of a body that is not parsed yet, if it differs from the one learned from in its values only. It has no
    /// operation.
    pub(crate) fn read(&mut self, body: &[u8]) -> Option<(Arc<Shape>, Counts, Values)> {
        let (shape, counts) = self.shaped.as_ref()?;
        let values = self.template.as_mut()?.values(body)?;
        Some((Arc::clone(shape), counts.clone(), values))
    }

    /// Learns from a body that was not expected, and in which no object has a name twice.
    pub(crate) fn learn(
        &mut self,
        body: &[u8],
        tape: &[Node<'_>],
        shape: &Arc<Shape>,
        counts: &Counts,
        values: &[Leaf],
    ) {
        let is_same = |(other, of_other): &Shaped| Arc::ptr_eq(other, shape) && of_other == counts;
        if !self.other.as_ref().is_some_and(is_same) {
            self.other = Some((Arc::clone(shape), counts.clone()));
            self.in_a_row = 0;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row == ENOUGH && tape.len() <= LONGEST {
            self.body = Body::of(tape, values);
            self.template = if operation::may_be(tape) { None } else { Template::of(body, values) };
            self.shaped = self.other.take();
        }
    }
}

impl Body {
    fn is_like(&self, tape: &[Node<'_>]) -> bool {
        let mut start = 0;
        self.parts.len() == tape.len()
            && self.parts.iter().zip(tape).all(|(part, node)| match (*part, node) {
                (Part::Name(end), Node::String(found)) => {
                    let name = self.names.get(start..end as usize);
                    start = end as usize;
                    name.is_some_and(|name| is_same_name(name, found.as_bytes()))
                }
                (Part::Name(_), _) => false,
                (Part::Value(kind, len, _), node) => {
                    let (of_node, values, _) = describe(node);
                    kind == of_node && len as usize == values
                }
            })
    }

    /// The values of a body that is like this one.
    fn values(&self, tape: &[Node<'_>]) -> Values {
        let mut values = Values::with_capacity(self.values);
        for (part, node) in self.parts.iter().zip(tape) {
            if let Part::Value(_, _, entry) = *part {
                values.push(entry, node);
            }
        }
        values
    }

    fn of(tape: &[Node<'_>], values: &[Leaf]) -> Self {
        let mut body = Self::default();
        let mut entries = values.iter().map(|leaf| leaf.entry);
        // Of each object or array that is not at its end: the nodes to come, of which in an object every other is a name.
        let mut open: Vec<(usize, bool)> = Vec::new();
        for node in tape {
            let is_name = open.last_mut().is_some_and(|(remaining, is_object)| {
                *remaining -= 1;
                *is_object && *remaining % 2 == 1
            });
            if let (true, Node::String(name)) = (is_name, node) {
                body.names.extend_from_slice(name.as_bytes());
                body.parts.push(Part::Name(body.names.len() as u32));
                continue;
            }
            let (kind, len, _) = describe(node);
            match kind {
                ValueKind::Object => open.push((2 * len, true)),
                ValueKind::Array => open.push((len, false)),
                _ => {}
            }
            while open.pop_if(|(remaining, _)| *remaining == 0).is_some() {}
            // The cap on nodes keeps lengths below u32::MAX.
            let is_value = !matches!(kind, ValueKind::Null | ValueKind::Object | ValueKind::Array);
            let entry = if is_value { entries.next().unwrap_or_default() } else { 0 };
            body.values += usize::from(is_value);
            body.parts.push(Part::Value(kind, len as u32, entry));
        }
        body.parts.shrink_to_fit();
        body.names.shrink_to_fit();
        body
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tape::Parser;

    /// The values that the parser finds in a body, all at entry 0.
    pub(crate) fn tape_values(body: &str) -> Values {
        let read = |tape: &[Node<'_>]| {
            let known = vec![Leaf { entry: 0, value: crate::value::Value::Boolean(true) }; tape.len()];
            Body::of(tape, &known).values(tape)
        };
        Parser::new(128).parse(body.as_bytes(), read).unwrap()
    }
}
