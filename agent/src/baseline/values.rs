//! What is known of values, as it may be shown: kinds, counts, and ranges rounded outward to two significant digits.

use pitot_drift::describe::{Known, ValuesDescription};
use pitot_findings::outward;
use serde_json::{Value, json};

const DAY_S: f64 = 86_400.0;

/// How values are read: a word for programs, the range in which half of them lie, and its unit.
fn known(values: &ValuesDescription) -> (&'static str, Option<(f64, f64)>, &'static str) {
    match values.known {
        Known::Numbers { middle } => ("numbers", Some(middle), ""),
        Known::Steps { middle } => ("steps", Some(middle), ""),
        Known::Times { middle } => ("times", Some(middle), " s"),
        Known::Days { middle: (low, high) } => ("days", Some((low / DAY_S, high / DAY_S)), " days"),
        Known::Codes { .. } => ("codes", None, ""),
        Known::Texts => ("texts", None, ""),
        _ => ("unknown", None, ""),
    }
}

/// For people: `numbers, half in 1200 to 5700`.
#[must_use]
pub fn text(values: &ValuesDescription) -> String {
    let (name, middle, unit) = known(values);
    let range = middle.map(|middle| {
        let (low, high) = outward(middle);
        format!("{} to {}{unit}", number(low), number(high))
    });
    match (values.known, range) {
        (Known::Codes { count: 1 }, _) => "1 code".to_owned(),
        (Known::Codes { count }, _) => format!("{count} codes"),
        (Known::Nothing, _) => "-".to_owned(),
        (Known::Steps { .. }, Some(range)) => format!("growing, half by {range}"),
        (Known::Times { .. } | Known::Days { .. }, Some(range)) => {
            format!("{name}, half {range} before the message")
        }
        (_, Some(range)) => format!("{name}, half in {range}"),
        (_, None) => name.to_owned(),
    }
}

/// For programs.
#[must_use]
pub fn json(values: &ValuesDescription) -> Value {
    let (name, middle, _) = known(values);
    let mut of = json!({"are": name, "messages": values.messages});
    if let Some(middle) = middle {
        let (low, high) = outward(middle);
        of["middle"] = json!([low, high]);
    }
    if let Known::Codes { count } = values.known {
        of["count"] = json!(count);
    }
    of
}

/// Whether two are as good as the same: read in the same way, and half of the one not beyond half of the other. What is not
/// known yet is no difference.
#[must_use]
pub fn are_alike(a: &ValuesDescription, b: &ValuesDescription) -> bool {
    if a.known == Known::Nothing || b.known == Known::Nothing {
        return true;
    }
    let ((a, of_a, _), (b, of_b, _)) = (known(a), known(b));
    let overlap = |((low, high), (other_low, other_high))| low <= other_high && other_low <= high;
    a == b && of_a.map(outward).zip(of_b.map(outward)).is_none_or(overlap)
}

/// Not in full where that is many digits.
fn number(x: f64) -> String {
    let is_plain = x == 0.0 || (1e-4..1e9).contains(&x.abs());
    if is_plain { format!("{x}") } else { format!("{x:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(known: Known) -> ValuesDescription {
        ValuesDescription { known, messages: 300, needs: 0 }
    }

    #[test]
    fn values_in_words() {
        let check = |known: Known, expected: &str| assert_eq!(text(&of(known)), expected);
        check(Known::Numbers { middle: (1_234.0, 5_678.0) }, "numbers, half in 1200 to 5700");
        check(Known::Numbers { middle: (-0.000_012_3, 9.87e12) }, "numbers, half in -1.3e-5 to 9.9e12");
        check(Known::Steps { middle: (1.0, 3.0) }, "growing, half by 1 to 3");
        check(Known::Times { middle: (0.04, 2.0) }, "times, half 0.04 to 2 s before the message");
        check(Known::Days { middle: (0.0, 259_200.0) }, "days, half 0 to 3 days before the message");
        check(Known::Codes { count: 1 }, "1 code");
        check(Known::Codes { count: 7 }, "7 codes");
        check(Known::Texts, "texts");
        check(Known::Nothing, "-");
    }

    #[test]
    fn what_is_alike() {
        let check = |a: Known, b: Known, expected: bool| {
            assert_eq!((are_alike(&of(a), &of(b)), are_alike(&of(b), &of(a))), (expected, expected));
        };
        let numbers = |low, high| Known::Numbers { middle: (low, high) };
        check(numbers(10.0, 20.0), numbers(15.0, 40.0), true);
        check(numbers(10.0, 20.0), numbers(1_000.0, 2_000.0), false);
        check(numbers(10.0, 20.0), Known::Steps { middle: (10.0, 20.0) }, false);
        check(Known::Codes { count: 2 }, Known::Codes { count: 3 }, true);
        check(Known::Texts, Known::Codes { count: 3 }, false);
        check(Known::Texts, Known::Nothing, true);
    }
}
