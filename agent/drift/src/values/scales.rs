//! Rates that change: the one detector behind everything that is said of values.
//!
//! A property that each value has or has not (below the lower quartile, negative, this code, longer than any before)
//! comes at some rate. Messages come in windows of 32, 64, 128, ... of them. At each of these scales a window is compared
//! with those before it, and how far windows of this size differ from those before them is learned from this very field.
//! That is what keeps it silent where messages are not independent: slow processes, runs of one tenant, the wave of a
//! day make windows of some size differ, and are measured at that size.
//!
//! - **Prediction.** The rate of the next window is an exponential mean of those before (16 windows, or 4,096 messages).
//! - **Departure.** Twice the log likelihood ratio of "two rates" against "one rate" for the window and what came before
//!   (Wilks 1938): right for rates near 0 and 1, too.
//! - **Dispersion.** The mean of squared standardised departures of windows of this scale (quasi-likelihood, McCullagh
//!   1983). A departure counts in units of its root; with few windows of this scale it must be the greater, as Student's
//!   t has it. So nothing is said of windows of which there were not at least a few.
//! - **Confirmation.** What is found must be there in values that were not yet looked at ([`Scales::confirms`]).

use serde::{Deserialize, Serialize};

/// Properties of a value.
pub(crate) const CHANNELS: usize = 16;
/// Messages of the smallest window.
pub(crate) const BLOCK: u32 = 32;
/// Scales: windows of 32 to 8,192 messages.
const SCALES: usize = 9;
/// Windows over which the prediction is a mean, and messages.
const MEMORY: f32 = 16.0;
const MEMORY_MESSAGES: u32 = 4_096;
/// Windows over which the dispersion is.
const DISPERSION_MEMORY: f32 = 128.0;
/// Windows that what is known of the scale below stands for.
const PRIOR: f32 = 8.0;
/// The same, where windows were the same at the scales below but for their length.
const FLAT_PRIOR: f32 = 32.0;
/// How many times as much is needed where windows are not so: large departures come more often than squares tell.
const WAVERING: f64 = 1.6;
/// What the same is: a ratio of dispersions to those of the smallest windows.
const FLAT: f32 = 1.25;
/// How many times as much as independent messages those that come in runs vary, or a slow process.
const CLUSTERED: f32 = 4.0;
/// The same, however few windows there were: a slow process has the double, of which few windows show half.
const HARDLY_FLAT: f32 = 1.4;
/// Departures, in standard deviations of a normal distribution, that are looked into.
const DEPARTURE: f64 = 5.3;
/// The same, of what was seldom or never: there, all is known of how it varies but whether it comes in runs.
const RARE_DEPARTURE: f64 = 6.0;
/// The scale that says it: larger ones of a short history do not.
const RARE_SCALE: usize = 1;
/// Rates of properties that say something of how windows differ.
const INFORMATIVE: std::ops::RangeInclusive<f32> = 0.2..=0.8;
/// How many times longer than a window what is known must be; the same, where windows are flat.
const HISTORY: f32 = 8.0;
const FLAT_HISTORY: f32 = 4.0;
/// How much more windows of twice the size are supposed to vary, as long as nothing is known of them.
const GROWTH: f32 = 1.05;
/// How cautious one gets.
const MOST_CAUTION: f64 = 4.0;
/// Squared standardised departures are taken to be at most this many times what is expected, when learned.
const LARGEST: f32 = 16.0;
/// Dispersions are at least this: properties of values in one message are averaged, which makes it small.
const LEAST_DISPERSION: f32 = 0.1;

/// Of each property, the sum over messages of the share of values that have it.
pub(crate) type Sums = [f32; CHANNELS];

/// What some messages had: mergeable by addition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) messages: f32,
    pub(crate) sums: Sums,
    /// Time of its first message, ns since the Unix epoch.
    pub(crate) since_ns: u64,
}

impl Window {
    /// This one and a later one.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = if self.messages > 0.0 { *self } else { Self { since_ns: other.since_ns, ..*self } };
        both.messages += other.messages;
        both.sums.iter_mut().zip(other.sums).for_each(|(a, b)| *a += b);
        both
    }

    pub(crate) fn rate(&self, channel: usize) -> f32 {
        self.sums.get(channel).map_or(0.0, |sum| sum / self.messages.max(1.0))
    }
}

/// A window in less room: its sums in units of a 65,535th of its messages, far less than what chance adds; without its
/// time.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Short {
    messages: f32,
    sums: [u16; CHANNELS],
}

