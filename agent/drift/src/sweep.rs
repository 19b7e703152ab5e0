//! Looks at what did not happen for long, and at rates: from what was found to [`Evidence`], and the new baseline.

use std::sync::Arc;

use crate::channel::{Channel, Run};
use crate::evidence::{Evidence, Example, Kind};
use crate::field::Reported;
use crate::novelty::{Event, Novelty, SETTLED};
use crate::rate::{JUMP, Shift};
use crate::report::{NEAR, Reporter};

/// A rate that is another now.
struct Change {
    before: f64,
    after: f64,
    trials: u64,
    since_ns: u64,
    error: f64,
}

impl Change {
    fn run(run: Run, after: f64) -> Self {
        Self { before: run.before, after, trials: run.length, since_ns: run.since_ns, error: run.error }
    }

    fn shift(shift: Shift) -> Self {
        let Shift { before, after, trials, since_ns, error } = shift;
        Self { before, after, trials, since_ns, error }
    }
}

/// Of what a rate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    Presence,
    Null,
}

impl Reporter<'_> {
    /// Looks at fields and nulls that are gone, everywhere now, or there at another rate.
    pub(crate) fn sweep(&mut self, novelties: &[Novelty], budget: f64) {
        for slot in 0..self.fields.list.len() as u32 {
            let Some(field) = self.fields.get(slot) else { continue };
            let objects =
                field.parent.and_then(|parent| self.fields.get(parent)).map_or(0, |parent| parent.objects);
            let (messages, is_member, asked) = (field.messages, field.is_member, field.asked);
            let is_asked = |null: bool| {
                asked > 0
                    && novelties
                        .iter()
                        .any(|n| n.slot == slot && matches!(n.event, Event::Null | Event::NotNull) == null)
            };
            if is_member && !is_asked(false) {
                self.look(slot, Property::Presence, objects, budget);
            }
            if !is_asked(true) {
                self.look(slot, Property::Null, messages, budget);
            }
        }
    }

    fn look(&mut self, slot: u32, property: Property, trials: u64, budget: f64) {
        let t_ns = self.moment.t_ns;
        let Some(field) = self.fields.get_mut(slot) else { return };
        let channel = match property {
            Property::Presence => &mut field.presence,
            Property::Null => &mut field.nulls,
        };
        if channel.is_never() {
            return;
        }
        let change = if let Some(run) = channel.gone(trials, budget) {
            *channel = Channel::never();
            Change::run(run, 0.0)
        } else if let Some(run) = channel.filled(trials, budget) {
            *channel = Channel::restart(trials - run.length, trials, run.length, true, t_ns);
            Change::run(run, 1.0)
        } else if let Some(shift) = channel.shifted(trials, t_ns, budget) {
            let some = (shift.after * shift.trials as f64).round() as u64;
            *channel = Channel::restart(trials - shift.trials, trials, some, false, t_ns);
            Change::shift(shift)
        } else {
            return;
        };
        match property {
            Property::Presence if change.after == 0.0 => field.absent_from = trials - change.trials,
            Property::Null if change.after == 0.0 => field.not_null_from = trials - change.trials,
            _ => {}
        }
        self.fields.version += 1;
        self.rate(slot, property, trials, &change);
    }

    /// Reports that a rate is another, unless that is part of what was reported before.
    fn rate(&mut self, slot: u32, property: Property, trial: u64, change: &Change) {
        let t_ns = self.moment.t_ns;
        let Some(field) = self.fields.get_mut(slot) else { return };
        let Change { before, after, .. } = *change;
        let types = field.types;
        let report = match property {
            Property::Presence => &mut field.presence_report,
            Property::Null => &mut field.null_report,
        };
        let kind = match property {
            Property::Presence if after == 0.0 => Kind::FieldRemoved,
            _ => Kind::PresenceChanged,
        };
        let known = report.filter(|report| report.is_kept(t_ns));
        let undone = known.filter(|report| report.rate.is_some_and(|rate| (after - rate).abs() <= NEAR));
        if undone.is_none() {
            // A rollout, step by step, was reported already; and little is not worth a finding.
            let is_part =
                |report: Reported| report.kind != Kind::PresenceChanged || trial < report.trial + SETTLED;
            if known.is_some_and(is_part) || kind != Kind::FieldRemoved && (before - after).abs() < JUMP {
                return;
            }
        }
        let next = Reported { rate: Some(before), ..Reported::new(kind, t_ns, types, trial) };
        *report = undone.is_none().then_some(next);
        self.changed(slot, undone.map_or(kind, |report| report.kind), undone, change);
    }

    fn changed(&mut self, slot: u32, kind: Kind, undone: Option<Reported>, change: &Change) {
        let Some(field) = self.fields.get(slot) else { return };
        let parent = field.parent.and_then(|parent| self.fields.get(parent));
        let other = undone.and_then(|report| report.other).and_then(|other| self.fields.get(other));
        // What was said of the place before must be said again, to be taken back.
        let (path, old_path) = match (kind, other, undone.and_then(|report| report.rate)) {
            (Kind::FieldRenamed | Kind::FieldMoved, Some(other), Some(1.0)) => {
                (&other.path, Some(Arc::clone(&field.path)))
            }
            (Kind::FieldRenamed | Kind::FieldMoved, Some(other), _) => {
                (&field.path, Some(Arc::clone(&other.path)))
            }
            (Kind::VariantAdded, ..) => (parent.map_or(&field.path, |parent| &parent.path), None),
            _ => (&field.path, None),
        };
        let is_rate = kind == Kind::PresenceChanged;
        let evidence = Evidence {
            old_path,
            onset_ns: change.since_ns,
            rate: is_rate.then_some((change.before, change.after)),
            affected: (change.trials, change.trials),
            examples: vec![Example { exchange: Arc::clone(&self.moment.exchange), t_ns: self.moment.t_ns }],
            reverted: undone.is_some(),
            ..self.evidence(kind, path, change.error)
        };
        self.out.push(evidence);
    }
}
