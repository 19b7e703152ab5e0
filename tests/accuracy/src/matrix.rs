//! Every change at every place where it makes sense, in every way it can come.

use serde::{Deserialize, Serialize};

use crate::change::{Change, Injection, Rollout, Spread, changes};
use crate::class::Class;
use crate::draw::Random;
use crate::integrations::{HELD_OUT, Integration, Kind, TUNING, integration};
use crate::jobs;
use crate::replay;
use crate::score::{Outcome, judge};
use crate::stream::Stream;

/// One stream with one change.
#[derive(Debug, Clone)]
pub struct Case {
    /// Integration.
    pub name: &'static str,
    /// Seed.
    pub seed: u64,
    /// Its rate, against what is usual.
    pub pace: f64,
    /// The change.
    pub injection: Injection,
}

/// What a flow of little traffic has of the usual rate.
pub const LOW_RATE: f64 = 0.01;

/// A case and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judged {
    /// Integration.
    pub name: String,
    /// Seed.
    pub seed: u64,
    /// Where.
    pub path: String,
    /// What happened.
    pub change: String,
    /// Whom it reached.
    pub rollout: String,
    /// Its rate, against what is usual.
    pub pace: f64,
    /// Its row.
    pub class: Class,
    /// Messages that the change touched.
    pub affected: usize,
    /// What became of it.
    pub outcome: Outcome,
}

impl Judged {
    /// What it is, in one line.
    #[must_use]
    pub fn label(&self) -> String {
        let Self { name, seed, path, change, rollout, .. } = self;
        let slow = if self.pace < 1.0 { " at a low rate" } else { "" };
        format!("{name}/{seed} {path} {change} {rollout}{slow}")
    }
}

/// All cases of some integrations; `seeds` variants of each.
#[must_use]
pub fn cases(held_out: bool, seeds: u64, only: &str) -> Vec<Case> {
    let names = if held_out { HELD_OUT } else { TUNING };
    let mut all = Vec::new();
    for name in names {
        for seed in 1..=seeds {
            let Some(integration) = integration(name, seed) else { continue };
            for (place, (_, kind)) in integration.kinds.iter().enumerate() {
                cases_of(&mut all, &integration, seed, place, kind);
            }
        }
    }
    all.retain(|case| only.is_empty() || case.label().contains(only));
    all
}

fn cases_of(all: &mut Vec<Case>, integration: &Integration, seed: u64, place: usize, kind: &Kind) {
    for (path, meaning) in &kind.fields {
        let related = kind.related.iter().find(|fields| fields.contains(path)).copied().unwrap_or(&[]);
        for change in changes(*meaning) {
            for (rollout, pace) in ways(integration) {
                let injection = Injection {
                    kind: place,
                    path,
                    meaning: *meaning,
                    change,
                    rollout,
                    spread: Spread::default(),
                    related,
                    held: Vec::new(),
                };
                all.push(Case { name: integration.name, seed, pace, injection });
            }
        }
    }
}

/// Rollouts that make sense, and a low rate once.
fn ways(integration: &Integration) -> Vec<(Rollout, f64)> {
    let mut ways = vec![(Rollout::Abrupt, 1.0), (Rollout::Ramp(200), 1.0), (Rollout::Abrupt, LOW_RATE)];
    if integration.load.instances > 1 {
        ways.push((Rollout::Instances, 1.0));
    }
    if integration.load.tenants > 1 {
        ways.push((Rollout::Segment, 1.0));
    }
    ways
}

impl Case {
    /// What it is, in one line.
    #[must_use]
    pub fn label(&self) -> String {
        self.judged(0, Outcome::default()).label()
    }

    /// Its row in the table of bars.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::of(self.injection.change)
    }

    /// Runs it; `None` where no message was touched.
    #[must_use]
    pub fn run(&self) -> Option<Judged> {
        let mut injection = self.injection.clone();
        if matches!(injection.change, Change::Up(_) | Change::Wider(_)) {
            injection.spread = Stream::spread(self.name, self.seed, injection.kind, injection.path, 20_000);
        }
        let expected = injection.expected();
        let (clean, after) = self.class().lengths();
        let hidden = Random::new(self.seed, 5 + injection.path.len() as u64).below(clean as usize / 2) as u64;
        let mut stream = Stream::at_pace(self.name, self.seed, self.pace).expect("a known name").with(
            injection,
            clean + hidden,
            self.seed,
        );
        // A change that hardly any message shows ends by this.
        let most = 20 * after;
        let replayed = replay::run(&mut stream, |stream, affected| {
            affected as u64 >= after || stream.since_change() >= most
        });
        let outcome = judge(&replayed.findings, &expected, &replayed.affected);
        (!replayed.affected.is_empty()).then(|| self.judged(replayed.affected.len(), outcome))
    }

    fn judged(&self, affected: usize, outcome: Outcome) -> Judged {
        let Injection { path, change, rollout, .. } = &self.injection;
        Judged {
            name: self.name.into(),
            seed: self.seed,
            path: (*path).into(),
            change: format!("{change:?}"),
            rollout: format!("{rollout:?}"),
            pace: self.pace,
            class: self.class(),
            affected,
            outcome,
        }
    }
}

/// Runs them all, in order.
#[must_use]
pub fn run(cases: &[Case]) -> Vec<Judged> {
    jobs::each(cases, Case::run).into_iter().flatten().collect()
}
