//! Relations between the numbers of a message: found in a flow's first messages, watched from then on.
//!
//! ```text
//! sample --(holds in every row, not by chance)--> on trial --(holds in many more)--> watched --(broken)--> reported
//!                                                    |                                  ^                     |
//!                                                    +--(one exception)--> dropped      +----(holds again)----+
//! ```
//!
//! A relation breaks wherever a field in it changes, so a break waits a little: where a field in it is reported in
//! that time, the break follows from that and is dropped; what holds from then on is learned anew.
//!
//! Cost: nothing for a flow without relations, but for the few messages in which they are looked for; else a few
//! operations for each field of those in a relation.

mod columns;
pub(crate) mod form;
mod marks;
mod mine;
mod monitor;
mod sample;

use std::sync::Arc;

use pitot_observe::Observation;
use serde::{Deserialize, Serialize};

use crate::evidence::{Example, Expression, Kind, Part};
use crate::field::KEPT_NS;
use crate::plan::{Fields, Plan};
use crate::relations::columns::{Column, Columns, Nature};
use crate::relations::form::{Form, Relation, Trial};
use crate::relations::marks::{Culprit, Marks};
use crate::relations::monitor::{Doubt, Moment, Monitor, Verdict};
use crate::relations::sample::Sample;

/// Relations of a flow, those on trial among them.
const RELATIONS: usize = 48;
/// Messages from one search to the next, the first time; each time this many times more.
const NEXT_SEARCH: u64 = 4_096;
const SEARCHES_APART: u64 = 8;
/// Trials on trial, and those of them that are informative and not like the one before; for an order of times, which holds
/// by chance much more often, of the latter so many.
const TRIALS: u64 = 256;
const CHANGES: u64 = 100;
const CHANGES_OF_ORDER: u64 = 1_024;
/// Messages of the flow that a break waits for a field in it to be reported (contract, "One change, one finding").
const WAIT: u64 = 64;
/// The same, where the left side is off by one factor: most likely a field has another scale, and which one is for its
/// own detector to say. A break that long is decided well before the relation's bar.
const WAIT_FOR_FACTOR: u64 = 1_024;
/// Messages of the flow for which a broken relation is why the values of a field in it changed: what detectors of
/// distributions need at most.
const AFTERMATH: u64 = 4_096;
/// Reports remembered.
const REPORTS: usize = 16;
/// Trials that hold again before a break is over.
const FEWEST_AGAIN: u64 = 64;
/// The same, as so many times those of the break, up to a number: messages of some senders come in stretches, and what they
/// do is not over while others are heard.
const TIMES_BROKEN: u64 = 16;
const LONG_AGAIN: u64 = 512;
/// And as so many times the longest stretch that held amid the break.
const TIMES_LONGEST: u64 = 8;

/// The relations of a flow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Relations {
    known: Vec<Known>,
    /// Number of the message from which relations are looked for.
    search: u64,
    /// Messages from one search to the next.
    pause: u64,
    #[serde(skip)]
    sample: Sample,
    /// Of those in `known`; made where it is missing.
    #[serde(skip)]
    columns: Option<Columns>,
    /// Paths reported last, each with the number of the message.
    reports: Vec<(Arc<str>, u64)>,
}

impl Default for Relations {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            search: 1,
            pause: NEXT_SEARCH,
            sample: Sample::default(),
            columns: None,
            reports: Vec::new(),
        }
    }
}

/// A relation, and where it stands.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    relation: Relation<Column>,
    standing: Standing,
    /// Breaks that were over, and then were not.
    relapses: u32,
    /// What its columns are like in messages that keep it, and in exceptions since the doubt under test was raised.
    usual: [Marks; 3],
    odd: [Marks; 3],
}

#[derive(Debug, Serialize, Deserialize)]
enum Standing {
    /// `changes`: informative trials that were not like the one before, which expected `last`.
    OnTrial {
        trials: u64,
        changes: u64,
        last: u64,
    },
    /// An exception was seen too early.
    Dropped,
    Watched(Monitor),
    Broken(Break),
}

