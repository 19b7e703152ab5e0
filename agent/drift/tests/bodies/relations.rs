//! Bodies whose numbers follow from one another, up to a known message: the break is found once, by name, or not at all
//! where it follows from another change.

use pitot_drift::evidence::Part;
use pitot_drift::{Config, Evidence, Kind};
use pitot_observe::hash::mix;

use crate::stream::{Random, found};

/// The first changed message.
const CHANGE: u64 = 1_501;
/// Messages of a stream.
const MESSAGES: u64 = 4_000;

/// The body of a message: given whether it comes after the change.
type Generator = fn(&mut Random, bool) -> String;

fn run(seed: u64, change: std::ops::Range<u64>, generate: Generator) -> Vec<Evidence> {
    found(seed, MESSAGES, |random, seq| generate(random, change.contains(&seq)))
}

/// `path: relation` of each broken relation, `-` before one that holds again, the kind where it is another.
fn lines(evidence: &[Evidence]) -> Vec<String> {
    let relations = evidence.iter().filter(|e| e.relation.is_some());
    let line = |e: &Evidence| {
        let parts = e.relation.iter().flat_map(|relation| &relation.0);
        let part = |part: &Part| match part {
            Part::Path(path) => path.to_string(),
            Part::Text(text) => text.to_string(),
        };
        let sign = if e.reverted { "- " } else { "" };
        let kind = match e.kind {
            Kind::RelationBroken => String::new(),
            other => format!("{other:?} "),
        };
        format!("{sign}{kind}{}: {}", e.path, parts.map(part).collect::<String>())
    };
    relations.map(line).collect()
}

/// What is found of a change from [`CHANGE`] on, within `delay` messages; nothing without the change.
fn check(delay: u64, expected: &[&str], generate: Generator) {
    for seed in 0..2 {
        assert!(lines(&run(seed, 0..0, generate)).is_empty(), "{expected:?}, seed {seed}: without a change");
        let evidence = run(seed, CHANGE..u64::MAX, generate);
        assert_eq!(lines(&evidence), expected, "seed {seed}");
        for e in evidence.iter().filter(|e| e.relation.is_some()) {
            assert!((CHANGE..CHANGE + delay).contains(&e.order.seq), "{expected:?}: at {}", e.order.seq);
            assert!(e.error <= Config::default().error_budget, "{expected:?}: {}", e.error);
            assert!(e.affected.0 >= 5 && e.affected.0 <= e.affected.1 && !e.examples.is_empty());
        }
    }
}

