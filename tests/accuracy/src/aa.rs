//! Streams without a change: every finding is a false alarm.

use pitot_findings::Finding;
use pitot_findings::finding::State;

use crate::integrations::{HELD_OUT, TUNING};
use crate::jobs;
use crate::replay;
use crate::stream::Stream;

/// A stream that does not change.
#[derive(Debug)]
pub struct Job {
    /// Integration.
    pub name: &'static str,
    /// Seed.
    pub seed: u64,
    /// Length.
    pub messages: u64,
}

/// What was claimed of it.
#[derive(Debug)]
pub struct Claims {
    /// The stream.
    pub stream: String,
    /// Its length.
    pub messages: u64,
    /// False alarms.
    pub findings: Vec<Finding>,
}

/// So many streams of so many messages each.
#[must_use]
pub fn jobs(held_out: bool, streams: usize, messages: u64, first_seed: u64) -> Vec<Job> {
    let names = if held_out { &HELD_OUT } else { &TUNING };
    let job = |i: usize| Job { name: names[i % names.len()], seed: first_seed + i as u64, messages };
    (0..streams).map(job).collect()
}

/// Runs them all.
#[must_use]
pub fn run(jobs: &[Job]) -> Vec<Claims> {
    jobs::each(jobs, |job| {
        let mut stream = Stream::new(job.name, job.seed).expect("a known name");
        let (findings, _) = replay::run(&mut stream, job.messages);
        let findings = findings.into_iter().filter(|finding| finding.state == State::Open).collect();
        Claims { stream: format!("{}/{}", job.name, job.seed), messages: job.messages, findings }
    })
}
