//! What a stream's findings are worth, against the change that was put into it.

use pitot_findings::Finding;
use pitot_findings::finding::State;

use crate::change::{Change, Expected};

/// Rows of the table of bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Fields and types come and go.
    Structure,
    /// A field goes where it can be found again.
    Rename,
    /// Unit, time, sign, default, precision, text.
    Unit,
    /// Rescaling, meaning, relation, identifier.
    Meaning,
    /// The distribution alone.
    Range,
}

impl Class {
    /// Of a change.
    #[must_use]
    pub fn of(change: Change) -> Self {
        match change {
            Change::Added
            | Change::Removed
            | Change::Retyped
            | Change::Wrapped
            | Change::Reformatted
            | Change::Null(_)
            | Change::Absent(_)
            | Change::NewCode(_) => Self::Structure,
            Change::Renamed | Change::Moved => Self::Rename,
            Change::Unit(_)
            | Change::Shifted { .. }
            | Change::TimeUnit
            | Change::Defaulted(_)
            | Change::Rounded
            | Change::Negated
            | Change::Garbled
            | Change::Cut(_) => Self::Unit,
            Change::Rescaled(_) | Change::Permuted | Change::Unrelated(_) | Change::Rekeyed => Self::Meaning,
            Change::Up(_) | Change::Wider(_) | Change::Outliers(_) | Change::Frozen => Self::Range,
        }
    }

    /// Messages of the field's kind before the change, and after.
    #[must_use]
    pub fn lengths(self) -> (u64, u64) {
        match self {
            Self::Structure | Self::Rename => (1_000, 1_000),
            Self::Unit => (1_000, 2_000),
            Self::Meaning => (20_000, 8_000),
            Self::Range => (20_000, 12_000),
        }
    }

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Rename => "rename, move",
            Self::Unit => "unit, time, sign, default, precision, text",
            Self::Meaning => "rescale, meaning, relation, re-key",
            Self::Range => "range",
        }
    }
}

/// What became of one change.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Whether anything was said of its place.
    pub found: bool,
    /// Whether a kind that fits was given.
    pub fits: bool,
    /// Whether the kind is the right one.
    pub right: bool,
    /// The kind that was given.
    pub kind: &'static str,
    /// Messages that the change touched up to the finding.
    pub delay: usize,
    /// Findings after the change began that are about something else, by kind and path.
    pub collateral: Vec<String>,
    /// Findings before it began.
    pub before: Vec<String>,
}

/// Judges the findings of a stream. `affected`: times of the messages that the change touched.
#[must_use]
pub fn judge(findings: &[Finding], expected: &Expected, affected: &[u64]) -> Outcome {
    let onset = affected.first().copied().unwrap_or(u64::MAX);
    let mut outcome = Outcome::default();
    let opened = || findings.iter().filter(|finding| finding.state == State::Open);
    let about = |finding: &&Finding| is_about(finding, expected);
    let best = opened()
        .filter(|finding| finding.time_ns >= onset)
        .filter(about)
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
        outcome.fits = expected.kinds.contains(&best.kind);
        outcome.right = expected.kinds.first() == Some(&best.kind);
        outcome.kind = best.kind;
        outcome.delay = affected.iter().filter(|t| **t <= best.time_ns).count();
    }
    outcome
}

fn rank(kind: &str, expected: &Expected) -> usize {
    expected.kinds.iter().position(|known| *known == kind).unwrap_or(expected.kinds.len())
}

fn is_about(finding: &Finding, expected: &Expected) -> bool {
    match &expected.old_path {
        Some(old) => finding.path == expected.path && finding.old_path.as_ref() == Some(old),
        None => finding.path == expected.path,
    }
}