impl Short {
    const UNITS: f32 = u16::MAX as f32;

    fn of(window: &Window) -> Self {
        let scale = Self::UNITS / window.messages.max(1.0);
        // Conversion saturates: a sum is rounded, and may be a little more than there are messages.
        let sums = window.sums.map(|sum| (sum * scale + 0.5) as u16);
        Self { messages: window.messages, sums }
    }

    fn window(&self, since_ns: u64) -> Window {
        let scale = self.messages.max(1.0) / Self::UNITS;
        let sums = self.sums.map(|sum| f32::from(sum) * scale);
        Window { messages: self.messages, sums, since_ns }
    }
}

/// Numbers of which 8 bits of precision suffice: the upper halves of single-precision ones.
type Squares = [u16; CHANNELS];

fn shortened(x: f32) -> u16 {
    (x.to_bits() >> 16) as u16
}

fn lengthened(x: u16) -> f32 {
    f32::from_bits(u32::from(x) << 16)
}

/// What is known of windows of one size. A window is learned from when two more have come: a change is looked at from
/// all sides before it is taken for normal.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Scale {
    rates: Sums,
    dispersions: Sums,
    /// Messages that the rates are of.
    base: f32,
    /// Windows so far.
    windows: f32,
    /// The last one, and the one before it.
    last: Short,
    last_since_ns: u64,
    previous: Short,
    /// Their squared standardised departures.
    last_squares: Squares,
    previous_squares: Squares,
    is_half: bool,
    /// Whether windows of this size differ no more than the smallest: messages are as good as independent.
    is_flat: bool,
}

/// A departure.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Departure {
    pub(crate) channel: usize,
    /// Messages of the window.
    pub(crate) messages: u32,
    pub(crate) before: f32,
    pub(crate) after: f32,
    /// In standard deviations, as if normal and with the dispersion known.
    pub(crate) size: f64,
    /// How many times what is needed.
    pub(crate) excess: f64,
    /// Begin of the window, ns since the Unix epoch.
    pub(crate) since_ns: u64,
    /// Whether windows of all sizes vary no more than the smallest.
    pub(crate) is_flat: bool,
    dispersion: f32,
    scale: usize,
}

impl Departure {
    /// The share of messages in which the property changed.
    pub(crate) fn share(&self) -> f32 {
        let (before, after) = (self.before, self.after);
        if after > before { (after - before) / (1.0 - before) } else { (before - after) / before }
    }
}

/// The windows of a field.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Scales {
    scales: Vec<Scale>,
    /// Messages since the beginning of this baseline.
    messages: f32,
    /// The dispersions of windows of independent messages.
    independent: Sums,
    /// The first so many properties are more or less: a slow process comes to them at its time.
    gradual: usize,
    /// Dispersions at each scale in the baseline before.
    guesses: Vec<Sums>,
    /// How many times as much is needed as of a field of which nothing was ever said: one that changes again and again is
    /// one that changes.
    caution: f64,
}

impl Scales {
    /// From what each message of a sample had. `clustering` is how much more the sums of messages in a row vary than those of
    /// independent ones. `like`: those of the same field before, whose dispersions are a first guess.
    pub(crate) fn new(sample: &[Sums], gradual: usize, clustering: f32, like: Option<&Self>) -> Self {
        let n = sample.len().max(1) as f32;
        let rates: Sums =
            std::array::from_fn(|channel| sample.iter().map(|sums| sums[channel]).sum::<f32>() / n);
        let independent: Sums = std::array::from_fn(|channel| {
            let p = rates[channel];
            let squares = sample.iter().map(|sums| (sums[channel] - p).powi(2)).sum::<f32>();
            if p * n < 4.0 || (1.0 - p) * n < 4.0 { 1.0 } else { (squares / (n * p * (1.0 - p))).max(0.05) }
        });
        let guesses: Vec<Sums> =
            like.map_or_else(Vec::new, |like| like.scales.iter().map(|s| s.dispersions).collect());
        let mut scales = Self {
            scales: Vec::new(),
            messages: n,
            independent,
            gradual,
            guesses,
            caution: like.map_or(1.0, |like| like.caution),
        };
        scales.add(rates, n, independent.map(|d| d * clustering.max(1.0)));
        scales
    }

