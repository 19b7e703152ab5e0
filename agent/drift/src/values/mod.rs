//! The values of a flow's fields: what is watched of each, and what a change is.
//!
//! A field is learned from the values of its first messages: how it is to be read (numbers, steps, ages of times, codes, other
//! texts), and which properties a value may have. From then on each block of messages leaves sums behind, which
//! [`scales::Scales`] judge; when they say that something changed, the values since then say what ([`cause`]), once
//! they have confirmed it.

mod cause;
mod codes;
mod defaults;
mod describe;
mod fetch;
mod learn;
mod numbers;
mod others;
mod sample;
mod scales;
mod texts;
mod unseen;

use pitot_observe::Value;
use pitot_observe::value::{Classes, Text};
use serde::{Deserialize, Serialize};

use crate::evidence::Kind;
use crate::field::KEPT_NS;
use cause::Cause;
use codes::Codes;
use defaults::Defaults;
use learn::Learning;
use numbers::{Numbers, Reading};
use others::{Others, Type};
use sample::Sample;
use scales::{BLOCK, Departure, Scales, Sums, Window};
use texts::Texts;

/// Changes from one code to another before anything but a default is news of a field of codes.
const SWITCHES: u32 = 16;
/// Values that are kept since a suspicion.
const KEPT: usize = 512;
/// A share of messages that is small: what happened to them needs more of them to be told.
const FEW: f32 = 0.15;
const SEVERAL: u32 = 256;
/// Messages in which codes change their shares all at once.
const AT_ONCE: u32 = 512;
/// Messages that confirm at most.
const LONGEST_CONFIRMATION: u32 = 1_024;

/// The message that a value came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    /// Number of the message in its flow.
    pub(crate) message: u64,
    /// Its time, ns since the Unix epoch.
    pub(crate) t_ns: u64,
    /// What tells its sender from others.
    pub(crate) sender: u64,
    /// One over the values that the field has in the message.
    pub(crate) weight: f32,
    /// Whether its flow is being learned.
    pub(crate) is_learning: bool,
}

/// A change of values, with its name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) cause: Cause,
    /// The rate that changed, before and after.
    pub(crate) rate: (f64, f64),
    /// Begin, ns since the Unix epoch.
    pub(crate) onset_ns: u64,
    /// Messages since the onset that show it, and all that hold the field.
    pub(crate) affected: (u64, u64),
    /// Bound on the probability that there is none.
    pub(crate) error: f64,
    /// The change of this kind that was named before is undone.
    pub(crate) reverted: bool,
}

/// The values of one field.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Field {
    state: State,
    /// Number of the message that the last value came in.
    message: u64,
    /// What was normal before the change that was named last.
    before: Option<Box<Before>>,
}

/// What was normal before a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Before {
    kind: Kind,
    at_ns: u64,
    values: Kept,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum State {
    Learning(Learning, Option<Box<Scales>>),
    Watching(Box<Watched>),
}

impl Default for State {
    fn default() -> Self {
        Self::Learning(Learning::default(), None)
    }
}

/// What turns values into sums.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Reader {
    Numbers { numbers: Box<Numbers>, defaults: Defaults, sample: Sample<f64> },
    Codes { codes: Box<Codes>, sample: Sample<Text> },
    Texts { texts: Box<Texts>, sample: Sample<Text> },
}

/// A field that was learned.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watched {
    /// The type of the values that count, and the others.
    kind: Type,
    others: Option<Box<Others>>,
    reader: Reader,
    scales: Scales,
    /// Messages of this block, and the time of the first.
    messages: u32,
    since_ns: u64,
    /// The block before.
    last: Window,
    suspicion: Option<Box<Suspicion>>,
    /// Whether what is known no longer holds, for a reason that is none to report.
    is_outdated: bool,
}

