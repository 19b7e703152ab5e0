//! A new form of an object: several members that always come together, and never with others that are otherwise common.

use crate::novelty::{Event, Novelty};
use crate::plan::Fields;

/// Members of a new form.
const FEWEST: usize = 2;
/// How improbable it must be that the others stay away by chance.
const ERROR: f64 = 1e-2;

/// The questions that are answered by a new form of the object that holds the path of question `number`; none where it is
/// no part of one.
pub(crate) fn variant(
    number: usize,
    questions: &[Novelty],
    is_open: impl Fn(usize) -> bool,
    fields: &Fields,
    now: u64,
) -> Vec<usize> {
    let Some(one) = questions.get(number) else { return Vec::new() };
    let parent_of = |question: &Novelty| fields.get(question.slot).and_then(|field| field.parent);
    let is_part = |(place, other): &(usize, &Novelty)| {
        let is_same = other.signature == one.signature && other.events == one.events;
        is_same && is_open(*place) && parent_of(other) == parent_of(one)
    };
    let parts: Vec<(usize, &Novelty)> = questions.iter().enumerate().filter(is_part).collect();
    let is_new = parts.iter().filter(|(_, part)| part.event == Event::Present).count() >= FEWEST;
    let is_known = parts.iter().all(|(_, part)| matches!(part.event, Event::Present | Event::Absent));
    if !is_new || !is_known || one.is_total(now) || !excludes(one, fields) {
        return Vec::new();
    }
    parts.into_iter().map(|(place, _)| place).collect()
}

/// Whether the members that were in none of its messages would be in some, if that were chance.
fn excludes(question: &Novelty, fields: &Fields) -> bool {
    let ln_chance = |slot: &u32| {
        let presence = fields.get(*slot).map(|field| &field.presence);
        let rate = presence.filter(|presence| presence.some > 0).map_or(0.0, |presence| presence.rate());
        question.events as f64 * (1.0 - rate.min(0.999)).ln()
    };
    question.without().iter().any(|slot| ln_chance(slot) <= f64::ln(ERROR))
}
