//! Real histories: what an interface looked like from version to version, with the differences listed by a machine. A
//! version's example of each resource is sent over and over, then the next version's.
//!
//! The folder holds `DATE.json.gz` (`{"resources":{NAME:EXAMPLE}}`) and `diffs.ndjson.gz` (a line per difference:
//! `from_date`, `to_date`, `resource`, `change`, `path`, for a likely rename `rename_candidate`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use pitot_findings::Finding;
use pitot_findings::finding::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::draw::Moment;
use crate::jobs;
use crate::load::START_NS;
use crate::replay::Replay;
use crate::stream::Sent;

/// Messages of each resource before the step, and after.
const BEFORE: u64 = 400;
const AFTER: u64 = 150;

/// Kinds of findings that the list of differences speaks of.
const KINDS: [&str; 7] = [
    "field_added",
    "field_removed",
    "field_renamed",
    "field_moved",
    "type_changed",
    "presence_changed",
    "array_shape_changed",
];

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// What is in it.
    #[error("{0}: {1}")]
    Json(PathBuf, #[source] serde_json::Error),
}

/// What was found of the step from one version to the next.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Step {
    /// Date of the version before.
    pub from: String,
    /// And after.
    pub to: String,
    /// Resources that both have.
    pub resources: usize,
    /// Differences that do not follow from another one above them, and how many of them were found, by what they are.
    pub listed: BTreeMap<String, (usize, usize)>,
    /// Findings of the kinds that the list speaks of.
    pub findings: usize,
    /// Those that no difference explains: resource, kind, path.
    pub wrong: Vec<String>,
    /// Differences that were not found.
    pub missed: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Difference {
    from_date: String,
    to_date: String,
    resource: String,
    change: String,
    #[serde(default)]
    path: String,
    rename_candidate: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    resources: BTreeMap<String, Value>,
}

/// Replays every step of the history in this folder.
///
/// # Errors
/// A file that is missing or is not what it should be.
pub fn run(folder: &Path) -> Result<Vec<Step>, Error> {
    let text = read(&folder.join("diffs.ndjson.gz"))?;
    let listed: Vec<Difference> = text
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| Error::Json("diffs.ndjson.gz".into(), error)))
        .collect::<Result<_, _>>()?;
    let mut steps: Vec<(String, String)> =
        listed.iter().map(|d| (d.from_date.clone(), d.to_date.clone())).collect();
    steps.sort();
    steps.dedup();
    let mut versions = BTreeMap::new();
    for date in steps.iter().flat_map(|(from, to)| [from, to]) {
        if !versions.contains_key(date) {
            let path = folder.join(format!("{date}.json.gz"));
            let version: Version =
                serde_json::from_str(&read(&path)?).map_err(|error| Error::Json(path, error))?;
            versions.insert(date.clone(), version.resources);
        }
    }
    Ok(jobs::each(&steps, |(from, to)| {
        let of_step: Vec<&Difference> =
            listed.iter().filter(|d| d.from_date == *from && d.to_date == *to).collect();
        let mut step = Step { from: from.clone(), to: to.clone(), ..Step::default() };
        for (name, before) in &versions[from] {
            let Some(after) = versions[to].get(name) else { continue };
            let differences: Vec<&Difference> =
                of_step.iter().copied().filter(|d| d.resource == *name && !d.path.is_empty()).collect();
            step.resources += 1;
            step.judge(name, &replay(name, before, after), &differences);
        }
        step
    }))
}

fn read(path: &Path) -> Result<String, Error> {
    let error = |error| Error::Io(path.to_owned(), error);
    let mut text = String::new();
    let file = BufReader::new(File::open(path).map_err(error)?);
    GzDecoder::new(file).read_to_string(&mut text).map_err(error)?;
    Ok(text)
}

/// One example over and over, then the other: what was found of the kinds in question.
fn replay(name: &str, before: &Value, after: &Value) -> Vec<Finding> {
    let mut replay = Replay::new("client");
    let (before, after) = (before.to_string(), after.to_string());
    for number in 0..BEFORE + AFTER {
        let t_ns = START_NS + number * 1_000_000_000;
        let instance = (number % 3) as u32;
        let moment = Moment { t_ns, tenant: 0, instance, generation: 0, number };
        let body = if number < BEFORE { before.clone() } else { after.clone() };
        replay.push(Sent {
            moment,
            route: format!("/v1/{name}").into(),
            body,
            is_affected: number >= BEFORE,
        });
    }
    let mut findings = replay.finish().findings;
    findings.retain(|finding| finding.state == State::Open && KINDS.contains(&finding.kind));
    findings
}

