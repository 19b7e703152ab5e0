//! Whether a removal and an addition are one rename.
//!
//! The simplest safe form: both fields are members of the same object; from one and the same message on, every message
//! that could hold the old one holds the new one instead, in as many instances (never both, always one); what the new one
//! holds is of the old one's types; objects have at least half of their members' names in common. Where more than one
//! field would do, nothing is called a rename.

use crate::novelty::{Event, Novelty};
use crate::plan::Fields;
use crate::types::Types;
use pitot_observe::shape::ValueKind;

/// Share of members' names that a renamed object keeps.
const LIKENESS: f64 = 0.5;

/// The question that is the other half of a rename, if there is exactly one. Marks those of which there are more. `now` is
/// the number of trials of both.
pub(crate) fn partner(question: usize, all: &mut [Novelty], fields: &Fields, now: u64) -> Option<usize> {
    let candidates = matches(question, all, fields, now);
    let rivals = candidates
        .iter()
        .flat_map(|other| matches(*other, all, fields, now))
        .filter(|rival| *rival != question);
    let mut ambiguous: Vec<usize> = rivals.collect();
    if ambiguous.is_empty()
        && let [only] = candidates[..]
    {
        return Some(only);
    }
    ambiguous.extend(candidates);
    for i in ambiguous {
        if let Some(novelty) = all.get_mut(i) {
            novelty.is_ambiguous = true;
        }
    }
    None
}

fn matches(question: usize, all: &[Novelty], fields: &Fields, now: u64) -> Vec<usize> {
    let Some(one) = all.get(question) else { return Vec::new() };
    let is_match = |other: &Novelty| match (one.event, other.event) {
        (Event::Absent, Event::Present) => is_rename(one, other, fields, now),
        (Event::Present, Event::Absent) => is_rename(other, one, fields, now),
        _ => false,
    };
    all.iter().enumerate().filter(|(_, other)| is_match(other)).map(|(i, _)| i).collect()
}

fn is_rename(removed: &Novelty, added: &Novelty, fields: &Fields, now: u64) -> bool {
    let (Some(old), Some(new)) = (fields.get(removed.slot), fields.get(added.slot)) else { return false };
    let is_exclusive = old.parent == new.parent
        && !removed.is_ambiguous
        && !added.is_ambiguous
        && removed.onset == added.onset
        && removed.is_total(now)
        && added.is_total(now)
        && removed.signature == added.signature;
    let has_its_types = !new.types.is_empty() && old.types.contains(new.types);
    let is_object = new.types.contains(Types::of(ValueKind::Object));
    is_exclusive && has_its_types && (!is_object || fields.likeness(removed.slot, added.slot) >= LIKENESS)
}