    /// Takes a block of messages; the departure that exceeds most what chance allows, if one does. `clustering` is how much
    /// more the sums of messages in a row vary than those of independent ones, as far as it is known otherwise.
    pub(crate) fn push(&mut self, block: Window, clustering: f32) -> Option<Departure> {
        let mut found: Option<Departure> = None;
        let mut window = block;
        for scale in 0..SCALES {
            let departure = self.look(scale, &window, clustering);
            found = stronger(found, departure);
            let is_new = scale >= self.scales.len();
            if let Some(below) = self.scales.last().filter(|_| is_new) {
                let (rates, base, dispersions) = (below.rates, below.base, below.dispersions);
                self.add(rates, base, dispersions);
            }
            let history = self.messages;
            if found.is_none() && !is_new {
                self.learn(scale);
                self.judge_flatness(scale);
            }
            let Some(known) = self.scales.get_mut(scale) else { break };
            known.previous_squares = known.last_squares;
            known.last_squares = known.squares(&window, history);
            let both = known.last.window(known.last_since_ns).and(&window);
            known.previous = std::mem::replace(&mut known.last, Short::of(&window));
            known.last_since_ns = window.since_ns;
            known.is_half = !known.is_half;
            if known.is_half {
                // Half a window ahead: a change need not wait for the end of one.
                let departure =
                    self.look(scale + 1, &both, clustering).filter(|_| both.messages > window.messages);
                found = stronger(found, departure);
                break;
            }
            window = both;
        }
        if found.is_none() {
            self.messages += block.messages;
        }
        found
    }

    /// Whether other messages depart in the same way.
    pub(crate) fn confirms(&self, departure: &Departure, window: &Window) -> bool {
        let rate = window.rate(departure.channel);
        let is_same_way = (rate > departure.before) == (departure.after > departure.before);
        let base = self.messages.min(2.0 * memory(departure.scale) * departure.messages as f32);
        let size = deviance(rate, window.messages, departure.before, base) / f64::from(departure.dispersion);
        let is_as_far = (rate - departure.before).abs() > 0.5 * (departure.after - departure.before).abs();
        is_same_way && is_as_far && size > 2.5 * 2.5
    }

    /// A departure was reported.
    pub(crate) fn be_cautious(&mut self) {
        self.caution = (self.caution + 0.5).min(MOST_CAUTION);
    }

    /// A departure was chance after all: such ones are to be expected from now on.
    pub(crate) fn widen(&mut self, departure: &Departure) {
        let times = (departure.excess * departure.excess) as f32 * 1.2;
        for scale in self.scales.iter_mut().skip(departure.scale) {
            scale.dispersions[departure.channel] *= times;
        }
    }

    /// A property is from now on found more often, by so much, for a reason that is known.
    pub(crate) fn raise(&mut self, channel: usize, rate: f32) {
        for scale in &mut self.scales {
            scale.rates[channel] = (scale.rates[channel] + rate).min(1.0);
        }
    }

    /// The rate that is expected of the largest windows.
    pub(crate) fn rate(&self, channel: usize) -> f32 {
        self.scales.last().map_or(0.0, |scale| scale.rates[channel])
    }

    /// Messages of this baseline, and how many more it takes before something is said of the smallest windows.
    pub(crate) fn history(&self) -> (u64, u64) {
        let times = if self.is_flat(0) { FLAT_HISTORY } else { HISTORY };
        let needs = (times * BLOCK as f32 - self.messages).max(0.0);
        (self.messages as u64, needs as u64)
    }

    /// Adds a scale, with what is known of the one below.
    fn add(&mut self, rates: Sums, base: f32, dispersions: Sums) {
        let guess = self.guesses.get(self.scales.len()).copied().unwrap_or_default();
        let dispersions = std::array::from_fn(|channel| dispersions[channel].max(guess[channel]));
        // Nine at most, which a doubled capacity would be far beyond.
        self.scales.reserve_exact(1);
        self.scales.push(Scale {
            rates,
            dispersions,
            base,
            windows: 0.0,
            last: Short::default(),
            last_since_ns: 0,
            previous: Short::default(),
            last_squares: [0; CHANNELS],
            previous_squares: [0; CHANNELS],
            is_half: false,
            is_flat: false,
        });
    }

    fn learn(&mut self, scale: usize) {
        let guess = self.guesses.get(scale).copied().unwrap_or_default();
        let Some((known, below)) = self.scales.get_mut(..=scale).and_then(<[Scale]>::split_last_mut) else {
            return;
        };
        // Until it has windows of its own, it is what is known of those of half the size, by now.
        if let Some(below) = below.last().filter(|_| known.windows == 0.0) {
            let of = |channel: usize| guess[channel].max(GROWTH * below.dispersions[channel]);
            known.dispersions = std::array::from_fn(of);
            (known.rates, known.base) = (below.rates, below.base);
        }
        known.learn(memory(scale));
    }

