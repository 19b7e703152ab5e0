//! A field that was learned: its blocks, what departs in them, and when that is believed and said.

use pitot_observe::Value;
use serde::{Deserialize, Serialize};

use super::cause::{self, Cause};
use super::kept::Kept;
use super::others::{Others, Type};
use super::reader::Reader;
use super::scales::{BLOCK, Departure, Scales, Window};
use super::{Before, Came, Named};
use crate::evidence::Kind;

/// A share of messages that is small: what happened to them needs more of them to be told.
const FEW: f32 = 0.15;
const SEVERAL: u32 = 256;
/// The logarithm of a factor by which a slow process may well come to differ.
const SMALL_FACTOR: f64 = 0.25;
/// Messages that confirm at most.
const LONGEST_CONFIRMATION: u32 = 1_024;

/// A field that was learned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Watched {
    /// The type of the values that count, and the others.
    pub(super) kind: Type,
    pub(super) others: Option<Box<Others>>,
    pub(super) reader: Reader,
    pub(super) scales: Scales,
    /// Messages of this block, and the time of the first.
    pub(super) messages: u32,
    pub(super) since_ns: u64,
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
}

impl Watched {
    pub(crate) fn new(kind: Type, reader: Reader, scales: Scales) -> Self {
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

    /// Takes a value; `is_first` of its message. Whether there is something to decide.
    #[inline]
    pub(crate) fn see(&mut self, value: &Value, came: Came, is_first: bool) -> bool {
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
        let kept = self.suspicion.as_mut().map(|suspicion| &mut suspicion.values);
        is_due | self.reader.see(value, came, is_first, kept)
    }

    /// Ends a block. Whether there is something to decide.
    fn close(&mut self) -> bool {
        let window =
            Window { messages: self.messages as f32, sums: self.reader.take(), since_ns: self.since_ns };
        self.others.take_if(|others| others.passed_by(self.messages));
        self.messages = 0;
        self.last = window;
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.since = suspicion.since.and(&window);
            suspicion.missing = suspicion.missing.saturating_sub(BLOCK);
            return suspicion.missing == 0;
        }
        match self.scales.push(window, self.reader.clustering()) {
            Some(departure) if self.reader.is_news(&departure) => {
                let missing = confirmation(&departure);
                let (since, values) = (Window::default(), self.reader.none());
                self.suspicion = Some(Box::new(Suspicion { departure, missing, since, values }));
                missing == 0
            }
            Some(_) => false,
            None => {
                self.reader.accept(&mut self.scales);
                self.is_stale()
            }
        }
    }

    /// Whether it must be learned anew.
    pub(crate) fn is_stale(&self) -> bool {
        self.is_outdated || (self.suspicion.is_none() && self.reader.is_stale(&self.scales))
    }

    /// What is to be said, if anything is. `before`: what was normal before the last change.
    pub(crate) fn judge(&mut self, came: Came, before: Option<&Before>) -> Option<Named> {
        self.news(came, before).or_else(|| self.departed(came, before))
    }

    /// A mark that never was there, and now is.
    fn news(&mut self, came: Came, before: Option<&Before>) -> Option<Named> {
        let (cause, news) = self.reader.news()?;
        self.suspicion = None;
        let undone = undone(before, &self.reader.recent(), came);
        let (with, all) = news.messages;
        Some(Named {
            cause: undone.unwrap_or(cause),
            reverted: undone.is_some(),
            rate: (0.0, f64::from(with) / f64::from(all.max(1))),
            onset_ns: news.onset_ns,
            affected: (u64::from(with), u64::from(all.max(with))),
            error: news.error.max(1e-300),
        })
    }

    /// What departed and was confirmed, unless there is a reason that is none to report.
    fn departed(&mut self, came: Came, before: Option<&Before>) -> Option<Named> {
        let suspicion = self.suspicion.take_if(|suspicion| suspicion.missing == 0)?;
        let Suspicion { departure, since, values, .. } = *suspicion;
        let is_immediate = since.messages < 1.0;
        if !is_immediate && !self.scales.confirms(&departure, &since) {
            self.scales.widen(&departure);
            return None;
        }
        let window = if is_immediate { &self.last } else { &since };
        let recent = if is_immediate { self.reader.recent() } else { values };
        let mut cause = self.reader.cause(&recent, came.t_ns, window.rate(self.reader.same()));
        if cause.kind == Kind::DistributionShifted && self.reader.is_of_repetition(&departure) {
            cause = Kind::CardinalityChanged.into();
        }
        if self.reader.is_time() && cause::is_clock_change(&cause, departure.since_ns) {
            self.is_outdated = true;
            return None;
        }
        if self.is_ordinary(&cause, &departure, &recent) {
            self.scales.widen(&departure);
            return None;
        }
        let undone = undone(before, &recent, came);
        let all = u64::from(departure.messages) + since.messages as u64;
        let share = f64::from(departure.share());
        Some(Named {
            cause: undone.unwrap_or(cause),
            reverted: undone.is_some(),
            rate: (f64::from(departure.before), f64::from(departure.after)),
            onset_ns: departure.since_ns,
            affected: (((all as f64 * share).round() as u64).clamp(1, all), all),
            error: (-0.5 * departure.size * departure.size).exp().clamp(1e-300, 1e-6),
        })
    }

    /// Whether a shift, or a small factor, is such as come by themselves. A process that goes up and down goes elsewhere by itself: that alone
    /// is not enough. Nor is it that other senders, with other clocks, send more.
    fn is_ordinary(&self, cause: &Cause, departure: &Departure, recent: &Kept) -> bool {
        let is_shift = matches!(cause.kind, Kind::DistributionShifted | Kind::CardinalityChanged);
        let is_small = cause.kind == Kind::ValueRescaled
            && cause.factor.is_some_and(|factor| factor.ln().abs() < SMALL_FACTOR);
        (is_shift || is_small) && !departure.is_flat
            || is_shift && (self.reader.is_delay(recent) || self.reader.is_mix(departure))
    }
}

/// Messages that must confirm a departure.
fn confirmation(departure: &Departure) -> u32 {
    let is_all = departure.after < 0.03 || departure.after > 0.97;
    let is_clear = departure.excess > 1.5 && departure.messages <= 2 * BLOCK;
    match () {
        () if is_clear && is_all => 0,
        () if departure.share() < FEW => SEVERAL,
        () if is_clear => BLOCK,
        () if departure.messages < SEVERAL => (departure.messages / 2).max(BLOCK),
        () => (departure.messages / 2).clamp(SEVERAL, LONGEST_CONFIRMATION),
    }
}

/// The change that is undone, where values are as they were before it.
fn undone(before: Option<&Before>, recent: &Kept, came: Came) -> Option<Cause> {
    before.filter(|before| before.is_back(recent, came.t_ns)).map(|before| before.kind.into())
}
