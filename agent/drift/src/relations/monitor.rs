//! Whether a relation that held still holds: a yes-or-no property of each message, and how often it is no.
//!
//! The first exception raises a doubt, decided by an e-process as in [`crate::novelty`]. Where `x` of `n` trials before
//! were exceptions, their rate under "nothing changed" has the posterior Beta(x + 1, n - x + 1); under "a change" it is
//! uniform. The exception that raised the doubt is not counted. By Ville's inequality the ratio of the two predictive
//! probabilities of what follows exceeds 1/a with probability a at most, whenever one looks; the n-th doubt has
//! budget / ((n + 1)(n + 2)), so that all of them together keep within the budget.

use serde::{Deserialize, Serialize};

use crate::evidence::Example;
use crate::gamma::ln_beta;
use crate::relations::form::{Factor, Trial};

/// Trials from the first exception to the earliest decision.
const PATIENCE: u64 = 32;
/// Exceptions before a decision.
const FEWEST: u64 = 5;
/// Exceptions that are believed though all came on one connection of several.
const ENOUGH_ON_ONE_CONNECTION: u64 = 64;
/// Trials that the learned rate is worth at most: exceptions come in bursts, so more trials do not make it more certain.
const WORTH: f64 = 4_096.0;
/// A share of exceptions below this is not worth a finding, nor one below so many times the learned rate.
const LEAST_SHARE: f64 = 0.02;
const LEAST_RISE: f64 = 4.0;
/// References kept.
const EXAMPLES: usize = 10;

/// The message of a trial.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// Number in its flow.
    pub(crate) message: u64,
    pub(crate) example: Example,
    pub(crate) conn: u64,
    /// Messages of the flow so far that came on another connection than the one before.
    pub(crate) switches: u64,
}

/// Where a doubt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// None, or not decided.
    Open,
    /// The relation no longer holds.
    Broken,
}

/// Trials of a relation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Monitor {
    /// Trials without a doubt, and exceptions among them.
    trials: u64,
    exceptions: u64,
    /// Doubts so far.
    doubts: u64,
    doubt: Option<Doubt>,
}

/// What happened since an exception.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Doubt {
    /// Number in the flow, and time, of the message of the first exception.
    pub(crate) onset: u64,
    pub(crate) onset_ns: u64,
    /// Trials and exceptions since, the first included.
    pub(crate) trials: u64,
    pub(crate) exceptions: u64,
    pub(crate) examples: Vec<Example>,
    /// The factor by which every exception is off, if there is one.
    factor: Factor,
    /// The trial of the last exception, and the most trials between two.
    pub(crate) last: u64,
    pub(crate) longest: u64,
    conn: u64,
    several_conns: bool,
    switches: u64,
}

impl Monitor {
    /// Of a relation that held in all of `trials`.
    pub(crate) fn new(trials: u64) -> Self {
        Self { trials, ..Self::default() }
    }

    /// The doubt under test.
    pub(crate) fn doubt(&self) -> Option<&Doubt> {
        self.doubt.as_ref()
    }

    /// Share of trials that were exceptions before the doubt.
    pub(crate) fn rate(&self) -> f64 {
        self.exceptions as f64 / self.trials.max(1) as f64
    }

    /// Takes a trial; `moment` is made where it is needed.
    pub(crate) fn see(&mut self, trial: &Trial, moment: impl FnOnce() -> Moment) {
        match &mut self.doubt {
            None if trial.holds => self.trials += 1,
            None => {
                self.doubts += 1;
                self.doubt = Some(Doubt::new(trial, moment()));
            }
            Some(doubt) => {
                doubt.trials += 1;
                if !trial.holds {
                    doubt.add(trial, moment());
                }
            }
        }
        self.forget_what_is_over();
    }

    /// A doubt that came to nothing belongs to what is learned.
    fn forget_what_is_over(&mut self) {
        let Some(doubt) = &self.doubt else { return };
        let silence = doubt.trials - doubt.last;
        let is_over = silence > PATIENCE && silence > 16 * doubt.spacing();
        let is_rare = doubt.trials > 1_024 && self.error(doubt) > 1e-2;
        if is_over || is_rare || doubt.trials > 16_384 {
            self.trials += doubt.trials;
            self.exceptions += doubt.exceptions;
            self.doubt = None;
        }
    }