    fn judge_flatness(&mut self, scale: usize) {
        let Some((known, below)) = self.scales.get_mut(..=scale).and_then(<[Scale]>::split_last_mut) else {
            return;
        };
        let Some(first) = below.first() else { return };
        let all = known.rates.iter().zip(known.dispersions.iter().zip(&first.dispersions));
        let informative = all.filter(|(rate, _)| (0.02..=0.98).contains(*rate)).map(|(_, (d, f))| d / f);
        // A mean of so many squares errs by as much.
        let error = (2.0 / (known.windows + PRIOR).min(DISPERSION_MEMORY)).sqrt();
        known.is_flat = mean(informative).is_none_or(|ratio| ratio < (FLAT + 2.0 * error).min(HARDLY_FLAT));
    }

    /// Whether windows of up to twice this size vary no more than the smallest. Where these vary far more than those of
    /// independent messages, it takes many windows to tell runs from a slow process.
    fn is_flat(&self, scale: usize) -> bool {
        let is_clustered =
            self.scales.first().is_some_and(|first| first.mean_clustering(&self.independent) > CLUSTERED);
        let fewest = if is_clustered { FLAT_PRIOR } else { PRIOR };
        let mut known = self.scales.iter().skip(1).take(scale + 1).filter(|known| known.windows >= PRIOR);
        known.next().is_some_and(|next| next.is_flat && next.windows >= fewest)
            && known.all(|known| known.is_flat)
    }

    /// Whether a window is so near to what is expected that nothing departs, whatever else is known: nearly all are, and this
    /// is told at little cost.
    fn is_ordinary(&self, known: &Scale, window: &Window) -> bool {
        let (n, floor) = (window.messages, 0.5 / (self.messages + 1.0));
        // What is needed is this at least ([`Scales::look`]); a little less, for what is rounded.
        let least = (0.999 * (self.caution * DEPARTURE).powi(2)) as f32;
        let mut is_ordinary = true;
        for channel in 0..CHANNELS {
            let p = known.rates[channel].clamp(floor, 1.0 - floor);
            let dispersion = known.dispersions[channel].max(LEAST_DISPERSION);
            let dispersion = if p == floor { dispersion.min(1.0) } else { dispersion };
            let distance = window.sums[channel] - n * p;
            is_ordinary &= 2.0 * distance * distance <= least * dispersion * n * p * (1.0 - p);
        }
        is_ordinary
    }

    fn look(&self, scale: usize, window: &Window, clustering: f32) -> Option<Departure> {
        let known = self.scales.get(scale).filter(|known| known.windows >= 2.0)?;
        let is_flat = self.is_flat(scale);
        let history = if is_flat { FLAT_HISTORY } else { HISTORY };
        if window.messages * history > self.messages || self.is_ordinary(known, window) {
            return None;
        }
        let needed_here = self.caution
            * known.needed(if is_flat { FLAT_PRIOR } else { PRIOR })
            * if is_flat { 1.0 } else { WAVERING };
        let common = known.clustering(&self.independent).max(clustering.min(window.messages));
        let rare =
            self.scales.get(scale.min(RARE_SCALE)).map_or(1.0, |s| s.mean_clustering(&self.independent));
        let rare = rare.max(clustering.min(window.messages));
        let (n, floor) = (window.messages, 0.5 / (self.messages + 1.0));
        let mut best: Option<Departure> = None;
        for channel in 0..CHANNELS {
            let (rate, k) = (known.rates[channel], window.sums[channel]);
            let p = rate.clamp(floor, 1.0 - floor);
            let is_rare = channel >= self.gradual && (p * n < 1.0 || (1.0 - p) * n < 1.0);
            let (dispersion, needed) = if is_rare {
                (
                    if p == floor { rare } else { known.dispersions[channel].max(rare) },
                    self.caution * RARE_DEPARTURE,
                )
            } else {
                (known.dispersions[channel].max(common * self.independent[channel]), needed_here)
            };
            let dispersion = dispersion.max(LEAST_DISPERSION);
            let distance = k - n * p;
            // The divergence is at most chi squared: most windows need no logarithm.
            if 2.0 * distance * distance <= (needed * needed) as f32 * dispersion * n * p * (1.0 - p)
                || !known.is_sudden(channel, k / n)
            {
                continue;
            }
            let is_never = rate < floor || rate > 1.0 - floor;
            let base = if is_never { self.messages } else { self.messages.min(n * 2.0 * memory(scale)) };
            let size = (deviance(k / n, n, rate, base) / f64::from(dispersion)).sqrt();
            let excess = size / needed;
            if excess > 1.0 && best.is_none_or(|best| excess > best.excess) {
                best = Some(Departure {
                    channel,
                    messages: n as u32,
                    before: rate,
                    after: k / n,
                    size,
                    excess,
                    since_ns: window.since_ns,
                    is_flat,
                    dispersion,
                    scale,
                });
            }
        }
        best
    }
}

