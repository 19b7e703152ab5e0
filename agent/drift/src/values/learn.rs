//! The first values of a field: how they are to be read, and what is normal to begin with.

use pitot_observe::Value;
use pitot_observe::value::Text;
use serde::{Deserialize, Serialize};

use super::Came;
use super::codes::Codes;
use super::defaults::Defaults;
use super::numbers::{self, Numbers, Reading};
use super::others::Type;
use super::reader::{Reader, as_code};
use super::sample::Sample;
use super::scales::{Scales, Sums};
use super::texts::Texts;
use super::watched::Watched;

/// Messages from which a field is learned.
pub(crate) const ENOUGH: usize = 64;
/// Values of which something is said before they are enough.
const FEWEST: usize = 2;
/// How far from now a time may lie, in ns: 400 days.
const NEAR_NS: f64 = 400.0 * 86_400.0 * 1e9;
/// Units of times that are numbers, in ns.
const TIME_UNITS: [f64; 4] = [1e9, 1e6, 1e3, 1.0];
/// Codes that a field of codes has at most, and times that each is seen on average.
pub(crate) const MOST_CODES: usize = 24;
const OFTEN: usize = 6;

/// Values so far, one of a message, with its time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Learning {
    values: Vec<(Value, u64)>,
    /// Marks that were seen before.
    seen: Vec<u64>,
}

