//! Codes: new ones, other spellings, changed places.

use pitot_observe::value::{Classes, Text};

use super::{Cause, currency, mode, share};
use crate::evidence::Kind;
use crate::values::learn::MOST_CODES;
use crate::values::unseen::News;

/// Messages with a new code that is written in another way, after which the others of its kind would have come: so many of
/// the codes that are not the most frequent one, within bounds.
const OF_OTHERS: f64 = 3.0;
const ENOUGH_OF_ONE: std::ops::RangeInclusive<f64> = 24.0..=45.0;

/// How many times as many codes are another number of them.
const MANY_MORE: f64 = 2.0;

/// What `recent` codes are to `past` ones.
/// `known` are the codes that are known, with the share that each always had.
pub(crate) fn of_codes(past: &[Text], recent: &[Text], known: &[(u64, f64)]) -> Cause {
    if share(recent, super::is_default) > share(past, super::is_default) + 0.04 {
        return Kind::DefaultSubstituted.into();
    }
    let is_known = |text: &Text| known.iter().any(|(code, _)| *code == text.hash);
    let new: Vec<Text> = recent.iter().filter(|text| !is_known(text)).copied().collect();
    let part = new.len() as f64 / recent.len().max(1) as f64;
    if part > 0.0 && is_respelled(past, &new, part) {
        return Kind::FormatChanged.into();
    }
    if currency::is_replaced(past, recent) {
        return Kind::CurrencyChanged.into();
    }
    if part > 0.0 {
        return of_new(&new, part).into();
    }
    let often = mode(recent, |a, b| a.hash.cmp(&b.hash)).map_or(0.0, |(_, often)| often);
    if often > 0.98 && distinct(past) > 1 {
        return Kind::ValueFrozen.into();
    }
    match of_frequencies(known, recent) {
        Kind::DistributionShifted if is_of_others(past, recent) => Kind::CardinalityChanged.into(),
        kind => kind.into(),
    }
}

/// Whether there are at least twice as many codes as before, or at most half as many: as many as of the same entropy would
/// be equally frequent (Hill 1973).
fn is_of_others(past: &[Text], recent: &[Text]) -> bool {
    let (before, after) = (effective(past), effective(recent));
    after >= MANY_MORE * before || before >= MANY_MORE * after
}

fn effective(values: &[Text]) -> f64 {
    let mut codes: Vec<u64> = values.iter().map(|text| text.hash).collect();
    codes.sort_unstable();
    let shares = codes.chunk_by(|a, b| a == b).map(|run| run.len() as f64 / codes.len() as f64);
    (-shares.map(|share| share * share.ln()).sum::<f64>()).exp()
}

/// What a code is that never was there; `new` are all such codes, in this part of the messages. `None`: more of them must be
/// seen.
pub(crate) fn of_new_codes(
    past: &[Text],
    recent: &[Text],
    new: &[Text],
    news: &News,
    part: f64,
) -> Option<Cause> {
    if new.iter().any(|text| text.hash == news.mark && super::is_default(text)) {
        return Some(Kind::DefaultSubstituted.into());
    }
    if is_respelled(past, new, part) {
        return Some(Kind::FormatChanged.into());
    }
    let most = mode(past, |a, b| a.hash.cmp(&b.hash)).map_or(0.0, |(_, often)| often);
    let enough = (OF_OTHERS / (1.0 - most)).clamp(*ENOUGH_OF_ONE.start(), *ENOUGH_OF_ONE.end());
    if f64::from(news.messages.0) < enough && looks_other(past, new) {
        return None;
    }
    if currency::is_replaced(past, recent) {
        return Some(Kind::CurrencyChanged.into());
    }
    Some(of_new(new, part).into())
}

/// Whether new codes in this part of the messages are the old ones in another spelling.
fn is_respelled(past: &[Text], new: &[Text], part: f64) -> bool {
    looks_other(past, new) && (distinct(new) > 1 || part > 0.9 && distinct(past) > 1)
}

fn of_new(new: &[Text], part: f64) -> Kind {
    match () {
        () if distinct(new) > MOST_CODES => Kind::CardinalityChanged,
        () if part > 0.9 && distinct(new) > 1 => Kind::MeaningChanged,
        () => Kind::EnumValueAdded,
    }
}

/// Whether the same frequencies are now those of other codes.
fn of_frequencies(known: &[(u64, f64)], recent: &[Text]) -> Kind {
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>();
    let before: Vec<f64> = known.iter().map(|(_, share)| *share).collect();
    let after: Vec<f64> = known.iter().map(|(code, _)| share(recent, |text| text.hash == *code)).collect();
    let as_is = distance(&before, &after);
    // The swap of two that explains most.
    let mut best = as_is;
    for i in 0..known.len() {
        for j in 0..i {
            let mut swapped = before.clone();
            swapped.swap(i, j);
            for part in [1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1] {
                let mixed: Vec<f64> =
                    before.iter().zip(&swapped).map(|(b, s)| (1.0 - part) * b + part * s).collect();
                best = best.min(distance(&mixed, &after));
            }
        }
    }
    if best < 0.5 * as_is { Kind::MeaningChanged } else { Kind::DistributionShifted }
}

/// Whether new codes are written in other characters, or other lengths, than those before.
fn looks_other(past: &[Text], new: &[Text]) -> bool {
    let has = |values: &[Text], class: Classes| share(values, |text| text.classes.contains(class));
    let is_other_class = [Classes::LOWER, Classes::UPPER, Classes::DIGIT, Classes::PUNCTUATION]
        .into_iter()
        .any(|class| (has(past, class) - has(new, class)).abs() > 0.8);
    let is_other_skeleton = new.iter().all(|text| past.iter().all(|p| p.skeleton != text.skeleton));
    is_other_class || is_other_skeleton
}

fn distinct(values: &[Text]) -> usize {
    crate::values::distinct(values.iter().map(|text| text.hash))
}