/// A break that was reported.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Break {
    /// When, and at which message.
    at_ns: u64,
    number: u64,
    /// Share of exceptions then.
    share: f64,
    /// Trials from the first exception to the last, those since then, and the longest stretch without one before.
    trials: u64,
    again: u64,
    longest: u64,
    /// What the finding names and calls it.
    slot: u32,
    kind: Kind,
}

impl Break {
    fn see(&mut self, holds: bool) {
        self.again += 1;
        if !holds {
            self.longest = self.longest.max(self.again - 1);
            self.trials += std::mem::take(&mut self.again);
        }
    }

    /// Whether the relation holds again: trials in a row that would be a wonder if the share of exceptions were still the same,
    /// whether they are spread or come in stretches. `relapses`: how often that was wrong.
    fn is_over(&self, relapses: u32, budget: f64) -> bool {
        let stretch = (TIMES_BROKEN * self.trials).min(LONG_AGAIN).max(TIMES_LONGEST * self.longest);
        let needed = stretch.max(FEWEST_AGAIN).saturating_mul(4_u64.saturating_pow(relapses));
        self.again >= needed && self.again as f64 * (-self.share).ln_1p() <= budget.ln()
    }
}

/// A message of a flow, as relations need it.
pub(crate) struct Came<'a> {
    pub(crate) message: &'a Observation,
    pub(crate) plan: &'a Plan,
    pub(crate) fields: &'a Fields,
    /// Number of the message in its flow.
    pub(crate) number: u64,
    /// Messages of the flow so far that came on another connection than the one before.
    pub(crate) switches: u64,
    /// Probability of a wrong alarm allowed.
    pub(crate) budget: f64,
}

impl Came<'_> {
    fn moment(&self) -> Moment {
        let example = Example { exchange: Arc::clone(&self.message.exchange), t_ns: self.message.t_ns };
        let (message, conn, switches) = (self.number, self.message.conn, self.switches);
        Moment { message, example, conn, switches }
    }
}

/// A relation that no longer holds, or does again.
#[derive(Debug)]
pub(crate) struct Broken {
    /// The field to name, and what became of it.
    pub(crate) slot: u32,
    pub(crate) kind: Kind,
    pub(crate) relation: Expression,
    /// Factor by which the field, or else the left side, is off, if it is one.
    pub(crate) factor: Option<f64>,
    /// Share of exceptions before and after.
    pub(crate) rate: (f64, f64),
    pub(crate) onset_ns: u64,
    pub(crate) affected: (u64, u64),
    pub(crate) examples: Vec<Example>,
    pub(crate) error: f64,
    pub(crate) reverted: bool,
}

impl Relations {
    /// Bytes of the messages in which relations are looked for.
    pub(crate) fn sampled(&self) -> u64 {
        self.sample.bytes()
    }

    /// Whether there is anything to do for message `number` of the flow.
    #[inline]
    pub(crate) fn is_active(&self, number: u64) -> bool {
        number >= self.search || !self.known.is_empty()
    }

    /// Something was reported of a path at message `number` of the flow.
    pub(crate) fn reported(&mut self, path: &Arc<str>, number: u64) {
        if self.reports.len() >= REPORTS {
            self.reports.remove(0);
        }
        self.reports.push((Arc::clone(path), number));
    }

    /// Forgets broken relations reported of a chosen path: that they are broken is as it should be.
    pub(crate) fn approve(&mut self, fields: &Fields, chosen: &impl Fn(&str) -> bool) {
        let is_chosen = |slot: u32| fields.get(slot).is_some_and(|field| chosen(&field.path));
        self.known
            .retain(|known| !matches!(&known.standing, Standing::Broken(broken) if is_chosen(broken.slot)));
        self.columns = None;
    }

    /// Whether a relation that was reported not long before message `number` has this path: what is found of its values
    /// then is why it broke, or follows from that.
    pub(crate) fn explains(&self, path: &str, number: u64, fields: &Fields) -> bool {
        let is_recent = |known: &&Known| match &known.standing {
            Standing::Broken(broken) => number.saturating_sub(broken.number) <= AFTERMATH,
            _ => false,
        };
        let mut columns = self.known.iter().filter(is_recent).flat_map(|known| known.relation.columns());
        columns.any(|column| fields.get(column.slot).is_some_and(|field| *field.path == *path))
    }

