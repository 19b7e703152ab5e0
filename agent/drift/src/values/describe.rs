//! What is known of a field's values, in words and figures.

use super::cause::quantile;
use super::learn::ENOUGH;
use super::numbers::Reading;
use super::reader::Reader;
use super::{Field, Kept, State};
use crate::describe::{Known, ValuesDescription};

impl Field {
    /// Whether it ever had a value.
    pub(crate) fn has_any(&self) -> bool {
        self.message > 0
    }

    /// What its values are like; `None` where it has none that are no objects, arrays or null.
    pub(crate) fn describe(&self) -> Option<ValuesDescription> {
        let watched = match &self.state {
            State::Learning(learning, _) => {
                let messages = learning.len() as u64;
                let needs = (ENOUGH as u64).saturating_sub(messages);
                return self.has_any().then_some(ValuesDescription {
                    known: Known::Nothing,
                    messages,
                    needs,
                });
            }
            State::Watching(watched) => watched,
        };
        let known = match (&watched.reader, watched.reader.past()) {
            (Reader::Numbers { numbers, .. }, Kept::Numbers(past)) => {
                let middle = (quantile(&past, 0.25), quantile(&past, 0.75));
                match numbers.reading {
                    Reading::Plain => Known::Numbers { middle },
                    Reading::Step => Known::Steps { middle },
                    Reading::Age(_) => Known::Times { middle },
                    Reading::Day => Known::Days { middle },
                }
            }
            (Reader::Codes { codes, .. }, _) => Known::Codes { count: codes.count() as u64 },
            _ => Known::Texts,
        };
        let (messages, needs) = watched.scales.history();
        Some(ValuesDescription { known, messages, needs })
    }
}
