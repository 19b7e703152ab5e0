//! Streams that change at a known message.

use pitot_drift::{Config, Kind};
use pitot_observe::shape::ValueKind::{Array, Boolean, Null, Number, Object, String as Text};

use crate::generate::{Body, Random, lines, run};

/// The first changed message.
pub(crate) const CHANGE: u64 = 1_501;

pub(crate) type Change = fn(&mut Random, &mut Body);

/// The body that changes are made to.
pub(crate) fn base(random: &mut Random, body: &mut Body) {
    body.add("$.id", Text);
    body.add("$.amount", Number);
    body.add("$.currency", Text);
    body.add("$.note", Null);
    body.add("$.customer", Object);
    body.add("$.customer.name", Text);
    body.add("$.customer.city", Text);
    body.maybe(random.chance(0.5), "$.coupon", Text);
    body.maybe(random.chance(0.05), "$.gift", Boolean);
    body.add("$.lines", Array);
    for _ in 0..1 + random.below(3) {
        body.add("$.lines[*]", Object);
        body.add("$.lines[*].price", Number);
        body.add("$.lines[*].sku", Text);
    }
}

/// `change`, to messages `from..to`.
pub(crate) fn stream(
    seed: u64,
    messages: u64,
    range: std::ops::Range<u64>,
    change: Change,
) -> Vec<pitot_drift::Evidence> {
    let generator = move |random: &mut Random, seq: u64, body: &mut Body| {
        base(random, body);
        if range.contains(&seq) {
            change(random, body);
        }
    };
    run(seed, messages, 1 + seed % 3, Box::new(generator))
}

/// The change is found once, within `delay` messages, as `kind path [from old_path]`.
pub(crate) fn check(delay: u64, expected: &[&str], change: Change) {
    for seed in 0..4 {
        let evidence = stream(seed, CHANGE + 3_000, CHANGE..u64::MAX, change);
        assert_eq!(lines(&evidence), expected, "seed {seed}");
        for e in &evidence {
            assert!(e.order.seq < CHANGE + delay, "{expected:?}, seed {seed}: at {}", e.order.seq);
            assert!(e.error <= Config::default().error_budget, "{expected:?}: {}", e.error);
            assert!(e.onset_ns <= e.time_ns && !e.examples.is_empty(), "{expected:?}");
            assert!(e.affected.0 >= 3 && e.affected.0 <= e.affected.1, "{expected:?}");
        }
    }
}

#[test]
fn no_change() {
    check(0, &[], |_, _| {});
}

#[test]
fn removed() {
    check(50, &["FieldRemoved $.currency"], |_, b| b.remove("$.currency"));
    check(50, &["FieldRemoved $.customer"], |_, b| b.remove("$.customer"));
    check(50, &["FieldRemoved $.customer.city"], |_, b| b.remove("$.customer.city"));
    check(50, &["FieldRemoved $.lines[*].sku"], |_, b| b.remove("$.lines[*].sku"));
    check(50, &["FieldRemoved $.lines"], |_, b| b.remove("$.lines"));
    check(150, &["FieldRemoved $.coupon"], |_, b| b.remove("$.coupon"));
    check(2_500, &["FieldRemoved $.gift"], |_, b| b.remove("$.gift"));
}

#[test]
fn added() {
    check(50, &["FieldAdded $.channel"], |_, b| b.add("$.channel", Text));
    check(50, &["FieldAdded $.channel"], |_, b| b.add("$.channel", Null));
    check(150, &["FieldAdded $.channel"], |r, b| b.maybe(r.chance(0.3), "$.channel", Text));
    check(50, &["FieldAdded $.tax"], |_, b| {
        b.add("$.tax", Object);
        b.add("$.tax.rate", Number);
    });
    check(50, &["FieldAdded $.lines[*].weight"], |_, b| {
        (0..b.count("$.lines[*]", Object)).for_each(|_| b.add("$.lines[*].weight", Number));
    });
}

#[test]
fn retyped() {
    check(50, &["TypeChanged $.amount"], |_, b| b.replace("$.amount", Text));
    check(50, &["TypeChanged $.customer"], |_, b| b.replace("$.customer", Text));
    check(50, &["TypeChanged $.amount"], |_, b| {
        b.replace("$.amount", Array);
        b.add("$.amount[*]", Object);
        b.add("$.amount[*].value", Number);
    });
    check(150, &["TypeChanged $.id"], |r, b| {
        if r.chance(0.3) {
            b.replace("$.id", Number);
        }
    });
}

#[test]
fn present_or_null_at_another_rate() {
    check(150, &["PresenceChanged $.currency"], |r, b| {
        if r.chance(0.3) {
            b.remove("$.currency");
        }
    });
    check(150, &["PresenceChanged $.coupon"], |_, b| b.replace("$.coupon", Text));
    check(150, &["PresenceChanged $.currency"], |r, b| {
        if r.chance(0.4) {
            b.replace("$.currency", Null);
        }
    });
    check(50, &["PresenceChanged $.currency"], |_, b| b.replace("$.currency", Null));
    check(50, &["PresenceChanged $.note"], |_, b| b.replace("$.note", Text));
}

