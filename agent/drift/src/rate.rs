//! Whether a property that some trials have and some have not has come to another rate.
//!
//! Trials are cut into blocks at several scales. What the rate is expected to be in a block is a beta distribution: around
//! the rate of the blocks before, as wide as that is uncertain and as earlier blocks were found apart (overdispersion, by
//! the method of moments: Williams, "The analysis of binary responses from toxicological experiments", 1975). The evidence
//! is the ratio of two predictive probabilities of the block's count, of a rate that may be any over that; the n-th block
//! must exceed (n + 1)(n + 2) over the error budget, so all blocks together keep within it. Blocks that follow each other
//! closely in one direction (runs, days) have large errors before: an error must also be far larger than any of them.
//! The last 512 trials are not yet part of what is expected, so that a change does not hide itself. Assumes that the blocks
//! to come wobble as those before did, at their scale or, where few are known, at the next smaller one. Cost: nothing per
//! trial; three comparisons where a property is looked at.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::gamma::ln_gamma;

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
            Scale { start, judged: 0, wobble, fresh: VecDeque::new() }
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

    fn judge(&self, now: Totals, known: &Wobble, correlation: f64, budget: f64) -> Option<Shift> {
        let (some, trials) = self.counts(now);
        let (before, after) = (known.expected(), some / trials);
        // The largest error of shorter blocks, as it would be of this one.
        let noise = |trials: f64| (1.0 / trials + correlation).sqrt();
        let largest = known.largest * (noise(trials) / noise(known.length as f64)).min(1.0);
        let is_beyond = (after - before).abs() >= JUMP.max(BEYOND * largest);
        // What is gone, or everywhere, is a matter of runs.
        if !is_beyond || after == 0.0 || after == 1.0 {
            return None;
        }
        let spread = correlation / (1.0 - correlation) + 1.0 / known.trials();
        let (a, b) = (before / spread, (1.0 - before) / spread);
        let ln_beta = |a: f64, b: f64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
        let others = trials - some;
        let ln_e = ln_beta(some + 1.0, others + 1.0) - ln_beta(some + a, others + b) + ln_beta(a, b);
        let n = self.judged as f64;
        let error = (-ln_e).exp() * (n + 1.0) * (n + 2.0);
        (error <= budget).then_some(Shift {
            before,
            after,
            trials: now.trials - self.start.trials,
            since_ns: self.start.t_ns,
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

impl Wobble {
    /// Of two trials of a block; what makes blocks differ by more than chance.
    fn correlation(&self) -> f64 {
        // Two more blocks that are as chance has it, and less the standard error: few blocks tell little.
        let blocks = self.blocks as f64 + 2.0;
        let dispersion = (self.squares + 2.0) / blocks - (2.0 / blocks).sqrt();
        ((dispersion - 1.0) / (self.length as f64 - 1.0)).clamp(0.0, 0.99)
    }

    /// Blocks that the expected rate is of.
    fn remembered(&self) -> f64 {
        (self.blocks as f64).min(MEMORY)
    }

    fn trials(&self) -> f64 {
        self.remembered() * self.length as f64
    }

    /// The expected rate, away from 0 and 1 by what one more trial could do.
    fn expected(&self) -> f64 {
        let least = 1.0 / (self.trials() + 2.0);
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

    /// The first shift, of trials of which `has` says whether they have the property, by a random number of 0 to 1.
    fn first(trials: u64, has: impl Fn(u64, f64) -> bool) -> Option<(u64, Shift)> {
        let mut totals = Totals::default();
        let mut rate = Rate::new(totals);
        (1..=trials).find_map(|trial| {
            totals.trials = trial;
            totals.some += u64::from(has(
                trial,
                (mix(trial.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 11) as f64 / (1_u64 << 53) as f64,
            ));
            if !trial.is_multiple_of(8) {
                return None;
            }
            rate.look(totals, 1e-5).map(|shift| (trial, shift))
        })
    }

    #[test]
    fn rates_that_jump() {
        let check = |before: f64, after: f64, within: u64| {
            let found = first(4_000, |trial, x| x < if trial <= 1_000 { before } else { after });
            let Some((trial, shift)) = found else { panic!("{before} to {after}: not found") };
            assert!((1_001..=1_000 + within).contains(&trial), "{before} to {after}: at {trial}, {shift:?}");
            assert!((shift.before - before).abs() < 0.1 && (shift.after > shift.before) == (after > before));
            assert!(shift.error <= 1e-5);
        };
        check(0.05, 0.35, 600);
        check(0.9, 0.6, 600);
        check(0.15, 0.4, 600);
        check(0.5, 0.9, 600);
        check(0.3, 0.1, 600);
        check(0.02, 0.5, 600);
    }

    /// Rates that stay, come in stretches, or follow the time of day.
    #[test]
    fn rates_that_do_not() {
        let check = |name: &str, has: &dyn Fn(u64, f64) -> bool| {
            let found = first(300_000, has);
            assert!(found.is_none(), "{name}: {found:?}");
        };
        for rate in [0.001, 0.05, 0.3, 0.5, 0.8, 0.97] {
            check("independent", &move |_, x| x < rate);
        }
        check("stretches of 40", &|trial, _| mix(trial / 40) % 3 == 0);
        check("stretches of 300", &|trial, _| mix(trial / 300) % 2 == 0);
        check("rates of stretches", &|trial, x| x < [0.1, 0.2, 0.4][(mix(trial / 100) % 3) as usize]);
        check("days", &|trial, x| x < 0.3 + 0.2 * (trial as f64 / 2_000.0).sin());
        check("a small step", &|trial, x| x < if trial < 10_000 { 0.3 } else { 0.35 });
    }
}