    /// Whether the relation is broken; `switches` as in [`Moment`].
    pub(crate) fn verdict(&self, switches: u64, budget: f64) -> Verdict {
        let Some(doubt) = &self.doubt else { return Verdict::Open };
        let goes_on = doubt.trials - doubt.last <= 4 * doubt.spacing() + 3;
        let one_of_several = switches > doubt.switches && !doubt.several_conns;
        let needed = if one_of_several { ENOUGH_ON_ONE_CONNECTION } else { FEWEST };
        let is_broken = doubt.trials >= PATIENCE
            && doubt.exceptions >= needed
            && goes_on
            && doubt.share() >= LEAST_SHARE.max(LEAST_RISE * self.rate())
            && self.error(doubt) <= budget;
        if is_broken { Verdict::Broken } else { Verdict::Open }
    }

    /// Bound on the probability of a wrong alarm, for this relation.
    pub(crate) fn error(&self, doubt: &Doubt) -> f64 {
        let (k, m) = ((doubt.exceptions - 1) as f64, (doubt.trials - 1) as f64);
        let scale = (WORTH / self.trials.max(1) as f64).min(1.0);
        let yes = self.exceptions as f64 * scale + 1.0;
        let no = (self.trials - self.exceptions) as f64 * scale + 1.0;
        let ln_e = ln_beta(k + 1.0, m - k + 1.0) - ln_beta(yes + k, no + m - k) + ln_beta(yes, no);
        let number = self.doubts as f64;
        ((-ln_e).exp() * (number + 1.0) * (number + 2.0)).min(1.0)
    }
}

impl Doubt {
    fn new(first: &Trial, moment: Moment) -> Self {
        let mut doubt = Self {
            onset: moment.message,
            onset_ns: moment.example.t_ns,
            trials: 1,
            exceptions: 0,
            examples: Vec::new(),
            factor: Factor::ANY,
            last: 1,
            longest: 0,
            conn: moment.conn,
            several_conns: false,
            switches: moment.switches,
        };
        doubt.add(first, moment);
        doubt
    }

    fn add(&mut self, trial: &Trial, moment: Moment) {
        self.exceptions += 1;
        self.longest = self.longest.max((self.trials - self.last).saturating_sub(1));
        self.last = self.trials;
        self.factor = self.factor.and(trial.factor);
        self.several_conns |= moment.conn != self.conn;
        if self.examples.len() < EXAMPLES {
            self.examples.push(moment.example);
        }
    }

    /// The factor by which the left side is off in every exception.
    pub(crate) fn factor(&self) -> Option<f64> {
        self.factor.value()
    }

    /// Share of trials since the onset that are exceptions.
    pub(crate) fn share(&self) -> f64 {
        self.exceptions as f64 / self.trials as f64
    }

    /// Mean distance of two exceptions, rounded up.
    fn spacing(&self) -> u64 {
        self.last.div_ceil(self.exceptions.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: f64 = 1e-5;

    fn moment(message: u64) -> Moment {
        let example = Example { exchange: "".into(), t_ns: message };
        Moment { message, example, conn: message % 3, switches: message }
    }

    /// Trial of the verdict, of a monitor that held 20,000 times before; `holds` of each trial that follows.
    fn broken_at(trials: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
        let mut monitor = Monitor::new(20_000);
        (1..=trials).find(|i| {
            let factor = Factor::ANY;
            let trial = Trial { holds: holds(*i), informative: true, expected: *i, factor };
            monitor.see(&trial, || moment(*i));
            monitor.verdict(*i, BUDGET) == Verdict::Broken
        })
    }

    #[test]
    fn breaks_are_seen_and_rare_exceptions_are_not() {
        let check = |name: &str, expected: std::ops::RangeInclusive<u64>, holds: fn(u64) -> bool| {
            let at = broken_at(100_000, holds).unwrap_or(u64::MAX);
            assert!(expected.contains(&at), "{name}: {at}");
        };
        check("never again", 32..=32, |_| false);
        check("one in five no longer", 32..=80, |i| i % 5 != 0);
        check("one in twenty no longer", 80..=400, |i| i % 20 != 0);
        check("always", u64::MAX..=u64::MAX, |_| true);
        check("a burst", u64::MAX..=u64::MAX, |i| !(1_000..1_004).contains(&i));
        check("one in a thousand", u64::MAX..=u64::MAX, |i| i % 1_000 != 0);
        check("one in two hundred, then one in five", 50_000..=51_000, |i| {
            i % if i < 50_000 { 200 } else { 5 } != 0
        });
    }
}
