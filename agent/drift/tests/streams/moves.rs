//! Fields that go elsewhere, are wrapped, come at another rate, or in a new form of their object.

use pitot_observe::shape::ValueKind::{Array, Null, Number, Object, String as Text};
use pitot_observe::value::{Text as Seen, Value};
use proptest::prelude::*;

use crate::changes::{CHANGE, Change, base, check, stream};
use crate::generate::{Body, Random, lines, run};

#[test]
fn moved() {
    // Into a new object; into one that was there; out of one that vanishes; with all that is in it; into the parent.
    check(50, &["FieldMoved $.total.amount from $.amount"], |_, b| {
        b.remove("$.amount");
        b.add("$.total", Object);
        b.add("$.total.amount", Number);
    });
    check(50, &["FieldMoved $.customer.currency from $.currency"], |_, b| {
        b.remove("$.currency");
        b.add("$.customer.currency", Text);
    });
    check(
        50,
        &["FieldMoved $.city from $.customer.city", "FieldMoved $.name from $.customer.name"],
        |_, b| {
            b.remove("$.customer");
            b.add("$.city", Text);
            b.add("$.name", Text);
        },
    );
    check(50, &["FieldMoved $.parties.customer from $.customer"], |_, b| {
        b.remove("$.customer");
        b.add("$.parties", Object);
        b.add("$.parties.customer", Object);
        b.add("$.parties.customer.name", Text);
        b.add("$.parties.customer.city", Text);
    });
    check(50, &["FieldMoved $.customer.place.city from $.customer.city"], |_, b| {
        b.remove("$.customer.city");
        b.add("$.customer.place", Object);
        b.add("$.customer.place.city", Text);
    });
}

/// What comes with a new object beside what moved, and what went with an old one, has findings of its own.
#[test]
fn moved_in_part() {
    check(50, &["FieldMoved $.total.amount from $.amount", "FieldAdded $.total.tax"], |_, b| {
        b.remove("$.amount");
        b.add("$.total", Object);
        b.add("$.total.amount", Number);
        b.add("$.total.tax", Number);
    });
    check(50, &["FieldMoved $.city from $.customer.city", "FieldRemoved $.customer"], |_, b| {
        b.remove("$.customer");
        b.add("$.city", Text);
    });
}

/// Two fields that go at once: by their types, names and values; and not at all where nothing tells which is which.
#[test]
fn several_at_once() {
    check(
        50,
        &["FieldRenamed $.amount_minor from $.amount", "FieldRenamed $.currency_code from $.currency"],
        |_, b| {
            b.remove("$.amount");
            b.remove("$.currency");
            b.add("$.amount_minor", Number);
            b.add("$.currency_code", Text);
        },
    );
    check(
        50,
        &["FieldRemoved $.currency", "FieldRemoved $.id", "FieldAdded $.x", "FieldAdded $.y"],
        |_, b| {
            b.remove("$.id");
            b.remove("$.currency");
            b.add("$.x", Text);
            b.add("$.y", Text);
        },
    );
    let values: fn(&mut Random, u64, &mut Body) = |random, seq, body| {
        let id = Value::Text(Seen::of(&format!("ord_{:012}", random.below(1 << 30))));
        let code = Value::Text(Seen::of(["EUR", "USD", "GBP"][random.below(3) as usize]));
        let (first, second) = if seq < CHANGE { ("$.id", "$.currency") } else { ("$.y", "$.x") };
        body.set(first, id);
        body.set(second, code);
    };
    for seed in 0..4 {
        let evidence = run(seed, CHANGE + 500, 2, Box::new(values));
        assert_eq!(lines(&evidence), ["FieldRenamed $.x from $.currency", "FieldRenamed $.y from $.id"]);
    }
}

/// Fields of unlike values and names that go and come at once are two changes.
#[test]
fn values_forbid() {
    let values: fn(&mut Random, u64, &mut Body) = |random, seq, body| {
        body.add("$.other", Text);
        if seq < CHANGE {
            body.set("$.fax", Value::Text(Seen::of(&format!("+49 30 {:07}", random.below(9_999_999)))));
        } else {
            body.set("$.build", Value::Text(Seen::of("main")));
        }
    };
    let evidence = run(1, CHANGE + 500, 2, Box::new(values));
    assert_eq!(lines(&evidence), ["FieldAdded $.build", "FieldRemoved $.fax"]);
}

