//! Other detectors on the same streams.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::class::Class;
use crate::interval::poisson_upper;
use crate::peer::{PeerAlarms, PeerCase};

const HEADING: &str = "## Other detectors

On the same messages: the numbers of the six held-out integrations, a thousand messages a day, a series for each field,
each with a detector of its own; Pitot sees the whole messages. *default*: as the detector comes; else the first of a
ladder of thresholds at which it gave no alarm on these streams, or its last. KSWIN takes a thousand times as long as the
others: it has one field of each stream. Evidently compares windows of 2,000 messages with the first 10,000 (codes, too);
the z-score is of a day's mean against those of all days before.

| detector | setting | messages | fields | alarms | per million messages | at most (95 %, Poisson) |
|---|---|--:|--:|--:|--:|--:|
";

pub(super) fn section(alarms: &[PeerAlarms], cases: &[PeerCase]) -> String {
    let mut text = HEADING.to_owned();
    for ((detector, setting), sum) in sums(alarms) {
        let millions = sum.messages as f64 / 1e6;
        let (rate, bound) = (sum.alarms as f64 / millions, poisson_upper(sum.alarms) / millions);
        let PeerAlarms { messages, fields, alarms, .. } = sum;
        let _ = writeln!(
            text,
            "| {detector} | {setting} | {messages} | {fields} | {alarms} | {rate:.2} | {bound:.2} |"
        );
    }
    text.push_str(
        "\nChanges of one number, to all messages at once, after 20,000 messages, with 8,000 to find them: how many were \
         found, and the median delay. A detector that alarms often finds much by chance.\n\n",
    );
    let rows: Vec<Class> =
        Class::ALL.into_iter().filter(|class| cases.iter().any(|case| case.class == *class)).collect();
    let names: Vec<&str> = rows.iter().map(|class| class.name()).collect();
    let _ = writeln!(text, "| detector | setting | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "--:|".repeat(rows.len()));
    let mut by: BTreeMap<(&str, &str), Vec<&PeerCase>> = BTreeMap::new();
    for case in cases {
        by.entry((&case.detector, &case.setting)).or_default().push(case);
    }
    for ((detector, setting), cases) in by {
        let cells: Vec<String> = rows.iter().map(|class| cell(&cases, *class)).collect();
        let _ = writeln!(text, "| {detector} | {setting} | {} |", cells.join(" | "));
    }
    text
}

/// Alarms of all streams together.
fn sums(alarms: &[PeerAlarms]) -> BTreeMap<(&str, &str), PeerAlarms> {
    let mut sums: BTreeMap<(&str, &str), PeerAlarms> = BTreeMap::new();
    for one in alarms {
        sums.entry((&one.detector, &one.setting))
            .and_modify(|sum| {
                sum.messages += one.messages;
                sum.fields += one.fields;
                sum.alarms += one.alarms;
            })
            .or_insert_with(|| one.clone());
    }
    sums
}

fn cell(cases: &[&PeerCase], class: Class) -> String {
    let of_class = || cases.iter().filter(|case| case.class == class);
    let mut delays: Vec<usize> = of_class().filter(|case| case.found).map(|case| case.delay).collect();
    delays.sort_unstable();
    match delays.get(delays.len() / 2) {
        _ if of_class().next().is_none() => "-".to_owned(),
        Some(delay) => format!("{} of {}, {delay}", delays.len(), of_class().count()),
        None => format!("0 of {}", of_class().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_of_streams_are_added_up() {
        let one = |alarms| PeerAlarms {
            detector: "ADWIN".into(),
            setting: "default".into(),
            messages: 500_000,
            fields: 2,
            alarms,
        };
        let text = section(&[one(3), one(1)], &[]);
        assert!(text.contains("| ADWIN | default | 1000000 | 4 | 4 | 4.00 | 9.15 |"), "{text}");
    }

    #[test]
    fn a_cell_has_what_was_found_and_the_median_delay() {
        let case = |found, delay| PeerCase {
            detector: "ADWIN".into(),
            setting: "default".into(),
            label: "a".into(),
            class: Class::Shift,
            found,
            delay,
        };
        let cases = [case(true, 10), case(true, 90), case(true, 30), case(false, 0)];
        let cases: Vec<&PeerCase> = cases.iter().collect();
        assert_eq!(cell(&cases, Class::Shift), "3 of 4, 30");
        assert_eq!(cell(&cases, Class::Unit), "-");
        assert_eq!(cell(&cases[3..], Class::Shift), "0 of 1");
    }
}
