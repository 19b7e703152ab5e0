//! Real histories.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::history::Step;
use crate::interval::wilson;

pub(super) fn section(steps: &[Step]) -> String {
    let mut text = String::from(
        "## A real history\n\n\
         The published examples of Stripe's API, 2017 to 2026, one for each resource: a version's example sent 400 times, \
         then the next version's 150 times; the differences between the two are listed by a program. What hangs \
         below a difference is not another one; an array that becomes empty or is no longer, and an integer beside a decimal, \
         are none. A pair counts as a rename where the list \
         has it as a likely one. One example says nothing of how often a field is there, and versions lie months apart, so \
         that tens of changes come in one message.\n\n\
         | step | resources | differences | found | findings | unexplained |\n|---|--:|--:|--:|--:|--:|\n",
    );
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for step in steps {
        let (listed, found) = step.listed.values().fold((0, 0), |(a, b), (x, y)| (a + x, b + y));
        let Step { from, to, resources, findings, wrong, .. } = step;
        let _ = writeln!(
            text,
            "| {from} to {to} | {resources} | {listed} | {found} | {findings} | {} |",
            wrong.len()
        );
        for (kind, (listed, found)) in &step.listed {
            let sums = kinds.entry(kind).or_default();
            *sums = (sums.0 + listed, sums.1 + found);
        }
    }
    text.push_str("\n| difference | listed | found | recall | 95 % (Wilson) |\n|---|--:|--:|--:|--:|\n");
    let all = kinds.values().fold((0, 0), |(a, b), (x, y)| (a + x, b + y));
    for (kind, (listed, found)) in kinds.into_iter().chain([("all", all)]) {
        let (low, high) = wilson(found, listed);
        let recall = found as f64 / listed.max(1) as f64;
        let _ = writeln!(text, "| `{kind}` | {listed} | {found} | {recall:.3} | {low:.3} to {high:.3} |");
    }
    let findings: usize = steps.iter().map(|step| step.findings).sum();
    let wrong: Vec<&String> = steps.iter().flat_map(|step| &step.wrong).collect();
    let precision = 1.0 - wrong.len() as f64 / findings.max(1) as f64;
    let _ = writeln!(text, "\n{findings} findings, {} unexplained: precision {precision:.3}.", wrong.len());
    list(&mut text, "Unexplained", &wrong);
    list(&mut text, "Not found", &steps.iter().flat_map(|step| &step.missed).collect::<Vec<_>>());
    text
}

fn list(text: &mut String, title: &str, lines: &[&String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}:\n");
    for line in lines {
        let _ = writeln!(text, "- `{line}`");
    }
}
