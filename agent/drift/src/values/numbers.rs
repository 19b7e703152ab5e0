//! Numbers, as they are, as steps from one to the next, or as ages of times: where they lie among those learned from.

use pitot_observe::Value;
use serde::{Deserialize, Serialize};

use super::scales::{CHANNELS, Scales, Sums};

/// How a value is read as a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reading {
    /// As it is.
    Plain,
    /// As the difference to the one before.
    Step,
    /// As a date: days before the message came, in seconds. That it stays the same until midnight is no news.
    Day,
    /// As a moment: seconds before the message came. The unit of a number, in ns.
    Age(f64),
}

/// Shares of values at or below each knot.
const SHARES: [f64; KNOTS] = [0.0, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 1.0];
const KNOTS: usize = 9;

/// By how much of what is not far more becomes so with a block.
const GROWTH: f64 = 0.1;

/// The channels after those of the knots.
pub(crate) mod channel {
    /// The mean rank: the most powerful for a small shift.
    pub(crate) const RANK: usize = 8;
    /// Far beyond all before.
    pub(crate) const FAR: usize = 9;
    /// The value that was most frequent when learned.
    pub(crate) const MODE: usize = 10;
    pub(crate) const ZERO: usize = 11;
    pub(crate) const NEGATIVE: usize = 12;
    pub(crate) const WHOLE: usize = 13;
    /// The same as the one before.
    pub(crate) const SAME: usize = 14;
}

const DAY_NS: f64 = 86_400e9;

impl Reading {
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Self::Age(_) | Self::Day)
    }
}

/// The numbers of a field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Numbers {
    pub(crate) reading: Reading,
    knots: [f64; KNOTS],
    /// One over the distance to the next knot.
    slopes: [f64; KNOTS],
    /// The size of an ordinary number.
    size: f64,
    mode: f64,
    /// Beyond these is far.
    far: (f64, f64),
    /// Least and greatest in this block.
    range: (f64, f64),
    last: f64,
    /// Of this block: by place among the knots, and the other properties. A value between two knots is shared by them: one
    /// that moves a little makes a small difference.
    bins: [f32; KNOTS],
    others: [f32; CHANNELS - channel::FAR],
}

impl Numbers {
    /// From sorted values read as `reading`.
    pub(crate) fn new(reading: Reading, sorted: &[f64]) -> Self {
        let at = |share: f64| super::quantile(sorted, share);
        let knots = parted(SHARES.map(at));
        let mut slopes = [0.0; KNOTS];
        for (slope, two) in slopes.iter_mut().zip(knots.windows(2)) {
            let distance = two.last().unwrap_or(&0.0) - two.first().unwrap_or(&0.0);
            *slope = if distance > 0.0 { 1.0 / distance } else { 0.0 };
        }
        let size = at(0.75).abs().max(at(0.25).abs()).max(f64::MIN_POSITIVE);
        let runs = sorted.chunk_by(|a, b| a == b);
        let mode = runs.max_by_key(|run| run.len()).and_then(|run| run.first()).copied().unwrap_or(0.0);
        Self {
            reading,
            knots,
            slopes,
            size,
            mode,
            far: far(at(0.0), at(1.0)),
            range: (f64::INFINITY, f64::NEG_INFINITY),
            last: f64::NAN,
            bins: [0.0; KNOTS],
            others: [0.0; CHANNELS - channel::FAR],
        }
    }

    /// Reads each line of the cache that [`Numbers::see`] needs.
    #[inline]
    pub(crate) fn fetch(&self) -> u64 {
        let [low, .., high] = self.knots;
        let [slope, ..] = self.slopes;
        let ([bin, ..], [other, ..]) = (self.bins, self.others);
        (low + high + slope + self.mode + self.last + self.range.0).to_bits()
            ^ u64::from((bin + other).to_bits())
    }

