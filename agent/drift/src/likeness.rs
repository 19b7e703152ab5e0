//! What the values of a field look like, from a few of them: to tell where a field went when several came and went at once.
//!
//! A sample of 32 values, the latest of every sixteenth message: their types, classes of characters, sizes and hashes. Two
//! samples are compared by the distance between the distributions of each (total variation; Kolmogorov and Smirnov's for
//! sizes). Costs 300 bytes a field and nothing in most messages.

use pitot_observe::Value;
use serde::{Deserialize, Serialize};

/// Values kept.
const SAMPLES: usize = 32;
/// Values of both fields below which nothing is said.
const FEWEST: usize = 8;
/// Share of values that come twice in a sample of a field of which values are expected to come again.
const REPEATED: f64 = 0.5;

/// What is kept of a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Sample {
    /// Type, or a text's classes of characters.
    class: u8,
    /// A text's length, a number's signed magnitude: the upper half of a single-precision number.
    size: u16,
    hash: u32,
}

impl Sample {
    fn of(value: &Value) -> Self {
        let (class, size, hash) = match value {
            Value::Boolean(is) => (128, f32::from(u8::from(*is)), u32::from(*is)),
            Value::Number(x) => {
                let magnitude = x.abs().max(1e-30).log2() as f32 + 128.0;
                (129, magnitude.copysign(*x as f32), fold(x.to_bits()))
            }
            Value::Text(text) => (text.classes.bits() & 127, text.length as f32, fold(text.hash)),
        };
        Self { class, size: (size.to_bits() >> 16) as u16, hash }
    }

    fn size(&self) -> f32 {
        f32::from_bits(u32::from(self.size) << 16)
    }
}

fn fold(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// Some of the values of one field, the latest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Likeness {
    samples: Vec<Sample>,
    next: usize,
}

impl Likeness {
    /// Takes a value.
    pub(crate) fn see(&mut self, value: &Value) {
        let sample = Sample::of(value);
        match self.samples.get_mut(self.next) {
            Some(place) => *place = sample,
            None => self.samples.push(sample),
        }
        self.next = (self.next + 1) % SAMPLES;
    }

    /// How alike the values of two fields are, 0 to 1; `None` where too few are known.
    pub(crate) fn with(&self, other: &Self) -> Option<f64> {
        if self.samples.len() < FEWEST || other.samples.len() < FEWEST {
            return None;
        }
        let classes = 1.0 - self.distance(other, |a, b| a.class == b.class);
        let sizes = 1.0 - self.largest_gap(other);
        if self.repeated() < REPEATED {
            return Some(classes.min(1.0) * 0.5 + sizes * 0.5);
        }
        let known = |sample: &&Sample| self.samples.iter().any(|own| own.hash == sample.hash);
        let again = other.samples.iter().filter(known).count() as f64 / other.samples.len() as f64;
        Some((classes + sizes + again) / 3.0)
    }

    /// Total variation distance of the distributions of what `is_same` compares.
    fn distance(&self, other: &Self, is_same: impl Fn(&Sample, &Sample) -> bool) -> f64 {
        let share = |of: &Self, sample: &Sample| {
            of.samples.iter().filter(|own| is_same(own, sample)).count() as f64 / of.samples.len() as f64
        };
        // Each sample counts its class once for each member: weigh by it.
        let excess = |a: &Self, b: &Self| -> f64 {
            let each = |sample: &Sample| ((share(a, sample) - share(b, sample)) / share(a, sample)).max(0.0);
            a.samples.iter().map(each).sum::<f64>() / a.samples.len() as f64
        };
        excess(self, other)
    }

    /// The Kolmogorov-Smirnov distance of the sizes.
    fn largest_gap(&self, other: &Self) -> f64 {
        let below = |of: &Self, size: f32| {
            of.samples.iter().filter(|sample| sample.size() <= size).count() as f64 / of.samples.len() as f64
        };
        let gap = |sample: &Sample| (below(self, sample.size()) - below(other, sample.size())).abs();
        self.samples.iter().chain(&other.samples).map(gap).fold(0.0, f64::max)
    }

    /// Share of values that are there twice.
    fn repeated(&self) -> f64 {
        let twice = |sample: &&Sample| self.samples.iter().filter(|own| own.hash == sample.hash).count() > 1;
        self.samples.iter().filter(twice).count() as f64 / self.samples.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pitot_observe::value::Text;

    fn of(values: impl Iterator<Item = Value>) -> Likeness {
        let mut likeness = Likeness::default();
        values.for_each(|value| likeness.see(&value));
        likeness
    }

    #[test]
    fn like_and_unlike() {
        let text = |text: String| Value::Text(Text::of(&text));
        let ids = |from: u64| of((from..from + 40).map(|i| text(format!("ord_{:08}", i * 7919 % 99_999))));
        let codes = |words: [&'static str; 3]| of((0..40).map(move |i| text(words[i % 3].into())));
        let numbers =
            |scale: f64| of((0..40).map(move |i| Value::Number(scale * (1.0 + f64::from(i * 37 % 40)))));
        let flags = || of((0..40).map(|i| Value::Boolean(i % 3 == 0)));
        let check = |name: &str, a: Likeness, b: Likeness, range: std::ops::Range<f64>| {
            let found = a.with(&b).unwrap_or(-1.0);
            assert!(range.contains(&found), "{name}: {found}");
        };
        check("identifiers", ids(0), ids(1_000), 0.8..1.01);
        check("codes", codes(["eur", "usd", "gbp"]), codes(["usd", "gbp", "eur"]), 0.8..1.01);
        check("other codes", codes(["eur", "usd", "gbp"]), codes(["new", "old", "due"]), 0.5..0.7);
        check("identifiers and codes", ids(0), codes(["eur", "usd", "gbp"]), 0.0..0.2);
        check("numbers", numbers(3.0), numbers(3.1), 0.8..1.01);
        check("other numbers", numbers(3.0), numbers(1e6), 0.0..0.6);
        check("flags", flags(), flags(), 0.9..1.01);
        check("flags and numbers", flags(), numbers(1.0), 0.0..0.2);
        check("too few", ids(0), of((0..3).map(|_| Value::Number(1.0))), -1.0..0.0);
    }
}
