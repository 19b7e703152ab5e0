//! Numbers: units, factors, signs, defaults, lost decimals; else a shift or values out of range.

use super::density::{Density, mixture};
use super::{Cause, mode, quantile, share};
use crate::evidence::Kind;

/// Factors between units that are known: powers of ten, of time, of memory, of weight and length.
const UNITS: [f64; 16] = [
    10.0,
    100.0,
    1_000.0,
    1e4,
    1e6,
    1e9,
    60.0,
    3_600.0,
    24.0,
    86_400.0,
    1_024.0,
    1_048_576.0,
    2.204_622_6,
    1.609_344,
    2.54,
    3.280_84,
];
/// So many of them are powers of ten: by far the most frequent.
const POWERS: usize = 6;
/// Numbers that stand for none.
const DEFAULTS: [f64; 5] = [0.0, -1.0, 9_999.0, 99_999.0, 999_999.0];
/// What a hypothesis with a number to be found must be better by, as a log likelihood.
const FREEDOM: f64 = 3.0;
const HALF: f64 = 0.5;
/// A share of values that are all of them, but for an exception.
const ALWAYS: f64 = 0.95;
/// A log likelihood ratio that leaves no doubt.
const CLEAR: f64 = 10.0;
/// The logarithm of a factor up to which it may well be any: three.
const ORDINARY: f64 = 1.1;
/// A factor nearer to one than this is none.
const NEAR: f64 = 0.02;
/// A share below this is not a change of what the field means, but of some values.
const FEW: f64 = 0.1;

/// Which of the numbers that stand for none it is.
pub(crate) fn place_of_default(x: f64) -> Option<u64> {
    DEFAULTS.iter().position(|default| *default == x).map(|place| place as u64)
}

/// The number at a place of them.
pub(crate) fn default_at(place: u64) -> Option<f64> {
    DEFAULTS.get(place as usize).copied()
}

/// What `recent` values are to `past` ones.
pub(crate) fn of_numbers(past: &[f64], recent: &[f64]) -> Cause {
    if let Some(cause) = of_one_value(past, recent) {
        return cause;
    }
    let whole = |values: &[f64]| share(values, |x| *x == x.trunc());
    if whole(recent) > 0.98 && whole(past) < 0.8 && !is_elsewhere(past, recent) {
        return Kind::PrecisionLost.into();
    }
    let space = Space::new(past, recent);
    let still = space.likelihood(&|x| x);
    let mut best = (still.0, still.1, Cause::from(Kind::DistributionShifted));
    let mut try_one = |map: &dyn Fn(f64) -> f64, penalty: f64, cause: Cause| {
        let (likelihood, part) = space.likelihood(map);
        // What explains only some of the values must do so the better.
        let penalty = if part < HALF { 2.0 * penalty } else { penalty };
        if likelihood - penalty > best.0 {
            best = (likelihood - penalty, part, cause);
        }
    };
    try_one(&|x| -x, FREEDOM, Kind::SignFlipped.into());
    for (place, unit) in UNITS.into_iter().enumerate() {
        let penalty = if place < POWERS { FREEDOM } else { 3.0 * FREEDOM };
        for factor in [unit, 1.0 / unit] {
            let cause = Cause { factor: Some(factor), ..Kind::UnitChanged.into() };
            try_one(&|x| x * factor, penalty, cause);
        }
    }
    try_one(&|x| x * 1.8 + 32.0, FREEDOM, Cause { factor: Some(1.8), ..Kind::UnitChanged.into() });
    try_one(&|x| (x - 32.0) / 1.8, FREEDOM, Cause { factor: Some(1.0 / 1.8), ..Kind::UnitChanged.into() });
    let (old, new) = (median(past), median(recent));
    let spread = |values: &[f64]| quantile(values, 0.75) - quantile(values, 0.25);
    // What moves by less than its spread may have been added to as well as multiplied; what moves by far more, hardly.
    let is_small = (new - old).abs() < 3.0 * spread(past);
    let (of_shift, of_factor) = if is_small { (2.0, 2.5) } else { (4.0, 2.0) };
    // Where the medians and quartiles lie is a guess; the likelihood knows better.
    let step = 0.2 * spread(recent);
    for about in [-2.0, -1.0, 0.0, 1.0, 2.0] {
        try_one(&|x| x + new - old + about * step, of_shift * FREEDOM, Kind::DistributionShifted.into());
    }
    for about in [0.8, 1.0, 1.25] {
        let times = about * spread(recent) / spread(past);
        if times.is_finite() {
            let map = |x| (x - old) * times + new;
            try_one(&map, of_shift * FREEDOM, Kind::DistributionShifted.into());
        }
    }
    // What was always the same was set to something else.
    let is_set = mode(past, f64::total_cmp).is_some_and(|(_, most)| most > ALWAYS);
    let factors: &[f64] = if is_set { &[] } else { &[0.8, 0.86, 0.93, 1.0, 1.07, 1.16, 1.25] };
    for about in factors {
        let factor = about * new / old;
        if factor.is_finite() && factor > 0.0 && (factor - 1.0).abs() > NEAR {
            let cause = Cause { factor: Some(factor), ..Kind::ValueRescaled.into() };
            // Taxes, discounts and the like multiply by little.
            let unlikely = (factor.ln().abs() - ORDINARY).max(0.0) * FREEDOM;
            try_one(&|x| x * factor, of_factor * FREEDOM + unlikely, cause);
        }
    }
    let (likelihood, part, cause) = best;
    // A named map must make the values about as probable as they make each other.
    let is_poor = likelihood < space.fair(recent.len());
    if part < FEW || is_poor || cause.kind == Kind::DistributionShifted {
        return if is_far(past, recent) { Kind::OutOfRange } else { Kind::DistributionShifted }.into();
    }
    cause
}

