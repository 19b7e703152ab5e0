//! What is kept of a value: numbers, lengths, classes and hashes. Never the text itself.

use serde::{Deserialize, Serialize};
use simd_json::{Node, StaticNode};

pub use crate::text::{Classes, Text};

/// A value at an entry of a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leaf {
    /// Index of the entry.
    pub entry: u32,
    /// What is there.
    pub value: Value,
}

/// What is kept of a value that is not null, no array and no object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// `true`, `false`
    Boolean(bool),
    /// A number, rounded to a double where it has more digits (an integer: see [`Exact`]); one that is too large for a
    /// double is the largest.
    Number(f64),
    /// A string.
    Text(Text),
}

/// An integer of 64 bits that is not a safe one: beyond 2^53, doubles leave integers out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    /// Its place in [`crate::Observation::values`], where it is rounded.
    pub leaf: u32,
    /// As sent.
    pub integer: i128,
}

/// The largest number up to which every integer is a double.
const SAFE: u64 = 1 << 53;
/// Parameters and headers for which room is made beforehand.
const BESIDE: usize = 4;
/// Decimals that [`decimals`] looks for, of as many powers of ten that are doubles exactly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The decimals of the shortest number that reads as `x`; `None` where it has more than 15, or more digits than a double
/// tells apart. That is how the number was written, up to zeros at its end.
#[must_use]
pub fn decimals(x: f64) -> Option<u8> {
    let is_enough = |power: &f64| {
        let scaled = (x * power).round();
        // Both are exact then, and the quotient is rounded as reading the number rounds it.
        scaled.abs() <= SAFE as f64 && scaled / power == x
    };
    POWERS.iter().position(is_enough).map(|place| place as u8)
}

/// The values of a body.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) exact: Vec<Exact>,
}

impl Values {
    /// With room for so many of a body, and for what its message has beside.
    pub(crate) fn with_capacity(leaves: usize) -> Self {
        Self { leaves: Vec::with_capacity(leaves + BESIDE), exact: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.leaves.clear();
        self.exact.clear();
    }

    /// Adds the value of a node of the tape, if it is not null, no array and no object.
    #[inline]
    #[allow(clippy::cast_precision_loss, reason = "said by Value::Number")]
    pub(crate) fn push(&mut self, entry: u32, node: &Node<'_>) {
        let value = match node {
            Node::String(text) => Value::Text(Text::of(text)),
            Node::Static(StaticNode::Bool(b)) => Value::Boolean(*b),
            Node::Static(StaticNode::I64(n)) => return self.push_integer(entry, *n),
            Node::Static(StaticNode::U64(n)) => {
                if *n > SAFE {
                    self.keep(i128::from(*n));
                }
                Value::Number(*n as f64)
            }
            Node::Static(StaticNode::F64(x)) => Value::Number(*x),
            _ => return,
        };
        self.leaves.push(Leaf { entry, value });
    }

    /// Adds an integer.
    #[inline]
    #[allow(clippy::cast_precision_loss, reason = "said by Value::Number")]
    pub(crate) fn push_integer(&mut self, entry: u32, n: i64) {
        if n.unsigned_abs() > SAFE {
            self.keep(i128::from(n));
        }
        self.leaves.push(Leaf { entry, value: Value::Number(n as f64) });
    }

    #[cold]
    fn keep(&mut self, integer: i128) {
        // The cap on nodes keeps places far below u32::MAX.
        self.exact.push(Exact { leaf: self.leaves.len() as u32, integer });
    }

    /// The same values at other entries.
    pub(crate) fn at(&self, entry: impl Fn(u32) -> u32) -> Self {
        let mut values = Self::with_capacity(self.leaves.len());
        values.leaves.extend(self.leaves.iter().map(|leaf| Leaf { entry: entry(leaf.entry), ..*leaf }));
        values.exact.extend_from_slice(&self.exact);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_of_a_number() {
        let check = |x: f64, expected: Option<u8>| assert_eq!(decimals(x), expected, "{x}");
        check(0.0, Some(0));
        check(-0.0, Some(0));
        check(12.0, Some(0));
        check(12.5, Some(1));
        check(0.1 + 0.2, None);
        check(0.3, Some(1));
        check(-19.99, Some(2));
        check(123_456.789_012, Some(6));
        check(1e-15, Some(15));
        check(1e-16, None);
        check(1e14 + 0.5, Some(1));
        check(1e300, None);
        check(f64::NAN, None);
        check(f64::INFINITY, None);
    }

    proptest! {
        #[test]
        fn decimals_are_those_of_the_shortest_text(digits in -999_999_999_i64..999_999_999, places in 0..7_u32) {
            let text = format!("{}", digits as f64 / 10_f64.powi(places as i32));
            let expected = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            prop_assert_eq!(decimals(text.parse().unwrap()), Some(expected as u8), "{}", text);
        }
    }
}
