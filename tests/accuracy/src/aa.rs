//! Streams without a change: every finding is a false alarm.

use pitot_findings::Finding;
use pitot_findings::finding::State;
use serde::{Deserialize, Serialize};

use crate::integrations::{HELD_OUT, TUNING};
use crate::jobs;
use crate::replay;
use crate::stream::Stream;

/// Leaves in messages that make a field-week.
pub const FIELD_WEEK: u64 = 604_800;

/// A stream that does not change.
#[derive(Debug)]
pub struct Job {
    /// Integration.
    pub name: &'static str,
    /// Seed.
    pub seed: u64,
    /// Its rate, against what is usual.
    pub pace: f64,
    /// Length.
    pub messages: u64,
}

/// What was claimed of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Integration.
    pub name: String,
    /// Seed.
    pub seed: u64,
    /// Its length.
    pub messages: u64,
    /// Leaves that its messages carried, together.
    pub leaves: u64,
    /// Days of event time.
    pub days: f64,
    /// False alarms.
    pub alarms: Vec<Alarm>,
}

/// A false alarm.
#[derive(Debug, Serialize, Deserialize)]
pub struct Alarm {
    /// Event.
    pub event: String,
    /// Kind.
    pub kind: String,
    /// Where.
    pub path: String,
    /// When: event time, ns since the Unix epoch.
    pub time_ns: u64,
    /// The finding's sentence.
    pub summary: String,
}

impl From<&Finding> for Alarm {
    fn from(finding: &Finding) -> Self {
        Self {
            event: finding.event.into(),
            kind: finding.kind.into(),
            path: finding.path.clone(),
            time_ns: finding.time_ns,
            summary: finding.summary.clone(),
        }
    }
}

/// So many streams of so many messages each; of each integration's, every other at a tenth of the rate, so that some are about
/// days and some about months.
#[must_use]
pub fn jobs(held_out: bool, streams: usize, messages: u64, first_seed: u64) -> Vec<Job> {
    let names = if held_out { &HELD_OUT } else { &TUNING };
    let job = |i: usize| {
        let pace = if (i / names.len()).is_multiple_of(2) { 1.0 } else { 0.1 };
        Job { name: names[i % names.len()], seed: first_seed + i as u64, pace, messages }
    };
    (0..streams).map(job).collect()
}

impl Job {
    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Claims {
        let mut stream = Stream::at_pace(self.name, self.seed, self.pace).expect("a known name");
        let begin_ns = stream.now_ns();
        let mut left = self.messages;
        let replayed = replay::run(&mut stream, |_, _| {
            let is_over = left == 0;
            left = left.saturating_sub(1);
            is_over
        });
        let opened = replayed.findings.iter().filter(|finding| finding.state == State::Open);
        let claims = Claims {
            name: self.name.into(),
            seed: self.seed,
            messages: self.messages,
            leaves: replayed.leaves,
            days: (stream.now_ns() - begin_ns) as f64 / 86_400e9,
            alarms: opened.map(Alarm::from).collect(),
        };
        eprintln!(
            "aa {}/{}: {} messages, {:.1} days, {} false alarms",
            self.name,
            self.seed,
            self.messages,
            claims.days,
            claims.alarms.len()
        );
        claims
    }
}

/// Runs them all.
#[must_use]
pub fn run(jobs: &[Job]) -> Vec<Claims> {
    jobs::each(jobs, Job::run)
}