/// Something that departs, until it is confirmed and named.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Suspicion {
    departure: Departure,
    /// Messages that must still come.
    missing: u32,
    /// What came since.
    since: Window,
    values: Kept,
    /// The moments that ages are of, as they were given.
    moments: Vec<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Kept {
    Numbers(Vec<f64>),
    Texts(Vec<Text>),
}

impl Field {
    /// Takes a value; whether there is something to say ([`Field::judge`]).
    #[inline]
    pub(crate) fn see(&mut self, value: &Value, came: Came) -> bool {
        if let State::Watching(watched) = &mut self.state
            && watched.kind != Type::of(value)
        {
            if let Some(mut anew) = watched.others.get_or_insert_default().see(*value, came) {
                anew.scales.be_cautious();
                **watched = anew;
            }
            return false;
        }
        let is_first = self.message != came.message;
        self.message = came.message;
        match &mut self.state {
            State::Watching(watched) => watched.see(value, came, is_first),
            State::Learning(learning, like) => {
                if is_first
                    && learning.see(*value, came.t_ns)
                    && let Some(watched) = learning.end(like.as_deref())
                {
                    self.state = State::Watching(Box::new(watched));
                }
                false
            }
        }
    }

    /// Whether it is one of times, and so are its values of another JSON type.
    pub(crate) fn has_times_of_another_type(&self) -> bool {
        let State::Watching(watched) = &self.state else { return false };
        watched.is_time() && watched.others.as_ref().is_some_and(|others| others.are_times())
    }

    /// What was reported is as it should be: a return to what was before is a change.
    pub(crate) fn approve(&mut self) {
        self.before = None;
    }

    /// The change, if there is one. The field is then learned anew.
    pub(crate) fn judge(&mut self, came: Came) -> Option<Named> {
        let State::Watching(watched) = &mut self.state else { return None };
        let named = watched.judge(came, self.before.as_deref());
        if let Some(named) = &named {
            let before = Before { kind: named.cause.kind, at_ns: came.t_ns, values: watched.past() };
            self.before = (!named.reverted).then(|| Box::new(before));
            watched.scales.be_cautious();
        }
        if named.is_some() || watched.is_stale() {
            let like = Some(Box::new(std::mem::take(&mut watched.scales)));
            self.state = State::Learning(Learning::with(watched.seen()), like);
        }
        named
    }
}

impl Watched {
    fn new(kind: Type, reader: Reader, scales: Scales) -> Self {
        Self {
            kind,
            others: None,
            reader,
            scales,
            messages: 0,
            since_ns: 0,
            last: Window::default(),
            suspicion: None,
            is_outdated: false,
        }
    }

    #[inline]
    fn see(&mut self, value: &Value, came: Came, is_first: bool) -> bool {
        let mut is_due = false;
        if is_first {
            if self.messages == BLOCK {
                is_due = self.close();
            }
            if self.messages == 0 {
                self.since_ns = came.t_ns;
            }
            self.messages += 1;
        }
        let suspicion = self.suspicion.as_mut().filter(|_| is_first);
        match &mut self.reader {
            Reader::Numbers { numbers, defaults, sample } => {
                is_due |= defaults.see(numbers.reading, value, came);
                let Some(x) = numbers.see(value, came.t_ns, came.weight) else { return is_due };
                if is_first {
                    sample.see(&x);
                    if let Some(suspicion) = suspicion.filter(|suspicion| suspicion.values.has_room()) {
                        suspicion.keep(x, numbers);
                    }
                }
            }
            Reader::Codes { sample, .. } | Reader::Texts { sample, .. } if is_first => {
                let Some(text) = as_code(value) else { return is_due };
                sample.see(text);
                if let Some(Kept::Texts(kept)) =
                    suspicion.map(|s| &mut s.values).filter(|kept| kept.has_room())
                {
                    kept.push(*text);
                }
                is_due |= self.count(text, came);
            }
            Reader::Codes { .. } | Reader::Texts { .. } => {
                if let Some(text) = as_code(value) {
                    is_due |= self.count(text, came);
                }
            }
        }
        is_due
    }

