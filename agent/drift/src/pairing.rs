//! Which of the paths that vanish at once with others that appear went where: renames and moves.
//!
//! The strongest evidence is exclusivity: from the first message on, the new path is in exactly those messages in which the
//! old one is missing, never both, never none. Beyond that, a field keeps its types, an object at least half of its
//! members' names; then its values and, weakly, its name say which is which. A pair is accepted where it is better than
//! what else either could be paired with by a margin; what is left over was added and removed. Outer paths come first: what
//! lies inside moves along, and a member may also come out of an object that vanishes, or go into a new one.

use pitot_observe::shape::ValueKind;

use crate::likeness::Likeness;
use crate::novelty::{Event, Novelty};
use crate::plan::Fields;
use crate::types::Types;

/// Share of members' names that a moved object keeps.
pub(crate) const LIKENESS: f64 = 0.5;
/// How much better than any other a pair must be.
const MARGIN: f64 = 0.4;
/// Values less alike than this are of different fields, if their names are, too.
const UNLIKE: f64 = 0.3;
/// Paths considered on each side.
const CANDIDATES: usize = 32;

/// A path and where it went, by slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Questions that are one change of places.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Of paths that vanished, and of paths that appeared: places among the questions.
    pub(crate) removed: Vec<usize>,
    pub(crate) added: Vec<usize>,
    pub(crate) pairs: Vec<Pair>,
    /// Those of both kinds that are in no pair.
    pub(crate) apart: Vec<usize>,
}

/// What is known of fields, for comparing them.
pub(crate) struct Known<'a> {
    pub(crate) fields: &'a Fields,
    /// By slot.
    pub(crate) values: &'a [Likeness],
}

/// The questions that concern the same messages as question `number`, and of these those that an exchange answers.
/// `is_open` tells questions that are not decided yet.
pub(crate) fn exchange(
    number: usize,
    questions: &[Novelty],
    is_open: impl Fn(usize) -> bool,
    known: &Known<'_>,
) -> Exchange {
    let Some(one) = questions.get(number) else { return Exchange::default() };
    let concerned = |event: Event| -> Vec<usize> {
        let is_concerned = |(place, other): &(usize, &Novelty)| {
            let is_same = other.signature == one.signature && other.events == one.events;
            other.event == event && is_same && !other.is_apart && is_open(*place)
        };
        let all = questions.iter().enumerate().filter(is_concerned);
        all.map(|(place, _)| place).take(CANDIDATES).collect()
    };
    let (removed, added) = (concerned(Event::Absent), concerned(Event::Present));
    let slots = |places: &[usize]| -> Vec<u32> {
        places.iter().filter_map(|place| questions.get(*place)).map(|question| question.slot).collect()
    };
    let (mut old, mut new) = (slots(&removed), slots(&added));
    let mut pairs = known.assign(&mut old, &mut new);
    known.extend(&mut old);
    known.extend(&mut new);
    pairs.extend(known.assign(&mut old, &mut new));
    let is_paired = |slot: u32, end: fn(&Pair) -> u32| {
        pairs.iter().any(|pair| end(pair) == slot || known.fields.is_inside(slot, end(pair)))
    };
    let part = |places: Vec<usize>, end: fn(&Pair) -> u32| -> (Vec<usize>, Vec<usize>) {
        let is_used =
            |place: &usize| questions.get(*place).is_some_and(|question| is_paired(question.slot, end));
        places.into_iter().partition(is_used)
    };
    let is_exchange = !removed.is_empty() && !added.is_empty();
    let (removed, mut apart) = part(removed, |pair| pair.from);
    let (added, others) = part(added, |pair| pair.to);
    apart.extend(others);
    apart.retain(|_| is_exchange);
    Exchange { removed, added, pairs, apart }
}