impl Scale {
    /// Learns from the window before the last one.
    fn learn(&mut self, memory: f32) {
        let window = self.previous.window(0);
        if window.messages < 1.0 {
            return;
        }
        self.windows += 1.0;
        self.base = (self.base + window.messages).min(memory * window.messages);
        let weight = window.messages / self.base;
        let of_dispersion = (1.0 / (self.windows + PRIOR)).max(1.0 / DISPERSION_MEMORY);
        for channel in 0..CHANNELS {
            let dispersion = &mut self.dispersions[channel];
            let squared = lengthened(self.previous_squares[channel]).min(LARGEST * dispersion.max(1.0));
            *dispersion += of_dispersion * (squared - *dispersion);
            let rate = &mut self.rates[channel];
            *rate += weight * (window.sums[channel] / window.messages - *rate);
        }
    }

    /// By how much a window departs, in each property.
    fn squares(&self, window: &Window, history: f32) -> Squares {
        let (n, floor) = (window.messages, 0.5 / (history + 1.0));
        std::array::from_fn(|channel| {
            let p = self.rates[channel].clamp(floor, 1.0 - floor);
            let distance = window.sums[channel] - n * p;
            shortened(distance * distance / (n * p * (1.0 - p) * (1.0 + n / self.base)))
        })
    }

    /// Whether the rate was not yet on its way two windows ago: what comes slowly is measured at the scale of its time.
    fn is_sudden(&self, channel: usize, rate: f32) -> bool {
        let step = rate - self.rates[channel];
        let before = self.previous.window(0).rate(channel);
        self.previous.messages < 1.0 || (rate - before) * step >= 0.75 * step * step
    }

    /// The size a departure must have: of Student's t with as many degrees of freedom as there were windows, where that of
    /// a normal distribution is [`DEPARTURE`] (the transformation of Wallace 1959, inverted).
    fn needed(&self, prior: f32) -> f64 {
        let freedom = f64::from((self.windows + prior).min(DISPERSION_MEMORY));
        (freedom * ((DEPARTURE * DEPARTURE / freedom).exp() - 1.0)).sqrt()
    }

    /// How many times their dispersion is that of independent messages, of properties that are neither rare nor common: what
    /// comes in runs does so in all of its properties, and those that were not seen for long tell nothing.
    fn clustering(&self, independent: &Sums) -> f32 {
        self.ratios(independent).fold(1.0, f32::max)
    }

    /// The same, of the average property: with few windows the greatest is great by chance.
    fn mean_clustering(&self, independent: &Sums) -> f32 {
        mean(self.ratios(independent)).unwrap_or(1.0).max(1.0)
    }

    fn ratios(&self, independent: &Sums) -> impl Iterator<Item = f32> {
        let all = self.rates.iter().zip(self.dispersions.iter().zip(independent));
        all.filter(|(rate, _)| INFORMATIVE.contains(*rate)).map(|(_, (d, i))| d / i)
    }
}

#[inline]
fn stronger(a: Option<Departure>, b: Option<Departure>) -> Option<Departure> {
    match (&a, &b) {
        (_, None) => a,
        (Some(first), Some(second)) if first.excess > second.excess => a,
        _ => b,
    }
}

