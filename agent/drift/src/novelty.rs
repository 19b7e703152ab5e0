//! Something happens that never happened before: is it a rare thing seen for the first time, or a change?
//!
//! An e-process (Ramdas and others, "Game-theoretic statistics and safe anytime-valid inference", 2023). After `history`
//! trials without the event, its rate under "nothing changed" has the posterior Beta(1, history + 1); under "a change" it is
//! uniform. The first event is what raised the question and is not counted; the ratio of the two predictive probabilities
//! of all that follows is the evidence against "nothing changed". By Ville's inequality it exceeds 1/a with probability
//! a at most, whenever one looks. The n-th question of a flow gets budget / ((n + 1)(n + 2)), so flows that are full of
//! rare optional fields need more occurrences, and all questions together stay within the budget.

use pitot_observe::Observation;
use pitot_observe::hash::mix;
use serde::{Deserialize, Serialize};

use crate::evidence::Example;
use crate::gamma::ln_gamma;
use crate::senders::{Sender, Senders};

/// Messages, and where what is asked about came after a report also trials, from the first event to the earliest
/// decision: shorter bursts of something new are not a change. Below the 50 that the bar allows.
const PATIENCE: u64 = 32;
/// A new state that held so many trials is undone by [`PATIENCE`] trials of the old one. One that held less may be that of
/// some senders only, whose messages come in stretches: the old one must be back for twice as long.
pub(crate) const SETTLED: u64 = 512;
/// Trials after which the old state is back in any case.
const LONGEST_PATIENCE: u64 = 256;
/// Events before a decision.
const FEWEST: u64 = 3;
/// Events, where the input ends before [`PATIENCE`].
const FEWEST_AT_END: u64 = 5;
/// Events that are believed though all came from one sender of several.
const ENOUGH_OF_ONE_SENDER: u64 = 12;
/// Messages without an event after which a burst is over, at the least.
const SILENCE: u64 = 256;
/// Trials in a row, the last ones, that speak for all to come.
const TAIL: u64 = 32;
/// Such a row that has come so far is awaited.
const TAIL_BEGUN: u64 = 8;
/// How improbable such a row must be by the rate before it.
const TAIL_ERROR: f64 = 1e-4;
/// Or how high that rate must have been: a straggler among those that have the event changes nothing.
const TAIL_RATE: f64 = 0.9;
/// References kept.
const EXAMPLES: usize = 10;

/// What never happened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The path is there.
    Present,
    /// The path is missing in an object that always had it.
    Absent,
    /// The value is null.
    Null,
    /// The value is not null.
    NotNull,
    /// The value has another type.
    Type,
}

impl Event {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;

    /// The event that trials without it have.
    pub(crate) fn contrary(self) -> Option<Self> {
        match self {
            Self::Present => Some(Self::Absent),
            Self::Absent => Some(Self::Present),
            Self::Null => Some(Self::NotNull),
            Self::NotNull => Some(Self::Null),
            Self::Type => None,
        }
    }
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not decided.
    Open,
    /// A change.
    Change,
    /// A rare thing, or a burst that is over.
    Rare,
}

/// One event, in one message.
pub(crate) struct Occurrence<'a> {
    pub(crate) message: &'a Observation,
    /// Number of the message in its flow.
    pub(crate) number: u64,
    /// Number of the trial.
    pub(crate) trial: u64,
    /// Whether it concerns every instance in the message.
    pub(crate) whole: bool,
    /// Messages of the flow so far that came on another connection than the one before.
    pub(crate) switches: u64,
}

/// A question under test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Novelty {
    pub(crate) slot: u32,
    pub(crate) event: Event,
    /// Trials before the first event.
    pub(crate) history: u64,
    /// Trial of the first event.
    pub(crate) onset: u64,
    pub(crate) onset_ns: u64,
    /// Trials with the event, the first included.
    pub(crate) events: u64,
    /// Those that concern every instance.
    pub(crate) whole: u64,
    pub(crate) signature: u64,
    pub(crate) examples: Vec<Example>,
    /// Where the absence is one beside another field: that field, whose messages are the trials.
    pub(crate) beside: Option<u32>,
    /// Whether it was found that its path took the place of none that vanished, or none that appeared its.
    pub(crate) is_apart: bool,
    /// Whether the event would undo what was reported.
    pub(crate) is_return: bool,
    /// Number of this question among those of its kind in the flow.
    number: u64,
    /// Number of the message of the first event, in the flow.
    first_message: u64,
    /// Trial of the last event.
    pub(crate) last: u64,
    /// Trials in a row up to `last` that have the event in every instance.
    row: u64,
    senders: Senders,
    /// Members of the same object that were in none of its messages; `None` before the first.
    without: Option<Vec<u32>>,
    conn: u64,
    several_conns: bool,
    switches: u64,
}

impl Novelty {
    pub(crate) fn new(slot: u32, event: Event, history: u64, number: u64, first: &Occurrence<'_>) -> Self {
        let mut novelty = Self {
            slot,
            event,
            history,
            onset: first.trial,
            onset_ns: first.message.t_ns,
            events: 0,
            whole: 0,
            signature: 0,
            examples: Vec::new(),
            beside: None,
            is_apart: false,
            is_return: false,
            number,
            first_message: first.number,
            last: 0,
            row: 0,
            senders: Senders::default(),
            without: None,
            conn: first.message.conn,
            several_conns: false,
            switches: first.switches,
        };
        novelty.add(first);
        novelty
    }

