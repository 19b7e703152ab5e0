//! One yes-or-no property of a field, trial after trial: present or absent in its object, null or not.
//!
//! A trial is a message that holds at least one instance. Trials in which no instance has the property need not be
//! told: they show when the next one comes.

use serde::{Deserialize, Serialize};

use crate::config::HISTORY;
use crate::rate::{Rate, Shift, Totals};
use crate::runs::Runs;
use pitot_observe::hash::mix;

/// Runs shorter than this are never a change.
const SHORTEST: u64 = 32;
/// Trials that must have the property before its end is a claim.
const FEWEST: u64 = 5;
/// Rates are taken to be this far from 0 and 1.
const LEAST_RATE: f64 = 1e-6;

/// When a run that goes on is judged next.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Check {
    start: u64,
    next: u64,
}

impl Check {
    /// Whether the run that began after trial `start` and is `length` long must be judged now.
    fn is_due(&mut self, start: u64, length: u64) -> bool {
        if self.start != start || self.next == 0 {
            *self = Self { start, next: SHORTEST };
        }
        let due = length >= self.next;
        if due {
            self.next = length + length / 8;
        }
        due
    }
}

/// The history of the property.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Channel {
    /// The trial before the first that counts: what went before the first "yes" is not history.
    born: u64,
    /// Trials with the property in some instance.
    pub(crate) some: u64,
    /// Last trial with the property in some instance, and its time.
    pub(crate) last_some: u64,
    pub(crate) last_some_ns: u64,
    /// Last trial without the property in some instance, and the time of the one after.
    last_short: u64,
    pub(crate) full_since_ns: u64,
    /// From the first interruption on.
    past: Option<Box<Past>>,
}

/// Runs without the property, and runs of trials that have it in all instances.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Past {
    none_runs: Runs,
    full_runs: Runs,
    none_check: Check,
    full_check: Check,
    rate: Rate,
    /// Of the trials with the property since the first interruption: equal ones are of equal sets.
    signature: u64,
}

impl Channel {
    /// Of which it is known that no trial up to `trial` had the property.
    pub(crate) fn never() -> Self {
        Self::default()
    }

    /// Begins anew after trial `start`, from what the trials up to `now` were: `some` of them had the property, `full` if
    /// in all instances.
    pub(crate) fn restart(start: u64, now: u64, some: u64, full: bool, t_ns: u64) -> Self {
        let last_some = if some == 0 { start } else { now };
        let last_short = if full || some == 0 { start } else { now };
        Self {
            born: start,
            some,
            last_some,
            last_some_ns: t_ns,
            last_short,
            full_since_ns: t_ns,
            ..Self::default()
        }
    }

    /// Whether no trial has the property.
    pub(crate) fn is_never(&self) -> bool {
        self.some == 0
    }

    /// Whether every trial up to the last that was told has it in all instances.
    pub(crate) fn is_always(&self) -> bool {
        self.some > 0 && self.last_short == self.born
    }

    /// Trials of the history, up to the last that had the property.
    pub(crate) fn trials(&self) -> u64 {
        self.last_some - self.born
    }

    /// Share of trials that have the property, up to the last that had it.
    pub(crate) fn rate(&self) -> f64 {
        self.some as f64 / self.trials().max(1) as f64
    }

    /// Trial `now` has the property; `full`: in all instances.
    #[inline]
    pub(crate) fn see(&mut self, now: u64, full: bool, t_ns: u64) {
        if self.some == 0 {
            self.born = now - 1;
            self.last_some = now - 1;
            self.last_short = now - 1;
            self.full_since_ns = t_ns;
        }
        if now - self.last_some > 1 || !full {
            self.interrupt(now, full, t_ns);
        }
        if let Some(past) = &mut self.past {
            past.signature = past.signature.wrapping_add(mix(now));
        }
        self.some += 1;
        self.last_some = now;
        self.last_some_ns = t_ns;
    }

    /// The next `trials` trials have the property in all instances, as the one before them had; the last of them at `t_ns`.
    pub(crate) fn see_again(&mut self, trials: u64, t_ns: u64) {
        self.some += trials;
        self.last_some += trials;
        self.last_some_ns = t_ns;
    }

    #[cold]
    fn interrupt(&mut self, now: u64, full: bool, t_ns: u64) {
        let absent = now - self.last_some - 1;
        let Self { born, some, last_some, last_some_ns, .. } = *self;
        let start = Totals { trials: last_some - born, some, t_ns: last_some_ns };
        let past =
            self.past.get_or_insert_with(|| Box::new(Past { rate: Rate::new(start), ..Past::default() }));
        past.none_runs.add(absent);
        if absent > 0 {
            past.full_runs.add(self.last_some - self.last_short);
            self.last_short = now - 1;
            self.full_since_ns = t_ns;
        }
        if !full {
            past.full_runs.add(now - 1 - self.last_short);
            self.last_short = now;
            self.full_since_ns = t_ns;
        }
    }

