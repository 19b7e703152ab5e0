//! How the values of a field are read: as numbers, as codes, or as other texts. Each reading turns values into sums of
//! properties, keeps a sample, and knows what a change of them is called.

use pitot_observe::Value;
use pitot_observe::value::{Classes, Text};
use serde::{Deserialize, Serialize};

use super::cause::{self, Cause};
use super::codes::Codes;
use super::defaults::Defaults;
use super::kept::Kept;
use super::numbers::{Numbers, Reading};
use super::sample::{self, Sample};
use super::scales::{BLOCK, Departure, Scales, Sums};
use super::texts::Texts;
use super::unseen::News;
use super::{Came, codes, numbers, texts};
use crate::evidence::Kind;

/// Messages in which codes change their shares all at once.
const AT_ONCE: u32 = 512;

/// What turns values into sums.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Reader {
    Numbers { numbers: Box<Numbers>, defaults: Defaults, sample: Sample<f64> },
    Codes { codes: Box<Codes>, sample: Sample<Text> },
    Texts { texts: Box<Texts>, sample: Sample<Text> },
}

impl Reader {
    /// Counts a value; the first of a message is also kept. Whether a mark that never was there is to be told.
    #[inline]
    pub(crate) fn see(&mut self, value: &Value, came: Came, is_first: bool, kept: Option<&mut Kept>) -> bool {
        let kept = kept.filter(|kept| is_first && kept.has_room());
        match self {
            Self::Numbers { numbers, defaults, sample } => {
                let is_due = defaults.see(numbers.reading, value, came);
                if let Some(x) = numbers.see(value, came.t_ns, came.weight)
                    && is_first
                {
                    sample.see(&x);
                    if let Some(kept) = kept {
                        kept.keep_number(x, numbers.given());
                    }
                }
                is_due
            }
            Self::Codes { sample, .. } | Self::Texts { sample, .. } => {
                let Some(text) = as_code(value) else { return false };
                if is_first {
                    sample.see(text);
                    if let Some(kept) = kept {
                        kept.keep_text(*text);
                    }
                }
                self.count(text, came)
            }
        }
    }

    #[inline]
    fn count(&mut self, text: &Text, came: Came) -> bool {
        match self {
            Self::Codes { codes, .. } => codes.see(text, came),
            Self::Texts { texts, .. } => texts.see(text, came),
            Self::Numbers { .. } => false,
        }
    }

    /// What the block had; a new one begins.
    pub(crate) fn take(&mut self) -> Sums {
        match self {
            Self::Numbers { numbers, .. } => numbers.take(),
            Self::Codes { codes, .. } => codes.take(),
            Self::Texts { texts, .. } => texts.take(),
        }
    }

    /// The block is as those before.
    pub(crate) fn accept(&mut self, scales: &mut Scales) {
        match self {
            Self::Numbers { numbers, sample, .. } => {
                numbers.accept();
                sample.remember();
            }
            Self::Codes { codes, sample } => {
                codes.accept(scales);
                sample.remember();
            }
            Self::Texts { texts, sample } => {
                texts.accept();
                sample.remember();
            }
        }
    }

    /// How much more sums of messages in a row vary than those of independent ones, as far as it is known.
    pub(crate) fn clustering(&self) -> f32 {
        match self {
            Self::Codes { codes, .. } => codes.clustering(),
            _ => 1.0,
        }
    }

    /// Whether what is known no longer parts the values.
    pub(crate) fn is_stale(&self, scales: &Scales) -> bool {
        matches!(self, Self::Numbers { numbers, .. } if numbers.is_stale(scales))
    }

    /// Whether a departure may be news here.
    pub(crate) fn is_news(&self, departure: &Departure) -> bool {
        match self {
            Self::Codes { codes, .. } => {
                codes.switches() >= codes::SWITCHES || departure.channel == codes::channel::DEFAULT
            }
            _ => true,
        }
    }

    /// Whether what departs is how often texts come again: there are fewer different ones, or more.
    pub(crate) fn is_of_repetition(&self, departure: &Departure) -> bool {
        matches!(self, Self::Texts { .. }) && Texts::is_of_repetition(departure.channel)
    }

    /// Whether the same codes come more or less often, and not all at once: others send, as they do at other hours of the day.
    pub(crate) fn is_mix(&self, departure: &Departure) -> bool {
        matches!(self, Self::Codes { .. }) && departure.messages > AT_ONCE
    }

