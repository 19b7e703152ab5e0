//! The ways to find a connection.

use foldhash::HashMap;
use pitot_common::user::{Endpoint, Segment};

use super::entry::{Entry, Tuple};
use super::lru::Slot;
use crate::Direction;

/// How many one-sided connections of the same addresses are tried, newest first.
const MAX_CANDIDATES: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Both directions of every view.
    tuples: HashMap<Tuple, (Slot, Direction)>,
    /// Connections without an answer yet, by the numbers that their answer may acknowledge, less one: the SYN's own,
    /// and that of the last byte sent with it (RFC 7413).
    unanswered: HashMap<u32, Slot>,
    /// Connections seen in one direction only, by addresses whatever the namespace.
    one_sided: HashMap<(Endpoint, Endpoint), Vec<Slot>>,
}

impl Index {
    pub(super) fn find(&self, tuple: &Tuple) -> Option<(Slot, Direction)> {
        self.tuples.get(tuple).copied()
    }

    /// The connection whose SYN, or the data with it, ended with this number and is not answered yet.
    pub(super) fn waiting(&self, last: u32) -> Option<Slot> {
        self.unanswered.get(&last).copied()
    }

    pub(super) fn wait(&mut self, syn: &Segment, slot: Slot) {
        for last in [syn.seq.wrapping_add(syn.total), syn.seq] {
            self.unanswered.insert(last, slot);
        }
    }

    pub(super) fn stop_waiting(&mut self, entry: &Entry, slot: Slot) {
        for last in entry.answered_by().into_iter().flatten() {
            if self.unanswered.get(&last) == Some(&slot) {
                self.unanswered.remove(&last);
            }
        }
    }

    pub(super) fn add_view(&mut self, tuple: Tuple, slot: Slot, direction: Direction) {
        self.tuples.insert(tuple.reverse(), (slot, direction.reverse()));
        self.tuples.insert(tuple, (slot, direction));
    }

    /// Connections seen in one direction only that have the addresses of `event`, newest first.
    pub(super) fn one_sided(&self, event: &Segment) -> impl Iterator<Item = Slot> {
        let slots = self.one_sided.get(&addresses(event.src, event.dst));
        slots.into_iter().flatten().rev().take(MAX_CANDIDATES).copied()
    }

    pub(super) fn add_one_sided(&mut self, tuple: &Tuple, slot: Slot) {
        self.one_sided.entry(addresses(tuple.src, tuple.dst)).or_default().push(slot);
    }

    pub(super) fn remove_one_sided(&mut self, tuple: &Tuple, slot: Slot) {
        let key = addresses(tuple.src, tuple.dst);
        if let Some(slots) = self.one_sided.get_mut(&key) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.one_sided.remove(&key);
            }
        }
    }

    /// Forgets every way to `entry`.
    pub(super) fn remove(&mut self, slot: Slot, entry: &Entry) {
        for tuple in [Some(entry.view), entry.other_view].into_iter().flatten() {
            for tuple in [tuple, tuple.reverse()] {
                if self.tuples.get(&tuple).is_some_and(|(other, _)| *other == slot) {
                    self.tuples.remove(&tuple);
                }
            }
        }
        self.stop_waiting(entry, slot);
        self.remove_one_sided(&entry.view, slot);
    }
}

/// Two addresses, whoever sends.
fn addresses(a: Endpoint, b: Endpoint) -> (Endpoint, Endpoint) {
    if a <= b { (a, b) } else { (b, a) }
}