    /// Takes a message. `is_asked`: whether something else about a field is under test.
    pub(crate) fn see(&mut self, came: &Came<'_>, is_asked: impl Fn(u32) -> bool) -> Vec<Broken> {
        if came.number >= self.search {
            self.look(came);
        }
        if self.known.is_empty() {
            return Vec::new();
        }
        let mut columns = self.columns.take().unwrap_or_else(|| self.columns());
        columns.gather(came.message, came.plan);
        let mut is_due = false;
        for known in &mut self.known {
            if let Some(trial) = known.relation.try_on(|column| columns.get(column)) {
                known.mark(&trial, &columns);
                is_due |= known.see(&trial, came);
            }
        }
        self.columns = Some(columns);
        if is_due { self.decide(came, is_asked) } else { Vec::new() }
    }

    fn columns(&self) -> Columns {
        Columns::new(self.known.iter().flat_map(|known| known.relation.columns()))
    }

    /// Adds the message to the sample, and looks for relations in it once it is complete.
    #[cold]
    fn look(&mut self, came: &Came<'_>) {
        let shape = came.message.shape.as_ref().map_or(0, |shape| shape.hash);
        if !self.sample.take(came.message, shape, came.plan, came.fields) {
            return;
        }
        let found = mine::mine(&std::mem::take(&mut self.sample).series(came.fields));
        for relation in found {
            let is_known = |known: &Known| known.stands_for(&relation);
            if self.known.len() < RELATIONS && !self.known.iter().any(is_known) {
                let standing = Standing::OnTrial { trials: 0, changes: 0, last: 0 };
                let (usual, odd) = Default::default();
                self.known.push(Known { relation, standing, relapses: 0, usual, odd });
            }
        }
        self.columns = None;
        self.search = came.number.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(SEARCHES_APART);
    }

    /// Looks for relations again, once what changed has settled.
    fn search_again(&mut self, number: u64) {
        self.sample = Sample::default();
        self.search = self.search.min(number + WAIT);
    }

    #[cold]
    fn decide(&mut self, came: &Came<'_>, is_asked: impl Fn(u32) -> bool) -> Vec<Broken> {
        let mut all = Vec::new();
        for place in 0..self.known.len() {
            all.extend(self.over(place, came));
            all.extend(self.broken(place, came, &is_asked));
        }
        let known = self.known.len();
        self.known.retain(|known| !known.is_done(came.message.t_ns));
        if self.known.len() != known {
            self.columns = None;
        }
        all
    }

    /// Whether a broken relation holds again.
    fn over(&mut self, place: usize, came: &Came<'_>) -> Option<Broken> {
        let known = self.known.get_mut(place)?;
        let Standing::Broken(broken) = known.standing else { return None };
        if !broken.is_over(known.relapses, came.budget) {
            return None;
        }
        let Break { share, again, slot, kind, .. } = broken;
        known.relapses += 1;
        known.standing = Standing::Watched(Monitor::new(again));
        Some(Broken {
            slot,
            kind,
            relation: known.relation.text(came.fields)?,
            factor: None,
            rate: (share, 0.0),
            onset_ns: came.message.t_ns,
            affected: (again, again),
            examples: Vec::new(),
            error: came.budget,
            reverted: true,
        })
    }

