//! When messages are sent, and by whom: daily and weekly load, bursts, tenants of unequal size that come in runs.

use crate::draw::{Moment, Random};

/// How an integration is used.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Messages a second, on average over a working day.
    pub rate: f64,
    /// How much of it comes and goes with the day: 0 none, 1 all.
    pub daily: f64,
    /// Share that comes in bursts of a hundred times the rate.
    pub bursts: f64,
    /// Tenants.
    pub tenants: usize,
    /// Messages of one tenant in a row, on average.
    pub run: f64,
    /// Instances of the sender.
    pub instances: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self { rate: 1.0, daily: 0.7, bursts: 0.05, tenants: 20, run: 1.0, instances: 4 }
    }
}

/// Monday, 2025-01-06, midnight UTC.
pub const START_NS: u64 = 1_736_121_600_000_000_000;

/// Draws one moment after the other.
#[derive(Debug)]
pub struct Clock {
    load: Load,
    random: Random,
    moment: Moment,
    /// Messages left of the burst.
    burst: u32,
}

impl Clock {
    /// From the start on.
    #[must_use]
    pub fn new(load: Load, seed: u64) -> Self {
        let moment = Moment { t_ns: START_NS, tenant: 0, instance: 0, number: 0 };
        Self { load, random: Random::new(seed, 1), moment, burst: 0 }
    }

    /// The moment of the next message.
    pub fn tick(&mut self) -> Moment {
        let Self { load, random, moment, burst } = self;
        let mut rate = load.rate * (1.0 + load.daily * moment.daily(14.0));
        rate *= if moment.is_weekend() { 1.0 - 0.7 * load.daily } else { 1.0 };
        if *burst > 0 {
            *burst -= 1;
            rate *= 100.0;
        } else if random.chance(load.bursts / 50.0) {
            *burst = 1 + random.below(100) as u32;
        }
        moment.t_ns += (random.exponential() / rate.max(load.rate * 0.01) * 1e9) as u64;
        if random.chance(1.0 / load.run.max(1.0)) {
            // A few tenants send most.
            let place = random.unit().powi(3) * load.tenants as f64;
            moment.tenant = place as u32;
        }
        moment.instance = random.below(load.instances) as u32;
        moment.number += 1;
        *moment
    }
}
