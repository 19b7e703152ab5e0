//! Recall, cause, delay and collateral of the changes that were put into streams.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::class::{Bar, Class};
use crate::interval::wilson;
use crate::matrix::Judged;

/// Kinds that a wrong pairing of fields, or a wrong type, would give.
const PAIRED: [&str; 4] = ["field_renamed", "field_moved", "type_changed", "array_shape_changed"];

/// Cases of one row of a table.
#[derive(Default)]
struct Row<'a>(Vec<&'a Judged>);

impl<'a> Row<'a> {
    fn of(cases: impl IntoIterator<Item = &'a Judged>) -> Self {
        Self(cases.into_iter().collect())
    }

    fn count(&self, is: impl Fn(&Judged) -> bool) -> usize {
        self.0.iter().filter(|case| is(case)).count()
    }

    fn share(&self, is: impl Fn(&Judged) -> bool) -> f64 {
        self.count(is) as f64 / self.0.len().max(1) as f64
    }

    fn found(&self) -> usize {
        self.count(|case| case.outcome.found)
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// Delay within which this share of what was found was found.
    fn delay(&self, share: f64) -> Option<usize> {
        let mut delays: Vec<usize> =
            self.0.iter().filter(|case| case.outcome.found).map(|case| case.outcome.delay).collect();
        delays.sort_unstable();
        let place = (delays.len() as f64 * share).ceil() as usize;
        delays.get(place.saturating_sub(1)).copied()
    }

    /// What was found within its row's delay.
    fn in_time(&self) -> usize {
        let is_in_time = |case: &Judged| case.class.bar().is_none_or(|bar| case.outcome.delay <= bar.delay);
        self.count(|case| case.outcome.found && is_in_time(case))
    }

    fn line(&self, name: &str) -> String {
        let cell = |delay: Option<usize>| delay.map_or_else(|| "-".to_owned(), |delay| delay.to_string());
        let (low, high) = wilson(self.found(), self.len());
        format!(
            "| {name} | {} | {:.3} | {low:.3} to {high:.3} | {:.3} | {} | {} | {:.3} | {:.3} | {} | {} |\n",
            self.len(),
            self.share(|case| case.outcome.found),
            self.share(|case| case.outcome.right),
            cell(self.delay(0.5)),
            cell(self.delay(0.95)),
            self.in_time() as f64 / self.found().max(1) as f64,
            self.share(|case| case.outcome.is_single()),
            self.0.iter().map(|case| case.outcome.collateral.len()).sum::<usize>(),
            self.0.iter().map(|case| case.outcome.before.len()).sum::<usize>(),
        )
    }
}

const HEAD: &str = "| | cases | recall | 95 % (Wilson) | right cause | delay, median | p95 | in time | one finding | collateral | before |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";

pub(super) fn section(cases: &[Judged]) -> String {
    let mut text = format!(
        "## Streams with one change\n\n\
         {} streams, each with one change from a moment that nothing hints at. *Recall*: something was said of the right \
         place; *right cause*: its kind is the right one; *delay*: affected messages up to the finding; *in time*: of what was \
         found, what was found within the bar's delay; *one finding*: it, and nothing else; *collateral*: other findings after \
         the change began; *before*: findings before it. \
         Streams begin clean: 1,000 to 1,500 messages that hold what the field is a member of; for rescaling, meaning, relations \
         and ranges 20,000 to 30,000.\n\n",
        cases.len()
    );
    text.push_str(&bars(cases));
    text.push_str("\nBy row:\n\n");
    text.push_str(HEAD);
    for (class, row) in by(cases, |case| case.class) {
        text.push_str(&row.line(class.name()));
    }
    text.push_str("\nBy change:\n\n");
    text.push_str(HEAD);
    for (change, row) in by(cases, |case| (case.class, case.change.clone())) {
        text.push_str(&row.line(&format!("`{}`", change.1)));
    }
    text.push_str(&said(cases));
    text.push_str("\nBy the way it came (to all at once; over 200 messages; to one instance; to one tenant in five; to all at once at a hundredth of the rate):\n\n");
    text.push_str(HEAD);
    for ((class, way), row) in by(cases, |case| (case.class, way(case))) {
        text.push_str(&row.line(&format!("{}: {way}", class.name())));
    }
    text
}

/// Which kinds were given for each change: which detector found it.
fn said(cases: &[Judged]) -> String {
    let mut text = String::from("\nWhat was said of each change, and how often:\n\n| | |\n|---|---|\n");
    for ((_, change), row) in by(cases, |case| (case.class, case.change.clone())) {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for case in &row.0 {
            *kinds.entry(if case.outcome.found { &case.outcome.kind } else { "nothing" }).or_default() += 1;
        }
        let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let _ = writeln!(text, "| `{change}` | {} |", kinds.join(", "));
    }
    text
}

fn way(case: &Judged) -> String {
    if case.pace < 1.0 { "low rate".to_owned() } else { case.rollout.to_lowercase() }
}

fn of_class(cases: &[Judged], class: Class) -> Row<'_> {
    Row::of(cases.iter().filter(|case| case.class == class))
}

fn by<K: Ord>(cases: &[Judged], key: impl Fn(&Judged) -> K) -> BTreeMap<K, Row<'_>> {
    let mut rows: BTreeMap<K, Row<'_>> = BTreeMap::new();
    for case in cases {
        rows.entry(key(case)).or_default().0.push(case);
    }
    rows
}

