//! Numbers that are written where nothing is known, of a field that never had them: zero, -1, the beginning of 1970.
//!
//! A default is a mark ([`Unseen`]); each time that it comes after another value counts, so that a value that is held
//! counts once. It took the place of values only if the others are as before: a process that comes down to zero, or is
//! rounded to it, is something else, and told elsewhere.

use pitot_observe::Value;
use serde::{Deserialize, Serialize};

use super::numbers::Reading;
use super::unseen::{News, Unseen};
use super::{Came, cause};
use crate::evidence::Kind;

const DAY_NS: f64 = 86_400e9;
/// Other values of which it is asked where they lie, and their share on either side of the middle.
const FEWEST: usize = 12;
const LEAST_SHARE: f64 = 0.15;
/// Part of the usual distance from a default that is near it.
const NEAR: f64 = 0.5;

/// The defaults of a field of numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Defaults {
    unseen: Unseen<()>,
    /// The mark of the last value.
    last: Option<u64>,
    message: u64,
}

impl Defaults {
    /// Of a field in which these marks were seen before.
    pub(crate) fn new(seen: &[u64]) -> Self {
        Self { unseen: Unseen::new(seen.iter().copied()), last: None, message: 0 }
    }

    /// Marks that were seen.
    pub(crate) fn seen(&self) -> Vec<u64> {
        self.unseen.known().to_vec()
    }

    /// Counts a value. Whether there is something to say.
    #[inline]
    pub(crate) fn see(&mut self, reading: Reading, value: &Value, came: Came) -> bool {
        if std::mem::replace(&mut self.message, came.message) != came.message {
            self.unseen.count(came.sender);
        }
        let mark = mark(reading, value);
        let is_entry = std::mem::replace(&mut self.last, mark) != mark;
        mark.is_some_and(|mark| !self.unseen.is_known(mark) && self.unseen.see(mark, (), came, is_entry, 1.0))
    }

    /// A default that is there now and never was, where values are otherwise as those in `past`.
    pub(crate) fn news(&mut self, reading: Reading, past: &[f64], recent: &[f64]) -> Option<News> {
        let news = self.unseen.take(1.0)?;
        let since = recent.len().saturating_sub(news.messages.1 as usize);
        let recent = recent.get(since..).unwrap_or(recent);
        if !reading.is_time() && !is_as_before(past, recent) && !is_apart(news.mark, past, recent) {
            self.unseen.accept(news.mark);
            return None;
        }
        self.unseen.accept_all();
        Some(news)
    }
}

/// Whether values that are no defaults are as they were.
fn is_as_before(past: &[f64], recent: &[f64]) -> bool {
    let rest: Vec<f64> = recent.iter().copied().filter(|x| cause::place_of_default(*x).is_none()).collect();
    if rest.len() < FEWEST {
        return true;
    }
    let mut sorted = past.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = super::quantile(&sorted, 0.5);
    let part = |count: usize| count as f64 / rest.len() as f64;
    let below = part(rest.iter().filter(|x| **x < middle).count());
    let above = part(rest.iter().filter(|x| **x > middle).count());
    // Of few different ones, most may be the middle one.
    let is_there = above.max(below) < 1.0 - LEAST_SHARE;
    is_there && matches!(cause::of_numbers(past, &rest).kind, Kind::DistributionShifted | Kind::OutOfRange)
}

/// Whether all other values are as far from a default as those before were, or nearly, and on the same side of it: a slow
/// process may have gone elsewhere, but not there.
fn is_apart(mark: u64, past: &[f64], recent: &[f64]) -> bool {
    let Some(default) = cause::default_at(mark) else { return false };
    let mut sorted = past.to_vec();
    sorted.sort_by(f64::total_cmp);
    let distance = super::quantile(&sorted, 0.5) - default;
    let mut others = recent.iter().filter(|x| cause::place_of_default(**x).is_none());
    others.all(|x| (x - default) * distance.signum() >= NEAR * distance.abs())
}