impl Step {
    fn judge(&mut self, resource: &str, findings: &[Finding], differences: &[&Difference]) {
        self.findings += findings.len();
        let is_below_another =
            |d: &Difference| differences.iter().any(|other| is_below(&d.path, &other.path));
        for difference in differences.iter().filter(|d| d.is_a_change() && !is_below_another(d)) {
            let is_found = findings.iter().any(|finding| difference.is_said_by(finding));
            let (listed, found) = self.listed.entry(difference.change.clone()).or_default();
            *listed += 1;
            *found += usize::from(is_found);
            if !is_found {
                self.missed.push(format!("{resource} {} {}", difference.change, difference.path));
            }
        }
        for finding in findings {
            if !differences.iter().any(|difference| difference.explains(finding)) {
                let old = finding.old_path.as_deref().map(|old| format!(" from {old}")).unwrap_or_default();
                self.wrong.push(format!("{resource} {} {}{old}", finding.kind, finding.path));
            }
        }
    }
}

impl Difference {
    /// Whether it is one that should be found: of an array that was or is empty nothing is known, and an integer beside a
    /// decimal is no change.
    fn is_a_change(&self) -> bool {
        matches!(&*self.change, "field_added" | "field_removed" | "null_changed" | "type_changed")
    }

    fn is_said_by(&self, finding: &Finding) -> bool {
        let is_pair = matches!(finding.kind, "field_renamed" | "field_moved");
        match &*self.change {
            _ if is_pair => self.is_likely_pair(finding),
            "field_added" => finding.kind == "field_added" && finding.path == self.path,
            "field_removed" => finding.kind == "field_removed" && finding.path == self.path,
            "null_changed" => finding.kind == "presence_changed" && finding.path == self.path,
            _ => matches!(finding.kind, "type_changed" | "array_shape_changed") && finding.path == self.path,
        }
    }

    /// Whether the finding pairs what the list takes for one field, too.
    fn is_likely_pair(&self, finding: &Finding) -> bool {
        let (Some(old), Some(other)) = (&finding.old_path, &self.rename_candidate) else { return false };
        match &*self.change {
            "field_added" => finding.path == self.path && old == other,
            "field_removed" => finding.path == *other && *old == self.path,
            _ => false,
        }
    }

    /// Whether a finding follows from it: it is about the same place, or what hangs below one that was null.
    fn explains(&self, finding: &Finding) -> bool {
        self.is_said_by(finding)
            || self.is_a_change() && finding.old_path.is_none() && is_below(&finding.path, &self.path)
    }
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(change: &str, path: &str) -> Difference {
        Difference {
            from_date: String::new(),
            to_date: String::new(),
            resource: "charge".into(),
            change: change.into(),
            path: path.into(),
            rename_candidate: None,
        }
    }

    #[test]
    fn a_step_is_found_and_judged() {
        let before: Value = serde_json::from_str(r#"{"id":"ch_1","amount":5,"paid":null}"#).expect("JSON");
        let after: Value =
            serde_json::from_str(r#"{"id":"ch_1","amount":5,"paid":null,"live":true}"#).expect("JSON");
        let findings = replay("charge", &before, &after);
        let mut step = Step::default();
        let (added, gone) = (difference("field_added", "$.live"), difference("field_removed", "$.paid"));
        step.judge("charge", &findings, &[&added, &gone]);
        assert_eq!(step.listed["field_added"], (1, 1), "{findings:?}");
        assert_eq!(step.listed["field_removed"], (1, 0));
        assert_eq!(step.missed, ["charge field_removed $.paid"]);
        assert!(step.wrong.is_empty(), "{:?}", step.wrong);
        let mut below = Step::default();
        let (above, within) = (difference("null_changed", "$.a"), difference("field_removed", "$.a.b"));
        below.judge("charge", &[], &[&above, &within]);
        assert_eq!(below.missed, ["charge null_changed $.a"]);
        let mut unexplained = Step::default();
        unexplained.judge("charge", &findings, &[]);
        assert_eq!(unexplained.wrong, ["charge field_added $.live"]);
    }

    #[test]
    fn below_is_below() {
        let check = |path, above, expected| assert_eq!(is_below(path, above), expected, "{path} {above}");
        check("$.a.b", "$.a", true);
        check("$.a[*].b", "$.a", true);
        check("$.ab", "$.a", false);
        check("$.a", "$.a", false);
    }
}
