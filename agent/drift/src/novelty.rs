//! Something happens that never happened before: is it a rare thing seen for the first time, or a change?
//!
//! An e-process (Ramdas and others, "Game-theoretic statistics and safe anytime-valid inference", 2023). After `history`
//! trials without the event, its rate under "nothing changed" has the posterior Beta(1, history + 1); under "a change" it is
//! uniform. The first event is what raised the question and is not counted; the ratio of the two predictive probabilities
//! of all that follows is the evidence against "nothing changed". By Ville's inequality it exceeds 1/a with probability
//! a at most, whenever one looks. The n-th question of a flow gets budget / ((n + 1)(n + 2)), so flows that are full of
//! rare optional fields need more occurrences, and all questions together stay within the budget.

use pitot_observe::Observation;
use serde::{Deserialize, Serialize};

use crate::evidence::Example;
use crate::gamma::ln_gamma;

/// Trials from the first event to the earliest decision: shorter bursts of something new are not a change. Long enough
/// to tell a rename from an add and a remove, and below the 50 that the contract allows.
const PATIENCE: u64 = 32;
/// Events before a decision.
const FEWEST: u64 = 3;
/// Events, where the input ends before [`PATIENCE`].
const FEWEST_AT_END: u64 = 5;
/// Events that are believed though all came on one connection of several.
const ENOUGH_ON_ONE_CONNECTION: u64 = 128;
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
    /// Number of the trial.
    pub(crate) trial: u64,
    /// Number of the message in its flow, and how many instances it concerns: equal sums of these are equal sets.
    pub(crate) signature: u64,
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
    /// Whether it may be half of more than one rename: then it is half of none.
    pub(crate) is_ambiguous: bool,
    /// Number of this question among those of its kind in the flow.
    number: u64,
    last: u64,
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
            is_ambiguous: false,
            number,
            last: first.trial,
            conn: first.message.conn,
            several_conns: false,
            switches: first.switches,
        };
        novelty.add(first);
        novelty
    }

    pub(crate) fn add(&mut self, occurrence: &Occurrence<'_>) {
        self.events += 1;
        self.whole += u64::from(occurrence.whole);
        self.signature = self.signature.wrapping_add(occurrence.signature);
        self.last = occurrence.trial;
        self.several_conns |= occurrence.message.conn != self.conn;
        if self.examples.len() < EXAMPLES {
            let message = occurrence.message;
            self.examples.push(Example { exchange: message.exchange.clone(), t_ns: message.t_ns });
        }
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

    /// Decides at trial `now`; `switches` as in [`Occurrence`].
    pub(crate) fn verdict(&self, now: u64, switches: u64, budget: f64) -> Verdict {
        let eligible = self.eligible(now);
        if eligible >= PATIENCE && self.events >= FEWEST && self.is_believable(now, switches, budget) {
            return Verdict::Change;
        }
        let silence = now.saturating_sub(self.last);
        let is_over = silence > PATIENCE && silence > 16 * self.spacing();
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
        goes_on && (!one_of_several || self.events >= ENOUGH_ON_ONE_CONNECTION) && self.error(now) <= budget
    }

    /// Mean distance of two events, rounded up.
    fn spacing(&self) -> u64 {
        (self.last + 1 - self.onset).div_ceil(self.events.max(1))
    }
}
