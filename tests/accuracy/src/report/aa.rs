//! False alarms.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::aa::{Claims, FIELD_WEEK};
use crate::interval::poisson_upper;

pub(super) fn section(all: &[Claims]) -> String {
    let messages: u64 = all.iter().map(|claims| claims.messages).sum();
    let leaves: u64 = all.iter().map(|claims| claims.leaves).sum();
    let weeks = leaves as f64 / FIELD_WEEK as f64;
    let alarms = || all.iter().flat_map(|claims| &claims.alarms);
    let mut text = format!(
        "## Streams without a change\n\n\
         {} independent streams, {messages} messages with {leaves} leaves: {weeks:.0} field-weeks (a field-week is 604,800 \
         messages that carry a leaf). Every finding is a false alarm. The bar is at most 0.001 per field-week.\n\n\
         | event | false alarms | per field-week | at most (95 %, Poisson) |\n|---|--:|--:|--:|\n",
        all.len()
    );
    let mut events: BTreeMap<&str, usize> = BTreeMap::new();
    for event in ["pitot.schema.drift", "pitot.semantic.drift", "pitot.value_range.drift"] {
        events.insert(event, 0);
    }
    alarms().for_each(|alarm| *events.entry(&alarm.event).or_default() += 1);
    for (event, count) in events.into_iter().chain([("all", alarms().count())]) {
        let bound = poisson_upper(count) / weeks;
        let _ = writeln!(text, "| {event} | {count} | {:.5} | {bound:.5} |", count as f64 / weeks);
    }
    text.push_str("\n| stream | messages | days | false alarms |\n|---|--:|--:|--:|\n");
    for claims in all {
        let Claims { name, seed, messages, days, alarms, .. } = claims;
        let _ = writeln!(text, "| {name}/{seed} | {messages} | {days:.1} | {} |", alarms.len());
    }
    if alarms().next().is_some() {
        text.push_str("\nEvery false alarm:\n\n");
    }
    for claims in all {
        for alarm in &claims.alarms {
            let _ = writeln!(text, "- {}/{}: `{}` `{}`", claims.name, claims.seed, alarm.kind, alarm.path);
        }
    }
    text
}
