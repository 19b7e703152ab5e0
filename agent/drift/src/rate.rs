//! Whether a property that some trials have and some have not has come to another rate.
//!
//! Trials are cut into blocks at several scales. What the rate is expected to be in a block is a beta distribution: around
//! the rate of the blocks before, as wide as that is uncertain and as earlier blocks were found apart (overdispersion, by
//! the method of moments: Williams, "The analysis of binary responses from toxicological experiments", 1975). The evidence
//! is the ratio of two predictive probabilities of the block's count, of a rate that may be any over that, together with the
//! blocks before it that err to the same side; at the n-th block it must exceed (n + 1)(n + 2) over the error budget, so
//! all blocks together keep within it. Blocks that follow each other
//! closely in one direction (runs, days) have large errors before: an error must also be far larger than any of them.
//! The last 512 trials are not yet part of what is expected, so that a change does not hide itself. Assumes that the blocks
//! to come wobble as those before did, at their scale or, where few are known, at the next smaller one. Cost: nothing per
//! trial; three comparisons where a property is looked at.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::gamma::ln_beta;

/// Trials of a block, at least.
const LENGTHS: [u64; 3] = [32, 128, 512];
/// Blocks before the first claim at a scale, and of these such that hold trials with and without the property.
const FEWEST: u64 = 8;
const FEWEST_MIXED: u64 = 4;
/// Trials, the last ones, that are not yet learned from.
const LAG: u64 = 512;
/// Blocks that the expected rate remembers.
const MEMORY: f64 = 32.0;
/// An error must be so many times the largest one before.
const BEYOND: f64 = 1.5;
/// A rate must come to be at least this far from where it was: less is not worth a finding.
pub(crate) const JUMP: f64 = 0.1;

/// Totals at one moment.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) trials: u64,
    /// Of these, with the property.
    pub(crate) some: u64,
    pub(crate) t_ns: u64,
}

/// A rate that has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shift {
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// Trials of the block that shows it, and the time of its begin.
    pub(crate) trials: u64,
    pub(crate) since_ns: u64,
    pub(crate) error: f64,
}

/// What blocks of one length are like.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Wobble {
    length: u64,
    blocks: u64,
    mixed: u64,
    rate: f64,
    /// Sum of the squares of the standardized errors, and the largest error.
    squares: f64,
    largest: f64,
}

/// Blocks of one length.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Scale {
    start: Totals,
    /// Where the last blocks that all err to one side began, and how many they are.
    row: Totals,
    is_up: bool,
    blocks: u64,
    /// Blocks judged.
    judged: u64,
    wobble: Wobble,
    /// Rates of the last blocks, not yet learned from.
    fresh: VecDeque<f64>,
}

/// The rate of one property, watched.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Rate {
    scales: [Scale; LENGTHS.len()],
}

impl Rate {
    /// From these totals on.
    pub(crate) fn new(start: Totals) -> Self {
        let scale = |length| {
            let wobble = Wobble { length, ..Wobble::default() };
            Scale { start, row: start, wobble, ..Scale::default() }
        };
        Self { scales: LENGTHS.map(scale) }
    }

    /// Looks at the blocks that are complete by now.
    pub(crate) fn look(&mut self, now: Totals, budget: f64) -> Option<Shift> {
        let (mut shift, mut known, mut correlation) = (None, None, 0.0);
        for scale in &mut self.scales {
            let wobble = scale.wobble;
            correlation = wobble.correlation().max(correlation);
            if wobble.blocks >= FEWEST && wobble.mixed >= FEWEST_MIXED {
                known = Some(wobble);
            }
            if now.trials >= scale.start.trials + wobble.length {
                let budget = budget / LENGTHS.len() as f64;
                shift = shift.or(known.and_then(|known| scale.judge(now, &known, correlation, budget)));
                scale.next(now);
            }
        }
        shift
    }
}

impl Scale {
    fn counts(&self, now: Totals) -> (f64, f64) {
        ((now.some - self.start.some) as f64, (now.trials - self.start.trials) as f64)
    }

    /// Judges the block that ends now, and those before it that err to the same side, against what is known.
    fn judge(&mut self, now: Totals, known: &Wobble, correlation: f64, budget: f64) -> Option<Shift> {
        let (some, trials) = self.counts(now);
        let before = known.expected();
        let is_up = some > before * trials;
        if is_up != self.is_up {
            (self.row, self.is_up, self.blocks) = (self.start, is_up, 0);
        }
        self.blocks += 1;
        let (some, all) = ((now.some - self.row.some) as f64, (now.trials - self.row.trials) as f64);
        let after = some / all;
        // Of the mean of these blocks, and of the expected rate.
        let spread =
            correlation / self.blocks as f64 + (1.0 / known.length as f64 + correlation) / known.remembered();
        let ln_e = ln_evidence(some, all, before, spread);
        // The largest error of shorter blocks, as it would be of all these.
        let noise = |trials: f64| (1.0 / trials + correlation).sqrt();
        let largest = known.largest * (noise(all) / noise(known.length as f64)).min(1.0);
        let is_beyond = (after - before).abs() >= JUMP.max(BEYOND * largest);
        let n = self.judged as f64;
        let error = (-ln_e).exp() * (n + 1.0) * (n + 2.0);
        // What is gone, or everywhere, is a matter of runs.
        let is_rate = after > 0.0 && after < 1.0;
        (is_beyond && is_rate && error <= budget).then_some(Shift {
            before,
            after,
            trials: now.trials - self.row.trials,
            since_ns: self.row.t_ns,
            error,
        })
    }