    /// Counts a value; the number that it is taken as, if it is one.
    #[inline]
    pub(crate) fn see(&mut self, value: &Value, t_ns: u64, weight: f32) -> Option<f64> {
        let (x, given) = read(self.reading, value, t_ns)?;
        let last = std::mem::replace(&mut self.last, given);
        let is_same = given == last;
        let x = if self.reading == Reading::Step { x - last } else { x };
        if x.is_nan() {
            return None;
        }
        let above = self.knots.iter().filter(|knot| x >= **knot).count();
        let bin = above.saturating_sub(1);
        let part = match (self.knots.get(bin), self.slopes.get(bin)) {
            (Some(knot), Some(slope)) if above > 0 => ((x - knot) * slope).min(1.0) as f32,
            _ => 0.0,
        };
        if let Some(bin) = self.bins.get_mut(bin) {
            *bin += weight * (1.0 - part);
        }
        if let Some(bin) = self.bins.get_mut(bin + 1) {
            *bin += weight * part;
        }
        self.range = (self.range.0.min(x), self.range.1.max(x));
        let negative = (-x / self.size).clamp(0.0, 1.0) as f32;
        let mut add_part = |channel: usize, part: f32| {
            if let Some(sum) = self.others.get_mut(channel - channel::FAR) {
                *sum += weight * part;
            }
        };
        add_part(channel::NEGATIVE, negative);
        let mut add = |channel: usize, is: bool| add_part(channel, f32::from(u8::from(is)));
        add(channel::FAR, x < self.far.0 || x > self.far.1);
        add(channel::MODE, x == self.mode);
        add(channel::ZERO, x == 0.0);
        add(channel::WHOLE, x == x.trunc());
        add(channel::SAME, is_same);
        Some(x)
    }

    /// The last value, as it was given.
    pub(crate) fn given(&self) -> f64 {
        self.last
    }

    /// What the block had; a new one begins.
    pub(crate) fn take(&mut self) -> Sums {
        let mut sums = [0.0; CHANNELS];
        let mut below = 0.0;
        for (sum, bin) in sums.iter_mut().zip(self.bins.iter().take(channel::RANK)) {
            below += bin;
            *sum = below;
        }
        let ranks = self.bins.iter().zip(0_u8..).map(|(bin, rank)| bin * f32::from(rank));
        sums[channel::RANK] = ranks.sum::<f32>() / (KNOTS - 1) as f32;
        if let Some(rest) = sums.get_mut(channel::FAR..) {
            rest.copy_from_slice(&self.others);
        }
        self.bins = [0.0; KNOTS];
        self.others = [0.0; CHANNELS - channel::FAR];
        sums
    }

    /// The block is as those before: what lies a little beyond is only far from it, too.
    pub(crate) fn accept(&mut self) {
        let (low, high) = std::mem::replace(&mut self.range, (f64::INFINITY, f64::NEG_INFINITY));
        if low <= high {
            let ((low, high), room) = (far(low, high), GROWTH * (self.far.1 - self.far.0));
            self.far.0 = self.far.0.min(low.max(self.far.0 - room));
            self.far.1 = self.far.1.max(high.min(self.far.1 + room));
        }
    }

    /// Whether the edges no longer part the values: a slow process has gone elsewhere.
    pub(crate) fn is_stale(&self, scales: &Scales) -> bool {
        scales.rate(0) > 0.4 || scales.rate(channel::RANK - 1) < 0.6
    }
}

/// Knots that lie apart by at least half the distance of the quartiles: between two that are close, a value that
/// moves a little would make a great difference. Those of a number that is always the same have it in their middle.
fn parted(mut knots: [f64; KNOTS]) -> [f64; KNOTS] {
    const MIDDLE: usize = KNOTS / 2;
    let same = (0.01 * knots[MIDDLE].abs()).max(1e-9);
    let least = (0.5 * (knots[MIDDLE + 1] - knots[MIDDLE - 1])).max(same);
    for i in MIDDLE + 1..KNOTS {
        knots[i] = knots[i].max(knots[i - 1] + least);
    }
    for i in (0..MIDDLE).rev() {
        knots[i] = knots[i].min(knots[i + 1] - least);
    }
    knots
}

/// Bounds that leave as much room on each side as the range is wide, and no change of sign.
fn far(low: f64, high: f64) -> (f64, f64) {
    let width = (high - low).max(0.05 * low.abs().max(high.abs()));
    (low - width, high + width)
}

/// A value as a number, and as it was given.
pub(crate) fn read(reading: Reading, value: &Value, t_ns: u64) -> Option<(f64, f64)> {
    match (value, reading) {
        (Value::Text(text), Reading::Day) => {
            let day = |ns: f64| (ns / DAY_NS).floor();
            let days = day(t_ns as f64) - day(text.time_ns? as f64);
            Some((days * DAY_NS / 1e9, f64::NAN))
        }
        (Value::Text(text), Reading::Age(_)) => text.time_ns.map(|ns| (age(t_ns, ns as f64), ns as f64)),
        (Value::Number(x), Reading::Age(unit)) if unit > 0.0 => Some((age(t_ns, x * unit), *x)),
        (Value::Number(x), Reading::Plain | Reading::Step) => Some((*x, *x)),
        _ => None,
    }
}

fn age(t_ns: u64, ns: f64) -> f64 {
    (t_ns as f64 - ns) / 1e9
}