#[test]
fn wrapped() {
    check(50, &["ArrayShapeChanged $.currency"], |_, b| {
        b.replace("$.currency", Array);
        b.add("$.currency[*]", Text);
    });
    check(50, &["ArrayShapeChanged $.customer"], |_, b| {
        b.replace("$.customer", Array);
        b.add("$.customer[*]", Object);
        b.add("$.customer[*].name", Text);
        b.add("$.customer[*].city", Text);
    });
    check(50, &["ArrayShapeChanged $.lines"], |_, b| {
        b.replace("$.lines", Object);
        b.add("$.lines.price", Number);
        b.add("$.lines.sku", Text);
    });
    check(50, &["TypeChanged $.currency"], |_, b| {
        b.replace("$.currency", Array);
        b.add("$.currency[*]", Number);
    });
}

/// One message of before, sent again after the change, does not make a removal a change of the rate.
#[test]
fn a_straggler() {
    let generator: fn(&mut Random, u64, &mut Body) = |random, seq, body| {
        base(random, body);
        if seq >= CHANGE && seq != CHANGE + 20 {
            body.remove("$.currency");
        }
    };
    let evidence = run(1, CHANGE + 1_000, 3, Box::new(generator));
    assert_eq!(lines(&evidence), ["FieldRemoved $.currency"]);
    assert!(evidence[0].order.seq < CHANGE + 60);
}

#[test]
fn rates() {
    check(700, &["PresenceChanged $.gift"], |r, b| {
        if r.chance(0.5) {
            b.replace("$.gift", Text);
            b.replace("$.gift", pitot_observe::shape::ValueKind::Boolean);
        }
    });
}

/// A new form of the body: its members are one finding.
#[test]
fn a_variant() {
    let generator: fn(&mut Random, u64, &mut Body) = |random, seq, body| {
        body.add("$.id", Text);
        if seq >= CHANGE && random.chance(0.3) {
            body.add("$.refund", Number);
            body.add("$.reason", Text);
        } else if random.chance(0.6) {
            body.add("$.card", Text);
            body.add("$.expiry", Text);
        } else {
            body.add("$.iban", Text);
        }
    };
    for seed in 0..4 {
        let evidence = run(seed, CHANGE + 2_000, 3, Box::new(generator));
        assert_eq!(lines(&evidence), ["VariantAdded $"], "seed {seed}");
        assert!(evidence[0].order.seq < CHANGE + 150, "{}", evidence[0].order.seq);
    }
}

/// Members that always came together: one of them is missed as fast as if it were always there.
#[test]
fn what_came_together() {
    let check = |delay: u64, expected: &str, change: Change| {
        for seed in 0..4 {
            let generator = move |random: &mut Random, seq: u64, body: &mut Body| {
                body.add("$.id", Text);
                if random.chance(0.15) {
                    body.add("$.value", Number);
                    body.add("$.unit", Text);
                    if seq >= CHANGE {
                        change(random, body);
                    }
                }
            };
            let evidence = run(seed, CHANGE + 2_000, 3, Box::new(generator));
            assert_eq!(lines(&evidence), [expected], "seed {seed}");
            assert!(evidence[0].order.seq < CHANGE + delay, "{expected}: {}", evidence[0].order.seq);
        }
    };
    check(100, "FieldRemoved $.unit", |_, b| b.remove("$.unit"));
    check(100, "FieldRenamed $.amount from $.value", |_, b| {
        b.remove("$.value");
        b.add("$.amount", Number);
    });
    check(400, "PresenceChanged $.unit", |random, b| {
        if random.chance(0.4) {
            b.remove("$.unit");
        }
    });
}

/// What reaches more and more messages, some senders, or some in stretches, is one finding.
#[test]
fn rollouts() {
    type Reached = fn(&mut Random, u64) -> bool;
    let ramp: Reached = |random, since| random.next() < since as f64 / 200.0;
    let one_sender: Reached = |_, since| (CHANGE + since) % 4 == 1;
    let stretches: Reached = |_, since| since % 170 < 60;
    let changes: [(&str, Change); 4] = [
        ("FieldAdded $.x", |_, b| b.add("$.x", Text)),
        ("FieldRenamed $.amount_minor from $.amount", |_, b| {
            b.remove("$.amount");
            b.add("$.amount_minor", Number);
        }),
        ("TypeChanged $.amount", |_, b| b.replace("$.amount", Text)),
        ("PresenceChanged $.currency", |_, b| b.replace("$.currency", Null)),
    ];
    for reached in [ramp, one_sender, stretches] {
        for (expected, change) in changes {
            let generator = move |random: &mut Random, seq: u64, body: &mut Body| {
                base(random, body);
                if seq >= CHANGE && reached(random, seq - CHANGE) {
                    change(random, body);
                }
            };
            let evidence = run(5, CHANGE + 1_500, 4, Box::new(generator));
            assert_eq!(lines(&evidence), [expected]);
        }
    }
}

