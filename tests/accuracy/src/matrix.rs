//! Every change at every place where it makes sense, in every way it can come.

use crate::change::{Change, Injection, Rollout, Spread, changes};
use crate::draw::Random;
use crate::integrations::{HELD_OUT, TUNING, integration};
use crate::jobs;
use crate::replay;
use crate::score::{Class, Outcome, judge};
use crate::stream::Stream;

/// One stream with one change.
#[derive(Debug, Clone)]
pub struct Case {
    /// Integration.
    pub name: &'static str,
    /// Seed.
    pub seed: u64,
    /// The change.
    pub injection: Injection,
}

/// All cases of some integrations; `seeds` variants of each.
#[must_use]
pub fn cases(held_out: bool, seeds: u64, only: &str) -> Vec<Case> {
    let names = if held_out { HELD_OUT } else { TUNING };
    let mut all = Vec::new();
    for name in names {
        for seed in 1..=seeds {
            let Some(integration) = integration(name, seed) else { continue };
            for (kind, (_, message)) in integration.kinds.iter().enumerate() {
                for (path, meaning) in &message.fields {
                    for change in changes(*meaning) {
                        let rollout = rollout(all.len());
                        let (path, meaning) = (*path, *meaning);
                        let injection = Injection {
                            kind,
                            path,
                            meaning,
                            change,
                            rollout,
                            spread: Spread::default(),
                            held: None,
                        };
                        all.push(Case { name, seed, injection });
                    }
                }
            }
        }
    }
    all.retain(|case| only.is_empty() || case.label().contains(only));
    all
}

/// Every fourth comes slowly, to some instances, or to some tenants, where that leaves something to be seen.
fn rollout(number: usize) -> Rollout {
    match number % 16 {
        3 => Rollout::Ramp(200),
        7 => Rollout::Instances,
        11 => Rollout::Segment,
        _ => Rollout::Abrupt,
    }
}

impl Case {
    /// What it is, in one line.
    #[must_use]
    pub fn label(&self) -> String {
        let Injection { path, change, rollout, .. } = &self.injection;
        format!("{}/{} {path} {change:?} {rollout:?}", self.name, self.seed)
    }

    /// Its row in the table of bars.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::of(self.injection.change)
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let mut injection = self.injection.clone();
        if matches!(injection.change, Change::Up(_) | Change::Wider(_)) {
            injection.spread = Stream::spread(self.name, self.seed, injection.kind, injection.path, 20_000);
        }
        let expected = injection.expected();
        let (clean, after) = self.class().lengths();
        let hidden = Random::new(self.seed, 5 + injection.path.len() as u64).below(clean as usize / 2) as u64;
        let mut stream = Stream::new(self.name, self.seed).expect("a known name");
        let share = stream.integration().kinds.get(injection.kind).map_or(1.0, |(share, _)| *share);
        stream = stream.with(injection, clean + hidden, self.seed);
        // A change that reaches a part of the messages needs more of them for the same delay.
        let part = match self.injection.rollout {
            Rollout::Abrupt | Rollout::Ramp(_) => 1,
            Rollout::Instances | Rollout::Segment => 5,
        };
        let messages = ((clean + hidden + after * part) as f64 / share) as u64;
        let replayed = replay::run(&mut stream, messages);
        judge(&replayed.findings, &expected, &replayed.affected)
    }
}

/// Runs them all, in order.
#[must_use]
pub fn run(cases: &[Case]) -> Vec<Outcome> {
    jobs::each(cases, Case::run)
}
