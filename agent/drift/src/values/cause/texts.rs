//! Texts: damaged, cut, of another format, identifiers of another kind.

use pitot_observe::value::{Classes, Text};

use super::{Cause, mode, share};
use crate::evidence::Kind;

/// What `recent` texts are to `past` ones.
pub(crate) fn of_texts(past: &[Text], recent: &[Text]) -> Cause {
    let rose = |has: &dyn Fn(&Text) -> bool, by: f64| share(recent, has) > share(past, has) + by;
    if rose(&|text| text.classes.contains(Classes::DAMAGED), 0.02) {
        return Kind::TextDamaged.into();
    }
    if rose(&super::is_default, 0.04) {
        return Kind::DefaultSubstituted.into();
    }
    let most = |values: &[Text]| mode(values, |a, b| a.hash.cmp(&b.hash)).map_or(0.0, |(_, often)| often);
    if most(recent) > 0.95 && most(past) < 0.9 {
        return Kind::ValueFrozen.into();
    }
    if is_cut(past, recent) {
        return Kind::TextDamaged.into();
    }
    // With blanks, too, where all have digits and one length: numbers of accounts.
    let has = |class: Classes| share(past, |text| text.classes.contains(class));
    let is_in_groups = has(Classes::DIGIT) > 0.9 && is_one_length(past);
    let is_identifier = most(past) < 0.1 && (has(Classes::SPACE) < 0.1 || is_in_groups);
    let moved = |class: Classes| {
        let has = |text: &Text| text.classes.contains(class);
        (share(past, has) - share(recent, has)).abs() > 0.5
    };
    let is_other_case = moved(Classes::LOWER) || moved(Classes::UPPER);
    let is_other_sign = recent.iter().any(|text| past.iter().all(|p| p.skeleton != text.skeleton));
    let is_other_length = {
        let mean = |values: &[Text]| {
            values.iter().map(|t| f64::from(t.length)).sum::<f64>() / values.len().max(1) as f64
        };
        (mean(past) - mean(recent)).abs() > 1.0
    };
    // Where only some changed, only those tell to what.
    let others = recent.iter().filter(|text| past.iter().all(|p| p.skeleton != text.skeleton));
    let others: Vec<Text> = others.copied().collect();
    let changed = if others.len() >= 4 { &others } else { recent };
    if is_identifier && (is_other_case || is_other_sign) && !is_respelled(past, changed) {
        return Kind::IdentifierRekeyed.into();
    }
    if is_other_case || is_other_sign || (is_one_length(past) && is_other_length) {
        return Kind::FormatChanged.into();
    }
    Kind::DistributionShifted.into()
}

/// Whether two samples may well be of the same texts, or codes.
pub(crate) fn are_like(past: &[Text], recent: &[Text]) -> bool {
    let differs = |has: &dyn Fn(&Text) -> bool| (share(past, has) - share(recent, has)).abs() > 0.25;
    let classes =
        [Classes::DIGIT, Classes::LOWER, Classes::UPPER, Classes::SPACE, Classes::PUNCTUATION, Classes::WIDE];
    let most = mode(past, |a, b| a.hash.cmp(&b.hash)).map(|(text, _)| text.hash);
    let is_known = |text: &Text| past.iter().any(|p| p.skeleton == text.skeleton);
    !classes.into_iter().any(|class| differs(&|text| text.classes.contains(class)))
        && !differs(&|text| text.classes.contains(Classes::DAMAGED))
        && !differs(&|text| Some(text.hash) == most)
        && share(recent, is_known) > 0.9
        && !is_cut(past, recent)
}

/// Whether many texts of several kinds now have one and the same length, a short one.
fn is_cut(past: &[Text], recent: &[Text]) -> bool {
    let lengths: Vec<u32> = recent.iter().map(|text| text.length).collect();
    let Some((length, often)) = mode(&lengths, u32::cmp) else { return false };
    let longer = share(past, |text| text.length > length);
    let before = share(past, |text| text.length == length);
    let kinds = recent.iter().filter(|text| text.length == length).map(|text| text.hash);
    let kinds = crate::values::distinct(kinds);
    longer > 0.3 && often > before + 0.15 && kinds > 3 && !is_one_length(past)
}

fn is_one_length(values: &[Text]) -> bool {
    let first = values.first().map_or(0, |text| text.length);
    values.iter().all(|text| text.length == first)
}

/// Whether the letters and digits may be the same: other signs between them, or the other case.
fn is_respelled(past: &[Text], recent: &[Text]) -> bool {
    let classes = |values: &[Text], class: Classes| share(values, |text| text.classes.contains(class));
    let digits = (classes(past, Classes::DIGIT) - classes(recent, Classes::DIGIT)).abs() < 0.3;
    let letters = |values: &[Text]| {
        share(values, |t| t.classes.contains(Classes::LOWER) || t.classes.contains(Classes::UPPER))
    };
    let length = |values: &[Text]| {
        values.iter().map(|t| f64::from(t.length)).sum::<f64>() / values.len().max(1) as f64
    };
    let shrunk = length(past) - length(recent);
    digits && (letters(past) - letters(recent)).abs() < 0.3 && (-0.5..=6.0).contains(&shrunk)
}
