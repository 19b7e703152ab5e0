//! From a decided question to [`Evidence`], and the new baseline after it.

use std::sync::Arc;

use pitot_observe::shape::ValueKind;
use pitot_observe::{FlowKey, Observation};
use pitot_protocols::message::Order;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::evidence::{Evidence, Example, Kind};
use crate::field::{Field, Reported};
use crate::flow::trials_of;
use crate::novelty::{Event, Novelty, SETTLED};
use crate::pairing::{self, Pair};
use crate::plan::Fields;
use crate::relations::Broken;
use crate::types::Types;
use crate::values::Named;

/// A rate as near as this to what it was before is back.
pub(crate) const NEAR: f64 = 0.15;

/// The message at which something is decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Moment {
    pub(crate) order: Order,
    pub(crate) t_ns: u64,
    pub(crate) exchange: Arc<str>,
}

impl Moment {
    pub(crate) fn of(message: &Observation) -> Self {
        Self { order: message.order, t_ns: message.t_ns, exchange: Arc::clone(&message.exchange) }
    }
}

/// Writes evidence about one flow.
pub(crate) struct Reporter<'a> {
    pub(crate) key: &'a Arc<FlowKey>,
    pub(crate) fields: &'a mut Fields,
    pub(crate) moment: &'a Moment,
    pub(crate) out: &'a mut Vec<Evidence>,
}

