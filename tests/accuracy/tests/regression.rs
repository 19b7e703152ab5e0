//! A small part of the benchmark, on counts: no false alarm where nothing changes, and no fewer changes found with the right
//! cause than were found before. Streams are drawn from seeds, so that the counts are the same everywhere.
//!
//! An unoptimized program would take minutes: `cargo xtask test` builds this one for release.
#![cfg(not(debug_assertions))]
#![allow(clippy::expect_used, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;

use pitot_accuracy::aa;
use pitot_accuracy::change::Rollout;
use pitot_accuracy::class::Class;
use pitot_accuracy::matrix::{self, Case, Judged};

/// Cases of each row, and how many of them were found with the right cause when this was last looked at. Better figures are
/// to be written down here; worse ones need a reason.
const RECORDED: [(Class, usize, usize); 10] = [
    (Class::Structure, 97, 97),
    (Class::Rename, 68, 68),
    (Class::Unit, 30, 29),
    (Class::Meaning, 12, 9),
    (Class::Shift, 4, 2),
    (Class::SmallShift, 2, 0),
    (Class::Variance, 1, 0),
    (Class::Outliers, 4, 2),
    (Class::Frozen, 5, 5),
    (Class::Cardinality, 2, 2),
];

#[test]
fn nothing_is_found_where_nothing_changes() {
    for held_out in [false, true] {
        for claims in aa::run(&aa::jobs(held_out, 6, 40_000, 1)) {
            assert!(claims.alarms.is_empty(), "{}/{}: {:#?}", claims.name, claims.seed, claims.alarms);
        }
    }
}

#[test]
fn no_fewer_changes_are_found_than_before() {
    let judged = matrix::run(&cases());
    let mut counts: BTreeMap<Class, (usize, usize)> = BTreeMap::new();
    for case in &judged {
        let (cases, right) = counts.entry(case.class).or_default();
        *cases += 1;
        *right += usize::from(case.outcome.right);
    }
    println!("{counts:#?}");
    for (class, cases, right) in RECORDED {
        let now = counts.get(&class).copied().unwrap_or_default();
        assert_eq!(now.0, cases, "{}: other cases than were recorded", class.name());
        assert!(
            now.1 >= right,
            "{}: {} right, {right} before: {:#?}",
            class.name(),
            now.1,
            wrong(&judged, class)
        );
    }
}

#[test]
fn the_same_stream_gives_the_same_findings() {
    let cases = cases();
    let case = cases.iter().find(|case| case.class() == Class::Rename).expect("a rename");
    let outcomes: Vec<_> = (0..2).map(|_| case.run().expect("a change that is seen").outcome).collect();
    assert_eq!(outcomes[0], outcomes[1]);
}

/// All at once and at the usual rate, in two integrations of those that were held out.
fn cases() -> Vec<Case> {
    let is_plain = |case: &Case| case.injection.rollout == Rollout::Abrupt && case.pace >= 1.0;
    let all = ["shipments/1", "invoices/1"].map(|name| matrix::cases(true, 1, name));
    all.into_iter().flatten().filter(is_plain).collect()
}

fn wrong(judged: &[Judged], class: Class) -> Vec<String> {
    let of_class = judged.iter().filter(|case| case.class == class && !case.outcome.right);
    of_class.map(Judged::label).collect()
}
