//! [`Findings`]: which claims are one change, and what is written about it when.
//!
//! ```text
//! evidence -> group by deciding message -> most specific first -> undone?        resolved
//!                                                              -> known change?  update (written when doubled)
//!                                                              -> part of one?   absorbed
//!                                                              -> proven enough? open, else withheld
//! ```
//!
//! Two claims of one flow are one change when they touch the same path (or one lies inside the other's) and their
//! spans from onset to deciding message overlap. Findings of several flows are not grouped here: that needs the map
//! of flows, and will stand between [`Findings::push`] and the writing of [`State::Open`].

use std::collections::BTreeMap;

use pitot_drift::Evidence;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::control;
use crate::disclose::{Disclosed, disclose};
use crate::finding::{Finding, Flow, State};
use crate::id::Identity;
use crate::kind::{self, Traits};
use crate::text;

/// Changes remembered in one flow. More come only from names that are data.
const CHANGES_PER_FLOW: usize = 1_024;
/// Changes remembered in all flows.
const CHANGES: usize = 65_536;

/// What the operator decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Highest multiplicity-adjusted error bound with which a finding opens, 0 to 1. The default is a half: a claim
    /// that chance explains better than not is none. A detector that reports at an error of 1e-5 a field reaches it
    /// at 50,000 watched fields; there it must ask for more, or send its evidence again as it grows.
    pub error_budget: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { error_budget: 0.5 }
    }
}

/// What became of the evidence: `taken` is the sum of the others, once [`Findings::finish`] was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Evidence pushed.
    pub taken: u64,
    /// Opened a finding.
    pub opened: u64,
    /// New figures of an open finding.
    pub repeated: u64,
    /// Resolved an open finding.
    pub resolved: u64,
    /// Undid what has no open finding of its own.
    pub unmatched: u64,
    /// Another view of a change that has its finding.
    pub absorbed: u64,
    /// Bound over the budget: not enough evidence yet.
    pub withheld: u64,
    /// More changes than are remembered.
    pub capped: u64,
    /// A kind this crate has no words for.
    pub unknown_kind: u64,
}

/// Evidence of all flows in, findings out. See the [crate] for an example.
///
/// It is stored (serialized) whole, so that a change found again has the same id and is not opened twice; what comes back
/// must be completed by [`Findings::restored`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Findings {
    #[serde(skip)]
    config: Config,
    monitored: u64,
    /// Claims of one flow decided by one message, not yet judged.
    pending: Vec<Claim>,
    flows: BTreeMap<Flow, Vec<Change>>,
    #[serde(skip)]
    remembered: usize,
    counts: Counts,
}

/// Evidence in the words of a finding.
#[derive(Debug)]
struct Claim {
    evidence: Evidence,
    traits: Traits,
    shown: Disclosed,
}

/// A change that has its finding.
#[derive(Debug, Serialize, Deserialize)]
struct Change {
    finding: Finding,
    traits: Traits,
    /// Several paths may look like this one.
    hidden: bool,
    open: bool,
    /// Time of the message that opened it: what began later is another change.
    decided_ns: u64,
    /// Messages affected: now, and when it was last written.
    affected: u64,
    written: u64,
}

