//! What is known of one path of a flow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::evidence::Kind;
use crate::novelty::Event;
use crate::types::Types;

/// How long the state before a change is kept (contract, section 2: 7 days), ns.
pub(crate) const KEPT_NS: u64 = 7 * 24 * 3600 * 1_000_000_000;

/// A change that was reported and not undone.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Reported {
    pub(crate) kind: Kind,
    pub(crate) at_ns: u64,
    /// The types before, of a type change.
    pub(crate) types: Types,
    /// The other field, of a rename or move.
    pub(crate) other: Option<u32>,
    /// The rate before, of a change of presence.
    pub(crate) rate: Option<f64>,
    /// The trial at which it was reported, of a change of presence.
    pub(crate) trial: u64,
}

impl Reported {
    pub(crate) fn new(kind: Kind, at_ns: u64, types: Types, trial: u64) -> Self {
        Self { kind, at_ns, types, other: None, rate: None, trial }
    }

    /// Whether a return to the state before still counts as one.
    pub(crate) fn is_kept(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.at_ns) <= KEPT_NS
    }
}

/// One path.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) path: Arc<str>,
    pub(crate) parent: Option<u32>,
    pub(crate) children: Vec<u32>,
    /// Whether presence means something: not of elements of an array, members of a map-like object, and the root.
    pub(crate) is_member: bool,
    /// Messages that hold it.
    pub(crate) messages: u64,
    /// Messages in which it is an object.
    pub(crate) objects: u64,
    /// Open questions about it.
    pub(crate) asked: u32,
    pub(crate) types: Types,
    /// Types since the oldest question about them was raised.
    pub(crate) types_under_test: Types,
    /// Number of the message that holds it, from which `types` is the baseline.
    pub(crate) types_from: u64,
    /// Trials: messages in which its parent is an object.
    pub(crate) presence: Channel,
    /// Where `presence` knows of no trial: the trial after which that is so.
    pub(crate) absent_from: u64,
    /// Trials: messages that hold it.
    pub(crate) nulls: Channel,
    /// Where `nulls` knows of no trial: the trial after which that is so.
    pub(crate) not_null_from: u64,
    /// The last report about presence, about null, and about types.
    pub(crate) presence_report: Option<Reported>,
    pub(crate) null_report: Option<Reported>,
    pub(crate) type_report: Option<Reported>,
}

impl Field {
    pub(crate) fn new(path: Arc<str>, parent: Option<u32>, is_member: bool) -> Self {
        Self {
            path,
            parent,
            children: Vec::new(),
            is_member,
            messages: 0,
            objects: 0,
            asked: 0,
            types: Types::default(),
            types_under_test: Types::default(),
            types_from: 0,
            presence: Channel::never(),
            absent_from: 0,
            nulls: Channel::never(),
            not_null_from: 0,
            presence_report: None,
            null_report: None,
            type_report: None,
        }
    }

    /// What was last reported of what an event is about.
    pub(crate) fn report(&mut self, event: Event) -> &mut Option<Reported> {
        match event {
            Event::Present | Event::Absent => &mut self.presence_report,
            Event::Null | Event::NotNull => &mut self.null_report,
            Event::Type => &mut self.type_report,
        }
    }

    /// The last step of its path.
    pub(crate) fn name<'a>(&'a self, parent: &Self) -> &'a str {
        self.path.strip_prefix(&*parent.path).unwrap_or(&self.path)
    }
}