    /// Whether there is something to decide.
    #[inline]
    fn count(&mut self, text: &Text, came: Came) -> bool {
        match &mut self.reader {
            Reader::Codes { codes, .. } => codes.see(text, came),
            Reader::Texts { texts, .. } => texts.see(text, came),
            Reader::Numbers { .. } => false,
        }
    }

    /// Ends a block. Whether there is something to decide.
    fn close(&mut self) -> bool {
        let window = Window { messages: self.messages as f32, sums: self.take(), since_ns: self.since_ns };
        self.others.take_if(|others| others.passed_by(self.messages));
        self.messages = 0;
        self.last = window;
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.since = suspicion.since.and(&window);
            suspicion.missing = suspicion.missing.saturating_sub(BLOCK);
            return suspicion.missing == 0;
        }
        let clustering = match &self.reader {
            Reader::Codes { codes, .. } => codes.clustering(),
            _ => 1.0,
        };
        match self.scales.push(window, clustering) {
            Some(departure) if self.is_news(&departure) => {
                let is_all = departure.after < 0.03 || departure.after > 0.97;
                let is_clear = departure.excess > 1.5 && departure.messages <= 2 * BLOCK;
                let missing = match () {
                    () if is_clear && is_all => 0,
                    () if departure.share() < FEW => SEVERAL,
                    () if is_clear => BLOCK,
                    () if departure.messages < SEVERAL => (departure.messages / 2).max(BLOCK),
                    () => (departure.messages / 2).clamp(SEVERAL, LONGEST_CONFIRMATION),
                };
                let values = match &self.reader {
                    Reader::Numbers { .. } => Kept::Numbers(Vec::new()),
                    _ => Kept::Texts(Vec::new()),
                };
                let since = Window::default();
                let moments = Vec::new();
                self.suspicion = Some(Box::new(Suspicion { departure, missing, since, values, moments }));
                missing == 0
            }
            Some(_) => false,
            None => {
                self.accept();
                self.is_stale()
            }
        }
    }

    fn is_news(&self, departure: &Departure) -> bool {
        match &self.reader {
            Reader::Codes { codes, .. } => {
                codes.switches() >= SWITCHES || departure.channel == codes::channel::DEFAULT
            }
            _ => true,
        }
    }

    fn take(&mut self) -> Sums {
        match &mut self.reader {
            Reader::Numbers { numbers, .. } => numbers.take(),
            Reader::Codes { codes, .. } => codes.take(),
            Reader::Texts { texts, .. } => texts.take(),
        }
    }

    fn accept(&mut self) {
        match &mut self.reader {
            Reader::Numbers { numbers, sample, .. } => {
                numbers.accept();
                sample.remember();
            }
            Reader::Codes { codes, sample } => {
                codes.accept(&mut self.scales);
                sample.remember();
            }
            Reader::Texts { texts, sample } => {
                texts.accept();
                sample.remember();
            }
        }
    }

    fn is_stale(&self) -> bool {
        self.is_outdated
            || match &self.reader {
                Reader::Numbers { numbers, .. } => self.suspicion.is_none() && numbers.is_stale(&self.scales),
                _ => false,
            }
    }

    /// Whether what departs is how often texts come again: there are fewer different ones, or more.
    fn is_of_repetition(&self, departure: &Departure) -> bool {
        matches!(self.reader, Reader::Texts { .. }) && Texts::is_of_repetition(departure.channel)
    }

    /// Whether the same codes come more or less often, and not all at once: others send, as they do at other hours of the day.
    fn is_mix(&self, departure: &Departure) -> bool {
        matches!(self.reader, Reader::Codes { .. }) && departure.messages > AT_ONCE
    }

    fn is_time(&self) -> bool {
        matches!(&self.reader, Reader::Numbers { numbers, .. } if numbers.reading.is_time())
    }

    /// Whether what was taken for ages that moved is one moment that did not.
    fn stands_still(&self, cause: &Cause, recent: &Kept, moments: &[f64]) -> bool {
        match (&self.reader, recent) {
            (Reader::Numbers { sample, .. }, Kept::Numbers(ages)) => {
                matches!(cause.kind, Kind::DistributionShifted | Kind::TimeShifted)
                    && cause::stands_still(&sample.past(), ages, moments)
            }
            _ => false,
        }
    }

    fn is_delay(&self, recent: &Kept) -> bool {
        match (&self.reader, recent) {
            (Reader::Numbers { sample, .. }, Kept::Numbers(recent)) => {
                self.is_time() && cause::is_delay(&sample.past(), recent)
            }
            _ => false,
        }
    }

    /// Values of before the last ones.
    fn past(&self) -> Kept {
        match &self.reader {
            Reader::Numbers { sample, .. } => Kept::Numbers(sample.past()),
            Reader::Codes { sample, .. } | Reader::Texts { sample, .. } => Kept::Texts(sample.past()),
        }
    }

    /// Marks that were seen.
    fn seen(&self) -> Vec<u64> {
        match &self.reader {
            Reader::Numbers { defaults, .. } => defaults.seen(),
            Reader::Codes { codes, .. } => codes.seen(),
            Reader::Texts { texts, .. } => texts.seen(),
        }
    }

    /// A mark that never was there, and now is.
    fn news(&mut self, came: Came, before: Option<&Before>) -> Option<Named> {
        let (cause, news) = match &mut self.reader {
            Reader::Numbers { numbers, defaults, sample } => defaults
                .news(numbers.reading, &sample.past(), &sample.recent(sample::RECENT))
                .map(|news| (Kind::DefaultSubstituted.into(), news)),
            Reader::Codes { codes, sample } => codes.news(&sample.past(), &sample.recent(sample::RECENT)),
            Reader::Texts { texts, sample } => texts.news(&sample.past(), &sample.recent(sample::RECENT)),
        }?;
        self.suspicion = None;
        let undone =
            before.filter(|before| before.is_back(&self.recent(), came.t_ns)).map(|before| before.kind);
        let (with, all) = news.messages;
        Some(Named {
            cause: undone.map_or(cause, Cause::from),
            reverted: undone.is_some(),
            rate: (0.0, f64::from(with) / f64::from(all.max(1))),
            onset_ns: news.onset_ns,
            affected: (u64::from(with), u64::from(all.max(with))),
            error: news.error.max(1e-300),
        })
    }

    /// The last values.
    fn recent(&self) -> Kept {
        const LATEST: usize = BLOCK as usize;
        match &self.reader {
            Reader::Numbers { sample, .. } => Kept::Numbers(sample.recent(LATEST)),
            Reader::Codes { sample, .. } | Reader::Texts { sample, .. } => Kept::Texts(sample.recent(LATEST)),
        }
    }

    /// What happened to the values. `same`: how often one is that of the message before.
    fn cause(&self, recent: &Kept, came: Came, same: f32) -> Cause {
        match (&self.reader, recent) {
            (Reader::Numbers { numbers, sample, .. }, Kept::Numbers(recent)) => match numbers.reading {
                Reading::Age(_) | Reading::Day => {
                    cause::of_ages(&sample.past(), recent, came.t_ns as f64 / 1e9, same)
                }
                _ => cause::of_numbers(&sample.past(), recent),
            },
            (Reader::Codes { codes, sample }, Kept::Texts(recent)) => {
                cause::of_codes(&sample.past(), recent, &codes.shares())
            }
            (Reader::Texts { sample, .. }, Kept::Texts(recent)) => cause::of_texts(&sample.past(), recent),
            _ => Kind::DistributionShifted.into(),
        }
    }

    fn judge(&mut self, came: Came, before: Option<&Before>) -> Option<Named> {
        if let Some(named) = self.news(came, before) {
            return Some(named);
        }
        let suspicion = self.suspicion.take_if(|suspicion| suspicion.missing == 0)?;
        let Suspicion { departure, since, values, moments, .. } = *suspicion;
        let is_immediate = since.messages < 1.0;
        if !is_immediate && !self.scales.confirms(&departure, &since) {
            self.scales.widen(&departure);
            return None;
        }
        let same = match &self.reader {
            Reader::Numbers { .. } => numbers::channel::SAME,
            Reader::Codes { .. } => codes::channel::SAME,
            Reader::Texts { .. } => texts::channel::SAME,
        };
        let same = if is_immediate { self.last.rate(same) } else { since.rate(same) };
        let recent = if is_immediate { self.recent() } else { values };
        let cause = match self.cause(&recent, came, same) {
            cause if cause.kind == Kind::DistributionShifted && self.is_of_repetition(&departure) => {
                Kind::CardinalityChanged.into()
            }
            cause if self.stands_still(&cause, &recent, &moments) => Kind::ValueFrozen.into(),
            cause => cause,
        };
        if self.is_time() && cause::is_clock_change(&cause, departure.since_ns) {
            self.is_outdated = true;
            return None;
        }
        // A process that goes up and down by itself goes elsewhere by itself: that alone is not enough. Nor is it that other
        // senders, with other clocks, send more.
        let is_shift = matches!(cause.kind, Kind::DistributionShifted | Kind::CardinalityChanged);
        if is_shift && (!departure.is_flat || self.is_delay(&recent) || self.is_mix(&departure)) {
            self.scales.widen(&departure);
            return None;
        }
        let undone = before.filter(|before| before.is_back(&recent, came.t_ns)).map(|before| before.kind);
        let (before, after) = (f64::from(departure.before), f64::from(departure.after));
        let all = u64::from(departure.messages) + since.messages as u64;
        let share = f64::from(departure.share());
        Some(Named {
            cause: undone.map_or(cause, Cause::from),
            reverted: undone.is_some(),
            rate: (before, after),
            onset_ns: departure.since_ns,
            affected: (((all as f64 * share).round() as u64).clamp(1, all), all),
            error: (-0.5 * departure.size * departure.size).exp().clamp(1e-300, 1e-6),
        })
    }
}