impl Learning {
    /// Of a field in which these marks were seen before.
    pub(crate) fn with(seen: Vec<u64>) -> Self {
        Self { values: Vec::new(), seen }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes the first value of a message. Whether they are enough.
    pub(crate) fn see(&mut self, value: Value, t_ns: u64) -> bool {
        self.values.push((value, t_ns));
        self.values.len() >= ENOUGH
    }

    /// Whether the values, of which there are some, are times.
    pub(crate) fn are_times(&self) -> bool {
        let is_written =
            |(value, _): &(Value, u64)| matches!(value, Value::Text(text) if text.time_ns.is_some());
        self.values.len() >= FEWEST
            && (self.values.iter().all(is_written) || unit_of(&self.values, self.values.len()).is_some())
    }

    /// How the field is watched from now on; `None` where its values are of no one kind. `like`: what the same field was
    /// before.
    pub(crate) fn end(&mut self, like: Option<&Scales>) -> Option<Watched> {
        let values = std::mem::take(&mut self.values);
        let mostly = |count: usize| count * 100 >= values.len() * 95;
        let count = |is: &dyn Fn(&Value) -> bool| values.iter().filter(|(value, _)| is(value)).count();
        if mostly(count(&|value| matches!(value, Value::Text(text) if text.time_ns.is_some()))) {
            /// Of a date of RFC 3339.
            const DATE: u32 = 10;
            let is_date = mostly(count(&|value| matches!(value, Value::Text(text) if text.length == DATE)));
            let reading = if is_date { Reading::Day } else { Reading::Age(0.0) };
            return Some(of_numbers(&values, reading, &self.seen, like));
        }
        if mostly(count(&|value| matches!(value, Value::Text(_) | Value::Boolean(_)))) {
            return Some(of_texts(&values, &self.seen, like));
        }
        if !mostly(count(&|value| matches!(value, Value::Number(_)))) {
            return None;
        }
        let reading = match unit_of(&values, (values.len() * 95).div_ceil(100)) {
            Some(unit) => Reading::Age(unit),
            None if grows(&values) => Reading::Step,
            None => Reading::Plain,
        };
        Some(of_numbers(&values, reading, &self.seen, like))
    }
}

/// The unit, in ns, in which at least `enough` of the values are numbers that say a time not far from their message's.
fn unit_of(values: &[(Value, u64)], enough: usize) -> Option<f64> {
    let is_near = |unit: f64, (value, t_ns): &(Value, u64)| match value {
        Value::Number(x) => (*x * unit - *t_ns as f64).abs() < NEAR_NS,
        _ => false,
    };
    TIME_UNITS.into_iter().find(|unit| values.iter().filter(|v| is_near(*unit, v)).count() >= enough)
}

/// Whether each number is at least the one before, and most are more.
fn grows(values: &[(Value, u64)]) -> bool {
    let number = |value: &Value| if let Value::Number(x) = value { Some(*x) } else { None };
    let numbers: Vec<f64> = values.iter().filter_map(|(value, _)| number(value)).collect();
    let steps = || numbers.windows(2).filter_map(|two| Some(two.last()? - two.first()?));
    let (all, less, more) =
        (steps().count(), steps().filter(|s| *s < 0.0).count(), steps().filter(|s| *s > 0.0).count());
    all > 0 && less * 20 <= all && more * 2 >= all
}

fn of_numbers(values: &[(Value, u64)], reading: Reading, seen: &[u64], like: Option<&Scales>) -> Watched {
    let mut last = f64::NAN;
    let mut read = |(value, t_ns): &(Value, u64)| {
        let x = numbers::read(reading, value, *t_ns)?.0;
        let before = std::mem::replace(&mut last, x);
        if reading == Reading::Step { Some(x - before).filter(|step| !step.is_nan()) } else { Some(x) }
    };
    let read: Vec<f64> = values.iter().filter_map(&mut read).collect();
    let mut sorted = read.clone();
    sorted.sort_by(f64::total_cmp);
    let mut numbers = Numbers::new(reading, &sorted);
    let each = values.iter().filter_map(|(value, t_ns)| {
        numbers.see(value, *t_ns, 1.0)?;
        Some(numbers.take())
    });
    let sums: Vec<Sums> = each.collect();
    let mut defaults = Defaults::new(seen);
    for (i, (value, _)) in values.iter().enumerate() {
        defaults.see(reading, value, came(i));
    }
    let reader = Reader::Numbers { numbers: Box::new(numbers), defaults, sample: Sample::new(&read) };
    Watched::new(kind_of(values), reader, Scales::new(&sums, numbers::channel::FAR, 1.0, like))
}

/// The type that most have.
fn kind_of(values: &[(Value, u64)]) -> Type {
    let count = |kind: &Type| values.iter().filter(|(value, _)| Type::of(value) == *kind).count();
    [Type::Boolean, Type::Text, Type::Number].into_iter().max_by_key(count).unwrap_or(Type::Number)
}

/// How the n-th of the first values came.
fn came(n: usize) -> Came {
    Came { message: 1 + n as u64, t_ns: 0, sender: 0, weight: 1.0, is_learning: true }
}

fn of_texts(values: &[(Value, u64)], seen: &[u64], like: Option<&Scales>) -> Watched {
    let texts: Vec<Text> = values.iter().filter_map(|(value, _)| as_code(value).copied()).collect();
    let hashes: Vec<u64> = texts.iter().map(|text| text.hash).collect();
    let distinct = super::distinct(hashes.iter().copied());
    let sample = Sample::new(&texts);
    if distinct <= MOST_CODES && distinct * OFTEN <= texts.len() {
        let mut codes = Codes::new(&hashes, seen);
        let each = texts.iter().enumerate().map(|(i, text)| {
            codes.see(text, came(i));
            codes.take()
        });
        let sums: Vec<Sums> = each.collect();
        let scales = Scales::new(&sums, 0, codes.clustering(), like);
        Watched::new(kind_of(values), Reader::Codes { codes: Box::new(codes), sample }, scales)
    } else {
        let mut reader = Texts::new(&texts, seen);
        let each = texts.iter().enumerate().map(|(i, text)| {
            reader.see(text, came(i));
            reader.take()
        });
        let sums: Vec<Sums> = each.collect();
        let reader = Reader::Texts { texts: Box::new(reader), sample };
        Watched::new(kind_of(values), reader, Scales::new(&sums, super::texts::channel::CLASSES, 1.0, like))
    }
}
