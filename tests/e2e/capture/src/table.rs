//! `docs/capture-coverage.md`, of what `run --json` printed on one or more kernels.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::cases;
use crate::compare::Row;

/// The lines of one run, by case.
#[derive(Debug)]
pub struct Run {
    kernel: String,
    lines: BTreeMap<String, Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    case: String,
    #[serde(flatten)]
    row: Option<Row>,
    skipped: Option<String>,
}

impl Run {
    /// Reads `KERNEL=FILE`.
    ///
    /// # Errors
    /// A line that says what cannot be read.
    pub fn read(argument: &str) -> Result<Self, String> {
        let (kernel, file) = argument.split_once('=').ok_or(format!("{argument}: KERNEL=FILE is wanted"))?;
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        Self::parse(kernel, &text).map_err(|error| format!("{file}: {error}"))
    }

    fn parse(kernel: &str, text: &str) -> Result<Self, serde_json::Error> {
        let lines = text.lines().filter(|line| line.starts_with('{')).map(|line| {
            let line: Line = serde_json::from_str(line)?;
            Ok((line.case.clone(), line))
        });
        Ok(Self { kernel: kernel.into(), lines: lines.collect::<Result<_, _>>()? })
    }
}

/// The first run's counts, and then what became of each case on every kernel.
#[must_use]
pub fn markdown(runs: &[Run]) -> String {
    let mut text = String::from(HEADING);
    let cases = cases::all();
    if let Some(run) = runs.first() {
        let _ = write!(text, "\n## Linux {}\n\n{}", run.kernel, total(run));
        text.push_str("| case | what | sent | exact | declared | lost | missing | wrong |\n");
        text.push_str("|---|---|--:|--:|--:|--:|--:|--:|\n");
        for case in &cases {
            let (name, what) = (&case.name, case.description());
            let Some(line) = run.lines.get(name) else { continue };
            let _ = match (&line.row, &line.skipped) {
                (Some(row), _) => {
                    let Row { sent, exact, declared, lost, missing, wrong } = row;
                    writeln!(
                        text,
                        "| `{name}` | {what} | {sent} | {exact} | {declared} | {lost} | {missing} | {wrong} |"
                    )
                }
                (None, Some(why)) => {
                    writeln!(text, "| `{name}` | {what}; not run: {} | | | | | | |", cell(why))
                }
                (None, None) => writeln!(text, "| `{name}` | {what}; failed | | | | | | |"),
            };
        }
    }
    if runs.len() > 1 {
        kernels(&mut text, runs, cases.iter().map(|case| case.name.as_str()));
    }
    text
}

const HEADING: &str = "# What capture covers

Made by the capture suite, not by hand:

```sh
sudo target/release/pitot-capture-suite run --json > run.jsonl
target/release/pitot-capture-suite table \"$(uname -r)=run.jsonl\" > docs/capture-coverage.md
```

Each case is two processes that exchange HTTP messages with seeded bodies in one way, over one kind of socket, while
`pitot record` watches. Both ends hash what they send and receive. Of the messages sent

- *exact* were reported complete, once, with the hash of what was sent, and paired with their other half;
- *declared* were reported as incomplete, and so neither learned from nor used against anyone;
- *lost* were not reported one by one, and the ledger has their bytes as lost or skipped;
- *missing* were neither reported nor accounted for: this must be 0;
- *wrong* were reported as complete and were not what was sent, or more than once: this must be 0.

Counts of the groups `overload/` and `before/` differ from run to run; what column they fall into does not.
";

/// One line for all cases of a run.
fn total(run: &Run) -> String {
    let mut sum = Row::default();
    let mut count = 0;
    for row in run.lines.values().filter_map(|line| line.row) {
        count += 1;
        sum.sent += row.sent;
        sum.exact += row.exact;
        sum.declared += row.declared;
        sum.lost += row.lost;
        sum.missing += row.missing;
        sum.wrong += row.wrong;
    }
    let Row { sent, exact, declared, lost, missing, wrong } = sum;
    format!(
        "{count} cases: {sent} messages sent, {exact} exact, {declared} declared, {lost} lost, {missing} missing, \
         {wrong} wrong.\n\n"
    )
}

/// The worst that a case came to.
fn verdict(line: &Line) -> &'static str {
    match line.row {
        None if line.skipped.is_some() => "-",
        None => "failed",
        Some(row) if row.wrong > 0 => "WRONG",
        Some(row) if row.missing > 0 => "MISSING",
        Some(row) if row.lost > 0 => "lost",
        Some(row) if row.declared > 0 => "declared",
        Some(_) => "exact",
    }
}

fn kernels<'a>(text: &mut String, runs: &[Run], cases: impl Iterator<Item = &'a str>) {
    text.push_str("\n## On every kernel\n\nThe worst that any of a case's messages came to; `-` was not run there.\n\n| case |");
    for run in runs {
        let _ = write!(text, " {} |", run.kernel);
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(runs.len()));
    for case in cases.filter(|case| runs.iter().any(|run| run.lines.contains_key(*case))) {
        let _ = write!(text, "| `{case}` |");
        for run in runs {
            let _ = write!(text, " {} |", run.lines.get(case).map_or("-", verdict));
        }
        text.push('\n');
    }
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    // Names of namespaces hold a process id.
    let text = text.replace('|', "/");
    text.rsplit_once(": ").map_or(text.clone(), |(_, reason)| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_becomes_rows() {
        let rows = r#"{"case":"send/write","sent":4,"exact":3,"declared":1,"lost":0,"missing":0,"wrong":0,"ok":true}
{"case":"send/send","skipped":"ip: not | here"}
{"case":"send/writev","failed":"x"}
noise"#;
        let (one, other) = (Run::parse("6.18", rows).expect("JSON"), Run::parse("5.10", "").expect("JSON"));
        let text = markdown(&[one, other]);
        for expected in [
            "1 cases: 4 messages sent, 3 exact, 1 declared,",
            "16 MiB | 4 | 3 | 1 | 0 | 0 | 0 |",
            "; not run: not / here | | |",
            "| `send/write` | declared | - |",
            "| `send/send` | - | - |",
            "| `send/writev` | failed | - |",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