    fn next(&mut self, now: Totals) {
        let (some, trials) = self.counts(now);
        self.judged += 1;
        self.start = now;
        self.fresh.push_back(some / trials);
        if self.fresh.len() as u64 * self.wobble.length > LAG
            && let Some(rate) = self.fresh.pop_front()
        {
            self.wobble.learn(rate);
        }
    }
}

/// The logarithm of how much more probable so many of `trials` are at a rate that may be any than at one around `rate`, of
/// a beta distribution with the sum `1 / spread` of its parameters.
fn ln_evidence(some: f64, trials: f64, rate: f64, spread: f64) -> f64 {
    let (a, b) = (rate / spread, (1.0 - rate) / spread);
    let others = trials - some;
    ln_beta(some + 1.0, others + 1.0) - ln_beta(some + a, others + b) + ln_beta(a, b)
}

impl Wobble {
    /// Of two trials of a block; what makes blocks differ by more than chance.
    fn correlation(&self) -> f64 {
        // Two more blocks that are as chance has it; and its standard error more: few blocks tell little.
        let blocks = self.blocks as f64 + 2.0;
        let dispersion = (self.squares + 2.0) / blocks * (1.0 + (2.0 / blocks).sqrt());
        ((dispersion - 1.0) / (self.length as f64 - 1.0)).clamp(0.0, 0.99)
    }

    /// Blocks that the expected rate is of.
    fn remembered(&self) -> f64 {
        (self.blocks as f64).min(MEMORY)
    }

    /// The expected rate, away from 0 and 1 by what one more trial could do.
    fn expected(&self) -> f64 {
        let least = 1.0 / (self.remembered() * self.length as f64 + 2.0);
        self.rate.clamp(least, 1.0 - least)
    }

    fn learn(&mut self, rate: f64) {
        if self.blocks > 0 {
            let expected = self.expected();
            let error = rate - expected;
            let chance = (1.0 + 1.0 / self.remembered()) / self.length as f64;
            self.squares += error * error / (expected * (1.0 - expected) * chance);
            self.largest = self.largest.max(error.abs());
        }
        self.blocks += 1;
        self.mixed += u64::from(rate > 0.0 && rate < 1.0);
        self.rate += (rate - self.rate) / self.remembered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pitot_observe::hash::mix;

    /// A random number of 0 to 1.
    fn random(seed: u64, trial: u64) -> f64 {
        let bits = mix(mix(seed).wrapping_add(trial.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The first shift, of trials of which `has` says whether they have the property.
    fn first(trials: u64, has: impl Fn(u64) -> bool) -> Option<(u64, Shift)> {
        let mut totals = Totals::default();
        let mut rate = Rate::new(totals);
        (1..=trials).find_map(|trial| {
            totals.trials = trial;
            totals.some += u64::from(has(trial));
            rate.look(totals, 1e-5).filter(|_| trial.is_multiple_of(8)).map(|shift| (trial, shift))
        })
    }

    #[test]
    fn rates_that_jump() {
        let check = |before: f64, after: f64, within: u64| {
            for seed in 0..100 {
                let rate = |trial: u64| if trial <= 3_000 { before } else { after };
                let found = first(6_000, |trial| random(seed, trial) < rate(trial));
                let Some((trial, shift)) = found else { panic!("{before} to {after}, {seed}: not found") };
                assert!(
                    (3_001..=3_000 + within).contains(&trial),
                    "{before} to {after}: at {trial}, {shift:?}"
                );
                assert!(
                    (shift.before - before).abs() < 0.15 && (shift.after > shift.before) == (after > before)
                );
                assert!(shift.error <= 1e-5);
            }
        };
        check(0.05, 0.35, 600);
        check(0.9, 0.5, 600);
        check(0.15, 0.5, 600);
        check(0.5, 0.9, 600);
        check(0.02, 0.5, 300);
        check(0.42, 0.8, 600);
        check(0.52, 0.92, 600);
    }

    /// Rates that stay, come in stretches, or follow the time of day.
    #[test]
    fn rates_that_do_not() {
        let check = |name: &str, trials: u64, has: &dyn Fn(u64, u64) -> bool| {
            for seed in 0..30 {
                let found = first(trials, |trial| has(seed, trial));
                assert!(found.is_none(), "{name}, {seed}: {found:?}");
            }
        };
        for rate in [0.001, 0.05, 0.3, 0.5, 0.8, 0.97] {
            check(&format!("{rate}"), 20_000, &move |seed, trial| random(seed, trial) < rate);
            for row in [2, 3, 5, 8, 12, 25, 60, 300] {
                let has = move |seed, trial: u64| random(seed, trial / row) < rate;
                check(&format!("{rate} in rows of {row}"), 6_000, &has);
            }
        }
        let levels = |seed, trial: u64| [0.1, 0.2, 0.4][(random(seed, trial / 100) * 3.0) as usize];
        check("rates of stretches", 20_000, &|seed, trial| random(seed, trial) < levels(seed, trial));
        let wave = |trial: u64| 0.3 + 0.2 * (trial as f64 / 2_000.0).sin();
        check("days", 20_000, &|seed, trial| random(seed, trial) < wave(trial));
        let step = |trial: u64| if trial < 10_000 { 0.3 } else { 0.35 };
        check("a small step", 20_000, &|seed, trial| random(seed, trial) < step(trial));
    }
}
