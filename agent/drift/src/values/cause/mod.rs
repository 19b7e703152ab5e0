//! What a change of values is called: read off the values before and since.

mod codes;
mod currency;
mod density;
mod numbers;
mod texts;
mod times;

use std::sync::LazyLock;

use pitot_observe::hash::text64;
use pitot_observe::value::Text;

use crate::evidence::Kind;

pub(crate) use codes::{of_codes, of_new_codes};
pub(crate) use numbers::{are_like as are_like_numbers, default_at, of_numbers, place_of_default};
pub(crate) use texts::{are_like as are_like_texts, of_texts};
pub(crate) use times::{is_clock_change, is_delay, of_ages, stands_still};

/// A change with its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    /// New over old.
    pub(crate) factor: Option<f64>,
    /// New less old, seconds.
    pub(crate) offset_s: Option<f64>,
}

impl From<Kind> for Cause {
    fn from(kind: Kind) -> Self {
        Self { kind, factor: None, offset_s: None }
    }
}

/// The most frequent of some values, and its share.
fn mode<T: Copy + PartialEq>(values: &[T], order: impl Fn(&T, &T) -> std::cmp::Ordering) -> Option<(T, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(order);
    let longest = sorted.chunk_by(|a, b| a == b).max_by_key(|run| run.len())?;
    Some((*longest.first()?, longest.len() as f64 / values.len() as f64))
}

/// The value below which this share of some lies.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    super::quantile(&sorted, share)
}

fn share<T>(values: &[T], has: impl Fn(&T) -> bool) -> f64 {
    values.iter().filter(|value| has(value)).count() as f64 / values.len().max(1) as f64
}

/// What is written where nothing is known.
const DEFAULTS: [&[u8]; 9] =
    [b"", b"N/A", b"n/a", b"null", b"none", b"unknown", b"-", b"UNKNOWN", b"undefined"];

/// Whether a text is written where nothing is known.
#[inline]
pub(crate) fn is_default(text: &Text) -> bool {
    /// The hashes: asked of every text.
    static HASHES: LazyLock<[u64; DEFAULTS.len()]> = LazyLock::new(|| DEFAULTS.map(text64));
    const LONGEST: u32 = 9;
    text.length <= LONGEST && HASHES.contains(&text.hash)
}

#[cfg(test)]
mod tests;