    /// Takes an event. One trial has one at most: what is told again of the last is not counted.
    pub(crate) fn add(&mut self, occurrence: &Occurrence<'_>) {
        if occurrence.trial == self.last {
            return;
        }
        self.events += 1;
        self.whole += u64::from(occurrence.whole);
        self.signature = self.signature.wrapping_add(mix(occurrence.number));
        let goes_on = occurrence.trial == self.last + 1;
        self.row = if occurrence.whole { 1 + if goes_on { self.row } else { 0 } } else { 0 };
        self.last = occurrence.trial;
        self.several_conns |= occurrence.message.conn != self.conn;
        if self.examples.len() < EXAMPLES {
            let message = occurrence.message;
            self.examples.push(Example { exchange: message.exchange.clone(), t_ns: message.t_ns });
        }
    }

    /// A message from `sender` came, after which there are `now` trials.
    pub(crate) fn tried(&mut self, now: u64, sender: Sender) {
        self.senders.tried(now, sender, self.last == now);
    }

    /// A message with the event holds none of these members of the same object.
    pub(crate) fn came_without(&mut self, missing: impl Iterator<Item = u32>) {
        let missing: Vec<u32> = missing.collect();
        match &mut self.without {
            None => self.without = Some(missing),
            Some(without) => without.retain(|slot| missing.contains(slot)),
        }
    }

    /// Members of the same object that were in none of its messages.
    pub(crate) fn without(&self) -> &[u32] {
        self.without.as_deref().unwrap_or_default()
    }

    /// Instances that had the event since the question was raised, and all.
    pub(crate) fn instances(&self) -> Option<(u64, u64)> {
        self.senders.instances()
    }

    /// Trials since the onset, it included.
    pub(crate) fn eligible(&self, now: u64) -> u64 {
        (now + 1).saturating_sub(self.onset).max(self.events)
    }

    /// Whether every trial since the onset has the event, in all instances.
    pub(crate) fn is_total(&self, now: u64) -> bool {
        self.whole == self.eligible(now)
    }

    /// Bound on the probability of a wrong alarm, for this field.
    pub(crate) fn error(&self, now: u64) -> f64 {
        let trials = (self.eligible(now) - 1) as f64;
        let others = trials - (self.events - 1) as f64;
        let history = self.history as f64;
        // ln of B(k+1, m-k+1) / (B(k+1, n+1+m-k) / B(1, n+1)) for k events in m trials after n.
        let ln_e = ln_gamma(others + 1.0) - ln_gamma(trials + 2.0) - ln_gamma(history + 1.0 + others)
            + ln_gamma(history + 2.0 + trials)
            - (history + 1.0).ln();
        let number = self.number as f64;
        ((-ln_e).exp() * (number + 1.0) * (number + 2.0)).min(1.0)
    }

    /// Whether the event is what every trial has by now: all since the onset, the last ones in a row that the rate before
    /// does not explain, or all of some senders, of whom there are others.
    pub(crate) fn has_taken_over(&self, now: u64) -> bool {
        self.is_total(now) || self.tail(now).is_some() || self.senders.are_parted(self.events)
    }

    /// The last trials in a row, where they are too many for the rate before.
    pub(crate) fn tail(&self, now: u64) -> Option<u64> {
        let row = self.row(now);
        let before = (self.events - row) as f64 / (self.eligible(now) - row).max(1) as f64;
        let is_clear = before >= TAIL_RATE || before.powf(row as f64) <= TAIL_ERROR;
        (row >= TAIL && is_clear).then_some(row)
    }

    fn row(&self, now: u64) -> u64 {
        if self.last == now { self.row } else { 0 }
    }

    /// Trials before a decision.
    fn patience(&self) -> u64 {
        match self.history {
            short @ ..SETTLED if self.is_return => (2 * short).clamp(PATIENCE, LONGEST_PATIENCE),
            _ if self.is_return => PATIENCE,
            _ => FEWEST,
        }
    }

    /// Decides at trial `now`, after `messages` of the flow; `switches` as in [`Occurrence`].
    pub(crate) fn verdict(&self, now: u64, messages: u64, switches: u64, budget: f64) -> Verdict {
        let eligible = self.eligible(now);
        let is_time = messages - self.first_message + 1 >= PATIENCE && eligible >= self.patience();
        if is_time && self.events >= FEWEST && self.is_believable(now, switches, budget) {
            let may_be_gone = self.row(now) >= TAIL_BEGUN && !self.has_taken_over(now);
            let waits = self.event == Event::Absent && may_be_gone;
            return if waits { Verdict::Open } else { Verdict::Change };
        }
        let silence = now.saturating_sub(self.last);
        let is_over = silence > SILENCE + 16 * self.spacing();
        let is_rare = eligible > 1_024 && self.error(now) > 1e-2;
        if is_over || is_rare || eligible > 16_384 { Verdict::Rare } else { Verdict::Open }
    }

    /// Whether the evidence is there when nothing more will come.
    pub(crate) fn is_change_at_end(&self, now: u64, switches: u64, budget: f64) -> bool {
        self.events >= FEWEST_AT_END && self.is_believable(now, switches, budget)
    }

    fn is_believable(&self, now: u64, switches: u64, budget: f64) -> bool {
        let goes_on = now.saturating_sub(self.last) <= 4 * self.spacing() + 3;
        let one_of_several = switches > self.switches && !self.several_conns;
        goes_on && (!one_of_several || self.events >= ENOUGH_OF_ONE_SENDER) && self.error(now) <= budget
    }

    /// Mean distance of two events, rounded up.
    fn spacing(&self) -> u64 {
        (self.last + 1 - self.onset).div_ceil(self.events.max(1))
    }
}
