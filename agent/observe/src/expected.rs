//! The body that is expected next of a flow: one like those before, name for name and kind for kind.
//!
//! Most flows are written by one program and look the same for long: one comparison with the tape then tells the shape,
//! and the tree of names is not walked. Like the other caches it changes no result: what differs at all is walked.

use std::sync::Arc;

use simd_json::Node;

use crate::shape::{Counts, Shape, ValueKind};
use crate::trie::is_same_name;
use crate::walk::describe;

/// Bodies that were not expected, of one shape and in a row, after which that shape is.
const ENOUGH: u32 = 16;
/// The longest tape that is remembered.
const LONGEST: usize = 4_096;

/// A tape node, without its value.
#[derive(Debug)]
enum Part {
    /// The name of a member.
    Name(Box<str>),
    /// A value, how many values it holds, and how many tape nodes stand below it.
    Value(ValueKind, usize, usize),
}

/// A shape, and how often each of its entries occurs.
type Shaped = (Arc<Shape>, Counts);

/// What is expected; at first, nothing.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    parts: Vec<Part>,
    shaped: Option<Shaped>,
    /// What the last body had that was not expected, and how many in a row had it.
    other: Option<Shaped>,
    in_a_row: u32,
}

impl Expected {
    /// Shape and counts of a body, if it is the expected one.
    pub(crate) fn find(&self, tape: &[Node<'_>]) -> Option<Shaped> {
        let is_expected = self.parts.len() == tape.len()
            && self.parts.iter().zip(tape).all(|(part, node)| match (part, node) {
                (Part::Name(name), Node::String(found)) => is_same_name(name, found),
                (Part::Name(_), _) => false,
                (Part::Value(kind, len, below), node) => (*kind, *len, *below) == describe(node),
            });
        self.shaped.clone().filter(|_| is_expected)
    }

    /// Learns from a body that was not expected, and in which no object has a name twice.
    pub(crate) fn learn(&mut self, tape: &[Node<'_>], shape: &Arc<Shape>, counts: &Counts) {
        let is_same = |(other, of_other): &Shaped| Arc::ptr_eq(other, shape) && of_other == counts;
        if !self.other.as_ref().is_some_and(is_same) {
            self.other = Some((Arc::clone(shape), counts.clone()));
            self.in_a_row = 0;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row == ENOUGH && tape.len() <= LONGEST {
            self.parts = parts(tape);
            self.shaped = self.other.take();
        }
    }
}

fn parts(tape: &[Node<'_>]) -> Vec<Part> {
    // Of each object or array that is not at its end: the nodes to come, of which in an object every other is a name.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let part = |node: &Node<'_>| {
        let is_name = open.last_mut().is_some_and(|(remaining, is_object)| {
            *remaining -= 1;
            *is_object && *remaining % 2 == 1
        });
        let part = match node {
            Node::String(name) if is_name => Part::Name((*name).into()),
            value => {
                let (kind, len, below) = describe(value);
                match kind {
                    ValueKind::Object => open.push((2 * len, true)),
                    ValueKind::Array => open.push((len, false)),
                    _ => {}
                }
                Part::Value(kind, len, below)
            }
        };
        while open.last().is_some_and(|(remaining, _)| *remaining == 0) {
            open.pop();
        }
        part
    };
    tape.iter().map(part).collect()
}