    /// Whether a relation is broken, and its time to say so has come.
    fn broken(&mut self, place: usize, came: &Came<'_>, is_asked: impl Fn(u32) -> bool) -> Option<Broken> {
        let known = self.known.get(place)?;
        let monitor = known.broken(came)?;
        let doubt = monitor.doubt()?;
        let (error, before) = (monitor.error(doubt), monitor.rate());
        let together = self.broken_with(place, doubt);
        let slots: Vec<u32> = together.iter().flat_map(|at| self.slots(*at)).collect();
        if self.follows(&slots, doubt.onset, came.fields) {
            together.iter().for_each(|at| self.drop(*at));
            self.search_again(came.number);
            return None;
        }
        let waited = came.number - doubt.onset;
        let culprit = known.culprit(doubt);
        let wait = match (culprit, doubt.factor()) {
            (Some(_), _) => 0,
            (None, Some(_)) => WAIT_FOR_FACTOR,
            (None, None) => WAIT,
        };
        let is_open = waited < 2 * WAIT && slots.iter().any(|slot| is_asked(*slot));
        if waited < wait || is_open {
            return None;
        }
        let (slot, kind, factor) = match culprit {
            Some(Culprit { place: column, kind, factor }) => (self.slots(place).nth(column)?, kind, factor),
            None => (self.common(place, &together), Kind::RelationBroken, doubt.factor()),
        };
        let broken = Broken {
            slot,
            kind,
            relation: known.relation.text(came.fields)?,
            factor,
            rate: (before, doubt.share()),
            onset_ns: doubt.onset_ns,
            affected: (doubt.exceptions, doubt.trials),
            examples: doubt.examples.clone(),
            error,
            reverted: false,
        };
        let replaced = self.is_replaced(place);
        for at in together {
            if let Some(known) = self.known.get_mut(at) {
                known.report(came, slot, kind);
            }
        }
        if replaced {
            self.drop(place);
        }
        self.search_again(came.number);
        (!replaced).then_some(broken)
    }

    /// This relation, and those that share a field with it and have been in doubt for about as long.
    fn broken_with(&self, place: usize, doubt: &Doubt) -> Vec<usize> {
        let own: Vec<u32> = self.slots(place).collect();
        let others = (0..self.known.len()).filter(|at| {
            let other = self.known.get(*at).and_then(|known| known.monitor()?.doubt());
            let is_together = other.is_some_and(|other| {
                other.onset.abs_diff(doubt.onset) <= WAIT && other.exceptions >= doubt.exceptions.div_ceil(2)
            });
            *at != place && is_together && self.slots(*at).any(|slot| own.contains(&slot))
        });
        std::iter::once(place).chain(others).collect()
    }

    /// The field that all these relations have in common: the left side of this one, else of another one, else any.
    fn common(&self, place: usize, together: &[usize]) -> u32 {
        let is_common = |slot: &u32| together.iter().all(|at| self.slots(*at).any(|other| other == *slot));
        let lefts: Vec<u32> = together.iter().filter_map(|at| self.slots(*at).next()).collect();
        let mut candidates = lefts.iter().copied().chain(self.slots(place));
        candidates.find(is_common).or(lefts.first().copied()).unwrap_or(u32::MAX)
    }

    /// Its fields, the left side first.
    fn slots(&self, place: usize) -> impl Iterator<Item = u32> + '_ {
        self.known.get(place).into_iter().flat_map(|known| known.relation.columns()).map(|c| c.slot)
    }

    /// Whether one of these fields, or what holds it, was reported since about message `onset`.
    fn follows(&self, slots: &[u32], onset: u64, fields: &Fields) -> bool {
        let recent = || self.reports.iter().filter(|(_, number)| number + WAIT >= onset);
        let paths = slots.iter().filter_map(|slot| fields.get(*slot)).map(|field| &field.path);
        paths.into_iter().any(|path| recent().any(|(reported, _)| is_at_or_inside(reported, path)))
    }

    /// Whether the left side had another relation before, which now holds again: then that is what is said.
    fn is_replaced(&self, place: usize) -> bool {
        let left = self.known.get(place).map(|known| known.relation.left);
        self.known.iter().any(|known| {
            let holds = matches!(&known.standing, Standing::Broken(broken) if broken.again >= WAIT / 2);
            holds && Some(known.relation.left) == left
        })
    }

    fn drop(&mut self, place: usize) {
        if let Some(known) = self.known.get_mut(place) {
            known.standing = Standing::Dropped;
        }
    }
}

impl Known {
    /// Takes a trial; whether there may be something to decide.
    fn see(&mut self, trial: &Trial, came: &Came<'_>) -> bool {
        let needed = if self.relation.form.is_order() { CHANGES_OF_ORDER } else { CHANGES };
        match &mut self.standing {
            Standing::Dropped => true,
            Standing::OnTrial { .. } if !trial.holds => {
                self.standing = Standing::Dropped;
                true
            }
            Standing::OnTrial { trials, changes, last } => {
                *trials += 1;
                *changes += u64::from(trial.informative && trial.expected != *last);
                *last = trial.expected;
                if *trials >= TRIALS && *changes >= needed {
                    self.standing = Standing::Watched(Monitor::new(*trials));
                }
                false
            }
            Standing::Watched(monitor) => {
                monitor.see(trial, || came.moment());
                monitor.doubt().is_some()
            }
            Standing::Broken(broken) => {
                broken.see(trial.holds);
                broken.is_over(self.relapses, came.budget)
            }
        }
    }