impl Reporter<'_> {
    pub(crate) fn evidence(&self, kind: Kind, path: &Arc<str>, error: f64) -> Evidence {
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
            instances: None,
            affected: (0, 0),
            examples: Vec::new(),
            reverted: false,
        }
    }

    fn of_novelty(&self, kind: Kind, field: &Field, novelty: &Novelty, now: u64) -> Evidence {
        Evidence {
            onset_ns: novelty.onset_ns,
            was_required: field.presence.is_always(),
            instances: novelty.instances(),
            affected: (novelty.events, novelty.eligible(now)),
            examples: novelty.examples.clone(),
            ..self.evidence(kind, &field.path, novelty.error(now))
        }
    }

    /// Reports a first event that was found to be a change, at trial `now`. `is_time`: values of another type say times, as
    /// those before did.
    pub(crate) fn novelty(&mut self, novelty: &Novelty, now: u64, is_time: bool) {
        let Some(field) = self.fields.get(novelty.slot) else { return };
        let share = novelty.events as f64 / novelty.eligible(now) as f64;
        let kind = match novelty.event {
            Event::Present => Kind::FieldAdded,
            Event::Absent if novelty.has_taken_over(now) => Kind::FieldRemoved,
            Event::Type if self.is_array_shape(novelty.slot) => Kind::ArrayShapeChanged,
            Event::Type if is_time => Kind::TimeUnitChanged,
            Event::Type => Kind::TypeChanged,
            Event::Absent | Event::Null | Event::NotNull => Kind::PresenceChanged,
        };
        let mut evidence = self.of_novelty(kind, field, novelty, now);
        let (before, after) = match novelty.event {
            Event::Present | Event::Null => (0.0, share),
            Event::Absent | Event::NotNull => (1.0, 1.0 - share),
            Event::Type => (0.0, 1.0),
        };
        if kind == Kind::PresenceChanged {
            evidence.rate = Some((before, after));
        }
        if novelty.event == Event::Type {
            evidence.types = Some((field.types.to_vec(), field.types_under_test.to_vec()));
        }
        let t_ns = self.moment.t_ns;
        let trial = match novelty.beside {
            Some(_) => {
                field.parent.and_then(|parent| self.fields.get(parent)).map_or(0, |parent| parent.objects)
            }
            None => now,
        };
        let back = back(field, novelty, after, novelty.is_total(now), t_ns);
        if let Some(field) = self.fields.get_mut(novelty.slot) {
            let (types, rate) = (field.types, Some(before));
            let report = field.report(novelty.event);
            match back {
                Back::No => *report = Some(Reported { rate, ..Reported::new(kind, t_ns, types, trial) }),
                Back::InPart => {}
                Back::To(undone) => {
                    *report = None;
                    evidence.kind = undone;
                    evidence.reverted = true;
                }
            }
        }
        self.rebase(novelty, now);
        if back != Back::InPart {
            self.out.push(evidence);
        }
    }

    /// Reports that paths took the place of others. `removed` and `added` are the questions that this answers.
    pub(crate) fn exchange(&mut self, pairs: &[Pair], removed: &[&Novelty], added: &[&Novelty]) {
        let is_total = removed.iter().all(|novelty| novelty.is_total(trials_of(self.fields, novelty)));
        for pair in pairs {
            self.pair(*pair, removed, is_total);
        }
        self.leftovers(pairs, removed, added);
        let t_ns = self.moment.t_ns;
        for (novelties, rate) in [(removed, 1.0), (added, 0.0)] {
            for novelty in novelties {
                // An object that came or went with what moved.
                if let Some(field) = self.fields.get_mut(novelty.slot)
                    && pairs.iter().all(|pair| pair.from != novelty.slot && pair.to != novelty.slot)
                {
                    let report = Reported::new(Kind::FieldMoved, t_ns, field.types, 0);
                    field.presence_report = Some(Reported { rate: Some(rate), ..report });
                }
                self.rebase(novelty, trials_of(self.fields, novelty));
            }
        }
    }

    fn pair(&mut self, pair: Pair, removed: &[&Novelty], is_total: bool) {
        let Pair { from, to } = pair;
        let is_at = |novelty: &&&Novelty| novelty.slot == from || self.fields.is_inside(novelty.slot, from);
        let (Some(old), Some(new)) = (self.fields.get(from), self.fields.get(to)) else { return };
        let Some(novelty) = removed.iter().find(is_at) else { return };
        let kind = if old.parent == new.parent { Kind::FieldRenamed } else { Kind::FieldMoved };
        let t_ns = self.moment.t_ns;
        let undone = new.presence_report.filter(|report| report.is_kept(t_ns) && report.other == Some(from));
        let (first, last) = if undone.is_some() { (new, old) } else { (old, new) };
        let now = trials_of(self.fields, novelty);
        let evidence = Evidence {
            path: Arc::clone(&last.path),
            old_path: Some(Arc::clone(&first.path)),
            was_required: true,
            reverted: undone.is_some(),
            ..self.of_novelty(undone.map_or(kind, |report| report.kind), old, novelty, now)
        };
        if undone.is_some() && !is_total {
            return; // Some are back where they were: a rollout.
        }
        for (slot, other, rate) in [(from, to, 1.0), (to, from, 0.0)] {
            if let Some(field) = self.fields.get_mut(slot) {
                let report = Reported::new(kind, t_ns, field.types, 0);
                let report = Reported { other: Some(other), rate: Some(rate), ..report };
                field.presence_report = undone.is_none().then_some(report);
            }
        }
        self.out.push(evidence);
    }

    /// Reports what came with a new object beside what moved into it, and an object of which more is gone than moved.
    fn leftovers(&mut self, pairs: &[Pair], removed: &[&Novelty], added: &[&Novelty]) {
        let mut more = Vec::new();
        for (novelties, kind) in [(removed, Kind::FieldRemoved), (added, Kind::FieldAdded)] {
            for novelty in novelties {
                let Some(field) = self.fields.get(novelty.slot) else { continue };
                let end = |pair: &Pair| if kind == Kind::FieldAdded { pair.to } else { pair.from };
                if pairs.iter().any(|pair| end(pair) == novelty.slot) {
                    continue;
                }
                let is_left = |child: &&u32| {
                    let is_part =
                        |pair: &Pair| end(pair) == **child || self.fields.is_inside(**child, end(pair));
                    let child = self.fields.get(**child);
                    child.is_some_and(|child| child.is_member && child.presence.is_always())
                        && !pairs.iter().any(is_part)
                };
                let left: Vec<&Field> = field
                    .children
                    .iter()
                    .filter(is_left)
                    .filter_map(|child| self.fields.get(*child))
                    .collect();
                let now = trials_of(self.fields, novelty);
                match kind {
                    Kind::FieldAdded => {
                        more.extend(left.into_iter().map(|child| self.of_novelty(kind, child, novelty, now)));
                    }
                    _ if !left.is_empty() => more.push(self.of_novelty(kind, field, novelty, now)),
                    _ => {}
                }
            }
        }
        self.out.append(&mut more);
    }

    /// Reports a new form of an object, which `all` questions are about; `novelty` is the one that is decided.
    pub(crate) fn variant(&mut self, novelty: &Novelty, all: &[&Novelty], now: u64) {
        let parent = self.fields.get(novelty.slot).and_then(|field| self.fields.get(field.parent?));
        let Some(parent) = parent else { return };
        let evidence =
            Evidence { was_required: false, ..self.of_novelty(Kind::VariantAdded, parent, novelty, now) };
        let (objects, t_ns) = (parent.objects, self.moment.t_ns);
        self.out.push(evidence);
        // Where there is one form more, each other one is a smaller part of all.
        for slot in novelty.without() {
            if let Some(field) = self.fields.get_mut(*slot) {
                field.presence.restart_rate(objects, t_ns);
            }
        }
        for novelty in all {
            let rate = Some(if novelty.event == Event::Present { 0.0 } else { 1.0 });
            if let Some(field) = self.fields.get_mut(novelty.slot) {
                let report = Reported::new(Kind::VariantAdded, t_ns, field.types, 0);
                field.presence_report = Some(Reported { rate, ..report });
            }
            self.rebase(novelty, trials_of(self.fields, novelty));
        }
    }

    /// Whether the new types are those that the elements have, or the elements have the types that were.
    fn is_array_shape(&self, slot: u32) -> bool {
        let Some(field) = self.fields.get(slot) else { return false };
        let is_element =
            |child: &&u32| self.fields.get(**child).is_some_and(|child| child.path.ends_with("[*]"));
        let Some(place) = field.children.iter().find(is_element).copied() else { return false };
        let Some(element) = self.fields.get(place) else { return false };
        let array = Types::of(ValueKind::Array);
        let new = field.types_under_test.without(field.types);
        let single = if field.types.contains(array) { new } else { field.types };
        let is_wrapped = new.contains(array) != field.types.contains(array)
            && !element.types.is_empty()
            && !new.is_empty()
            && if new.contains(array) {
                single.contains(element.types)
            } else {
                element.types.contains(single)
            };
        let is_object = element.types.contains(Types::of(ValueKind::Object));
        is_wrapped && (!is_object || self.fields.likeness(slot, place) >= pairing::LIKENESS)
    }

    /// Begins a new baseline at the onset of a change.
    fn rebase(&mut self, novelty: &Novelty, now: u64) {
        let t_ns = self.moment.t_ns;
        let parent = self.fields.get(novelty.slot).and_then(|field| self.fields.get(field.parent?));
        let objects = parent.map_or(0, |parent| parent.objects);
        let start = novelty.onset - 1;
        let eligible = novelty.eligible(now);
        let is_total = novelty.is_total(now);
        self.fields.version += 1;
        let Some(field) = self.fields.get_mut(novelty.slot) else { return };
        match novelty.event {
            Event::Present => field.presence = Channel::restart(start, now, novelty.events, is_total, t_ns),
            Event::Null => field.nulls = Channel::restart(start, now, novelty.events, is_total, t_ns),
            Event::Absent if novelty.beside.is_some() => {
                if novelty.has_taken_over(now) {
                    field.presence = Channel::never();
                    field.absent_from = objects;
                } else {
                    field.presence.restart_rate(objects, t_ns);
                }
            }
            Event::Absent => {
                let tail = if is_total { None } else { novelty.tail(now) };
                field.presence = match tail {
                    Some(_) => Channel::never(),
                    None => Channel::restart(start, now, eligible - novelty.whole, false, t_ns),
                };
                field.absent_from = tail.map_or(start, |row| now - row);
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

    /// Reports a change of values.
    pub(crate) fn values(&mut self, slot: u32, named: &Named) {
        let Some(field) = self.fields.get(slot) else { return };
        let evidence = Evidence {
            onset_ns: named.onset_ns,
            rate: Some(named.rate),
            factor: named.cause.factor,
            offset_s: named.cause.offset_s,
            reverted: named.reverted,
            affected: named.affected,
            examples: vec![Example { exchange: Arc::clone(&self.moment.exchange), t_ns: self.moment.t_ns }],
            ..self.evidence(named.cause.kind, &field.path, named.error)
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
            ..self.evidence(broken.kind, &field.path, broken.error)
        };
        self.out.push(evidence);
    }
}

/// Whether a change leads back to where the field was before the last report about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    /// It is a change of its own.
    No,
    /// Some messages are as before: what was reported reaches some senders only.
    InPart,
    /// What was reported is undone.
    To(Kind),
}

/// What a decided question, after which the rate is `after`, means for what was reported of the field.
fn back(field: &Field, novelty: &Novelty, after: f64, is_total: bool, now_ns: u64) -> Back {
    let report = match novelty.event {
        Event::Present | Event::Absent => field.presence_report,
        Event::Null | Event::NotNull => field.null_report,
        Event::Type => field.type_report,
    };
    let Some(report) = report.filter(|report| report.is_kept(now_ns)) else { return Back::No };
    let before = report.rate.unwrap_or_default();
    let from = if matches!(novelty.event, Event::Absent | Event::NotNull) { 1.0 } else { 0.0_f64 };
    let is_back = match novelty.event {
        Event::Present => before > 0.0 && report.kind != Kind::PresenceChanged,
        Event::Absent if report.kind != Kind::PresenceChanged => before < 1.0,
        Event::Type => report.types.contains(field.types_under_test.without(field.types)),
        _ => report.kind == Kind::PresenceChanged,
    };
    let is_there = match report.kind {
        // Nearer to what it was before than to what it came to be.
        Kind::PresenceChanged if before > 0.0 && before < 1.0 => {
            (after - before).abs() <= NEAR.max(0.5 * (from - before).abs())
        }
        Kind::PresenceChanged => (after - before).abs() <= NEAR,
        _ => is_total,
    };
    match (is_back, is_there) {
        (true, true) => Back::To(report.kind),
        (true, false) if novelty.history < SETTLED => Back::InPart,
        _ => Back::No,
    }
}