impl Known<'_> {
    /// Pairs what can be paired, and takes it and what lies in it out of both lists.
    fn assign(&self, old: &mut Vec<u32>, new: &mut Vec<u32>) -> Vec<Pair> {
        let scores: Vec<Vec<Option<f64>>> =
            old.iter().map(|from| new.iter().map(|to| self.score(*from, *to)).collect()).collect();
        let score = |i: usize, j: usize| scores.get(i).and_then(|row| *row.get(j)?);
        let (mut froms, mut tos): (Vec<usize>, Vec<usize>) =
            ((0..old.len()).collect(), (0..new.len()).collect());
        let mut pairs = Vec::new();
        loop {
            let clear = |i: usize, j: usize| {
                let own = score(i, j)?;
                let in_row = tos.iter().filter(|other| **other != j).filter_map(|other| score(i, *other));
                let in_column =
                    froms.iter().filter(|other| **other != i).filter_map(|other| score(*other, j));
                in_row.chain(in_column).all(|rival| own >= rival + MARGIN).then_some(own)
            };
            let all = froms.iter().flat_map(|i| tos.iter().map(|j| (*i, *j)));
            let clear = all.filter_map(|(i, j)| Some((self.fields.depth(*old.get(i)?), clear(i, j)?, i, j)));
            let Some((_, _, i, j)) = clear.min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1))) else {
                break;
            };
            let (Some(from), Some(to)) = (old.get(i).copied(), new.get(j).copied()) else { break };
            pairs.push(Pair { from, to });
            let stays = |list: &[u32], taken: u32, place: &usize| {
                list.get(*place).is_some_and(|slot| *slot != taken && !self.fields.is_inside(taken, *slot))
            };
            froms.retain(|place| stays(old, from, place));
            tos.retain(|place| stays(new, to, place));
        }
        let keep = |list: &mut Vec<u32>, places: &[usize]| {
            *list = places.iter().filter_map(|place| list.get(*place).copied()).collect();
        };
        keep(old, &froms);
        keep(new, &tos);
        pairs
    }

    /// Adds what always lies in these.
    fn extend(&self, slots: &mut Vec<u32>) {
        let mut next = 0;
        while let Some(slot) = slots.get(next).copied() {
            next += 1;
            for child in self.fields.get(slot).into_iter().flat_map(|field| &field.children) {
                let is_part = |field: &crate::field::Field| field.is_member && field.presence.is_always();
                if slots.len() < CANDIDATES && self.fields.get(*child).is_some_and(is_part) {
                    slots.push(*child);
                }
            }
        }
    }

    /// How well a path fits to be what another was; `None` where it cannot be.
    fn score(&self, from: u32, to: u32) -> Option<f64> {
        let (old, new) = (self.fields.get(from)?, self.fields.get(to)?);
        let is_object = new.types.contains(Types::of(ValueKind::Object));
        let has_its_types = !new.types.is_empty() && old.types.contains(new.types);
        if !has_its_types || is_object && self.fields.likeness(from, to) < LIKENESS {
            return None;
        }
        let name = name_likeness(self.name(from)?, self.name(to)?);
        let (a, b) = (self.values.get(from as usize), self.values.get(to as usize));
        let values = a.zip(b).and_then(|(a, b)| a.with(b));
        let is_elsewhere = old.parent != new.parent;
        let least = if is_elsewhere { LIKENESS } else { UNLIKE };
        if name < 0.5 && values.map_or(is_elsewhere && !is_object, |values| values < least) {
            return None;
        }
        Some(f64::from(u8::from(old.types == new.types)) * 0.25 + name + 2.0 * values.unwrap_or(0.5))
    }

    /// The last step of a path.
    fn name(&self, slot: u32) -> Option<&str> {
        let field = self.fields.get(slot)?;
        Some(field.name(self.fields.get(field.parent?)?).trim_start_matches('.'))
    }
}

/// How alike two names are, 0 to 1: half at least where one holds the other, else half the share of common pairs of
/// characters (Dice).
fn name_likeness(a: &str, b: &str) -> f64 {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short == long {
        return 1.0;
    }
    let pairs = |text: &str| -> Vec<[u8; 2]> {
        text.as_bytes().windows(2).filter_map(|pair| pair.try_into().ok()).collect()
    };
    let (pairs, others) = (pairs(short), pairs(long));
    let common = pairs.iter().filter(|pair| others.contains(pair)).count();
    let dice = 2.0 * common as f64 / (pairs.len() + others.len()).max(1) as f64;
    let is_part = short.len() >= 2 && long.to_ascii_lowercase().contains(&short.to_ascii_lowercase());
    if is_part { 0.5 + 0.5 * dice } else { 0.5 * dice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |a: &str, b: &str, range: std::ops::Range<f64>| {
            let found = name_likeness(a, b);
            assert!(range.contains(&found) && found == name_likeness(b, a), "{a}, {b}: {found}");
        };
        check("amount", "amount", 1.0..1.1);
        check("amount", "amount_minor", 0.7..1.0);
        check("id", "orderId", 0.5..0.8);
        check("currency", "unit", 0.0..0.1);
        check("first_name", "last_name", 0.2..0.4);
        check("", "x", 0.0..0.1);
    }
}
