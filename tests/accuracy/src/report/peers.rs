//! Other detectors on the same streams.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::aa::Claims;
use crate::class::Class;
use crate::interval::poisson_upper;
use crate::matrix::Judged;
use crate::peer::{PeerAlarms, PeerCase};

use super::matrix::Row;

pub(super) fn section(
    alarms: &[PeerAlarms],
    cases: &[PeerCase],
    own_aa: &[Claims],
    own_cases: &[Judged],
) -> String {
    let mut text = String::from(
        "## Other detectors\n\n\
         On the same kind of streams: the numbers of each message, a series for each field, handed to a detector each. \
         *default*: as it comes; else the first of its ladder of thresholds at which it gave no alarm on these streams, or \
         the last of the ladder. Alarms per million messages, with the upper end of the 95 % interval.\n\n\
         | detector | setting | messages | fields | alarms | per million messages | at most |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    let mut line = |name: &str, setting: &str, messages: u64, fields: &str, alarms: usize| {
        let millions = messages as f64 / 1e6;
        let (rate, bound) = (alarms as f64 / millions, poisson_upper(alarms) / millions);
        let _ = writeln!(
            text,
            "| {name} | {setting} | {messages} | {fields} | {alarms} | {rate:.2} | {bound:.2} |"
        );
    };
    if !own_aa.is_empty() {
        let messages = own_aa.iter().map(|claims| claims.messages).sum();
        let count = own_aa.iter().map(|claims| claims.alarms.len()).sum();
        line("Pitot", "default", messages, "all", count);
    }
    for a in alarms {
        line(&a.detector, &a.setting, a.messages, &a.fields.to_string(), a.alarms);
    }
    text.push_str("\nRecall, and the median delay of what was found, on changes of single numeric fields; Pitot on the same ones:\n\n");
    let rows: Vec<Class> =
        Class::ALL.into_iter().filter(|c| cases.iter().any(|case| case.class == *c)).collect();
    let names: Vec<&str> = rows.iter().map(|class| class.name()).collect();
    let _ = writeln!(text, "| detector | setting | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "--:|".repeat(rows.len()));
    let labels: Vec<&str> = cases.iter().map(|case| &*case.label).collect();
    let own: Vec<Judged> =
        own_cases.iter().filter(|case| labels.contains(&&*case.label())).cloned().collect();
    let cells = rows.iter().map(|class| {
        let row = Row::of(own.iter().filter(|case| case.class == *class));
        cell(row.found(), row.len(), row.median())
    });
    let cells: Vec<String> = cells.collect();
    let _ = writeln!(text, "| Pitot | default | {} |", cells.join(" | "));
    let mut of: BTreeMap<(&str, &str), Vec<&PeerCase>> = BTreeMap::new();
    for case in cases {
        of.entry((&case.detector, &case.setting)).or_default().push(case);
    }
    for ((detector, setting), cases) in of {
        let cells = rows.iter().map(|class| {
            let row: Vec<&&PeerCase> = cases.iter().filter(|case| case.class == *class).collect();
            let mut delays: Vec<usize> =
                row.iter().filter(|case| case.found).map(|case| case.delay).collect();
            delays.sort_unstable();
            cell(delays.len(), row.len(), delays.get(delays.len() / 2).copied())
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {detector} | {setting} | {} |", cells.join(" | "));
    }
    text
}

fn cell(found: usize, of: usize, delay: Option<usize>) -> String {
    match delay {
        _ if of == 0 => "-".to_owned(),
        Some(delay) => format!("{found} of {of}, {delay}"),
        None => format!("{found} of {of}"),
    }
}