    pub(crate) fn is_time(&self) -> bool {
        matches!(self, Self::Numbers { numbers, .. } if numbers.reading.is_time())
    }

    /// Whether times only lie a little nearer or farther than before.
    pub(crate) fn is_delay(&self, recent: &Kept) -> bool {
        match (self, recent.numbers()) {
            (Self::Numbers { sample, .. }, Some(ages)) => {
                self.is_time() && cause::is_delay(&sample.past(), ages)
            }
            _ => false,
        }
    }

    /// The channel of values that are the same as the one before.
    pub(crate) fn same(&self) -> usize {
        match self {
            Self::Numbers { .. } => numbers::channel::SAME,
            Self::Codes { .. } => codes::channel::SAME,
            Self::Texts { .. } => texts::channel::SAME,
        }
    }

    /// Nothing kept yet, of such values.
    pub(crate) fn none(&self) -> Kept {
        match self {
            Self::Numbers { .. } if self.is_time() => Kept::Ages(Vec::new(), Vec::new()),
            Self::Numbers { .. } => Kept::Numbers(Vec::new()),
            _ => Kept::Texts(Vec::new()),
        }
    }

    /// Values of before the last ones.
    pub(crate) fn past(&self) -> Kept {
        match self {
            Self::Numbers { sample, .. } => Kept::Numbers(sample.past()),
            Self::Codes { sample, .. } | Self::Texts { sample, .. } => Kept::Texts(sample.past()),
        }
    }

    /// The last values, of as many messages as a block has.
    pub(crate) fn recent(&self) -> Kept {
        const LATEST: usize = BLOCK as usize;
        match self {
            Self::Numbers { sample, .. } => Kept::Numbers(sample.recent(LATEST)),
            Self::Codes { sample, .. } | Self::Texts { sample, .. } => Kept::Texts(sample.recent(LATEST)),
        }
    }

    /// Marks that were seen.
    pub(crate) fn seen(&self) -> Vec<u64> {
        match self {
            Self::Numbers { defaults, .. } => defaults.seen(),
            Self::Codes { codes, .. } => codes.seen(),
            Self::Texts { texts, .. } => texts.seen(),
        }
    }

    /// A mark that never was there, and now is.
    pub(crate) fn news(&mut self) -> Option<(Cause, News)> {
        match self {
            Self::Numbers { numbers, defaults, sample } => defaults
                .news(numbers.reading, &sample.past(), &sample.recent(sample::RECENT))
                .map(|news| (Kind::DefaultSubstituted.into(), news)),
            Self::Codes { codes, sample } => codes.news(&sample.past(), &sample.recent(sample::RECENT)),
            Self::Texts { texts, sample } => texts.news(&sample.past(), &sample.recent(sample::RECENT)),
        }
    }

    /// What happened to the values. `same`: how often one is that of the message before.
    pub(crate) fn cause(&self, recent: &Kept, t_ns: u64, same: f32) -> Cause {
        let cause = match (self, recent.numbers(), recent.texts()) {
            (Self::Numbers { numbers, sample, .. }, Some(recent), _) => match numbers.reading {
                Reading::Age(_) | Reading::Day => {
                    cause::of_ages(&sample.past(), recent, t_ns as f64 / 1e9, same)
                }
                _ => cause::of_numbers(&sample.past(), recent),
            },
            (Self::Codes { codes, sample }, _, Some(recent)) => {
                cause::of_codes(&sample.past(), recent, &codes.shares())
            }
            (Self::Texts { sample, .. }, _, Some(recent)) => cause::of_texts(&sample.past(), recent),
            _ => Kind::DistributionShifted.into(),
        };
        if self.stands_still(cause.kind, recent) { Kind::ValueFrozen.into() } else { cause }
    }

    /// Whether what was taken for ages that moved is one moment that did not.
    fn stands_still(&self, kind: Kind, recent: &Kept) -> bool {
        match (self, recent.numbers()) {
            (Self::Numbers { sample, .. }, Some(ages)) => {
                matches!(kind, Kind::DistributionShifted | Kind::TimeShifted)
                    && cause::stands_still(&sample.past(), ages, recent.moments())
            }
            _ => false,
        }
    }
}

/// A text, or a boolean as one.
#[inline]
pub(crate) fn as_code(value: &Value) -> Option<&Text> {
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