#[test]
fn a_return_is_a_revert() {
    let check = |expected: &str, change: Change| {
        let evidence = stream(7, CHANGE + 2_500, CHANGE..CHANGE + 400, change);
        assert_eq!(lines(&evidence), [expected.to_owned(), format!("{expected} reverted")]);
    };
    check("FieldMoved $.total.amount from $.amount", |_, b| {
        b.remove("$.amount");
        b.add("$.total", Object);
        b.add("$.total.amount", Number);
    });
    check("ArrayShapeChanged $.currency", |_, b| {
        b.replace("$.currency", Array);
        b.add("$.currency[*]", Text);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Any leaf that is always there, moved into any object, new or old, or wrapped, at any moment: one finding, soon.
    #[test]
    fn any_move_is_found(seed in any::<u64>(), leaf in 0..5_usize, to in 0..4_usize, clean in 400..2_000_u64) {
        const LEAVES: [(&str, &str, bool); 5] =
            [("$.a", "a", true), ("$.b", "b", false), ("$.o.c", "c", true), ("$.o.d", "d", false), ("$.p.e", "e", true)];
        let (from, name, is_text) = LEAVES[leaf];
        let kind = |is_text: bool| if is_text { Text } else { Number };
        let object = ["$.o", "$.p", "$.q", "$.p.r"][to];
        prop_assume!(!from.starts_with(&format!("{object}.")));
        let target: &'static str = Box::leak(format!("{object}.{name}").into_boxed_str());
        let generator = move |random: &mut Random, seq: u64, body: &mut Body| {
            body.add("$.o", Object);
            body.add("$.p", Object);
            body.maybe(random.chance(0.3), "$.p.optional", Text);
            for (path, _, is_text) in LEAVES.iter().filter(|(path, ..)| seq <= clean || *path != from) {
                body.add(path, kind(*is_text));
            }
            if seq > clean {
                if to >= 2 {
                    body.add(object, Object);
                }
                body.add(target, kind(is_text));
            }
        };
        let evidence = run(seed, clean + 600, 3, Box::new(generator));
        prop_assert_eq!(lines(&evidence), [format!("FieldMoved {target} from {from}")]);
        prop_assert!(evidence[0].order.seq <= clean + 50);
    }

    /// A rate that jumps by more than 0.35 is found, whatever it was.
    #[test]
    fn any_jump_of_a_rate_is_found(seed in any::<u64>(), before in 0.1..0.55_f64, jump in 0.35..0.4_f64, is_up: bool) {
        let (before, after) = if is_up { (before, before + jump) } else { (before + jump, before) };
        let generator = move |random: &mut Random, seq: u64, body: &mut Body| {
            let rate = if seq <= 3_000 { before } else { after };
            body.add("$.id", Text);
            body.maybe(random.chance(rate), "$.x", Text);
        };
        let evidence = run(seed, 3_800, 3, Box::new(generator));
        prop_assert_eq!(lines(&evidence), ["PresenceChanged $.x"]);
        let (was, is) = evidence[0].rate.unwrap_or_default();
        prop_assert!((was - before).abs() < 0.15 && (is > was) == is_up, "{} to {}", was, is);
    }

    /// The messages of a stream that does not change, in any order, give nothing: each for itself, or some in a row. The
    /// field that comes and goes was there once when the flow was learned: one that was not is an added one.
    #[test]
    fn any_order_of_the_same_messages_gives_nothing(seed in any::<u64>(), row in 1..12_u64, rate in 0.1..0.9_f64) {
        let generator = move |random: &mut Random, seq: u64, body: &mut Body| {
            base(random, body);
            let mut place = Random(seed ^ (seq / row).wrapping_mul(0x9e37_79b9));
            body.maybe(place.chance(rate) || seq / row == 1, "$.some", Text);
        };
        let evidence = run(seed, 4_000, 3, Box::new(generator));
        prop_assert_eq!(lines(&evidence), Vec::<String>::new());
    }
}
