//! A field that takes another JSON type is one finding, and its values are watched as what they are then.

use pitot_drift::Evidence;

use crate::stream::{BEGIN_NS, Random, found};

/// The first changed message.
const CHANGE: u64 = 1_501;
/// Messages of a stream.
const MESSAGES: u64 = 4_000;

/// `kind path`, `-` before what is undone.
fn lines(evidence: &[Evidence]) -> Vec<String> {
    let line = |e: &Evidence| format!("{}{:?} {}", if e.reverted { "- " } else { "" }, e.kind, e.path);
    evidence.iter().map(line).collect()
}

/// Whether a change reaches a message, so many after the first.
type Reached = fn(&mut Random, u64) -> bool;

/// A number as it was and as it comes to be, whom it reaches; what is found.
fn check(expected: &[&str], before: fn(&mut Random, u64) -> String, after: fn(&mut Random, u64) -> String) {
    let reached: [(&str, Reached); 4] = [
        ("all", |_, _| true),
        ("more and more", |random, since| random.below(200) < since),
        ("one sender of three", |_, since| since % 3 == 0),
        ("one in five", |random, _| random.below(5) == 0),
    ];
    for (whom, reached) in reached {
        let found = found(7, MESSAGES, |random, number| {
            let is_changed = number >= CHANGE && reached(random, number - CHANGE);
            let value = if is_changed { after(random, number) } else { before(random, number) };
            format!(r#"{{"id":{number},"value":{value}}}"#)
        });
        assert_eq!(lines(&found), expected, "{whom}");
    }
}

/// The second of a message, or one of those before.
fn second(random: &mut Random, number: u64) -> u64 {
    BEGIN_NS / 1_000_000_000 + number - random.below(5).min(number)
}

fn iso(random: &mut Random, number: u64) -> String {
    let since = second(random, number) - BEGIN_NS / 86_400_000_000_000 * 86_400;
    let (day, of_day) = (since / 86_400, since % 86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!(r#""2025-01-{:02}T{hour:02}:{minute:02}:{second:02}Z""#, 6 + day)
}

#[test]
fn an_amount_or_a_code_of_another_type_is_one_finding() {
    let amount = |random: &mut Random, _| (1_000 + random.below(9_000)).to_string();
    let text = |random: &mut Random, _| format!(r#""{}""#, 1_000 + random.below(9_000));
    let code = |random: &mut Random, _| [r#""EUR""#, r#""USD""#, r#""GBP""#][random.below(3) as usize].into();
    check(&["TypeChanged $.value"], amount, text);
    check(&["TypeChanged $.value"], text, amount);
    check(&["TypeChanged $.value"], code, |_, _| "0".to_owned());
    check(&["TypeChanged $.value"], |random, _| (random.below(2) == 0).to_string(), text);
}

#[test]
fn a_moment_of_another_type_is_another_unit_of_time() {
    let seconds = |random: &mut Random, number| second(random, number).to_string();
    let milliseconds = |random: &mut Random, number| (1_000 * second(random, number)).to_string();
    let quoted = |random: &mut Random, number| format!(r#""{}""#, second(random, number));
    let expected = ["TimeUnitChanged $.value"];
    check(&expected, iso, seconds);
    check(&expected, iso, milliseconds);
    check(&expected, seconds, iso);
    // A number that is no time near that of its message, and the same number between quotes.
    check(&["TypeChanged $.value"], iso, |_, number| number.to_string());
    check(&["TypeChanged $.value"], seconds, quoted);
}

#[test]
fn values_of_the_new_type_are_watched() {
    let found = found(3, 4 * MESSAGES, |random, number| {
        let cents = 1_000 + random.below(9_000);
        let value = match number {
            ..CHANGE => format!(r#""{cents}""#),
            CHANGE..8_000 => cents.to_string(),
            _ => (100 * cents).to_string(),
        };
        format!(r#"{{"id":{number},"value":{value}}}"#)
    });
    assert_eq!(lines(&found), ["TypeChanged $.value", "UnitChanged $.value"]);
}
