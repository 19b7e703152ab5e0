//! From a decided question or run to [`Evidence`], and the new baseline after it.

use std::sync::Arc;

use pitot_observe::FlowKey;
use pitot_protocols::message::Order;
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Run};
use crate::evidence::{Evidence, Example, Kind};
use crate::field::{Field, Reported};
use crate::novelty::{Event, Novelty};
use crate::plan::Fields;
use crate::relations::Broken;
use crate::types::Types;
use crate::values::Named;

/// A rate must be at least this far from the one it jumps to: 95 % to all is not worth a finding.
const JUMP: f64 = 0.1;

/// The message at which something is decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Moment {
    pub(crate) order: Order,
    pub(crate) t_ns: u64,
    pub(crate) exchange: Arc<str>,
}

/// Writes evidence about one flow.
pub(crate) struct Reporter<'a> {
    pub(crate) key: &'a Arc<FlowKey>,
    pub(crate) fields: &'a mut Fields,
    pub(crate) moment: &'a Moment,
    pub(crate) out: &'a mut Vec<Evidence>,
}

impl Reporter<'_> {
    fn evidence(&self, kind: Kind, path: &Arc<str>, error: f64) -> Evidence {
        Evidence {
            flow: Arc::clone(self.key),
            kind,
            path: Arc::clone(path),
            old_path: None,
            order: self.moment.order,
            time_ns: self.moment.t_ns,
            onset_ns: self.moment.t_ns,
            error,
            was_required: false,
            rate: None,
            factor: None,
            offset_s: None,
            relation: None,
            types: None,
            affected: (0, 0),
            examples: Vec::new(),
            reverted: false,
        }
    }

    fn of_novelty(&self, kind: Kind, field: &Field, novelty: &Novelty, now: u64) -> Evidence {
        Evidence {
            onset_ns: novelty.onset_ns,
            was_required: field.presence.is_always(),
            affected: (novelty.events, novelty.eligible(now)),
            examples: novelty.examples.clone(),
            ..self.evidence(kind, &field.path, novelty.error(now))
        }
    }

    /// Reports a first event that was found to be a change, at trial `now`.
    pub(crate) fn novelty(&mut self, novelty: &Novelty, now: u64) {
        let Some(field) = self.fields.get(novelty.slot) else { return };
        let is_total = novelty.is_total(now);
        let share = novelty.events as f64 / novelty.eligible(now) as f64;
        let kind = match novelty.event {
            Event::Present => Kind::FieldAdded,
            Event::Absent if is_total => Kind::FieldRemoved,
            Event::Type => Kind::TypeChanged,
            Event::Absent | Event::Null | Event::NotNull => Kind::PresenceChanged,
        };
        let mut evidence = self.of_novelty(kind, field, novelty, now);
        match novelty.event {
            Event::Absent if !is_total => evidence.rate = Some((1.0, 1.0 - share)),
            Event::Null => evidence.rate = Some((0.0, share)),
            Event::NotNull => evidence.rate = Some((1.0, 1.0 - share)),
            Event::Type => evidence.types = Some((field.types.to_vec(), field.types_under_test.to_vec())),
            Event::Present | Event::Absent => {}
        }
        let t_ns = self.moment.t_ns;
        if let Some(field) = self.fields.get_mut(novelty.slot) {
            let undone = undoes(field, novelty.event, kind, t_ns);
            if let Some(undone) = undone {
                evidence.kind = undone;
                evidence.reverted = true;
            }
            let report = Reported { kind, at_ns: t_ns, types: field.types, other: None };
            let report = undone.is_none().then_some(report);
            match novelty.event {
                Event::Present | Event::Absent => field.presence_report = report,
                Event::Null | Event::NotNull => field.null_report = report,
                Event::Type => field.type_report = report,
            }
            rebase(field, novelty, now, t_ns);
        }
        self.fields.version += 1;
        self.out.push(evidence);
    }

    /// Reports that the field of `removed` is now called as that of `added`.
    pub(crate) fn rename(&mut self, removed: &Novelty, added: &Novelty, now: u64) {
        let (Some(old), Some(new)) = (self.fields.get(removed.slot), self.fields.get(added.slot)) else {
            return;
        };
        let t_ns = self.moment.t_ns;
        let back = new.presence_report.filter(|r| r.is_kept(t_ns));
        let reverted = back.is_some_and(|r| r.kind == Kind::FieldRenamed && r.other == Some(removed.slot));
        let (from, to) = if reverted { (new, old) } else { (old, new) };
        let evidence = Evidence {
            path: Arc::clone(&to.path),
            old_path: Some(Arc::clone(&from.path)),
            was_required: true,
            reverted,
            ..self.of_novelty(Kind::FieldRenamed, old, removed, now)
        };
        for (novelty, other) in [(removed, added.slot), (added, removed.slot)] {
            if let Some(field) = self.fields.get_mut(novelty.slot) {
                let report = Reported {
                    kind: Kind::FieldRenamed,
                    at_ns: t_ns,
                    types: field.types,
                    other: Some(other),
                };
                field.presence_report = (!reverted).then_some(report);
                rebase(field, novelty, now, t_ns);
            }
        }
        self.fields.version += 1;
        self.out.push(evidence);
    }

    /// Looks at what did not happen for long: fields and nulls that are gone, or now everywhere.
    pub(crate) fn runs(&mut self, novelties: &[Novelty], budget: f64) {
        for slot in 0..self.fields.list.len() as u32 {
            let Some(field) = self.fields.get(slot) else { continue };
            let objects =
                field.parent.and_then(|parent| self.fields.get(parent)).map_or(0, |parent| parent.objects);
            let is_asked = |null: bool| {
                novelties
                    .iter()
                    .any(|n| n.slot == slot && matches!(n.event, Event::Null | Event::NotNull) == null)
            };
            if field.is_member && !is_asked(false) {
                self.presence_runs(slot, objects, budget);
            }
            if !is_asked(true) {
                self.null_runs(slot, budget);
            }
        }
    }

    fn presence_runs(&mut self, slot: u32, trials: u64, budget: f64) {
        let t_ns = self.moment.t_ns;
        let Some(field) = self.fields.get_mut(slot) else { return };
        if field.presence.is_never() {
            return;
        }
        let report = field.presence_report.filter(|r| r.is_kept(t_ns));
        if let Some(run) = field.presence.gone(trials, budget) {
            field.presence = Channel::never();
            field.absent_from = trials - run.length;
            let undone = report.filter(|r| r.kind == Kind::FieldAdded).map(|r| r.kind);
            let report = Reported { kind: Kind::FieldRemoved, at_ns: t_ns, types: field.types, other: None };
            field.presence_report = undone.is_none().then_some(report);
            self.run(slot, undone.unwrap_or(Kind::FieldRemoved), run, None, undone.is_some());
            return;
        }
        if let Some(run) = field.presence.filled(trials, budget) {
            let undone = report.filter(|r| r.kind == Kind::PresenceChanged);
            // An added or renamed field that is rolled out step by step was reported already.
            let is_rollout = report.is_some_and(|r| matches!(r.kind, Kind::FieldAdded | Kind::FieldRenamed));
            if run.before > 1.0 - JUMP && undone.is_none() && !is_rollout {
                return;
            }
            field.presence = Channel::restart(trials - run.length, trials, run.length, true, t_ns);
            self.fields.version += 1;
            if is_rollout {
                return;
            }
            if let Some(field) = self.fields.get_mut(slot) {
                let report =
                    Reported { kind: Kind::PresenceChanged, at_ns: t_ns, types: field.types, other: None };
                field.presence_report = undone.is_none().then_some(report);
            }
            self.run(slot, Kind::PresenceChanged, run, Some(1.0), undone.is_some());
        }
    }

    fn null_runs(&mut self, slot: u32, budget: f64) {
        let t_ns = self.moment.t_ns;
        let Some(field) = self.fields.get_mut(slot) else { return };
        if field.nulls.is_never() {
            return;
        }
        let trials = field.messages;
        let undone = field.null_report.is_some_and(|r| r.is_kept(t_ns));
        let (run, after) = if let Some(run) = field.nulls.gone(trials, budget) {
            (run, 0.0)
        } else if let Some(run) = field.nulls.filled(trials, budget) {
            (run, 1.0)
        } else {
            return;
        };
        if (run.before - after).abs() < JUMP && !undone {
            return;
        }
        let start = trials - run.length;
        field.nulls = if after > 0.0 {
            Channel::restart(start, trials, run.length, true, t_ns)
        } else {
            field.not_null_from = start;
            Channel::never()
        };
        let report = Reported { kind: Kind::PresenceChanged, at_ns: t_ns, types: field.types, other: None };
        field.null_report = (!undone).then_some(report);
        self.run(slot, Kind::PresenceChanged, run, Some(after), undone);
    }

    /// Reports a change of values.
    pub(crate) fn values(&mut self, slot: u32, named: &Named) {
        let Some(field) = self.fields.get(slot) else { return };
        let evidence = Evidence {
            onset_ns: named.onset_ns,
            rate: named.rate,
            factor: named.factor,
            offset_s: named.offset_s,
            affected: named.affected,
            examples: vec![Example { exchange: Arc::clone(&self.moment.exchange), t_ns: self.moment.t_ns }],
            ..self.evidence(named.kind, &field.path, named.error)
        };
        self.out.push(evidence);
    }

    /// Reports a relation that no longer holds, or does again.
    pub(crate) fn relation(&mut self, broken: Broken) {
        let Some(field) = self.fields.get(broken.slot) else { return };
        let evidence = Evidence {
            onset_ns: broken.onset_ns,
            rate: Some(broken.rate),
            factor: broken.factor,
            relation: Some(broken.relation),
            affected: broken.affected,
            examples: broken.examples,
            reverted: broken.reverted,
            ..self.evidence(Kind::RelationBroken, &field.path, broken.error)
        };
        self.out.push(evidence);
    }

    fn run(&mut self, slot: u32, kind: Kind, run: Run, after: Option<f64>, reverted: bool) {
        let Some(field) = self.fields.get(slot) else { return };
        let evidence = Evidence {
            onset_ns: run.since_ns,
            rate: after.map(|after| (run.before, after)),
            affected: (run.length, run.length),
            examples: vec![Example { exchange: Arc::clone(&self.moment.exchange), t_ns: self.moment.t_ns }],
            reverted,
            ..self.evidence(kind, &field.path, run.error)
        };
        self.out.push(evidence);
    }
}

