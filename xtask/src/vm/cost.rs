//! What each program costs the verifier of each kernel, beside the figures that were committed: a growth is seen
//! in review, and one of more than a tenth fails the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::guest::Program;
use crate::process;

/// The committed figures.
const FILE: &str = "docs/verifier-cost.json";

/// By guest, or kernel: its version, and its programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Costs(BTreeMap<String, Measured>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Measured {
    version: String,
    programs: Vec<Program>,
}

impl Costs {
    /// The committed figures; none where there is no file yet.
    pub(super) fn committed() -> Result<Self> {
        let path = process::root().join(FILE);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path)?;
        let value = serde_json::from_str(&text).with_context(|| format!("{FILE} is not JSON"))?;
        Self::read(&value).with_context(|| format!("{FILE} is not what `cargo xtask vm --write` writes"))
    }

    pub(super) fn write(&self) -> Result<()> {
        fs::write(process::root().join(FILE), self.to_json()).with_context(|| format!("cannot write {FILE}"))
    }

    pub(super) fn insert(&mut self, guest: &str, version: &str, programs: &[Program]) {
        let measured = Measured { version: version.to_owned(), programs: programs.to_vec() };
        self.0.insert(guest.to_owned(), measured);
    }

    /// What is wrong with `programs`, as loaded by `guest`: each that has grown too much, or is not in the figures, and
    /// each of the figures that was not loaded.
    pub(super) fn complaints(&self, guest: &str, version: &str, programs: &[Program]) -> Vec<String> {
        let Some(before) = self.0.get(guest) else {
            return vec![format!("{FILE} has no figures of this kernel: run `cargo xtask vm --write`")];
        };
        let find = |list: &[Program], name: &str| list.iter().find(|program| program.name == name).cloned();
        let mut complaints: Vec<_> = programs
            .iter()
            .filter_map(|now| match find(&before.programs, &now.name) {
                None => Some(format!("{} is not in {FILE}: run `cargo xtask vm --write`", now.name)),
                Some(old) => grown(&old, now).map(|what| {
                    let kernels = if before.version == version {
                        String::new()
                    } else {
                        format!(" (measured on {}, now {version})", before.version)
                    };
                    format!("{}: {what}{kernels}; if it must be, run `cargo xtask vm --write`", now.name)
                }),
            })
            .collect();
        let gone = before.programs.iter().filter(|old| find(programs, &old.name).is_none());
        complaints.extend(gone.map(|old| format!("{} is in {FILE} and was not loaded", old.name)));
        complaints
    }

    /// A table: a row for each program, a column for each kernel.
    pub(super) fn table(&self) -> String {
        let kernels: Vec<_> = self.0.values().map(|measured| measured.version.as_str()).collect();
        let mut text =
            format!("| program | {} |\n|---|{}\n", kernels.join(" | "), "--:|".repeat(kernels.len()));
        let programs = self.0.values().flat_map(|measured| &measured.programs);
        let names: BTreeSet<_> = programs.map(|program| program.name.as_str()).collect();
        for name in names {
            let figures = self.0.values().map(|measured| {
                let program = measured.programs.iter().find(|program| program.name == name);
                program.map_or_else(
                    || "not loaded".into(),
                    |p| p.verified.map_or_else(|| "?".into(), |n| n.to_string()),
                )
            });
            text.push_str(&format!("| `{name}` | {} |\n", figures.collect::<Vec<_>>().join(" | ")));
        }
        text
    }

    /// One line a program, so that a difference reads.
    fn to_json(&self) -> String {
        let guests = self.0.iter().map(|(guest, measured)| {
            let programs = measured.programs.iter().map(|program| {
                let Program { name, verified, translated, jited } = program;
                let figures = json!({"verified": verified, "translated": translated, "jited": jited});
                format!("      {}: {figures}", json!(name))
            });
            let programs = programs.collect::<Vec<_>>().join(",\n");
            let (guest, version) = (json!(guest), json!(measured.version));
            format!(
                "  {guest}: {{\n    \"version\": {version},\n    \"programs\": {{\n{programs}\n    }}\n  }}"
            )
        });
        format!("{{\n{}\n}}\n", guests.collect::<Vec<_>>().join(",\n"))
    }

    fn read(value: &Value) -> Option<Self> {
        let guests = value.as_object()?.iter().map(|(guest, measured)| {
            let programs = measured["programs"].as_object()?.iter().map(|(name, figures)| {
                Some(Program {
                    name: name.clone(),
                    verified: figures["verified"].as_u64(),
                    translated: figures["translated"].as_u64()?,
                    jited: figures["jited"].as_u64()?,
                })
            });
            let version = measured["version"].as_str()?.to_owned();
            Some((guest.clone(), Measured { version, programs: programs.collect::<Option<_>>()? }))
        });
        Some(Self(guests.collect::<Option<_>>()?))
    }
}

/// How `now` has outgrown `old`, if it has: by what the verifier walks, or where the kernel does not say, by what the program holds.
fn grown(old: &Program, now: &Program) -> Option<String> {
    let (before, after, what) = match (old.verified, now.verified) {
        (Some(before), Some(after)) => (before, after, "instructions verified"),
        _ => (old.translated, now.translated, "instructions"),
    };
    (after * 10 > before * 11).then(|| format!("{after} {what}, {before} before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, verified: Option<u64>, translated: u64) -> Program {
        Program { name: name.into(), verified, translated, jited: 1 }
    }

    fn costs(programs: &[Program]) -> Costs {
        let mut costs = Costs::default();
        costs.insert("6.1", "6.1.0", programs);
        costs
    }

    #[test]
    fn a_growth_is_a_complaint() {
        let check = |old, now, complaints| {
            let found = costs(&[old]).complaints("6.1", "6.1.0", &[now]);
            assert_eq!(found.len(), complaints, "{found:?}");
        };
        check(program("p", Some(100), 10), program("p", Some(110), 99), 0);
        check(program("p", Some(100), 10), program("p", Some(111), 10), 1);
        check(program("p", None, 100), program("p", None, 111), 1);
        check(program("p", None, 100), program("p", Some(900), 100), 0);
        check(program("p", Some(100), 10), program("p", Some(50), 10), 0);
        check(program("p", Some(100), 10), program("q", Some(100), 10), 2);
    }

    #[test]
    fn a_column_for_each_kernel() {
        let mut costs = costs(&[program("p", Some(100), 10)]);
        costs.insert("5.10", "5.10.0", &[program("p", None, 3), program("q", None, 3)]);
        let rows = [
            "| program | 5.10.0 | 6.1.0 |",
            "|---|--:|--:|",
            "| `p` | ? | 100 |",
            "| `q` | ? | not loaded |",
        ];
        assert_eq!(costs.table(), rows.map(|row| format!("{row}\n")).concat());
    }

    #[test]
    fn an_unknown_kernel_is_a_complaint() {
        assert_eq!(costs(&[]).complaints("5.10", "5.10.0", &[]).len(), 1);
    }

    #[test]
    fn reads_what_it_writes() {
        let mut costs = costs(&[program("p", Some(100), 10), program("q", None, 3)]);
        costs.insert("5.10", "5.10.0", &[]);
        let value = serde_json::from_str(&costs.to_json()).expect("JSON");
        assert_eq!(Costs::read(&value), Some(costs));
        assert_eq!(Costs::read(&json!({"6.1": {"version": "x", "programs": {"p": {}}}})), None);
    }
}
