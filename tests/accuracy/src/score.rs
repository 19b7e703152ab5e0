//! What a stream's findings are worth, against the change that was put into it.

use pitot_findings::Finding;
use pitot_findings::finding::State;
use serde::{Deserialize, Serialize};

use crate::change::Expected;

/// What became of one change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether anything was said of its place.
    pub found: bool,
    /// Whether the cause is the right one.
    pub right: bool,
    /// The kind that was given.
    pub kind: String,
    /// Messages that the change touched up to the finding.
    pub delay: usize,
    /// Findings after the change began that are about something else, by kind and path.
    pub collateral: Vec<String>,
    /// Findings before it began.
    pub before: Vec<String>,
}

impl Outcome {
    /// Whether the change gave one finding and nothing else was found.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.found && self.collateral.is_empty() && self.before.is_empty()
    }
}

/// Judges the findings of a stream. `affected`: times of the messages that the change touched.
#[must_use]
pub fn judge(findings: &[Finding], expected: &Expected, affected: &[u64]) -> Outcome {
    let onset = affected.first().copied().unwrap_or(u64::MAX);
    let mut outcome = Outcome::default();
    let opened = || findings.iter().filter(|finding| finding.state == State::Open);
    let best = opened()
        .filter(|finding| finding.time_ns >= onset)
        .filter(|finding| is_about(finding, expected))
        .min_by_key(|finding| (rank(finding.kind, expected), finding.time_ns));
    for finding in opened() {
        let what = format!("{} {}", finding.kind, finding.path);
        if finding.time_ns < onset {
            outcome.before.push(what);
        } else if best.is_none_or(|best| best.id != finding.id) {
            outcome.collateral.push(what);
        }
    }
    if let Some(best) = best {
        outcome.found = true;
        outcome.right = if best.kind == RELATION && !expected.kinds.contains(&RELATION) {
            expected.relation_is_right
        } else {
            expected.right.contains(&best.kind)
        };
        outcome.kind = best.kind.into();
        outcome.delay = affected.iter().filter(|t| **t <= best.time_ns).count();
    }
    outcome
}

const RELATION: &str = "relation_broken";

fn rank(kind: &str, expected: &Expected) -> usize {
    expected.kinds.iter().position(|known| *known == kind).unwrap_or(expected.kinds.len())
}

fn is_about(finding: &Finding, expected: &Expected) -> bool {
    let is_here = finding.path == expected.path
        && expected.old_path.as_ref().is_none_or(|old| finding.old_path.as_ref() == Some(old));
    is_here || finding.kind == RELATION && expected.related.contains(&&*finding.path)
}
