//! Some values of a field, kept to say what they are like.

use pitot_observe::value::Text;
use serde::{Deserialize, Serialize};

use super::cause;

/// Values that are kept at most.
const MOST: usize = 512;

/// Values, in the order they came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Kept {
    Numbers(Vec<f64>),
    /// Ages, and the moments that they are of, as these were given.
    Ages(Vec<f64>, Vec<f64>),
    Texts(Vec<Text>),
}

impl Kept {
    pub(crate) fn has_room(&self) -> bool {
        let count = match self {
            Self::Numbers(values) | Self::Ages(values, _) => values.len(),
            Self::Texts(values) => values.len(),
        };
        count < MOST
    }

    /// Keeps a number, which was given as `given`.
    pub(crate) fn keep_number(&mut self, x: f64, given: f64) {
        match self {
            Self::Numbers(values) => values.push(x),
            Self::Ages(values, moments) => {
                values.push(x);
                moments.push(given);
            }
            Self::Texts(_) => {}
        }
    }

    pub(crate) fn keep_text(&mut self, text: Text) {
        if let Self::Texts(values) = self {
            values.push(text);
        }
    }

    /// Numbers, or ages.
    pub(crate) fn numbers(&self) -> Option<&[f64]> {
        match self {
            Self::Numbers(values) | Self::Ages(values, _) => Some(values),
            Self::Texts(_) => None,
        }
    }

    pub(crate) fn texts(&self) -> Option<&[Text]> {
        match self {
            Self::Texts(values) => Some(values),
            _ => None,
        }
    }

    /// The moments that ages are of, where they were kept.
    pub(crate) fn moments(&self) -> &[f64] {
        match self {
            Self::Ages(_, moments) => moments,
            _ => &[],
        }
    }

    /// Whether other values may well be of the same kind.
    pub(crate) fn is_like(&self, others: &Self) -> bool {
        let numbers = self.numbers().zip(others.numbers());
        let texts = self.texts().zip(others.texts());
        numbers.is_some_and(|(a, b)| cause::are_like_numbers(a, b))
            || texts.is_some_and(|(a, b)| cause::are_like_texts(a, b))
    }
}