fn mean(values: impl Iterator<Item = f32>) -> Option<f32> {
    let (count, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}

/// Windows of a scale over which the prediction is a mean.
fn memory(scale: usize) -> f32 {
    (((MEMORY_MESSAGES / BLOCK) >> scale) as f32).max(MEMORY)
}

/// Twice the log likelihood ratio of "rates `a` in `n` trials and `b` in `m`" against "one rate".
fn deviance(a: f32, n: f32, b: f32, m: f32) -> f64 {
    let (a, n, b, m) = (f64::from(a), f64::from(n), f64::from(b), f64::from(m));
    let pooled = (a * n + b * m) / (n + m);
    let part = |x: f64, p: f64| if x <= 0.0 { 0.0 } else { x * (x / p).ln() };
    let divergence = |x: f64| part(x, pooled) + part(1.0 - x, 1.0 - pooled);
    (2.0 * (n * divergence(a) + m * divergence(b))).max(0.0)
}

#[cfg(test)]
mod tests {
    use pitot_observe::hash::mix;

    use super::*;

    fn unit(seed: u64) -> f32 {
        (mix(seed) >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// The message after which something departs, of a stream of which each message has the property or not.
    fn first(messages: u64, has: &dyn Fn(u64) -> bool) -> Option<u64> {
        let sums = |message: u64| {
            let mut sums = [0.0; CHANNELS];
            sums[0] = f32::from(u8::from(has(message)));
            sums
        };
        let sample: Vec<Sums> = (0..64).map(sums).collect();
        let mut scales = Scales::new(&sample, 0, 1.0, None);
        let mut window = Window::default();
        for message in 64..messages {
            window = window.and(&Window { messages: 1.0, sums: sums(message), since_ns: message });
            if window.messages as u32 == BLOCK && scales.push(std::mem::take(&mut window), 1.0).is_some() {
                return Some(message);
            }
        }
        None
    }

    #[test]
    fn still_streams_are_silent() {
        let check = |name: &str, has: &dyn Fn(u64) -> bool| {
            assert_eq!(first(200_000, has), None, "{name}");
        };
        check("never", &|_| false);
        check("always", &|_| true);
        check("half", &|message| unit(message) < 0.5);
        check("seldom", &|message| unit(message) < 0.001);
        check("in runs of 40", &|message| unit(message / 40) < 0.3);
        check("in runs of 100", &|message| unit(message / 100) < 0.5);
        let wave = |message: u64| 0.5 + 0.3 * (message as f32 / 100_000.0 * std::f32::consts::TAU).sin();
        check("a slow wave", &|message| unit(message) < wave(message));
    }

    #[test]
    fn changes_are_found() {
        const ONSET: u64 = 20_016;
        let check = |name: &str, before: f32, after: f32, within: u64| {
            let has = |message: u64| unit(message) < if message < ONSET { before } else { after };
            let found = first(40_000, &has);
            let is_in_time = found.is_some_and(|at| (ONSET..=ONSET + within).contains(&at));
            assert!(is_in_time, "{name}: {found:?}");
        };
        check("from never to always", 0.0, 1.0, 64);
        check("from never to seldom", 0.0, 0.05, 640);
        check("from half to all", 0.5, 1.0, 96);
        check("from half to six in ten", 0.5, 0.6, 3_000);
        check("from seldom to more often", 0.05, 0.15, 1_200);
    }

    #[test]
    fn sums_are_those_of_the_parts() {
        let window =
            |messages: f32, since_ns: u64| Window { messages, sums: [messages / 2.0; CHANNELS], since_ns };
        assert_eq!(window(2.0, 7).and(&window(4.0, 9)), window(6.0, 7));
        assert_eq!(Window::default().and(&window(4.0, 9)), window(4.0, 9));
    }

    #[test]
    fn short_windows_are_nearly_the_same() {
        for messages in [32.0, 8_192.0] {
            let sums = std::array::from_fn(|channel| messages * channel as f32 / (CHANNELS - 1) as f32);
            let window = Window { messages, sums, since_ns: 7 };
            let again = Short::of(&window).window(7);
            let is_near = |(a, b): (&f32, f32)| (a - b).abs() <= 0.6 * messages / Short::UNITS;
            assert!(window.sums.iter().zip(again.sums).all(is_near), "{again:?}");
            assert_eq!((again.sums[0], again.sums[CHANNELS - 1]), (0.0, messages));
        }
        assert_eq!(Short::of(&Window::default()).window(0), Window::default());
    }

    /// By hand: 3 of 4 against 1 of 4, pooled 1/2.
    #[test]
    fn deviance_of_two_rates() {
        let expected = 2.0 * 2.0 * 4.0 * (0.75 * 1.5_f64.ln() + 0.25 * 0.5_f64.ln());
        assert!((deviance(0.75, 4.0, 0.25, 4.0) - expected).abs() < 1e-6);
        assert_eq!(deviance(0.5, 10.0, 0.5, 1e6), 0.0);
    }
}
