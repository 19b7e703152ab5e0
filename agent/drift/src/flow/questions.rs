//! What is asked about a flow, and what is answered.

use pitot_observe::Observation;

use super::{Flow, Incident, first_absence, history_needed};
use crate::config::Config;
use crate::evidence::Evidence;
use crate::novelty::{Event, Novelty, Occurrence, Verdict};
use crate::pairing::{self, Exchange, Known};
use crate::plan::{Fields, Missing, Plan};
use crate::report::Reporter;
use crate::senders::Sender;
use crate::values::Field as Values;
use crate::variant;

/// Questions open at one time; what would raise another is learned.
const QUESTIONS: usize = 256;

impl Flow {
    /// A member that was always there, or always with another that is there, is not in this message.
    pub(super) fn missing(&mut self, missing: Missing, message: &Observation, learning: bool) -> bool {
        let Missing { slot, parent, beside } = missing;
        let trial = trials(&self.fields, Event::Absent, slot, beside);
        let Some(field) = self.fields.get(slot) else { return false };
        let enough = history_needed(field.presence_report);
        let objects = self.fields.get(parent).map_or(0, |parent| parent.objects);
        let history = match first_absence(&field.presence, objects, enough) {
            // As often as the other, but for this message.
            None => {
                let other =
                    beside.and_then(|slot| self.fields.get(slot)).map_or(0, |field| field.presence.some);
                Some(field.presence.some).filter(|some| other == some + 1 && *some >= enough)
            }
            always => always.filter(|_| beside.is_none()),
        };
        let history = history.filter(|_| !learning);
        let incident = Incident { slot, event: Event::Absent, history, trial, whole: true, beside };
        self.raise(&incident, message)
    }

    /// Tells the open questions of a message what is not in it. Whether it is of interest to one.
    #[cold]
    pub(super) fn follow(&mut self, plan: &Plan, message: &Observation) -> bool {
        let Self { fields, novelties, .. } = self;
        let mut touched = false;
        for missing in &plan.missing {
            let Some(question) =
                novelties.iter_mut().find(|n| n.slot == missing.slot && n.event == Event::Absent)
            else {
                continue;
            };
            if question.beside.is_none_or(|slot| plan.holds(slot)) {
                let trial = trials_of(fields, question);
                let (number, switches) = (self.messages, self.switches);
                question.add(&Occurrence { message, number, trial, whole: true, switches });
                touched = true;
            }
        }
        let sender = Sender { conn: message.conn, instance: message.instance };
        for question in novelties {
            question.tried(trials_of(fields, question), sender);
            match question.event {
                Event::Present if plan.holds(question.slot) => {
                    let parent = fields.get(question.slot).and_then(|field| field.parent);
                    let missing = plan.missing.iter().filter(|missing| Some(missing.parent) == parent);
                    question.came_without(missing.map(|missing| missing.slot));
                }
                _ => {}
            }
        }
        touched
    }

    /// Adds an incident to the question it belongs to, or raises that.
    pub(super) fn raise(&mut self, incident: &Incident, message: &Observation) -> bool {
        let Incident { slot, event, trial, whole, beside, .. } = *incident;
        let (number, switches) = (self.messages, self.switches);
        let occurrence = Occurrence { message, number, trial, whole, switches };
        if let Some(novelty) = self.novelties.iter_mut().find(|n| n.slot == slot && n.event == event) {
            if novelty.beside == beside {
                novelty.add(&occurrence);
            }
            return true;
        }
        let Some(history) = incident.history else { return false };
        let parent = self.fields.get(slot).and_then(|field| field.parent);
        let is_below_new = event == Event::Present
            && self.novelties.iter().any(|n| Some(n.slot) == parent && n.event == Event::Present);
        // That what came back is not there always is part of the question whether it did.
        let is_asked = self.novelties.iter().any(|n| n.slot == slot && Some(n.event) == event.contrary());
        if is_below_new || is_asked || self.novelties.len() >= QUESTIONS {
            return false;
        }
        let number = &mut self.raised[event as usize];
        let mut novelty = Novelty::new(slot, event, history, *number, &occurrence);
        *number += 1;
        novelty.beside = beside;
        if let Some(field) = self.fields.get_mut(slot) {
            novelty.is_return = field.report(event).is_some();
            field.asked += 1;
        }
        self.novelties.push(novelty);
        true
    }

