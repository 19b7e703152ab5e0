//! `docs/kernels.md`: what was shown on which kernel.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::cost::Costs;
use super::guest::{self, Case, Counts, Outcome, Said};
use crate::process;

const FILE: &str = "docs/kernels.md";
/// The words around the tables.
const HEAD: &str = include_str!("kernels.md");

/// A guest that ran.
struct Ran {
    guest: &'static str,
    said: Said,
}

/// Writes it from the files `GUEST.jsonl` in `dir`, one for each of `guests` that ran.
///
/// # Errors
/// When there is none, or the document cannot be written.
pub(super) fn write(dir: &Path, guests: &[&'static str], costs: &Costs) -> Result<()> {
    let mut ran = Vec::new();
    for guest in guests {
        let path = dir.join(format!("{guest}.jsonl"));
        if path.is_file() {
            ran.push(Ran { guest, said: guest::read_file(&path)? });
        }
    }
    ensure!(!ran.is_empty(), "no report of a guest in {}: the files are GUEST.jsonl", dir.display());
    fs::write(process::root().join(FILE), document(&ran, costs))
        .with_context(|| format!("cannot write {FILE}"))
}

fn document(guests: &[Ran], costs: &Costs) -> String {
    HEAD.replace("{cases}\n", &overview(guests))
        .replace("{not shown}\n", &not_shown(guests))
        .replace("{verifier}\n", &costs.table())
}

fn overview(guests: &[Ran]) -> String {
    let mut text = String::from(
        "| guest | kernel | preemption | cases | skipped | failed | messages | exact | declared | lost | missing | wrong |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for Ran { guest, said } in guests {
        let Counts { sent, exact, declared, lost, missing, wrong } = sum(&said.cases);
        let count = |is: fn(&Outcome) -> bool| said.cases.iter().filter(|case| is(&case.outcome)).count();
        let made = count(|outcome| matches!(outcome, Outcome::Counted(_)));
        let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let preemption = said.preemption.as_deref().unwrap_or("fixed");
        let kernel = &said.release;
        let end = if said.ended { "" } else { ", ended before its end" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {guest}{end} | {kernel} | {preemption} | {made} | {skipped} | {failed} | {sent} | {exact} | {declared} | {lost} | {missing} | {wrong} |"
        );
    }
    text
}

/// The cases that were skipped or failed, by the reason.
fn not_shown(guests: &[Ran]) -> String {
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for Ran { guest, said } in guests {
        for case in &said.cases {
            let (Outcome::Skipped(why) | Outcome::Failed(why)) = &case.outcome else { continue };
            reasons.entry((guest, short(why))).or_default().push(&case.name);
        }
    }
    let mut text = String::from("| guest | why | cases |\n|---|---|---|\n");
    for ((guest, why), cases) in reasons {
        let _ = writeln!(text, "| {guest} | {why} | {}: {} |", cases.len(), groups(&cases));
    }
    text
}

/// Without the command that failed, which names what is the case's own.
fn short(why: &str) -> &str {
    why.split_once("Error: ").map_or(why, |(_, error)| error)
}

/// Names of cases; of a group with many, the group and how many.
fn groups(cases: &[&str]) -> String {
    /// Of more, the names do not tell more.
    const NAMED: usize = 3;
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in cases {
        groups.entry(case.split('/').next().unwrap_or(case)).or_default().push(case);
    }
    let words = groups.into_iter().map(|(group, cases)| match cases.len() {
        ..=NAMED => cases.iter().map(|case| format!("`{case}`")).collect::<Vec<_>>().join(", "),
        many => format!("`{group}/` ({many})"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn sum(cases: &[Case]) -> Counts {
    let counted = |case: &Case| match case.outcome {
        Outcome::Counted(counts) => Some(counts),
        Outcome::Skipped(_) | Outcome::Failed(_) => None,
    };
    let total = |of: fn(&Counts) -> u64| cases.iter().filter_map(counted).map(|counts| of(&counts)).sum();
    Counts {
        sent: total(|c| c.sent),
        exact: total(|c| c.exact),
        declared: total(|c| c.declared),
        lost: total(|c| c.lost),
        missing: total(|c| c.missing),
        wrong: total(|c| c.wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_shown_and_what_was_not() {
        let counts = Counts { sent: 2, exact: 1, declared: 1, ..Counts::default() };
        let case = |name: &str, outcome| Case { name: name.into(), outcome, complaints: Vec::new() };
        let mut cases = vec![
            case("a/exact", Outcome::Counted(Counts { sent: 3, exact: 3, ..Counts::default() })),
            case("a/declared", Outcome::Counted(counts)),
            case("a/failed", Outcome::Failed("took too long".into())),
        ];
        for (name, by) in [("b/1", 1), ("b/2", 2), ("b/3", 3), ("b/4", 4), ("c/1", 5)] {
            cases.push(case(name, Outcome::Skipped(format!("ip {by}: Error: no veth"))));
        }
        let said = Said { cases, release: "6.1.0".into(), ended: true, ..Said::default() };
        let text = document(&[Ran { guest: "6.1", said }], &Costs::default());
        for row in [
            "| 6.1 | 6.1.0 | fixed | 2 | 5 | 1 | 5 | 4 | 1 | 0 | 0 | 0 |",
            "| 6.1 | took too long | 1: `a/failed` |",
            "| 6.1 | no veth | 5: `b/` (4), `c/1` |",
        ] {
            assert!(text.contains(row), "{row} is not in {text}");
        }
        assert!(!text.contains("a/exact") && !text.contains("{cases}") && !text.contains("{verifier}"));
    }
}