impl Findings {
    /// Nothing found yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            monitored: 1,
            pending: Vec::new(),
            flows: BTreeMap::new(),
            remembered: 0,
            counts: Counts::default(),
        }
    }

    /// Completes what was stored.
    #[must_use]
    pub fn restored(mut self, config: Config) -> Self {
        self.config = config;
        self.remembered = self.flows.values().map(Vec::len).sum();
        self
    }

    /// Closes the finding `id`: what changed is as it should be. The line to write, unless there is no such finding, or
    /// it is closed.
    pub fn approve(&mut self, id: &str) -> Option<Finding> {
        let mut open = self.flows.values_mut().flatten().filter(|change| change.open);
        open.find(|change| change.finding.id == id).map(|change| change.close("approved"))
    }

    /// The flows `chosen` are learned anew: closes what is open in them, with the lines to write. How often their changes
    /// were opened is kept, so a change found again has another id than before.
    pub fn forget(&mut self, chosen: impl Fn(&Flow) -> bool, out: &mut Vec<Finding>) {
        for (_, changes) in self.flows.iter_mut().filter(|(flow, _)| chosen(flow)) {
            out.extend(
                changes.iter_mut().filter(|change| change.open).map(|change| change.close("learned anew")),
            );
        }
    }

    /// Every finding, by flow and there in the order of opening, and whether it is open.
    pub fn list(&self) -> impl Iterator<Item = (&Finding, bool)> {
        self.flows.values().flatten().map(|change| (&change.finding, change.open))
    }

    /// How many fields of all flows are watched now; evidence judged from now on is judged by it. Without a call, every
    /// claim is judged as if its field were the only one.
    pub fn set_monitored(&mut self, fields: u64) {
        self.monitored = fields;
    }

    /// What became of the evidence so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes the next evidence, in the order of deciding messages. What it completes is appended to `out`; its own
    /// finding may wait for more evidence of the same message, until the next push, tick or finish.
    pub fn push(&mut self, evidence: Evidence, out: &mut Vec<Finding>) {
        self.counts.taken += 1;
        let Some(claim) = Claim::of(evidence) else {
            self.counts.unknown_kind += 1;
            return;
        };
        if self.pending.first().is_some_and(|first| !first.is_decided_with(&claim.evidence)) {
            self.judge(out);
        }
        self.pending.push(claim);
    }

    /// Event time has come to `time_ns`: no more evidence of messages up to then will come.
    pub fn tick(&mut self, time_ns: u64, out: &mut Vec<Finding>) {
        if self.pending.first().is_some_and(|claim| claim.evidence.time_ns <= time_ns) {
            self.judge(out);
        }
    }

    /// The input has ended: writes `updated` for every finding whose counts have grown since it was last written.
    pub fn finish(&mut self, out: &mut Vec<Finding>) {
        self.judge(out);
        for change in self.flows.values_mut().flatten() {
            if change.open && change.affected > change.written {
                out.push(change.write(State::Updated));
            }
        }
    }

    /// Judges the pending claims: what was undone, then the most specific, an outer path before what lies in it.
    fn judge(&mut self, out: &mut Vec<Finding>) {
        let mut claims = std::mem::take(&mut self.pending);
        claims.sort_by(|a, b| a.place().cmp(&b.place()));
        for claim in claims {
            self.judge_one(claim, out);
        }
    }

    fn judge_one(&mut self, claim: Claim, out: &mut Vec<Finding>) {
        let changes = self.flows.get_mut(&claim.shown.flow).map_or(&mut [][..], Vec::as_mut_slice);
        // The latest first: a change that came back is the one that counts on.
        if claim.evidence.reverted {
            match changes.iter_mut().rev().find(|change| change.open && change.has_identity_of(&claim)) {
                Some(change) => {
                    self.counts.resolved += 1;
                    out.push(change.resolve(claim));
                }
                None => self.counts.unmatched += 1,
            }
        } else if let Some(change) = changes.iter_mut().rev().find(|change| change.is_repeated_by(&claim)) {
            self.counts.repeated += 1;
            out.extend(change.repeat(claim, self.monitored));
        } else if changes.iter().any(|change| change.covers(&claim)) {
            self.counts.absorbed += 1;
        } else if control::adjusted(claim.evidence.error, self.monitored) > self.config.error_budget {
            self.counts.withheld += 1;
        } else if changes.len() >= CHANGES_PER_FLOW || self.remembered >= CHANGES {
            self.counts.capped += 1;
        } else {
            let opened = changes.iter().filter(|change| change.has_identity_of(&claim)).count();
            let change = Change::open(claim, self.monitored, opened);
            out.push(change.finding.clone());
            self.flows.entry(change.finding.flow.clone()).or_default().push(change);
            self.remembered += 1;
            self.counts.opened += 1;
        }
    }
}

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Places begin anew with each source: what comes then was not decided by the message of this one.
        let mut evidence = self.evidence.clone();
        evidence.order.seq = u64::MAX;
        evidence.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Evidence::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("no finding is of this kind"))
    }
}