/// Whether two samples may well be of the same values.
pub(crate) fn are_like(past: &[f64], recent: &[f64]) -> bool {
    has_come_from(past, recent) && of_one_value(past, recent).is_none()
}

/// Whether values are about as probable by those before as they make each other.
fn has_come_from(past: &[f64], recent: &[f64]) -> bool {
    let space = Space::new(past, recent);
    space.likelihood(&|x| x).0 >= space.fair(recent.len())
}

/// One value that was seldom, and now is often.
fn of_one_value(past: &[f64], recent: &[f64]) -> Option<Cause> {
    let (value, often) = mode(recent, f64::total_cmp)?;
    let before = share(past, |x| *x == value);
    let kind = if DEFAULTS.contains(&value) { Kind::DefaultSubstituted } else { Kind::ValueFrozen };
    // Of values of which no two are the same, one that comes often is held.
    let most = mode(past, f64::total_cmp).map_or(0.0, |(_, most)| most);
    let is_held = most < 0.05 && often > 0.12 && surprise(often, recent.len(), most) > CLEAR;
    // Of values that come again anyhow, one that comes more often while the others are as they were.
    let but = |values: &[f64]| -> Vec<f64> { values.iter().copied().filter(|x| *x != value).collect() };
    let is_more = before > 0.0 && often > before + 0.2 && surprise(often, recent.len(), before) > CLEAR;
    let is_part = is_more && has_come_from(&but(past), &but(recent));
    let is_flood = (often > 0.95 && before < 0.9 && most < ALWAYS) || is_held || is_part;
    let is_default = kind == Kind::DefaultSubstituted
        && often > 3.0 * before + 0.08
        && surprise(often, recent.len(), before) > 2.0 * FREEDOM;
    (is_flood || is_default).then(|| kind.into())
}

/// The log likelihood ratio of a share of `n` values being what it is, and it being that of before, which is known no better
/// than of some dozens.
fn surprise(share: f64, n: usize, before: f64) -> f64 {
    let before = before.clamp(0.02, 0.98);
    let part = |a: f64, b: f64| if a <= 0.0 { 0.0 } else { a * (a / b).ln() };
    n as f64 * (part(share, before) + part(1.0 - share, 1.0 - before))
}

/// Whether most values lie where few did.
fn is_elsewhere(past: &[f64], recent: &[f64]) -> bool {
    let (low, high) = (quantile(past, 0.05), quantile(past, 0.95));
    let room = 0.5 * (high - low);
    share(recent, |x| *x < low - room || *x > high + room) > 0.3
}

/// Whether some values lie beyond all others.
fn is_far(past: &[f64], recent: &[f64]) -> bool {
    let (low, high) = (quantile(past, 0.0), quantile(past, 1.0));
    let far = share(recent, |x| *x < low - (high - low) || *x > high + (high - low));
    far > 0.01 && far < 0.5
}

fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Both samples in a coordinate in which factors are distances, and small numbers and zero have a place.
struct Space<'a> {
    past: &'a [f64],
    unit: f64,
    recent: Vec<f64>,
    still: Vec<f64>,
    range: f64,
}

impl<'a> Space<'a> {
    fn new(past: &'a [f64], recent: &[f64]) -> Self {
        let sizes: Vec<f64> = past.iter().map(|x| x.abs()).filter(|x| *x > 0.0).collect();
        let unit = (quantile(&sizes, 0.1) * 0.1).max(1e-9);
        let recent: Vec<f64> = recent.iter().map(|x| (x / unit).asinh()).collect();
        let density = Density::new(past.iter().map(|x| (x / unit).asinh()).collect());
        let still = recent.iter().map(|y| density.at(*y)).collect();
        Self { past, unit, recent, still, range: 60.0 }
    }

    /// The log likelihood that `n` recent values have at least where they come from what is supposed.
    fn fair(&self, n: usize) -> f64 {
        self.saturated() - 0.12 * n as f64 - FREEDOM
    }

    /// Log likelihood of each recent value by all the others.
    fn saturated(&self) -> f64 {
        Density::new(self.recent.clone()).leave_one_out().map(|p| (p * 0.999 + 1e-3 / self.range).ln()).sum()
    }

    /// Log likelihood of the recent values if `map` was applied to a part of such as the past ones, and that part.
    fn likelihood(&self, map: &dyn Fn(f64) -> f64) -> (f64, f64) {
        let density = Density::new(self.past.iter().map(|x| (map(*x) / self.unit).asinh()).collect());
        let new: Vec<f64> = self.recent.iter().map(|y| density.at(*y)).collect();
        mixture(&self.still, &new, self.range)
    }
}