    /// Whether this property of a member and that of another of the same object were always together, and not always
    /// there: the trials of that, or `None`.
    pub(crate) fn together(&self, other: &Self) -> Option<u64> {
        let (past, others) = (self.past.as_ref()?, other.past.as_ref()?);
        let is_together = past.signature == others.signature
            && (self.born, self.some, self.last_some) == (other.born, other.some, other.last_some);
        is_together.then_some(self.some)
    }

    /// Whether the rate of trials with the property has changed, at trial `now`. Begins a new baseline where it has.
    pub(crate) fn shifted(&mut self, now: u64, t_ns: u64, budget: f64) -> Option<Shift> {
        let totals = Totals { trials: now.checked_sub(self.born)?, some: self.some, t_ns };
        let run = if self.last_some == now { now - self.last_short } else { now - self.last_some };
        let past = self.past.as_mut()?;
        let shift = past.rate.look(totals, budget);
        // What may be gone, or everywhere, is decided by its run.
        let shift = shift.filter(|_| run < SHORTEST / 2)?;
        past.rate = Rate::new(totals);
        Some(shift)
    }

    /// Begins a new baseline of the rate at trial `now`.
    pub(crate) fn restart_rate(&mut self, now: u64, t_ns: u64) {
        if let Some(past) = &mut self.past {
            past.rate = Rate::new(Totals { trials: now.saturating_sub(self.born), some: self.some, t_ns });
        }
    }

    /// Whether the property has gone.
    pub(crate) fn gone(&mut self, now: u64, budget: f64) -> Option<Run> {
        let run = Run {
            length: now - self.last_some,
            since_ns: self.last_some_ns,
            before: self.rate(),
            error: 1.0,
        };
        let is_long = run.length >= SHORTEST && self.some >= FEWEST && self.trials() >= HISTORY;
        let past = self.past.as_mut().filter(|_| is_long)?;
        let is_due = past.none_check.is_due(self.last_some, run.length);
        run.judged(is_due, &past.none_runs, run.before, budget)
    }

    /// Whether every trial has the property now, which was not so before.
    pub(crate) fn filled(&mut self, now: u64, budget: f64) -> Option<Run> {
        let length = now - self.last_short;
        let trials = self.trials().saturating_sub(length);
        let before = self.some.saturating_sub(length) as f64 / trials.max(1) as f64;
        let run = Run { length, since_ns: self.full_since_ns, before, error: 1.0 };
        let is_long = self.last_some == now && length >= SHORTEST && trials >= HISTORY;
        let past = self.past.as_mut().filter(|_| is_long)?;
        let is_due = past.full_check.is_due(self.last_short, length);
        run.judged(is_due, &past.full_runs, 1.0 - before, budget)
    }
}

/// A run that goes on and is longer than chance allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) length: u64,
    /// Time of the last trial before it, or of its first.
    pub(crate) since_ns: u64,
    /// Share of trials with the property before it.
    pub(crate) before: f64,
    pub(crate) error: f64,
}

impl Run {
    fn judged(self, is_due: bool, runs: &Runs, rate: f64, budget: f64) -> Option<Self> {
        if !is_due || runs.count() == 0 {
            return None;
        }
        let error = runs.error(self.length, rate.clamp(LEAST_RATE, 1.0 - LEAST_RATE));
        (error <= budget).then_some(Self { error, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regimes() {
        let mut channel = Channel::never();
        assert!(channel.is_never());
        (5..=20).for_each(|now| channel.see(now, true, now));
        assert!(channel.is_always());
        assert_eq!((channel.trials(), channel.rate()), (16, 1.0));
        channel.see(25, true, 25);
        assert!(!channel.is_always());
        let runs = |channel: &Channel| {
            channel.past.as_ref().map(|past| (past.none_runs.count(), past.full_runs.count()))
        };
        assert_eq!((runs(&channel), channel.full_since_ns), (Some((1, 1)), 25));
        channel.see(26, false, 26);
        assert_eq!((runs(&channel), channel.last_short), (Some((1, 2)), 26));
    }

    #[test]
    fn a_property_that_goes() {
        let mut channel = Channel::never();
        (1..=1000).filter(|i| i % 3 != 0).for_each(|now| channel.see(now, true, now));
        let gone = (1001..1200).find_map(|now| channel.gone(now, 1e-5));
        assert!(gone.is_some_and(|run| run.error <= 1e-5 && run.length < 80), "{gone:?}");
        assert!((1001..1200).find_map(|now| channel.filled(now, 1e-5)).is_none());
    }
}
