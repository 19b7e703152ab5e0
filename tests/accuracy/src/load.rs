//! When messages are sent, and by whom: daily and weekly load, bursts, tenants of unequal size in several time zones that
//! come in runs, instances that come and go with the load and with each deploy, retries.

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
    /// How much of a tenant's traffic comes and goes with the day where it is: the mix of tenants shifts over the day.
    pub tenants_daily: f64,
    /// Messages of one tenant in a row, on average.
    pub run: f64,
    /// Instances of the sender, at the day's peak.
    pub instances: usize,
    /// Hours from one deploy, which replaces all instances one after the other, to the next.
    pub deploy_hours: u64,
    /// Share of messages that are sent a second time, as they were, some seconds later.
    pub retries: f64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            rate: 1.0,
            daily: 0.7,
            bursts: 0.05,
            tenants: 20,
            tenants_daily: 0.8,
            run: 1.0,
            instances: 4,
            deploy_hours: 31,
            retries: 0.003,
        }
    }
}

/// Monday, 2025-01-06, midnight UTC.
pub const START_NS: u64 = 1_736_121_600_000_000_000;
/// Monday, 2025-03-24: clocks in Europe go forward on the Sunday that follows.
const SPRING_NS: u64 = START_NS + 11 * 7 * 86_400_000_000_000;

const HOUR_NS: u64 = 3_600_000_000_000;

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
    /// From the start on: every other seed begins in the week before clocks change.
    #[must_use]
    pub fn new(load: Load, seed: u64) -> Self {
        let t_ns = if seed.is_multiple_of(2) { START_NS } else { SPRING_NS };
        let moment = Moment { t_ns, tenant: 0, instance: 0, generation: 0, number: 0 };
        Self { load, random: Random::new(seed, 1), moment, burst: 0 }
    }

    /// The moment of the last message, or the start.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.moment.t_ns
    }

    /// The moment of the next message.
    pub fn tick(&mut self) -> Moment {
        let Self { load, random, moment, burst } = self;
        let wave = load.daily * moment.daily(14.0);
        let mut rate = load.rate * (1.0 + wave);
        rate *= if moment.is_weekend() { 1.0 - 0.7 * load.daily } else { 1.0 };
        if *burst > 0 {
            *burst -= 1;
            rate *= 100.0;
        } else if random.chance(load.bursts / 50.0) {
            *burst = 1 + random.below(100) as u32;
        }
        moment.t_ns += (random.exponential() / rate.max(load.rate * 0.01) * 1e9) as u64;
        if random.chance(1.0 / load.run.max(1.0)) {
            moment.tenant = tenant(load, moment, random);
        }
        // Half of the instances at night.
        let active = (load.instances as f64 * (0.75 + 0.25 * wave)).ceil() as usize;
        moment.instance = random.below(active.clamp(1, load.instances)) as u32;
        // Ten minutes from one instance to the next.
        let turn = moment.t_ns + u64::from(moment.instance) * HOUR_NS / 6;
        moment.generation = (turn / (load.deploy_hours * HOUR_NS)) as u32;
        moment.number += 1;
        *moment
    }
}

/// A few tenants send most; each sleeps at night, in one of three parts of the world.
fn tenant(load: &Load, moment: &Moment, random: &mut Random) -> u32 {
    const PEAKS: [f64; 3] = [13.0, 20.0, 4.0];
    // Enough attempts that the last one hardly ever counts.
    for _ in 0..20 {
        let place = (random.unit().powi(3) * load.tenants as f64) as u32;
        let awake = (1.0 + moment.daily(PEAKS[place as usize % PEAKS.len()])) / 2.0;
        if random.chance(1.0 - load.tenants_daily * (1.0 - awake)) {
            return place;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_of_tenants_shifts_over_the_day() {
        let load = Load { rate: 0.2, tenants: 3, ..Load::default() };
        let mut clock = Clock::new(load, 2);
        let (mut night, mut day) = ([0_u32; 3], [0_u32; 3]);
        for _ in 0..40_000 {
            let moment = clock.tick();
            let counts = if (2.0..6.0).contains(&moment.hour()) { &mut night } else { &mut day };
            counts[moment.tenant as usize] += 1;
        }
        let share = |counts: [u32; 3]| f64::from(counts[2]) / f64::from(counts.iter().sum::<u32>());
        assert!(share(night) > 2.0 * share(day), "{night:?} {day:?}");
    }

    #[test]
    fn a_deploy_replaces_every_instance() {
        let mut clock = Clock::new(Load { rate: 0.05, ..Load::default() }, 2);
        let generations: std::collections::BTreeSet<u32> =
            (0..20_000).map(|_| clock.tick().generation).collect();
        assert!(generations.len() > 2, "{generations:?}");
    }
}