    /// Looks at what the values of a trial are like.
    fn mark(&mut self, trial: &Trial, columns: &Columns) {
        if !trial.holds && self.monitor().is_some_and(|monitor| monitor.doubt().is_none()) {
            self.odd = Default::default();
        }
        let marks = if trial.holds { &mut self.usual } else { &mut self.odd };
        for (marks, column) in marks.iter_mut().zip(self.relation.columns()) {
            marks.see(columns.get(column));
        }
    }

    /// Whether it is this relation, or was before its constant changed, or is one of the same left side that is not broken.
    fn stands_for(&self, other: &Relation<Column>) -> bool {
        let Self { relation, standing, .. } = self;
        let is_broken = matches!(standing, Standing::Broken(_));
        let is_about = relation.left == other.left && relation.form.is_order() == other.form.is_order();
        let is_same = relation.form.has_form_of(&other.form) && relation.columns().eq(other.columns());
        is_same || (is_about && !is_broken)
    }

    fn monitor(&self) -> Option<&Monitor> {
        match &self.standing {
            Standing::Watched(monitor) => Some(monitor),
            _ => None,
        }
    }

    fn broken(&self, came: &Came<'_>) -> Option<&Monitor> {
        self.monitor().filter(|monitor| monitor.verdict(came.switches, came.budget) == Verdict::Broken)
    }

    /// The cause that the exceptions of a doubt show.
    fn culprit(&self, doubt: &Doubt) -> Option<Culprit> {
        let columns = self.relation.columns().count();
        marks::culprit(self.usual.get(..columns)?, self.odd.get(..columns)?, doubt.factor())
    }

    fn report(&mut self, came: &Came<'_>, slot: u32, kind: Kind) {
        let doubt = self.monitor().and_then(Monitor::doubt);
        let (share, longest) = doubt.map_or((1.0, 0), |doubt| (doubt.share(), doubt.longest));
        let (trials, again) = doubt.map_or((0, 0), |doubt| (doubt.last, doubt.trials - doubt.last));
        let (at_ns, number) = (came.message.t_ns, came.number);
        self.standing = Standing::Broken(Break { at_ns, number, share, trials, again, longest, slot, kind });
    }

    /// Whether it need not be remembered.
    fn is_done(&self, now_ns: u64) -> bool {
        match self.standing {
            Standing::Dropped => true,
            Standing::Broken(broken) => now_ns.saturating_sub(broken.at_ns) > KEPT_NS,
            Standing::OnTrial { .. } | Standing::Watched(_) => false,
        }
    }
}

fn is_at_or_inside(outer: &str, path: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl Relation<Column> {
    /// As people write it.
    fn text(&self, fields: &Fields) -> Option<Expression> {
        let path = |column: Column| fields.get(column.slot).map(|field| Arc::clone(&field.path));
        let (b, c) = self.form.operands();
        let (before, between, after) = match self.form {
            Form::Equal(column) if column.nature == Nature::Length => (" = length(", "", ")"),
            Form::Equal(_) => (" = ", "", ""),
            Form::Sum(..) => (" = ", " + ", ""),
            Form::Product(..) => (" = ", " * ", ""),
            Form::Scaled(..) => (" = constant * ", "", ""),
            Form::Total(_) => (" = sum(", "", ")"),
            Form::TotalOfProducts(..) => (" = sum(", " * ", ")"),
            Form::AtMost(_) => (" <= ", "", ""),
        };
        let mut parts = vec![Part::Path(path(self.left)?), Part::Text(before.into()), Part::Path(path(b)?)];
        if let Some(c) = c {
            parts.extend([Part::Text(between.into()), Part::Path(path(c)?)]);
        }
        parts.push(Part::Text(after.into()));
        Some(Expression(parts))
    }
}
