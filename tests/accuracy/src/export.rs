//! Streams as columns, for detectors that watch numbers: what `peers/judge.py` reads.
//!
//! `aa/NAME.csv`: a row for each message, `t_s` and a column for each numeric field or code. `cases/N.csv`: `t_s`,
//! `affected` (0 or 1) and `value` of one field, with a change; `cases.jsonl` says which, a line per file. All of them a
//! thousand messages a day, so that there are days to compare. `pitot.jsonl`: what Pitot says of the same messages.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use pitot_findings::finding::State;
use serde_json::{Value, json};

use crate::change::{Change, Rollout, Spread};
use crate::integrations::{HELD_OUT, Meaning, integration};
use crate::jobs;
use crate::matrix::{Case, cases};
use crate::peer::{PeerAlarms, PeerCase};
use crate::record::Record;
use crate::replay::Replay;
use crate::score::judge;
use crate::stream::{Sent, Stream};

const A_DAY: f64 = 1_000.0;
const SEED: u64 = 1;
/// Messages before a change and after it.
const CLEAN: u64 = 20_000;
const AFTER: u64 = 8_000;

/// Writes streams of so many messages each, and one for each change of a number.
///
/// # Errors
/// A file that cannot be written.
pub fn run(folder: &Path, messages: u64) -> io::Result<()> {
    fs::create_dir_all(folder.join("aa"))?;
    fs::create_dir_all(folder.join("cases"))?;
    let aa = jobs::each(&HELD_OUT, |name| unchanged(&folder.join(format!("aa/{name}.csv")), name, messages));
    let mut own = Vec::new();
    for alarms in aa {
        own.push(Record::PeerAlarms(alarms?));
    }
    let all: Vec<Case> = cases(true, SEED, "").into_iter().filter(is_of_numbers).collect();
    let numbered: Vec<(usize, Case)> = all.into_iter().enumerate().collect();
    let judged =
        jobs::each(&numbered, |(number, case)| changed(&folder.join(format!("cases/{number}.csv")), case));
    let mut list = File::create(folder.join("cases.jsonl"))?;
    for ((number, case), judged) in numbered.iter().zip(judged) {
        let file = format!("cases/{number}.csv");
        writeln!(list, "{}", json!({"file": file, "label": case.label(), "class": case.class()}))?;
        own.push(Record::PeerCase(judged?));
    }
    let mut out = File::create(folder.join("pitot.jsonl"))?;
    own.iter().try_for_each(|record| writeln!(out, "{}", serde_json::to_string(record)?))
}

/// What makes an integration send a thousand messages a day.
fn pace(name: &str) -> f64 {
    A_DAY / 86_400.0 / integration(name, SEED).map_or(1.0, |integration| integration.load.rate)
}

fn is_number(meaning: Meaning) -> bool {
    use Meaning::{Amount, Count, Measure, MinorAmount, Total};
    matches!(meaning, Amount | MinorAmount | Measure | Count | Total)
}

/// What a detector of numbers could see, all at once and at the usual rate.
fn is_of_numbers(case: &Case) -> bool {
    let injection = &case.injection;
    is_number(injection.meaning)
        && injection.rollout == Rollout::Abrupt
        && case.pace >= 1.0
        && matches!(
            injection.change,
            Change::Unit(_)
                | Change::Rescaled(_)
                | Change::Negated
                | Change::Defaulted(_)
                | Change::Up(_)
                | Change::Wider(_)
                | Change::Outliers(_)
        )
}

fn unchanged(file: &Path, name: &str, messages: u64) -> io::Result<PeerAlarms> {
    let mut out = BufWriter::new(File::create(file)?);
    let mut stream = Stream::at_pace(name, SEED, pace(name)).expect("a known name");
    let mut replay = Replay::new(name);
    let (_, kind) = &stream.integration().kinds[0];
    let route = kind.route;
    let is_column = |meaning: Meaning| is_number(meaning) || matches!(meaning, Meaning::Code | Meaning::Flag);
    let columns = kind.fields.iter().filter(|(_, meaning)| is_column(*meaning));
    let paths: Vec<&str> = columns.map(|(path, _)| *path).collect();
    writeln!(out, "t_s,{}", paths.join(","))?;
    let mut written = 0;
    while written < messages {
        let sent = stream.send();
        if sent.route == route {
            let body = body(&sent);
            let mut row = (sent.moment.t_ns / 1_000_000_000).to_string();
            for path in &paths {
                // Writing to a String does not fail.
                let _ = write!(row, ",{}", first(&body, path).map_or_else(String::new, cell));
            }
            writeln!(out, "{row}")?;
            written += 1;
        }
        replay.push(sent);
    }
    out.flush()?;
    let alarms = replay.finish().findings.iter().filter(|finding| finding.state == State::Open).count();
    Ok(PeerAlarms {
        detector: "Pitot".into(),
        setting: "default".into(),
        messages,
        fields: paths.len(),
        alarms,
    })
}

/// Writes the values of the changed field, and says what Pitot makes of them.
fn changed(file: &Path, case: &Case) -> io::Result<PeerCase> {
    let mut out = BufWriter::new(File::create(file)?);
    let mut injection = case.injection.clone();
    if matches!(injection.change, Change::Up(_) | Change::Wider(_)) {
        injection.spread = Stream::spread(case.name, case.seed, injection.kind, injection.path, 20_000);
    } else {
        injection.spread = Spread::default();
    }
    let (path, expected) = (injection.path, injection.expected());
    let stream = Stream::at_pace(case.name, case.seed, pace(case.name)).expect("a known name");
    let mut stream = stream.with(injection, CLEAN, case.seed);
    let mut replay = Replay::new(case.name);
    let route = stream.integration().kinds[case.injection.kind].1.route;
    writeln!(out, "t_s,affected,value")?;
    let mut affected = Vec::new();
    while stream.since_change() < AFTER {
        let sent = stream.send();
        if sent.is_affected {
            affected.push(sent.moment.t_ns);
        }
        if sent.route == route
            && let Some(value) = first(&body(&sent), path).map(cell)
        {
            writeln!(out, "{},{},{value}", sent.moment.t_ns / 1_000_000_000, u8::from(sent.is_affected))?;
        }
        replay.push(sent);
    }
    out.flush()?;
    let outcome = judge(&replay.finish().findings, &expected, &affected);
    Ok(PeerCase {
        detector: "Pitot".into(),
        setting: "default".into(),
        label: case.label(),
        class: case.class(),
        found: outcome.found,
        delay: outcome.delay,
    })
}

fn body(sent: &Sent) -> Value {
    serde_json::from_str(&sent.body).expect("the generator writes JSON")
}

/// The first value at a path.
fn first<'a>(body: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = body;
    for step in path.trim_start_matches("$.").split('.') {
        let (name, is_array) = step.strip_suffix("[*]").map_or((step, false), |name| (name, true));
        value = value.get(name)?;
        if is_array {
            value = value.get(0)?;
        }
    }
    Some(value)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace([',', '"', '\n'], " "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_at_a_path() {
        let body =
            json!({"total": 5, "lines": [{"price": 1}, {"price": 2}], "empty": [], "price": {"net": "a,b"}});
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(first(&body, path).map(cell).as_deref(), expected, "{path}");
        };
        check("$.total", Some("5"));
        check("$.lines[*].price", Some("1"));
        check("$.price.net", Some("a b"));
        check("$.empty[*].price", None);
        check("$.other", None);
    }
}