fn euros(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// An order of which `fee` cents are not in its lines.
fn order(random: &mut Random, fee: u64) -> String {
    let count = 1 + random.below(3);
    let each: Vec<(u64, u64)> =
        (0..count).map(|_| (1 + random.below(3), 100 + random.below(5_000))).collect();
    let total: u64 = each.iter().map(|(quantity, price)| quantity * price).sum();
    let line = |(quantity, price): &(u64, u64)| {
        format!(r#"{{"quantity":{quantity},"price":{},"sum":{}}}"#, euros(*price), euros(quantity * price))
    };
    let lines: Vec<String> = each.iter().map(line).collect();
    format!(r#"{{"total":{},"count":{count},"lines":[{}]}}"#, euros(total + fee), lines.join(","))
}

#[test]
fn a_total_of_lines() {
    let expected = ["$.total: $.total = sum($.lines[*].sum)"];
    check(70, &expected, |random, changed| {
        let fee = if changed { 100 + random.below(400) } else { 0 };
        order(random, fee)
    });
    check(500, &expected, |random, changed| {
        let fee = if changed && random.below(5) == 0 { 100 } else { 0 };
        order(random, fee)
    });
}

#[test]
fn a_line_and_a_length() {
    check(
        500,
        &["$.lines[*].sum: $.lines[*].sum = $.lines[*].price * $.lines[*].quantity"],
        |random, changed| {
            let body = order(random, 0);
            if changed { wrong_lines(&body) } else { body }
        },
    );
    check(200, &["$.count: $.count = length($.lines[*])"], |random, changed| {
        let body = order(random, 0);
        let count = number_after(&body, r#""count":"#);
        let wrong = format!(r#""count":{}"#, count % 3 + 1);
        if changed { body.replace(&format!(r#""count":{count}"#), &wrong) } else { body }
    });
}

/// The body with a wrong sum in its first line, and a total that is right for the wrong sums.
fn wrong_lines(body: &str) -> String {
    let more = |body: &str, name: &str| {
        let (before, rest) = body.split_once(name).expect("there");
        let end = rest.find([',', '}']).expect("ends");
        let (number, after) = rest.split_at(end);
        let cents: u64 = number.replace('.', "").parse().expect("digits");
        format!("{before}{name}{}{after}", euros(cents + 100 + cents % 7))
    };
    let (sum_before, body) = (number_after(body, r#""sum":"#), more(body, r#""sum":"#));
    let added = number_after(&body, r#""sum":"#) - sum_before;
    let total = number_after(&body, r#""total":"#) + added;
    let (_, rest) = body.split_once(r#""count""#).expect("there");
    format!(r#"{{"total":{},"count"{rest}"#, euros(total))
}

fn number_after(body: &str, name: &str) -> u64 {
    let rest = body.split_once(name).expect("there").1;
    let end = rest.find([',', '}']).expect("ends");
    rest.split_at(end).0.replace('.', "").parse().expect("digits")
}

#[test]
fn net_and_gross() {
    fn body(random: &mut Random, tax_is_wrong: bool, gross_is_wrong: bool) -> String {
        let net = 1_000 + random.below(100_000);
        let tax = (net * 19 + 50) / 100 + if tax_is_wrong { 5 + net % 13 } else { 0 };
        let gross = net + (net * 19 + 50) / 100 + if gross_is_wrong { 7 + net % 11 } else { 0 };
        format!(r#"{{"net":{},"tax":{},"gross":{}}}"#, euros(net), euros(tax), euros(gross))
    }
    // Two relations break by one field.
    check(70, &["$.tax: $.gross = $.net + $.tax"], |random, changed| body(random, changed, false));
    check(70, &["$.gross: $.gross = $.net + $.tax"], |random, changed| body(random, false, changed));
}

#[test]
fn the_exceptions_show_what_changed() {
    /// A total of lines, with changes to the total and to the prices after it was taken.
    fn body(random: &mut Random, total: fn(u64) -> String, price: fn(u64) -> String) -> String {
        let count = 1 + random.below(3);
        let prices: Vec<u64> = (0..count).map(|_| 100 + random.below(5_000)).collect();
        let lines: Vec<String> =
            prices.iter().map(|cents| format!(r#"{{"price":{}}}"#, price(*cents))).collect();
        format!(r#"{{"total":{},"lines":[{}]}}"#, total(prices.iter().sum()), lines.join(","))
    }
    let relation = "$.total = sum($.lines[*].price)";
    let check = |what: &str, generate: Generator| check(64, &[&format!("{what}: {relation}")], generate);
    check("UnitChanged $.total", |random, changed| {
        let changed = changed && random.below(4) > 0;
        body(random, if changed { |cents| cents.to_string() } else { euros }, euros)
    });
    check("UnitChanged $.lines[*].price", |random, changed| {
        body(random, euros, if changed { |cents| cents.to_string() } else { euros })
    });
    check("SignFlipped $.lines[*].price", |random, changed| {
        body(random, euros, if changed { |cents| format!("-{}", euros(cents)) } else { euros })
    });
    check("DefaultSubstituted $.lines[*].price", |random, changed| {
        let changed = changed && random.below(2) > 0;
        body(random, euros, if changed { |_| "0.00".to_owned() } else { euros })
    });
    check("PrecisionLost $.lines[*].price", |random, changed| {
        body(random, euros, if changed { |cents| format!("{}.00", (cents + 50) / 100) } else { euros })
    });
}

#[test]
fn what_comes_first() {
    check(200, &["$.from: $.from <= $.to"], |random, changed| {
        let (day, hour) = (1 + random.below(20), random.below(24));
        let until = if changed { random.below(24) } else { hour + random.below(24 - hour) };
        let minute = if changed { random.below(60) } else { 59 };
        format!(
            r#"{{"from":"2025-01-{day:02}T{hour:02}:30:00Z","to":"2025-01-{day:02}T{until:02}:{minute:02}:59Z"}}"#
        )
    });
}

#[test]
fn what_follows_from_another_change_is_silent() {
    let breaks: [Generator; 3] = [
        |random, changed| order(random, 0).replace("price", if changed { "unit_price" } else { "price" }),
        |random, changed| {
            order(random, 0)
                .replace(r#""total":"#, if changed { r#""total":1"# } else { r#""total":"# })
                .replace(r#""lines""#, if changed { r#""fee":1,"lines""# } else { r#""lines""# })
        },
        |random, changed| {
            let body = order(random, 0);
            if changed && random.below(2) == 0 {
                let (before, _) = body.split_once(r#","lines""#).expect("there");
                return format!("{before}}}");
            }
            body
        },
    ];
    // A renamed part: nothing is left to compare. Another total: that is a break. A missing array: nothing to compare.
    let expected: [&[&str]; 3] = [&[], &["$.total: $.total = sum($.lines[*].sum)"], &[]];
    for (generate, expected) in breaks.into_iter().zip(expected) {
        check(200, expected, generate);
    }
}

#[test]
fn a_rate_that_does_not_stay_is_no_relation() {
    /// In two currencies, at a rate that changes every 500 messages.
    fn body(random: &mut Random, number: u64) -> String {
        let (cents, rate) = (1_000 + random.below(100_000), 10_007 + mix(1 + number / 500) % 90 * 10);
        format!(r#"{{"eur":{},"usd":{}}}"#, euros(cents), euros((cents * rate + 5_000) / 10_000))
    }
    let out = found(1, MESSAGES, body);
    assert_eq!(lines(&out), [""; 0]);
}

#[test]
fn what_holds_again_is_said() {
    let generate: Generator = |random, changed| {
        let fee = if changed { 100 + random.below(400) } else { 0 };
        order(random, fee)
    };
    let found = lines(&run(1, CHANGE..3_000, generate));
    let relation = "$.total: $.total = sum($.lines[*].sum)";
    assert_eq!(found, [relation.to_owned(), format!("- {relation}")]);
}

#[test]
fn what_some_senders_do_is_not_over_while_they_are_silent() {
    /// Tenants come in runs; one of five adds a fee, from a message on.
    fn body(random: &mut Random, number: u64, run: u64) -> String {
        let is_changed = number >= CHANGE && mix(number / run).is_multiple_of(5);
        let fee = if is_changed { 100 + random.below(400) } else { 0 };
        order(random, fee)
    }
    for (seed, run) in [(1, 8), (2, 20), (3, 40)] {
        let found = found(seed, 3 * MESSAGES, |random, number| body(random, number, run));
        assert_eq!(lines(&found), ["$.total: $.total = sum($.lines[*].sum)"], "runs of {run}");
    }
}

#[test]
fn an_exception_now_and_then_is_learned() {
    let generate: Generator = |random, _| {
        let fee = if random.below(400) == 0 { 500 } else { 0 };
        order(random, fee)
    };
    (0..5).for_each(|seed| assert_eq!(lines(&run(seed, 0..0, generate)), [""; 0], "seed {seed}"));
}