/// Which default a value is.
#[inline]
fn mark(reading: Reading, value: &Value) -> Option<u64> {
    let ns = match (reading, value) {
        (Reading::Plain | Reading::Step, Value::Number(x)) => return cause::place_of_default(*x),
        (Reading::Age(unit), Value::Number(x)) => *x * unit,
        (_, Value::Text(text)) => text.time_ns? as f64,
        _ => return None,
    };
    (ns.abs() < 2.0 * DAY_NS).then_some(0)
}

#[cfg(test)]
mod tests {
    use pitot_observe::hash::mix;
    use pitot_observe::value::Text;

    use super::*;

    fn unit(seed: u64) -> f64 {
        (mix(seed) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether defaults are told of a stream of such values, of which a thousand are as before.
    fn is_told(reading: Reading, value: &dyn Fn(u64, bool) -> Value) -> bool {
        let mut defaults = Defaults::new(&[]);
        let number = |value: &Value| if let Value::Number(x) = value { *x } else { 0.0 };
        let past: Vec<f64> = (0..128).map(|i| number(&value(i, false))).collect();
        (1..=2_000).any(|message| {
            let came =
                Came { message, t_ns: 0, sender: message % 3, weight: 1.0, is_learning: message <= 64 };
            let is_due = defaults.see(reading, &value(message, message > 1_000), came);
            let recent = || (message.saturating_sub(63)..=message).map(|i| number(&value(i, i > 1_000)));
            is_due && defaults.news(reading, &past, &recent().collect::<Vec<f64>>()).is_some()
        })
    }

    #[test]
    fn defaults_among_numbers() {
        let check = |name: &str, expected: bool, value: &dyn Fn(u64, bool) -> f64| {
            let is = is_told(Reading::Plain, &|message, is_after| Value::Number(value(message, is_after)));
            assert_eq!(is, expected, "{name}");
        };
        let usual = |message: u64| (100.0 + 40.0 * unit(message)).round();
        let third = |message: u64| unit(message + (1 << 40)) < 0.3;
        check("none", false, &|m, _| usual(m));
        check("zero in a third", true, &|m, is_after| if is_after && third(m) { 0.0 } else { usual(m) });
        check("-1 in a third", true, &|m, is_after| if is_after && third(m) { -1.0 } else { usual(m) });
        check("42 in a third", false, &|m, is_after| if is_after && third(m) { 42.0 } else { usual(m) });
        check("zero now and then, as ever", false, &|m, _| if m.is_multiple_of(50) { 0.0 } else { usual(m) });
        check("a process that comes down to zero", false, &|m, is_after| {
            if is_after { (3.0 * unit(m)).floor() } else { usual(m) }
        });
        let walk = |m: u64| 100.0 + 0.02 * m as f64 + unit(m);
        check("zero in a third of a slow process", true, &|m, is_after| {
            if is_after && third(m) { 0.0 } else { walk(m) }
        });
        let small = |m: u64| 1.0 + (4.0 * unit(m)).floor();
        check("negated, so that some are -1", false, &|m, is_after| {
            if is_after { -small(m) } else { small(m) }
        });
        check("held at zero", false, &|m, is_after| if is_after { 0.0 } else { usual(m) });
    }

    #[test]
    fn defaults_among_times() {
        let now = |message: u64| 1_736_121_600 + message as i64;
        let check = |name: &str, reading: Reading, expected: bool, of: &dyn Fn(i64) -> Value| {
            let value = |message: u64, is_after: bool| {
                let is_default = is_after && unit(message) < 0.3;
                of(if is_default { 0 } else { now(message) })
            };
            assert_eq!(is_told(reading, &value), expected, "{name}");
        };
        let text = |seconds: i64| {
            Value::Text(Text { time_ns: Some(seconds * 1_000_000_000), ..Text::of("2025-01-06T00:00:00Z") })
        };
        check("seconds", Reading::Age(1e9), true, &|seconds| Value::Number(seconds as f64));
        check("a text", Reading::Age(0.0), true, &text);
        check("a date", Reading::Day, true, &text);
        check("later ones", Reading::Age(1e9), false, &|seconds| Value::Number(seconds as f64 + 1e6));
    }
}