#[test]
fn renamed() {
    check(50, &["FieldRenamed $.amount_minor from $.amount"], |_, b| {
        b.remove("$.amount");
        b.add("$.amount_minor", Number);
    });
    check(50, &["FieldRenamed $.lines[*].item from $.lines[*].sku"], |_, b| {
        b.remove("$.lines[*].sku");
        (0..b.count("$.lines[*]", Object)).for_each(|_| b.add("$.lines[*].item", Text));
    });
    check(50, &["FieldRenamed $.buyer from $.customer"], |_, b| {
        b.remove("$.customer");
        b.add("$.buyer", Object);
        b.add("$.buyer.name", Text);
        b.add("$.buyer.city", Text);
    });
    check(50, &["FieldRenamed $.total from $.amount", "FieldRenamed $.unit from $.currency"], |_, b| {
        b.remove("$.amount");
        b.remove("$.currency");
        b.add("$.total", Number);
        b.add("$.unit", Text);
    });
}

#[test]
fn not_renamed() {
    // Another type; two that could be it; an object with other members.
    check(50, &["FieldRemoved $.amount", "FieldAdded $.memo"], |_, b| {
        b.remove("$.amount");
        b.add("$.memo", Text);
    });
    check(50, &["FieldRemoved $.currency", "FieldAdded $.memo", "FieldAdded $.unit"], |_, b| {
        b.remove("$.currency");
        b.add("$.unit", Text);
        b.add("$.memo", Text);
    });
    check(50, &["FieldRemoved $.customer", "FieldAdded $.tax"], |_, b| {
        b.remove("$.customer");
        b.add("$.tax", Object);
        b.add("$.tax.rate", Number);
    });
}

/// What is done and undone is reported, then reported as undone.
#[test]
fn a_return_is_a_revert() {
    let check = |expected: &str, change: Change| {
        let evidence = stream(7, CHANGE + 2_000, CHANGE..CHANGE + 400, change);
        assert_eq!(lines(&evidence), [expected.to_owned(), format!("{expected} reverted")]);
    };
    check("FieldRemoved $.currency", |_, b| b.remove("$.currency"));
    check("FieldAdded $.x", |_, b| b.add("$.x", Text));
    check("TypeChanged $.amount", |_, b| b.replace("$.amount", Text));
    check("PresenceChanged $.currency", |_, b| b.replace("$.currency", Null));
    check("PresenceChanged $.coupon", |_, b| b.replace("$.coupon", Text));
    check("FieldRenamed $.amount_minor from $.amount", |_, b| {
        b.remove("$.amount");
        b.add("$.amount_minor", Number);
    });
}

#[test]
fn nothing_is_said_of_what_came_while_learning() {
    let evidence = stream(1, 2_000, 121..u64::MAX, |_, b| {
        b.remove("$.amount");
        b.add("$.x", Text);
    });
    assert_eq!(lines(&evidence), Vec::<String>::new());
}

/// A burst of something new that is soon over is no change.
#[test]
fn a_short_burst_is_learned() {
    let evidence = stream(1, 5_000, CHANGE..CHANGE + 20, |_, b| {
        b.add("$.debug", Text);
        b.remove("$.currency");
    });
    assert_eq!(lines(&evidence), Vec::<String>::new());
}

/// At the end of the input, what is certain by then is said.
#[test]
fn the_end_decides() {
    let check = |after: u64, expected: &[&str]| {
        let evidence = stream(1, CHANGE - 1 + after, CHANGE..u64::MAX, |_, b| b.remove("$.currency"));
        assert_eq!(lines(&evidence), expected, "{after}");
    };
    check(3, &[]);
    check(8, &["FieldRemoved $.currency"]);
}

#[test]
fn details_of_evidence() {
    let mut evidence = stream(3, CHANGE + 100, CHANGE..u64::MAX, |_, b| b.remove("$.currency"));
    let removed = evidence.remove(0);
    assert_eq!((removed.kind, removed.was_required), (Kind::FieldRemoved, true));
    assert_eq!(removed.onset_ns, CHANGE * 1_000_000);
    assert_eq!(removed.affected, (32, 32));
    assert_eq!((removed.examples.len(), &*removed.examples[0].exchange), (10, "1501"));
    let mut evidence = stream(3, CHANGE + 100, CHANGE..u64::MAX, |_, b| b.replace("$.amount", Text));
    assert_eq!(evidence.remove(0).types, Some((vec![Number], vec![Text])));
    let mut evidence = stream(3, CHANGE + 100, CHANGE..u64::MAX, |_, b| b.replace("$.amount", Null));
    assert_eq!(evidence.remove(0).rate, Some((0.0, 1.0)));
}

/// New on one connection of several: believed only after many more messages.
#[test]
fn one_connection_of_several_must_say_it_often() {
    let generator = |random: &mut Random, seq: u64, body: &mut Body| {
        base(random, body);
        if seq >= CHANGE && seq.is_multiple_of(4) {
            body.add("$.x", Text);
        }
    };
    let evidence = run(1, CHANGE + 1_000, 4, Box::new(generator));
    assert_eq!(lines(&evidence), ["FieldAdded $.x"]);
    assert!(evidence[0].order.seq >= CHANGE + 36, "every fourth time of the first 36");
}
