use pitot_observe::hash::mix;
use pitot_observe::value::{Classes, Text};

use super::*;

fn unit(seed: u64) -> f64 {
    (mix(seed) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A normal number, about (the sum of 12 uniform ones).
fn normal(seed: u64) -> f64 {
    (0..12).map(|i| unit(seed * 12 + i)).sum::<f64>() - 6.0
}

/// Amounts with two decimals, most near 50.
fn amount(seed: u64) -> f64 {
    (50.0 * (0.8 * normal(seed)).exp() * 100.0).round() / 100.0
}

fn numbers(from: u64, count: u64, map: &dyn Fn(u64, f64) -> f64) -> Vec<f64> {
    (from..from + count).map(|seed| map(seed, amount(seed))).collect()
}

#[test]
fn numbers_are_told_apart() {
    let past = numbers(0, 128, &|_, x| x);
    let check = |name: &str, count: u64, kind: Kind, factor: Option<f64>, map: &dyn Fn(u64, f64) -> f64| {
        let cause = of_numbers(&past, &numbers(1_000, count, map));
        assert_eq!(cause.kind, kind, "{name}: {cause:?}");
        if let Some(factor) = factor {
            let found = cause.factor.unwrap_or(0.0);
            assert!((found / factor).ln().abs() < 0.15, "{name}: {found}");
        }
    };
    let third = |seed: u64| seed.is_multiple_of(3);
    check("cents", 32, Kind::UnitChanged, Some(100.0), &|_, x| x * 100.0);
    check("thousandths", 32, Kind::UnitChanged, Some(0.001), &|_, x| x / 1_000.0);
    check("cents from a third", 64, Kind::UnitChanged, Some(100.0), &|s, x| {
        if third(s) { x * 100.0 } else { x }
    });
    check("negated", 32, Kind::SignFlipped, None, &|_, x| -x);
    check("rounded", 32, Kind::PrecisionLost, None, &|_, x| x.round());
    check("zero in a third", 64, Kind::DefaultSubstituted, None, &|s, x| if third(s) { 0.0 } else { x });
    check("frozen", 32, Kind::ValueFrozen, None, &|_, _| 42.17);
    check("a third more", 512, Kind::ValueRescaled, Some(1.35), &|_, x| x * 1.35);
    check("further up", 512, Kind::DistributionShifted, None, &|_, x| x + 60.0);
    let few = |s: u64, x: f64| if s.is_multiple_of(20) { x * 1e5 } else { x };
    check("a few far off", 256, Kind::OutOfRange, None, &few);
}

#[test]
fn numbers_that_are_back() {
    let past = numbers(0, 128, &|_, x| x);
    assert!(are_like_numbers(&past, &numbers(1_000, 32, &|_, x| x)));
    assert!(!are_like_numbers(&past, &numbers(1_000, 32, &|_, x| x * 100.0)));
    assert!(!are_like_numbers(&past, &numbers(1_000, 32, &|_, _| 0.0)));
}

#[test]
fn a_constant_that_is_set_to_another() {
    let check = |to: f64, kind: Kind, factor: Option<f64>| {
        let cause = of_numbers(&[19.0; 128], &[to; 32]);
        assert_eq!((cause.kind, cause.factor), (kind, factor), "{to}");
    };
    check(0.19, Kind::UnitChanged, Some(0.01));
    check(1_900.0, Kind::UnitChanged, Some(100.0));
    check(7.0, Kind::DistributionShifted, None);
    check(0.0, Kind::DefaultSubstituted, None);
}

#[test]
fn a_moment_that_comes_again_stands_still_only_while_time_goes_on() {
    let past: Vec<f64> = (0..128).map(|seed| 2.0 * unit(seed)).collect();
    // Of messages `step` seconds apart, each third with the moment of the first.
    let check = |step: f64, expected: bool| {
        let now = |i: u32| f64::from(i) * step;
        let moments: Vec<f64> =
            (0..60).map(|i| if i % 3 == 0 { 0.0 } else { now(i) - past[i as usize] }).collect();
        let ages: Vec<f64> = (0..60).zip(&moments).map(|(i, moment)| now(i) - moment).collect();
        assert_eq!(stands_still(&past, &ages, &moments), expected, "{step}");
    };
    check(1.0, true);
    check(0.01, false);
    assert!(!stands_still(&past, &past, &past));
}

#[test]
fn ages_are_told_apart() {
    const NOW_S: f64 = 1_736_121_600.0;
    let age = |seed: u64| 2.0 * unit(seed);
    let past: Vec<f64> = (0..128).map(age).collect();
    let check = |name: &str, kind: Kind, figure: Option<f64>, same: f32, map: &dyn Fn(f64) -> f64| {
        let recent: Vec<f64> = (1_000..1_032).map(|seed| map(age(seed))).collect();
        let cause = of_ages(&past, &recent, NOW_S, same);
        assert_eq!((cause.kind, cause.offset_s.or(cause.factor)), (kind, figure), "{name}");
    };
    check("another zone", Kind::TimeShifted, Some(18_000.0), 0.0, &|age| age - 18_000.0);
    check("winter time", Kind::TimeShifted, Some(-3_600.0), 0.0, &|age| age + 3_600.0);
    check("milliseconds", Kind::TimeUnitChanged, Some(1_000.0), 0.0, &|age| NOW_S - (NOW_S - age) * 1_000.0);
    check("seconds", Kind::TimeUnitChanged, Some(0.001), 0.0, &|age| NOW_S - (NOW_S - age) / 1_000.0);
    check("the epoch", Kind::DefaultSubstituted, None, 0.0, &|age| if age < 1.0 { NOW_S } else { age });
    check("a clock that stands", Kind::ValueFrozen, None, 1.0, &|age| age + 100.0);
    let held = std::cell::Cell::new(0.0);
    check("a clock that stands in a third", Kind::ValueFrozen, None, 0.1, &|age| {
        held.set(held.get() + 10.0);
        if held.get() % 30.0 < 1.0 { held.get() } else { age }
    });
    let later = || {
        held.set(held.get() + 10.0);
        held.get()
    };
    check("seconds, as time goes by", Kind::TimeUnitChanged, Some(0.001), 0.0, &|age| {
        NOW_S + later() - (NOW_S - age) / 1_000.0
    });
    check("the epoch, as time goes by", Kind::DefaultSubstituted, None, 0.3, &|age| {
        if age < 1.0 { NOW_S + later() } else { age }
    });
    check("late", Kind::DistributionShifted, None, 0.0, &|age| age + 1_234.0);
}

fn texts(from: u64, count: u64, text: &dyn Fn(u64) -> String) -> Vec<Text> {
    (from..from + count).map(|seed| Text::of(&text(seed))).collect()
}

#[test]
fn texts_are_told_apart() {
    let name = |seed: u64| {
        const NAMES: [&str; 6] = ["Jürgen", "Amélie", "Anna", "Robert", "Zoë", "Christine"];
        let pick = |seed: u64| NAMES[(mix(seed) % 6) as usize];
        format!("{} {}{}", pick(seed), pick(seed + 7), seed % 10)
    };
    let id = |seed: u64| format!("{:08x}-{:04x}", mix(seed) as u32, mix(seed + 1) as u16);
    let check = |title: &str, kind: Kind, before: &dyn Fn(u64) -> String, after: &dyn Fn(u64) -> String| {
        assert_eq!(of_texts(&texts(0, 128, before), &texts(1_000, 32, after)).kind, kind, "{title}");
    };
    let garbled = |seed: u64| name(seed).bytes().map(char::from).collect::<String>();
    check("garbled", Kind::TextDamaged, &name, &garbled);
    check("cut", Kind::TextDamaged, &name, &|seed| name(seed).chars().take(5).collect());
    check("no name", Kind::DefaultSubstituted, &name, &|s| if s % 3 == 0 { "N/A".into() } else { name(s) });
    check("one name", Kind::ValueFrozen, &name, &|_| "Anna Robert1".into());
    check("no dashes", Kind::FormatChanged, &id, &|seed| id(seed).replace('-', ""));
    check("other identifiers", Kind::IdentifierRekeyed, &id, &|seed| format!("CUS_{}", mix(seed)));
    let account = |seed: u64| format!("DE{:02} {:04}", seed % 90, mix(seed) % 10_000);
    check("other accounts", Kind::IdentifierRekeyed, &account, &|seed| format!("k{:015x}", mix(seed) >> 4));
    check("accounts in small letters", Kind::FormatChanged, &account, &|seed| account(seed).to_lowercase());
}

#[test]
fn codes_are_told_apart() {
    let code = |seed: u64| match mix(seed) % 10 {
        0..6 => "NEW",
        6..9 => "PAID",
        _ => "LOST",
    };
    let past = texts(0, 128, &|seed| code(seed).into());
    let check = |title: &str, kind: Kind, after: &dyn Fn(u64) -> String| {
        let known = ["NEW", "PAID", "LOST"].map(|code| Text::of(code).hash).into_iter().zip([0.6, 0.3, 0.1]);
        let known: Vec<(u64, f64)> = known.collect();
        assert_eq!(of_codes(&past, &texts(1_000, 256, after), &known).kind, kind, "{title}");
    };
    check("small letters", Kind::FormatChanged, &|seed| code(seed).to_lowercase());
    check("a new one", Kind::EnumValueAdded, &|s| if s % 20 == 0 { "VOID".into() } else { code(s).into() });
    check("others", Kind::MeaningChanged, &|seed| {
        code(seed).replace("NEW", "OLD").replace("PAID", "OPEN").replace("LOST", "DONE")
    });
    let swapped = |seed: u64| match code(seed) {
        "NEW" => "LOST".to_owned(),
        "LOST" => "NEW".to_owned(),
        other => other.to_owned(),
    };
    check("swapped", Kind::MeaningChanged, &swapped);
    check("swapped in a third", Kind::MeaningChanged, &|s| {
        if s % 3 == 0 { swapped(s) } else { code(s).into() }
    });
    check("one instead of many", Kind::CardinalityChanged, &|s| {
        if s % 20 > 0 { "NEW" } else { "PAID" }.into()
    });
    let letters =
        |seed: u64| seed.to_string().bytes().map(|b| char::from(b - b'0' + b'A')).collect::<String>();
    check("any", Kind::CardinalityChanged, &letters);
    check("one only", Kind::ValueFrozen, &|_| "NEW".into());
    check("none", Kind::DefaultSubstituted, &|s| if s % 4 == 0 { "N/A".into() } else { code(s).into() });
    assert!(past.iter().all(|text| text.classes.contains(Classes::UPPER)));
}
