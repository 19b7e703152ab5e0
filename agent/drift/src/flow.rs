//! One flow: counts every message, raises questions, and has reported what is decided.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use pitot_observe::{Counts, FlowKey, Leaf, Members, Observation, Shape};
use pitot_protocols::message::Order;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::config::{Config, HISTORY};
use crate::evidence::Evidence;
use crate::field::Reported;
use crate::likeness::Likeness;
use crate::novelty::{Event, Novelty};
use crate::plan::{Fields, Plan, Step};
use crate::relations::{self, Relations};
use crate::report::{Moment, Reporter};
use crate::values::{self, Came};

/// [`HISTORY`] after a change was reported, when an undoing may come soon.
const HISTORY_AFTER_REPORT: u64 = 32;
/// Messages between two looks at what did not happen.
const SWEEP: u64 = 8;
/// Messages of which one shows what values look like ([`Likeness`]), while nothing is asked.
const SAMPLED: u64 = 16;
/// Shapes whose plans are kept.
const PLANS: usize = 512;

/// A flow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) key: Arc<FlowKey>,
    /// [`FlowKey::fixed_hash`].
    #[serde(skip)]
    pub(crate) hash: u64,
    /// Number of its last message among all of its partition, for eviction.
    pub(crate) seen: u64,
    /// Whether messages of other flows came since: its state may be far from the processor. Changes no result.
    #[serde(skip)]
    pub(crate) is_far: bool,
    /// Which of its objects are maps.
    members: Members,
    fields: Fields,
    /// The values of each field, by its slot.
    values: Vec<values::Field>,
    /// What the values of each field look like, by its slot.
    likeness: Vec<Likeness>,
    /// Slots of fields whose values are to be judged.
    #[serde(skip)]
    due: Vec<u32>,
    /// A plan is made again from its shape.
    #[serde(skip)]
    plans: HashMap<u64, Arc<Plan>>,
    /// Steps of all of them.
    #[serde(skip)]
    planned: usize,
    /// Bytes that it takes, and for how many paths that was reckoned ([`memory`]).
    reckoned: u64,
    reckoned_paths: usize,
    /// Messages not yet counted in `fields`: none where a flow is stored ([`Flow::settle`]).
    #[serde(skip)]
    repeats: Repeats,
    novelties: Vec<Novelty>,
    relations: Relations,
    /// Questions raised so far, by event.
    raised: [u64; Event::COUNT],
    messages: u64,
    last: Moment,
    conn: u64,
    /// Messages that came on another connection than the one before.
    switches: u64,
}

/// Messages that are like the one before in all that is counted here: they are counted together, once another one comes.
#[derive(Debug, Default)]
struct Repeats {
    /// Of a message after which repeats are possible; see [`Fields::is_still`].
    plan: Option<Arc<Plan>>,
    messages: u64,
    /// Time of the last.
    t_ns: u64,
}

/// Instances of a path in a message.
struct Instances {
    total: u32,
    nulls: u32,
    /// Instances of the object that holds it, where presence is measured.
    parents: Option<u32>,
}

/// Something that may be a first event.
struct Incident {
    slot: u32,
    event: Event,
    /// Trials without it so far, where there never was one.
    history: Option<u64>,
    trial: u64,
    /// Whether it concerns every instance in the message.
    whole: bool,
    /// See [`crate::plan::Missing::beside`].
    beside: Option<u32>,
}

