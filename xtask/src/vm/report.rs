//! `docs/kernels.md`: what was shown on which kernel.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};

use super::guest::{Counts, Outcome, Said};
use crate::process;

const FILE: &str = "docs/kernels.md";

const HEAD: &str = "# Kernels

Written by `cargo xtask vm --write`. It boots Debian's kernels for virtual machines in QEMU, without KVM, and runs
the capture suite (`tests/e2e/capture`) in each: programs that send and receive seeded content in every way, while
`pitot record` runs. A message that Pitot reports as complete must have the hash of what was sent (*exact*); one
that it could not see whole must be said to be so (*declared*), and bytes it lost must be counted (*lost*). A
message that is neither is *missing*, one that differs is *wrong*: both fail the run. What the verifier of each kernel
walks to accept the programs is in `verifier-cost.json`; the run also fails where that has grown by more than a tenth.

";

/// A guest that ran.
pub(super) struct Ran {
    pub(super) guest: &'static str,
    /// Version of the kernel's package.
    pub(super) version: String,
    pub(super) said: Said,
}

pub(super) fn write(guests: &[Ran]) -> Result<()> {
    fs::write(process::root().join(FILE), document(guests)).with_context(|| format!("cannot write {FILE}"))
}

fn document(guests: &[Ran]) -> String {
    let mut text = String::from(HEAD);
    overview(&mut text, guests);
    inexact(&mut text, guests);
    skipped(&mut text, guests);
    text
}

fn overview(text: &mut String, guests: &[Ran]) {
    text.push_str("| kernel | preemption | cases | skipped | messages sent | exact | declared | lost | missing | wrong |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for Ran { version, said, .. } in guests {
        let counts: Vec<_> = counted(said).map(|(_, counts)| counts).collect();
        let Counts { sent, exact, declared, lost, missing, wrong } = sum(&counts);
        let skipped = said.cases.len() - counts.len();
        let preemption = said.preemption.as_deref().unwrap_or("fixed");
        let made = counts.len();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {version} | {preemption} | {made} | {skipped} | {sent} | {exact} | {declared} | {lost} | {missing} | {wrong} |"
        );
    }
}

/// Cases that are not exact on every kernel.
fn inexact(text: &mut String, guests: &[Ran]) {
    let mut rows = String::new();
    for Ran { guest, said, .. } in guests {
        for (case, counts) in counted(said).filter(|(_, counts)| counts.exact != counts.sent) {
            let Counts { sent, exact, declared, lost, missing, wrong } = counts;
            let _ = writeln!(
                rows,
                "| {case} | {guest} | {sent} | {exact} | {declared} | {lost} | {missing} | {wrong} |"
            );
        }
    }
    if rows.is_empty() {
        text.push_str("\nEvery message of every case was exact.\n");
        return;
    }
    text.push_str("\n## Not exact\n\n| case | guest | sent | exact | declared | lost | missing | wrong |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    text.push_str(&rows);
}

fn skipped(text: &mut String, guests: &[Ran]) {
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for Ran { guest, said, .. } in guests {
        for case in &said.cases {
            if let Outcome::Skipped(reason) = &case.outcome {
                reasons.entry((&case.name, reason)).or_default().push(guest);
            }
        }
    }
    if reasons.is_empty() {
        return;
    }
    text.push_str("\n## Skipped\n\n| case | why | guests |\n|---|---|---|\n");
    for ((case, reason), on) in reasons {
        let on = if on.len() == guests.len() { "all".into() } else { on.join(", ") };
        let _ = writeln!(text, "| {case} | {reason} | {on} |");
    }
}

fn counted(said: &Said) -> impl Iterator<Item = (&str, Counts)> {
    said.cases.iter().filter_map(|case| match case.outcome {
        Outcome::Counted(counts) => Some((case.name.as_str(), counts)),
        Outcome::Skipped(_) | Outcome::Failed(_) => None,
    })
}

fn sum(all: &[Counts]) -> Counts {
    let total = |of: fn(&Counts) -> u64| all.iter().map(of).sum();
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
    use super::super::guest::Case;
    use super::*;

    #[test]
    fn says_what_is_not_exact_and_what_was_skipped() {
        let counts = Counts { sent: 2, exact: 1, declared: 1, ..Counts::default() };
        let case = |name: &str, outcome| Case { name: name.into(), outcome, complaints: Vec::new() };
        let cases = vec![
            case("a/exact", Outcome::Counted(Counts { sent: 3, exact: 3, ..Counts::default() })),
            case("a/declared", Outcome::Counted(counts)),
            case("a/skipped", Outcome::Skipped("no io_uring".into())),
        ];
        let guests =
            [Ran { guest: "6.1", version: "6.1.0-1".into(), said: Said { cases, ..Said::default() } }];
        let text = document(&guests);
        for row in [
            "| 6.1.0-1 | fixed | 2 | 1 | 5 | 4 | 1 | 0 | 0 | 0 |",
            "| a/declared | 6.1 | 2 | 1 | 1 | 0 | 0 | 0 |",
            "| a/skipped | no io_uring | all |",
        ] {
            assert!(text.contains(row), "{row} is not in {text}");
        }
        assert!(!text.contains("a/exact"));
    }
}
