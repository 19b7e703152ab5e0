//! How long runs of one outcome were, and how improbable a longer one is.
//!
//! Works on the ages of runs, not on a rate, so that fields that come in bursts, or variants of a body that
//! alternate in long stretches, do not look like a change: the hazard (the probability that a run ends at its next
//! trial) is learned separately for runs that have reached 1, 2, 4, 8, ... trials, each a Beta posterior around that
//! of the age before, and the least favourable of them decides. Of i.i.d. outcomes all hazards agree and the bound is the succession
//! probability of the run.

use serde::{Deserialize, Serialize};

use crate::gamma::ln_gamma;

/// Weight, in ended runs, of the hazard at the age before.
const PRIOR_RUNS: f64 = 8.0;

/// The same, of the rate at the first age: bursts have another hazard.
const PRIOR_RUNS_FIRST: f64 = 2.0;

/// Runs that reached an age.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Age {
    runs: u64,
    /// Trials they were given at that age or later.
    trials: u64,
}

/// Ended runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Runs {
    /// By the binary logarithm of the age.
    ages: Vec<Age>,
}

impl Runs {
    /// A run of `length` trials has ended.
    pub(crate) fn add(&mut self, length: u64) {
        if length == 0 {
            return;
        }
        let reached = length.ilog2() as usize + 1;
        if self.ages.len() < reached {
            self.ages.resize(reached, Age::default());
        }
        for (exponent, age) in self.ages.iter_mut().enumerate().take(reached) {
            age.runs += 1;
            age.trials += length - (1 << exponent) + 1;
        }
    }

    /// How many have ended.
    pub(crate) fn count(&self) -> u64 {
        self.ages.first().map_or(0, |age| age.runs)
    }

    /// Upper estimate of the logarithm of the probability that a run reaches `length`. `rate` is how often a trial has the
    /// outcome that ends a run, whatever came before: what the hazard would be of i.i.d. outcomes.
    pub(crate) fn ln_tail(&self, length: u64, rate: f64) -> f64 {
        let Some(all) = self.ages.first() else { return 0.0 };
        let mut hazard = rate;
        let mut weight = PRIOR_RUNS_FIRST;
        let mut worst = f64::NEG_INFINITY;
        for (exponent, age) in self.ages.iter().enumerate().take_while(|(e, _)| 1 << e <= length) {
            let runs = age.runs as f64;
            let reach = if exponent == 0 { 0.0 } else { ((runs + 1.0) / (all.runs as f64 + 2.0)).ln() };
            let ended = runs + weight;
            let trials = age.trials as f64 + weight / hazard;
            let further = (length - (1 << exponent)) as f64;
            let stay = trials - ended;
            let survive =
                ln_gamma(stay + further) - ln_gamma(stay) - ln_gamma(trials + further) + ln_gamma(trials);
            worst = worst.max(reach + survive);
            hazard = ended / trials;
            weight = PRIOR_RUNS;
        }
        worst.min(0.0)
    }

    /// The same, times what the error budget must be divided by for this run: the sum over all runs to come of
    /// 1 / ((n + 1)(n + 2)) is 1, so the bound holds at any time.
    pub(crate) fn error(&self, length: u64, rate: f64) -> f64 {
        let n = self.count() as f64;
        (self.ln_tail(length, rate).exp() * (n + 1.0) * (n + 2.0)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_alarm(rate: f64, lengths: &[u64]) -> u64 {
        let mut runs = Runs::default();
        lengths.iter().for_each(|length| runs.add(*length));
        (1..1_000_000).find(|r| runs.error(*r, rate) <= 1e-5).unwrap_or(u64::MAX)
    }

    /// Rare events need long runs, run-structured ones many times the longest run, and never less than that.
    #[test]
    fn alarms_in_a_sensible_range() {
        let check = |name: &str, rate: f64, lengths: &[u64], expected: std::ops::RangeInclusive<u64>| {
            let alarm = first_alarm(rate, lengths);
            assert!(expected.contains(&alarm), "{name}: {alarm}");
        };
        check("no history", 0.5, &[], u64::MAX..=u64::MAX);
        check("one glitch", 0.99, &[1], 15..=60);
        check("ten glitches", 0.99, &[1; 10], 5..=30);
        let half: Vec<u64> = (0..1000_u32).map(|i| u64::from((i | 1 << 9).trailing_zeros()) + 1).collect();
        check("present in half the messages", 0.5, &half, 25..=80);
        let percent: Vec<u64> =
            (1..=100_u32).map(|i| (f64::from(i) / 101.0).ln() * -100.0).map(|x| x as u64 + 1).collect();
        check("present in 1 % of messages", 0.01, &percent, 1_500..=5_000);
        check("stretches of 300", 0.5, &[300; 10], 3_000..=50_000);
        let mixture: Vec<u64> = (0..200).map(|i| if i % 20 == 0 { 300 } else { 1 + i % 3 }).collect();
        check("short gaps and stretches of 300", 0.3, &mixture, 1_500..=50_000);
    }

    /// A bound per age is no longer used where a run has outlived it, so it may rise a little, but not for long.
    #[test]
    fn much_longer_is_much_less_probable() {
        let mut runs = Runs::default();
        [1, 5, 2, 90, 3, 3, 1].iter().for_each(|length| runs.add(*length));
        let tails: Vec<f64> =
            [1, 10, 100, 1_000, 10_000, 100_000].iter().map(|r| runs.ln_tail(*r, 0.1)).collect();
        assert!(tails.windows(2).all(|w| w[1] < w[0]), "{tails:?}");
        assert_eq!(tails[0], 0.0);
    }
}
