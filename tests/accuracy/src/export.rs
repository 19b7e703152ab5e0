//! Streams as columns, for detectors that watch numbers: what `peers/judge.py` reads.
//!
//! `aa/NAME.csv`: a row for each message, `t_s` and a column for each numeric field or code. `cases/N.csv`: `t_s`,
//! `affected` (0 or 1) and `value` of one field, with a change; `cases.jsonl` says which, a line per file.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::change::{Change, Rollout, Spread};
use crate::integrations::{HELD_OUT, Meaning, integration};
use crate::jobs;
use crate::matrix::{Case, cases};
use crate::stream::{Sent, Stream};

const DAY_S: f64 = 86_400.0;
const SEED: u64 = 1;

/// Writes streams of so many messages each, spread over so many days, and one for each change of a number.
///
/// # Errors
/// A file that cannot be written.
pub fn run(folder: &Path, messages: u64, days: f64) -> io::Result<()> {
    fs::create_dir_all(folder.join("aa"))?;
    fs::create_dir_all(folder.join("cases"))?;
    let written = jobs::each(&HELD_OUT, |name| {
        let rate = integration(name, SEED).map_or(1.0, |integration| integration.load.rate);
        unchanged(
            &folder.join(format!("aa/{name}.csv")),
            name,
            messages,
            messages as f64 / days / DAY_S / rate,
        )
    });
    written.into_iter().collect::<io::Result<()>>()?;
    let all: Vec<Case> = cases(true, SEED, "").into_iter().filter(is_of_numbers).collect();
    let numbered: Vec<(usize, Case)> = all.into_iter().enumerate().collect();
    let lines =
        jobs::each(&numbered, |(number, case)| changed(&folder.join(format!("cases/{number}.csv")), case));
    let mut list = File::create(folder.join("cases.jsonl"))?;
    for ((number, case), rows) in numbered.iter().zip(lines) {
        let line = json!({"file": format!("cases/{number}.csv"), "label": case.label(), "class": case.class(), "rows": rows?});
        writeln!(list, "{line}")?;
    }
    Ok(())
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

fn unchanged(file: &Path, name: &str, messages: u64, pace: f64) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    let mut stream = Stream::at_pace(name, SEED, pace).expect("a known name");
    let (_, kind) = &stream.integration().kinds[0];
    let route = kind.route;
    let is_column = |meaning: Meaning| is_number(meaning) || matches!(meaning, Meaning::Code | Meaning::Flag);
    let paths: Vec<&str> =
        kind.fields.iter().filter(|(_, meaning)| is_column(*meaning)).map(|(path, _)| *path).collect();
    writeln!(out, "t_s,{}", paths.join(","))?;
    let mut written = 0;
    while written < messages {
        let sent = stream.send();
        if sent.route != route {
            continue;
        }
        let body = body(&sent);
        let mut row = (sent.moment.t_ns / 1_000_000_000).to_string();
        for path in &paths {
            // Writing to a String does not fail.
            let _ = write!(row, ",{}", first(&body, path).map_or_else(String::new, cell));
        }
        writeln!(out, "{row}")?;
        written += 1;
    }
    out.flush()
}

/// The values of the changed field; how many.
fn changed(file: &Path, case: &Case) -> io::Result<usize> {
    let mut out = BufWriter::new(File::create(file)?);
    let mut injection = case.injection.clone();
    if matches!(injection.change, Change::Up(_) | Change::Wider(_)) {
        injection.spread = Stream::spread(case.name, case.seed, injection.kind, injection.path, 20_000);
    } else {
        injection.spread = Spread::default();
    }
    let path = injection.path;
    let (clean, after) = (20_000, 8_000);
    let mut stream =
        Stream::new(case.name, case.seed).expect("a known name").with(injection, clean, case.seed);
    let route = stream.integration().kinds[case.injection.kind].1.route;
    writeln!(out, "t_s,affected,value")?;
    let mut rows = 0;
    while stream.since_change() < after {
        let sent = stream.send();
        let Some(value) =
            (sent.route == route).then(|| body(&sent)).and_then(|body| first(&body, path).map(cell))
        else {
            continue;
        };
        writeln!(out, "{},{},{value}", sent.moment.t_ns / 1_000_000_000, u8::from(sent.is_affected))?;
        rows += 1;
    }
    out.flush()?;
    Ok(rows)
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