/// Each row against what it demands.
fn bars(cases: &[Judged]) -> String {
    let mut text = String::from("Against the bar:\n\n| | | bar | reached | |\n|---|---|--:|--:|---|\n");
    for class in Class::ALL {
        let row = of_class(cases, class);
        let Some(bar) = class.bar().filter(|_| row.len() > 0) else { continue };
        for (what, wanted, reached) in demands(cases, class, &row, bar) {
            let met = if reached >= wanted { "met" } else { "**not met**" };
            let _ = writeln!(text, "| {} | {what} | {wanted:.3} | {reached:.3} | {met} |", class.name());
        }
    }
    text
}

fn demands(cases: &[Judged], class: Class, row: &Row<'_>, bar: Bar) -> Vec<(String, f64, f64)> {
    // 95 % of what has to be found.
    let delay = (
        format!("found within {} messages", bar.delay),
        0.95 * bar.recall,
        row.in_time() as f64 / row.len().max(1) as f64,
    );
    if class == Class::Rename {
        let (precision, f1) = pairing(cases, row);
        return vec![
            ("F1".to_owned(), bar.recall, f1),
            ("precision".to_owned(), bar.cause.unwrap_or(0.0), precision),
            delay,
        ];
    }
    let recall = ("recall".to_owned(), bar.recall, row.share(|case| case.outcome.found));
    let cause =
        bar.cause.map(|wanted| ("right cause".to_owned(), wanted, row.share(|case| case.outcome.right)));
    [Some(recall), cause, Some(delay)].into_iter().flatten().collect()
}

/// Precision and F1 of renames, moves and changes of type, over all changes of structure: what was paired wrongly, or is said
/// to have another type and has not, counts against it wherever it was.
fn pairing(cases: &[Judged], row: &Row<'_>) -> (f64, f64) {
    let is_paired = |what: &str| PAIRED.iter().any(|kind| what.split(' ').next() == Some(kind));
    let of_structure = cases.iter().filter(|case| matches!(case.class, Class::Structure | Class::Rename));
    let wrong: usize = of_structure
        .map(|case| {
            let o = &case.outcome;
            let others = o.collateral.iter().chain(&o.before).filter(|what| is_paired(what)).count();
            others + usize::from(o.found && !o.right && is_paired(&o.kind))
        })
        .sum();
    let right = row.count(|case| case.outcome.right);
    let missed = row.len() - right;
    let precision = right as f64 / (right + wrong).max(1) as f64;
    (precision, 2.0 * right as f64 / (2 * right + wrong + missed).max(1) as f64)
}

/// Every case in which not everything was as it should be, those of a kind in one line.
pub(super) fn failures(cases: &[Judged]) -> String {
    let failed = || cases.iter().filter(|case| !(case.outcome.right && case.outcome.is_single()));
    let mut text = format!(
        "## Every failure\n\n{} of {} cases were missed, have another cause, or gave more than one finding. In brackets: affected \
         messages up to the finding, and what else was found.\n\n",
        failed().count(),
        cases.len()
    );
    let mut groups: BTreeMap<(Class, &str, String, String), Vec<&Judged>> = BTreeMap::new();
    for case in failed() {
        let o = &case.outcome;
        let said = if o.found { format!("`{}`", o.kind) } else { "not found".to_owned() };
        groups.entry((case.class, &case.change, way(case), said)).or_default().push(case);
    }
    for ((_, change, way, said), group) in groups {
        let places: Vec<String> = group.into_iter().map(place).collect();
        let _ = writeln!(text, "- `{change}`, {way}: {said}: {}", places.join("; "));
    }
    text
}

/// Where a case is, how long it took and what else was found.
fn place(case: &Judged) -> String {
    let o = &case.outcome;
    let mut more = Vec::new();
    if o.found {
        more.push(o.delay.to_string());
    }
    for (what, list) in [("also", &o.collateral), ("before", &o.before)] {
        if !list.is_empty() {
            more.push(format!("{what} {}", some(list)));
        }
    }
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
    format!("{}/{} `{}`{more}", case.name, case.seed, case.path)
}

/// The first few of a list, and how many more there are.
fn some(list: &[String]) -> String {
    let shown: Vec<String> = list.iter().take(4).map(|what| format!("`{what}`")).collect();
    let more = list.len().saturating_sub(4);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Outcome;

    fn case(class: Class, outcome: Outcome) -> Judged {
        Judged {
            name: "orders".into(),
            seed: 1,
            path: "$.id".into(),
            change: "Renamed".into(),
            rollout: "Abrupt".into(),
            pace: 1.0,
            class,
            affected: 1_000,
            outcome,
        }
    }

    #[test]
    fn a_wrong_pairing_costs_precision_wherever_it_is() {
        let right = Outcome { found: true, right: true, kind: "field_renamed".into(), ..Outcome::default() };
        let missed = Outcome::default();
        let wrong = Outcome { collateral: vec!["field_moved $.x".into()], ..Outcome::default() };
        let cases = [
            case(Class::Rename, right.clone()),
            case(Class::Rename, right),
            case(Class::Rename, missed),
            case(Class::Structure, wrong),
        ];
        let (precision, f1) = pairing(&cases, &of_class(&cases, Class::Rename));
        assert!((precision - 2.0 / 3.0).abs() < 1e-9, "{precision}");
        assert!((f1 - 4.0 / 6.0).abs() < 1e-9, "{f1}");
    }

    #[test]
    fn a_missed_case_is_listed_and_fails_its_bar() {
        let found = Outcome { found: true, right: true, delay: 60, ..Outcome::default() };
        let cases = [case(Class::Structure, found), case(Class::Structure, Outcome::default())];
        let text = bars(&cases);
        assert!(text.contains("| structure | recall | 0.995 | 0.500 | **not met** |"), "{text}");
        assert!(
            text.contains("| structure | found within 50 messages | 0.945 | 0.000 | **not met** |"),
            "{text}"
        );
        assert!(failures(&cases).contains("- `Renamed`, abrupt: not found: orders/1 `$.id`\n"));
    }
}