/// The reported change that a new one of `kind` undoes.
fn undoes(field: &Field, event: Event, kind: Kind, now_ns: u64) -> Option<Kind> {
    let report = match event {
        Event::Present | Event::Absent => field.presence_report,
        Event::Null | Event::NotNull => field.null_report,
        Event::Type => field.type_report,
    };
    let report = report.filter(|r| r.is_kept(now_ns))?;
    let is_undone = match kind {
        Kind::FieldAdded => report.kind == Kind::FieldRemoved,
        Kind::FieldRemoved => report.kind == Kind::FieldAdded,
        Kind::TypeChanged => report.types.contains(field.types_under_test),
        Kind::PresenceChanged => report.kind == Kind::PresenceChanged,
        _ => false,
    };
    is_undone.then_some(report.kind)
}

/// Begins a new baseline at the onset of a change.
fn rebase(field: &mut Field, novelty: &Novelty, now: u64, t_ns: u64) {
    let start = novelty.onset - 1;
    let eligible = novelty.eligible(now);
    let is_total = novelty.is_total(now);
    match novelty.event {
        Event::Present => field.presence = Channel::restart(start, now, novelty.events, is_total, t_ns),
        Event::Null => field.nulls = Channel::restart(start, now, novelty.events, is_total, t_ns),
        Event::Absent => {
            field.presence = Channel::restart(start, now, eligible - novelty.whole, false, t_ns);
            field.absent_from = start;
        }
        Event::NotNull => {
            field.nulls = Channel::restart(start, now, eligible - novelty.whole, false, t_ns);
            field.not_null_from = start;
        }
        Event::Type => {
            field.types = field.types_under_test;
            field.types_under_test = Types::default();
            field.types_from = start;
        }
    }
}