impl Claim {
    /// `None` for a kind that this crate has no words for.
    fn of(evidence: Evidence) -> Option<Self> {
        let traits = kind::traits(evidence.kind)?;
        let shown = disclose(&evidence);
        Some(Self { evidence, traits, shown })
    }

    fn is_decided_with(&self, other: &Evidence) -> bool {
        self.evidence.order == other.order && self.evidence.flow == other.flow
    }

    /// Where it stands among the claims of its message.
    fn place(&self) -> (bool, u8, usize, &str) {
        (!self.evidence.reverted, self.traits.rank, text::depth(&self.shown.path), &self.shown.path)
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.shown.path.as_str()).chain(self.shown.old_path.as_deref())
    }
}

impl Change {
    fn open(claim: Claim, monitored: u64, opened: usize) -> Self {
        let Claim { evidence, traits, shown } = claim;
        let identity = Identity {
            event: traits.event,
            kind: traits.name,
            flow: &shown.flow,
            path: &shown.path,
            old_path: shown.old_path.as_deref(),
        };
        let finding = Finding {
            id: identity.id(opened),
            state: State::Open,
            event: traits.event,
            kind: traits.name,
            severity: kind::severity(evidence.kind, evidence.was_required),
            time_ns: evidence.time_ns,
            onset_ns: evidence.onset_ns,
            flow: shown.flow,
            path: shown.path,
            old_path: shown.old_path,
            upstream: None,
            confidence: control::confidence(control::adjusted(evidence.error, monitored)),
            evidence: shown.evidence,
            summary: shown.summary,
        };
        let affected = evidence.affected.0;
        Self {
            finding,
            traits,
            hidden: shown.hidden,
            open: true,
            decided_ns: evidence.time_ns,
            affected,
            written: affected,
        }
    }

    fn has_identity_of(&self, claim: &Claim) -> bool {
        let Finding { kind, path, old_path, .. } = &self.finding;
        *kind == claim.traits.name && *path == claim.shown.path && *old_path == claim.shown.old_path
    }

    /// The same claim with newer figures. Where a name was hidden, every path that looks the same is the same
    /// change, or identifiers used as names would each open a finding.
    fn is_repeated_by(&self, claim: &Claim) -> bool {
        self.open && self.has_identity_of(claim) && (self.hidden || self.overlaps(claim))
    }

    /// Another claim about what this change explains.
    fn covers(&self, claim: &Claim) -> bool {
        self.overlaps(claim) && claim.paths().any(|path| self.touches(path))
    }

    /// Evidence comes in order, so a claim never ends before this change was decided.
    fn overlaps(&self, claim: &Claim) -> bool {
        claim.evidence.onset_ns <= self.decided_ns
    }

    fn touches(&self, path: &str) -> bool {
        let own = std::iter::once(self.finding.path.as_str()).chain(self.finding.old_path.as_deref());
        own.into_iter().any(|own| own == path || (self.traits.takes_children && text::is_inside(own, path)))
    }

    /// Takes the newer figures; the line to write, if the count has doubled.
    fn repeat(&mut self, claim: Claim, monitored: u64) -> Option<Finding> {
        let Claim { evidence, shown, .. } = claim;
        if evidence.affected.0 <= self.affected {
            return None;
        }
        self.affected = evidence.affected.0;
        self.finding.time_ns = evidence.time_ns;
        self.finding.confidence = control::confidence(control::adjusted(evidence.error, monitored));
        self.finding.evidence = shown.evidence;
        self.finding.summary = shown.summary;
        (self.affected >= self.written.saturating_mul(2)).then(|| self.write(State::Updated))
    }

    /// Closes it; its figures stay those of the change.
    fn resolve(&mut self, claim: Claim) -> Finding {
        self.open = false;
        self.finding.time_ns = claim.evidence.time_ns;
        self.finding.summary = claim.shown.summary;
        self.write(State::Resolved)
    }

    /// Closes it without anything having been undone.
    fn close(&mut self, why: &str) -> Finding {
        self.open = false;
        self.finding.summary = format!("{why}: {}", self.finding.summary);
        self.write(State::Resolved)
    }

    fn write(&mut self, state: State) -> Finding {
        self.finding.state = state;
        self.written = self.affected;
        self.finding.clone()
    }
}