impl Flow {
    pub(crate) fn new(key: Arc<FlowKey>, hash: u64) -> Self {
        Self {
            key,
            hash,
            seen: 0,
            is_far: false,
            members: Members::default(),
            fields: Fields::default(),
            values: Vec::new(),
            likeness: Vec::new(),
            due: Vec::new(),
            plans: HashMap::new(),
            planned: 0,
            reckoned: 0,
            reckoned_paths: 0,
            repeats: Repeats::default(),
            novelties: Vec::new(),
            relations: Relations::default(),
            raised: [0; Event::COUNT],
            messages: 0,
            last: Moment { order: Order::default(), t_ns: 0, exchange: "".into() },
            conn: 0,
            switches: 0,
        }
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(crate) fn values_of(&self, slot: u32) -> Option<&values::Field> {
        self.values.get(slot as usize)
    }

    /// What was reported of the chosen paths is as it should be: a return to what was before is a change.
    pub(crate) fn approve(&mut self, chosen: &impl Fn(&str) -> bool) {
        for field in self.fields.list.iter_mut().filter(|field| chosen(&field.path)) {
            (field.presence_report, field.null_report, field.type_report) = (None, None, None);
        }
        for (field, values) in self.fields.list.iter().zip(&mut self.values) {
            if chosen(&field.path) {
                values.approve();
            }
        }
        self.relations.approve(&self.fields, chosen);
    }

    /// Messages so far.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Paths learned.
    pub(crate) fn paths(&self) -> usize {
        self.fields.list.len()
    }

    /// Paths that were not learned because of the cap.
    pub(crate) fn refused_paths(&self) -> u64 {
        self.fields.refused + self.members.refused()
    }

    /// Folds the names in a message that are data. Where an object turns out to be a map, what was learned of its members
    /// has no meaning: the flow is learned anew.
    pub(crate) fn fold(&mut self, message: &mut Observation) {
        if self.members.fold(message) {
            let members = std::mem::take(&mut self.members);
            *self = Self { members, seen: self.seen, ..Self::new(Arc::clone(&self.key), self.hash) };
        }
    }

    pub(crate) fn push(&mut self, message: &Observation, config: &Config, out: &mut Vec<Evidence>) {
        let before = out.len();
        self.structure(message, config, out);
        let of_values = out.len();
        if config.values {
            self.values(message, config, out);
        }
        if out.len() > of_values {
            self.leave_out_explained(out, of_values);
        }
        for evidence in out.get(before..).unwrap_or_default() {
            for path in std::iter::once(&evidence.path).chain(&evidence.old_path) {
                self.relations.reported(path, self.messages);
            }
        }
        if config.relations && self.relations.is_active(self.messages) {
            self.relate(message, config, out);
        }
    }

    /// Leaves out evidence, from place `from` on, of values in a relation that was reported as broken: one change, one
    /// finding.
    fn leave_out_explained(&self, out: &mut Vec<Evidence>, from: usize) {
        let Self { relations, fields, messages, .. } = self;
        let mut place = 0;
        out.retain(|evidence| {
            place += 1;
            place <= from || !relations.explains(&evidence.path, *messages, fields)
        });
    }

    /// Looks at what follows from what in a message.
    fn relate(&mut self, message: &Observation, config: &Config, out: &mut Vec<Evidence>) {
        let Some(shape) = message.shape.as_ref().filter(|_| !message.values.is_empty()) else { return };
        let plan = self.plan(shape, config);
        let (number, switches, budget) = (self.messages, self.switches, config.error_budget);
        let came = relations::Came { message, plan: &plan, fields: &self.fields, number, switches, budget };
        let novelties = &self.novelties;
        let broken = self.relations.see(&came, |slot| novelties.iter().any(|n| n.slot == slot));
        if broken.is_empty() {
            return;
        }
        let before = out.len();
        self.last = Moment::of(message);
        let Self { key, fields, last, .. } = self;
        let mut reporter = Reporter { key, fields, moment: last, out };
        broken.into_iter().for_each(|broken| reporter.relation(broken));
        sort(out, before);
    }

    /// Looks at the values of a message.
    fn values(&mut self, message: &Observation, config: &Config, out: &mut Vec<Evidence>) {
        let Some(shape) = message.shape.as_ref().filter(|_| !message.values.is_empty()) else { return };
        let plan = self.plan(shape, config);
        let is_learning = self.messages <= config.learning_messages;
        let (sender, t_ns) = (message.conn, message.t_ns);
        let mut came = Came { message: self.messages, t_ns, sender, weight: 1.0, is_learning };
        let watched = self.fields.list.len().min(config.watched());
        if self.values.len() < watched {
            self.values.resize_with(watched, values::Field::default);
        }
        if self.is_far {
            fetch(&self.values, &plan, message);
        }
        let is_single = matches!(message.counts, Counts::Once);
        for leaf in &message.values {
            let slot = plan.slot(leaf.entry);
            if !is_single {
                came.weight = 1.0 / message.counts.get(leaf.entry).max(1) as f32;
            }
            if let Some(field) = self.values.get_mut(slot as usize)
                && field.see(&leaf.value, came)
            {
                self.due.push(slot);
            }
        }
        if !self.novelties.is_empty() || self.messages.is_multiple_of(SAMPLED) {
            self.sample_values(&plan, message);
        }
        if !self.due.is_empty() {
            self.judge_values(message, came, out);
        }
    }

    #[cold]
    fn sample_values(&mut self, plan: &Plan, message: &Observation) {
        if self.likeness.len() < self.fields.list.len() {
            self.likeness.resize_with(self.fields.list.len(), Likeness::default);
        }
        let mut last = None;
        for leaf in &message.values {
            let slot = plan.slot(leaf.entry);
            // Of an array, the first of each run of values.
            if last.replace(slot) != Some(slot)
                && let Some(likeness) = self.likeness.get_mut(slot as usize)
            {
                likeness.see(&leaf.value);
            }
        }
    }

    /// Has reported what is decided of the values of the fields that are due.
    #[cold]
    fn judge_values(&mut self, message: &Observation, came: Came, out: &mut Vec<Evidence>) {
        let before = out.len();
        self.last = Moment::of(message);
        let Self { key, fields, last, values, due, .. } = self;
        let mut reporter = Reporter { key, fields, moment: last, out };
        for slot in due.drain(..) {
            if let Some(named) = values.get_mut(slot as usize).and_then(|field| field.judge(came)) {
                reporter.values(slot, &named);
            }
        }
        sort(out, before);
    }

    fn structure(&mut self, message: &Observation, config: &Config, out: &mut Vec<Evidence>) {
        self.messages += 1;
        self.switches += u64::from(self.messages > 1 && message.conn != self.conn);
        self.conn = message.conn;
        let Some(shape) = &message.shape else { return };
        if let Some(plan) = &self.repeats.plan
            && plan.is_of(shape, self.fields.version)
            && plan.is_full(&message.counts)
        {
            self.repeats.messages += 1;
            self.repeats.t_ns = message.t_ns;
            return;
        }
        self.count_repeats();
        let plan = self.plan(shape, config);
        let learning = self.messages <= config.learning_messages;
        let mut touched = false;
        for step in &plan.steps {
            touched |= self.step(step, message, learning);
        }
        for missing in &plan.missing {
            let field = self.fields.get(missing.slot);
            if missing.beside.is_some() || field.is_some_and(|field| field.presence.is_always()) {
                touched |= self.missing(*missing, message, learning);
            }
        }
        if !self.novelties.is_empty() {
            touched |= self.follow(&plan, message);
        }
        let sweep = self.messages.is_multiple_of(SWEEP);
        if learning || !(sweep || touched) {
            return;
        }
        self.last = Moment::of(message);
        let before = out.len();
        self.judge(false, config, out);
        if sweep {
            let Self { key, fields, last, novelties, .. } = self;
            Reporter { key, fields, moment: last, out }.sweep(novelties, config.error_budget);
        }
        sort(out, before);
        if sweep
            && out.len() == before
            && self.novelties.is_empty()
            && plan.is_full(&message.counts)
            && self.fields.is_still(&plan)
        {
            self.repeats.plan = Some(plan);
        }
    }

    fn count_repeats(&mut self) {
        let Repeats { plan, messages, t_ns } = std::mem::take(&mut self.repeats);
        if let Some(plan) = plan.filter(|_| messages > 0) {
            self.fields.see_again(&plan, messages, t_ns);
        }
    }

    /// Counts what was put off, so that the flow can be stored.
    pub(crate) fn settle(&mut self) {
        self.count_repeats();
    }

    /// Makes what is not stored with a flow.
    pub(crate) fn restored(mut self) -> Self {
        self.hash = self.key.fixed_hash();
        self.fields.index();
        self
    }

    /// The input ends: reports what needs no further message.
    pub(crate) fn finish(&mut self, config: &Config, out: &mut Vec<Evidence>) {
        self.count_repeats();
        let before = out.len();
        self.judge(true, config, out);
        sort(out, before);
    }

    fn plan(&mut self, shape: &Shape, config: &Config) -> Arc<Plan> {
        let is_it = |plan: &&Arc<Plan>| plan.is_of(shape, self.fields.version);
        // Of one message after the other, it mostly is the same.
        let known = self.repeats.plan.as_ref().filter(is_it);
        if let Some(plan) = known.or_else(|| self.plans.get(&shape.hash).filter(is_it)) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(self.fields.plan(shape, config.paths()));
        if self.plans.len() >= PLANS {
            self.plans.clear(); // A plan is made again from its shape.
            self.planned = 0;
        }
        self.planned += plan.steps.len();
        self.plans.insert(shape.hash, Arc::clone(&plan));
        plan
    }

    /// Counts one path of a message. Whether it is of interest to a question.
    #[inline]
    fn step(&mut self, step: &Step, message: &Observation, learning: bool) -> bool {
        let count = |entry: u32| message.counts.get(entry);
        let total = message.counts.sum(step.first..step.end);
        let nulls = step.null.map_or(0, count);
        let parent = step.parent.map(|(entry, slot)| (count(entry), slot));
        let trials = parent.and_then(|(_, slot)| self.fields.get(slot)).map_or(0, |parent| parent.objects);
        let Some(field) = self.fields.get_mut(step.slot) else { return false };
        field.messages += 1;
        field.objects += u64::from(step.is_object);
        let is_expected =
            if nulls == 0 { !field.nulls.is_always() } else { nulls == total && !field.nulls.is_never() };
        let is_ordinary = field.asked == 0
            && is_expected
            && field.types.contains(step.types)
            && parent.is_none_or(|(parents, _)| total >= parents && !field.presence.is_never());
        if is_ordinary {
            if parent.is_some() {
                field.presence.see(trials, true, message.t_ns);
            }
            if nulls > 0 {
                field.nulls.see(field.messages, true, message.t_ns);
            }
            return false;
        }
        let instances = Instances { total, nulls, parents: parent.map(|(parents, _)| parents) };
        self.examine(step, instances, trials, message, learning)
    }

    /// Counts one path of a message of which something is new, or asked about.
    #[cold]
    fn examine(
        &mut self,
        step: &Step,
        instances: Instances,
        trials: u64,
        message: &Observation,
        learning: bool,
    ) -> bool {
        let Instances { total, nulls, parents } = instances;
        let Some(field) = self.fields.get_mut(step.slot) else { return false };
        let open = field.asked > 0;
        let now = field.messages;
        let mut incidents: [Option<Incident>; 5] = [const { None }; Event::COUNT];
        let incident = |event, history: Option<u64>, trial, whole| {
            let history = history.filter(|_| !learning);
            (history.is_some() || open).then_some(Incident {
                slot: step.slot,
                event,
                history,
                trial,
                whole,
                beside: None,
            })
        };

        if let Some(parents) = parents {
            let enough = history_needed(field.presence_report);
            let is_full = total >= parents;
            if field.presence.is_never() || open {
                let history = (trials - 1).saturating_sub(field.absent_from);
                let first = field.presence.is_never() && history >= enough;
                incidents[0] = incident(Event::Present, first.then_some(history), trials, is_full);
            }
            if !is_full {
                let history = first_absence(&field.presence, trials, enough);
                incidents[1] = incident(Event::Absent, history, trials, false);
            }
            field.presence.see(trials, is_full, message.t_ns);
        }
        if nulls > 0 || open || field.nulls.is_always() {
            let enough = history_needed(field.null_report);
            if nulls > 0 {
                let history = (now - 1).saturating_sub(field.not_null_from);
                let first = field.nulls.is_never() && history >= enough;
                incidents[2] = incident(Event::Null, first.then_some(history), now, nulls == total);
            }
            if nulls < total {
                let history = first_absence(&field.nulls, now, enough);
                incidents[3] = incident(Event::NotNull, history, now, nulls == 0);
            }
            if nulls > 0 {
                field.nulls.see(now, nulls == total, message.t_ns);
            }
        }
        if !field.types.contains(step.types) {
            let history = now - 1 - field.types_from;
            let asked = open && !field.types_under_test.is_empty();
            let first = !learning && !field.types.is_empty() && history >= history_needed(field.type_report);
            if asked || first {
                incidents[4] = incident(Event::Type, first.then_some(history), now, true);
            } else {
                field.types = field.types.with(step.types);
            }
        }
        if open || incidents[4].is_some() {
            field.types_under_test = field.types_under_test.with(step.types);
        }
        let mut touched = false;
        for incident in incidents.iter().flatten() {
            touched |= self.raise(incident, message);
        }
        touched
    }
}

/// See [`values::Field::fetch_watched`].
fn fetch(values: &[values::Field], plan: &Plan, message: &Observation) {
    let fields = || {
        let of = |leaf: &Leaf| Some((values.get(plan.slot(leaf.entry) as usize)?, leaf.value));
        message.values.iter().filter_map(of)
    };
    let mut read = 0;
    fields().for_each(|(field, _)| read ^= field.fetch_watched());
    fields().for_each(|(field, _)| read ^= field.fetch_reader(message.conn));
    fields().for_each(|(field, value)| read ^= field.fetch_lists(&value));
    std::hint::black_box(read);
}

fn history_needed(report: Option<Reported>) -> u64 {
    if report.is_some() { HISTORY_AFTER_REPORT } else { HISTORY }
}

/// Of a property that is not in every instance of trial `now`: the trials before, where it was in all of them and they are
/// enough.
fn first_absence(channel: &Channel, now: u64, enough: u64) -> Option<u64> {
    let history = channel.trials();
    (channel.last_some + 1 == now && channel.is_always() && history >= enough).then_some(history)
}

fn sort(out: &mut [Evidence], from: usize) {
    if let Some(new) = out.get_mut(from..) {
        new.sort_by(|a, b| a.path.cmp(&b.path).then(a.kind.cmp(&b.kind)));
    }
}

pub(crate) mod memory;
mod questions;
pub(crate) use questions::trials_of;

#[cfg(test)]
mod tests;
