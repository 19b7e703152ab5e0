//! What a value is drawn from: a [`Moment`] (who sends, and when) and a seeded sequence of random numbers.

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64Mcg;

/// Who sends, and when.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Nanoseconds since the Unix epoch.
    pub t_ns: u64,
    /// On whose behalf: customers of very different size and habits share an integration.
    pub tenant: u32,
    /// Which of the sender's instances.
    pub instance: u32,
    /// How often that instance was replaced: deploys and restarts.
    pub generation: u32,
    /// Number of the message in its integration.
    pub number: u64,
}

const HOUR_NS: u64 = 3_600_000_000_000;

impl Moment {
    /// Hour of the day, 0 to 24.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "of a day in ns, which is below 2^53")]
    pub fn hour(&self) -> f64 {
        (self.t_ns % (24 * HOUR_NS)) as f64 / HOUR_NS as f64
    }

    /// Saturday or Sunday. The epoch was a Thursday.
    #[must_use]
    pub fn is_weekend(&self) -> bool {
        matches!((self.t_ns / (24 * HOUR_NS) + 4) % 7, 0 | 6)
    }

    /// A wave with a period of a day, -1 to 1, highest at this hour.
    #[must_use]
    pub fn daily(&self, highest: f64) -> f64 {
        ((self.hour() - highest) / 24.0 * std::f64::consts::TAU).cos()
    }
}

/// Random numbers, the same from the same seed everywhere.
#[derive(Debug, Clone)]
pub struct Random(Pcg64Mcg);

impl Random {
    /// The sequence of this seed. `purpose` tells sequences of one seed apart.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ purpose))
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From 0 to below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound.max(1))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.random()
    }

    /// Normal, mean 0, standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Exponential, mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    /// The place of one of `weights`, with a probability in proportion to it.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut at = self.unit() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            at -= weight;
            if at < 0.0 {
                return place;
            }
        }
        weights.len().saturating_sub(1)
    }
}