impl Suspicion {
    fn keep(&mut self, x: f64, numbers: &Numbers) {
        if let Kept::Numbers(kept) = &mut self.values {
            kept.push(x);
            if numbers.reading.is_time() {
                self.moments.push(numbers.given());
            }
        }
    }
}

impl Before {
    /// Whether values are as they were then, which was not too long ago.
    fn is_back(&self, recent: &Kept, now_ns: u64) -> bool {
        let is_like = match (&self.values, recent) {
            (Kept::Numbers(before), Kept::Numbers(recent)) => cause::are_like_numbers(before, recent),
            (Kept::Texts(before), Kept::Texts(recent)) => cause::are_like_texts(before, recent),
            _ => false,
        };
        now_ns.saturating_sub(self.at_ns) <= KEPT_NS && is_like
    }
}

impl Kept {
    fn has_room(&self) -> bool {
        match self {
            Self::Numbers(values) => values.len() < KEPT,
            Self::Texts(values) => values.len() < KEPT,
        }
    }
}

/// The value below which this share of sorted ones lies, to the nearest of them.
fn quantile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

/// How many values there are, those that are the same counted once.
fn distinct(values: impl Iterator<Item = u64>) -> usize {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}

/// A text, or a boolean as one.
#[inline]
fn as_code(value: &Value) -> Option<&Text> {
    const fn of(hash: u64) -> Text {
        Text { hash, length: 1, skeleton: 0, classes: Classes::NONE, time_ns: None }
    }
    static BOOLEANS: [Text; 2] = [of(1), of(2)];
    match value {
        Value::Text(text) => Some(text),
        Value::Boolean(is) => BOOLEANS.get(usize::from(*is)),
        Value::Number(_) => None,
    }
}
