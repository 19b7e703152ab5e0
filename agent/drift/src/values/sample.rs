//! Some of a field's values: the last ones, and some from before them. They say what a change is; that there is one is
//! decided elsewhere.

use pitot_observe::value::{Classes, Text};
use serde::{Deserialize, Serialize};

/// Values that are the last ones.
pub(crate) const RECENT: usize = 64;

/// A value of which many are kept, in little room.
pub(crate) trait Value: Copy {
    type Kept: Copy;

    /// Values from before that are kept.
    const PAST: usize;

    fn kept(&self) -> Self::Kept;

    fn again(kept: Self::Kept) -> Self;
}

impl Value for f64 {
    type Kept = Self;

    const PAST: usize = 128;

    fn kept(&self) -> Self {
        *self
    }

    fn again(kept: Self) -> Self {
        kept
    }
}

/// A text without the moment that it names.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct KeptText {
    pub(crate) hash: u64,
    skeleton: u32,
    /// The length, and in the lowest bits the classes.
    length: u32,
}

impl KeptText {
    const CLASS_BITS: u32 = 8;
    const LONGEST: u32 = u32::MAX >> Self::CLASS_BITS;
}

impl Value for Text {
    type Kept = KeptText;

    const PAST: usize = 64;

    #[inline]
    fn kept(&self) -> KeptText {
        let length =
            self.length.min(KeptText::LONGEST) << KeptText::CLASS_BITS | u32::from(self.classes.bits());
        KeptText { hash: self.hash, skeleton: self.skeleton, length }
    }

    fn again(kept: KeptText) -> Self {
        Self {
            hash: kept.hash,
            length: kept.length >> KeptText::CLASS_BITS,
            skeleton: kept.skeleton,
            classes: Classes::of_bits(kept.length as u8),
            time_ns: None,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "T::Kept: Serialize", deserialize = "T::Kept: Deserialize<'de>"))]
pub(crate) struct Sample<T: Value> {
    recent: Vec<T::Kept>,
    /// The oldest of `recent`, once it is full.
    oldest: usize,
    past: Vec<T::Kept>,
    /// The oldest of `past`.
    next: usize,
}

impl<T: Value> Sample<T> {
    /// From values to begin with, evenly taken.
    pub(crate) fn new(values: &[T]) -> Self {
        let step = values.len().div_ceil(T::PAST).max(1);
        Self {
            recent: Vec::with_capacity(RECENT),
            oldest: 0,
            past: values.iter().step_by(step).map(T::kept).collect(),
            next: 0,
        }
    }

    /// Takes a value, one of a message.
    #[inline]
    pub(crate) fn see(&mut self, value: &T) {
        if self.recent.len() < RECENT {
            self.recent.push(value.kept());
        } else if let Some(oldest) = self.recent.get_mut(self.oldest) {
            *oldest = value.kept();
            self.oldest = (self.oldest + 1) % RECENT;
        }
    }

    /// Where the next value will be, if it is there already.
    #[inline]
    pub(crate) fn place(&self) -> Option<T::Kept> {
        self.recent.get(self.oldest).copied()
    }

    /// The oldest of the last ones is past: called once in a while, so that the past is a long one.
    pub(crate) fn remember(&mut self) {
        let Some(value) = self.recent.get(self.oldest).copied() else { return };
        if self.past.len() < T::PAST {
            self.past.push(value);
        } else if let Some(old) = self.past.get_mut(self.next) {
            *old = value;
            self.next = (self.next + 1) % T::PAST;
        }
    }

    pub(crate) fn past(&self) -> Vec<T> {
        self.past.iter().map(|kept| T::again(*kept)).collect()
    }

    /// The last `count` values, or as many as there are.
    pub(crate) fn recent(&self, count: usize) -> Vec<T> {
        let (newer, older) = self.recent.split_at_checked(self.oldest).unwrap_or_default();
        let skipped = self.recent.len().saturating_sub(count);
        older.iter().chain(newer).skip(skipped).map(|kept| T::again(*kept)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_recent_and_some_from_before_are_past() {
        let mut sample = Sample::new(&[0.5]);
        for i in 1..=1_000_u32 {
            sample.see(&f64::from(i));
            assert_eq!(sample.recent(2).last(), Some(&f64::from(i)));
            if i % 100 == 0 {
                sample.remember();
            }
        }
        assert_eq!(sample.recent(3), [998.0, 999.0, 1_000.0]);
        assert_eq!(sample.recent(1_000).len(), RECENT);
        let before = |i: u32| f64::from(i - RECENT as u32 + 1);
        let past: Vec<f64> = std::iter::once(0.5).chain((1..=10).map(|i| before(100 * i))).collect();
        assert_eq!(sample.past(), past);
    }

    #[test]
    fn texts_are_kept_but_for_their_moment() {
        let text = Text::of("2026-11-22 größe");
        assert_eq!(Text::again(text.kept()), Text { time_ns: None, ..text });
    }
}