    /// Decides the open questions.
    pub(super) fn judge(&mut self, at_end: bool, config: &Config, out: &mut Vec<Evidence>) {
        if self.novelties.is_empty() {
            return;
        }
        let mut done = vec![false; self.novelties.len()];
        for i in 0..self.novelties.len() {
            let Some(novelty) = self.novelties.get(i).filter(|_| done.get(i) == Some(&false)) else {
                continue;
            };
            let now = trials_of(&self.fields, novelty);
            let verdict = if !at_end {
                novelty.verdict(now, self.messages, self.switches, config.error_budget)
            } else if novelty.is_change_at_end(now, self.switches, config.error_budget) {
                Verdict::Change
            } else {
                Verdict::Open
            };
            let answered = match verdict {
                Verdict::Open => continue,
                Verdict::Rare => {
                    self.learn(i);
                    vec![i]
                }
                Verdict::Change => self.report(i, now, &done, out),
            };
            for i in answered {
                if let Some(done) = done.get_mut(i) {
                    *done = true;
                }
            }
        }
        let fields = &mut self.fields;
        let mut done = done.into_iter();
        self.novelties.retain(|novelty| {
            let is_done = done.next().unwrap_or(false);
            if let Some(field) = fields.get_mut(novelty.slot).filter(|_| is_done) {
                field.asked = field.asked.saturating_sub(1);
            }
            !is_done
        });
    }

    /// What was asked about is a rare thing: it belongs to the flow.
    fn learn(&mut self, question: usize) {
        let Some(novelty) = self.novelties.get(question) else { return };
        if novelty.event == Event::Type
            && let Some(field) = self.fields.get_mut(novelty.slot)
        {
            field.types = field.types.with(field.types_under_test);
            field.types_under_test = Default::default();
        }
    }

    /// Reports a change, with all that belongs to it. The questions that this answers.
    fn report(&mut self, question: usize, now: u64, done: &[bool], out: &mut Vec<Evidence>) -> Vec<usize> {
        let Self { key, fields, last, novelties, likeness, values, .. } = self;
        let known = Known { fields, values: likeness };
        let is_open = |place: usize| done.get(place) == Some(&false);
        let exchange = pairing::exchange(question, novelties, is_open, &known);
        let variant = variant::variant(question, novelties, is_open, fields, now);
        let Exchange { removed, added, pairs, apart } = exchange;
        for place in apart {
            if let Some(novelty) = novelties.get_mut(place) {
                novelty.is_apart = true;
            }
        }
        let Some(novelty) = novelties.get(question) else { return Vec::new() };
        let is_time = values.get(novelty.slot as usize).is_some_and(Values::has_times_of_another_type);
        let mut reporter = Reporter { key, fields, moment: last, out };
        if removed.contains(&question) || added.contains(&question) {
            let of = |places: &[usize]| -> Vec<&Novelty> {
                places.iter().filter_map(|place| novelties.get(*place)).collect()
            };
            reporter.exchange(&pairs, &of(&removed), &of(&added));
            return removed.into_iter().chain(added).collect();
        }
        if !variant.is_empty() {
            let all: Vec<&Novelty> = variant.iter().filter_map(|place| novelties.get(*place)).collect();
            reporter.variant(novelty, &all, now);
            return variant;
        }
        reporter.novelty(novelty, now, is_time);
        vec![question]
    }
}

/// How many trials a question has had.
pub(crate) fn trials_of(fields: &Fields, novelty: &Novelty) -> u64 {
    trials(fields, novelty.event, novelty.slot, novelty.beside)
}

fn trials(fields: &Fields, event: Event, slot: u32, beside: Option<u32>) -> u64 {
    let field = fields.get(slot);
    match event {
        Event::Present | Event::Absent => match beside {
            Some(other) => fields.get(other).map_or(0, |other| other.messages),
            None => field.and_then(|field| fields.get(field.parent?)).map_or(0, |parent| parent.objects),
        },
        Event::Null | Event::NotNull | Event::Type => field.map_or(0, |field| field.messages),
    }
}
