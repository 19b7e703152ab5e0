//! The picture in ARCHITECTURE.md, as code: capture events or messages in, findings and the ledger out.
//!
//! Bulk-synchronous: a batch goes through one stage after the other, and inside a stage through all
//! partitions at once. What makes the result independent of the number of workers and of where batches end:
//! - every event gets a sequence number, and what a stage gives is put in the order of the numbers;
//! - state lies in [`PARTITIONS`] partitions, by connection, then by flow, and a partition sees its input
//!   in order, whoever works on it;
//! - a tick is an event at its place: everything before it is done before it, in every partition.

use pitot_common::user::{CaptureEvent, Filter};
use pitot_findings::Finding;
use pitot_protocols::Message;
use pitot_stream::PARTITIONS;

use crate::config::Config;

mod detect;
mod intake;
mod learned;
mod ledger;
mod select;
mod wire;
mod workers;

pub use detect::Learning;
pub use learned::Learned;
pub use ledger::Settled;
pub use wire::{Held, Wire};

use detect::Detect;
use intake::Intake;

/// A second of event time that went by, at its place among the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Sequence number.
    pub seq: u64,
    /// Event time, ns since the Unix epoch.
    pub time_ns: u64,
}

/// What one batch gave: messages, by partition and there in order, and the ticks between them.
#[derive(Debug)]
pub struct Batch {
    messages: Vec<Vec<Message>>,
    ticks: Vec<Tick>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self { messages: (0..PARTITIONS).map(|_| Vec::new()).collect(), ticks: Vec::new() }
    }

    /// Adds a message that came from a file. Any partition will do, as long as it is the same in every run.
    pub fn add(&mut self, message: Message) {
        let partition = message.order.seq % PARTITIONS as u64;
        if let Some(list) = self.messages.get_mut(partition as usize) {
            list.push(message);
        }
    }

    /// Adds a tick; it comes after every message whose sequence number is not greater.
    pub fn tick(&mut self, tick: Tick) {
        self.ticks.push(tick);
    }

    /// The messages of all partitions, in order.
    #[must_use]
    pub fn into_messages(self) -> Vec<Message> {
        let mut messages: Vec<_> = self.messages.into_iter().flatten().collect();
        messages.sort_unstable_by_key(|message| message.order);
        messages
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

/// From a source to findings.
pub struct Pipeline {
    wire: Wire,
    intake: Intake,
    detect: Detect,
}

impl Pipeline {
    /// A pipeline that has seen nothing, on `workers` threads.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(config: &Config, workers: usize) -> anyhow::Result<Self> {
        let wire = Wire::new(config, workers)?;
        let detect = Detect::new(config, wire.workers().count());
        Ok(Self { wire, intake: Intake::new(), detect })
    }

    /// Takes the next events of a source; they are used up.
    pub fn capture(&mut self, events: &mut Vec<CaptureEvent>, out: &mut Vec<Finding>) {
        let batch = self.wire.push(events.drain(..), None);
        self.detect.push(self.wire.workers(), batch, out);
    }

    /// Takes the next message of a file.
    pub fn message(&mut self, message: Message, out: &mut Vec<Finding>) {
        if let Some(batch) = self.intake.add(message) {
            self.detect.push(self.wire.workers(), batch, out);
        }
    }

    /// Counts a line of a file that could not be used.
    pub fn bad_line(&mut self) {
        self.intake.bad_line();
    }

    /// Batches of so many messages of a file, for tests: what is found must not depend on it.
    #[must_use]
    pub fn batches_of(mut self, messages: usize) -> Self {
        self.intake.set_size(messages);
        self
    }

    /// Goes on from what was learned before, instead of from nothing.
    #[must_use]
    pub fn resumed(mut self, config: &Config, learned: Learned) -> Self {
        self.intake.resume(learned.next_tick_ns);
        self.detect.resume(config, learned);
        self
    }

    /// What was learned so far, as the bytes of a file. Messages that wait to be a batch go through first; nothing else
    /// changes.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn learned(&mut self, out: &mut Vec<Finding>) -> Result<Vec<u8>, pitot_state::Error> {
        let rest = self.intake.rest();
        self.detect.push(self.wire.workers(), rest, out);
        pitot_state::encode(&self.detect.learned(self.intake.next_tick_ns()))
    }

    /// Closes the finding `id`: what changed is as it should be. Its line is appended to `out`.
    ///
    /// # Errors
    /// Where no finding with this id is open.
    pub fn approve(&mut self, id: &str, out: &mut Vec<Finding>) -> Result<(), String> {
        self.detect.approve(id, out)
    }

    /// Learns flows anew, whose names ([`pitot_findings::finding::Flow`] as text) hold `text`: one, or `all` of them. Their
    /// names are returned; the lines of the findings that this closes are appended to `out`.
    ///
    /// # Errors
    /// Where no flow has such a name, or more than one.
    pub fn forget(&mut self, text: &str, all: bool, out: &mut Vec<Finding>) -> Result<Vec<String>, String> {
        self.detect.forget(text, all, out)
    }

    /// The input has ended.
    pub fn finish(&mut self, out: &mut Vec<Finding>) {
        for batch in [self.intake.rest(), self.wire.finish()] {
            self.detect.push(self.wire.workers(), batch, out);
        }
        self.detect.finish(out);
    }

    /// What is learned so far, in bytes, and what was left out for want of memory.
    #[must_use]
    pub fn learning(&self) -> Learning {
        self.detect.learning()
    }

    /// Whether a flow was forgotten, whole or in part, for want of memory.
    #[must_use]
    pub fn has_evicted(&self) -> bool {
        self.detect.has_evicted()
    }

    /// Complete messages that were taken so far.
    #[must_use]
    pub fn observed(&self) -> u64 {
        self.detect.observed()
    }

    /// What became of every byte and message of the source.
    #[must_use]
    pub fn ledger(&self) -> Settled {
        let mut settled = self.wire.ledger();
        settled.ledger.merge(self.intake.ledger());
        settled
    }

    /// What knows connections: what it holds, and what it would have capture leave out.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Selects other connections from now on ([`Wire::set_filter`]).
    pub fn set_filter(&mut self, filter: Filter) {
        self.wire.set_filter(filter);
    }
}
