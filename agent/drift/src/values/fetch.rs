//! What a message needs of a flow's fields, brought near before it is needed.
//!
//! With many flows, the state of one is far from the processor when its next message comes, and each field's is a chain:
//! its place, what is watched, how it is read, its lists. Taken field by field, the processor waits for each link of each
//! chain. Here one link of all fields is read at a time: no read waits for another, so many are under way at once.

use pitot_observe::Value;

use super::reader::{Reader, as_code};
use super::{Field, State};

impl Field {
    /// Reads the first link: what is watched.
    #[inline]
    pub(crate) fn fetch_watched(&self) -> u64 {
        let State::Watching(watched) = &self.state else { return 0 };
        let reader = match &watched.reader {
            Reader::Numbers { .. } => 0,
            Reader::Codes { .. } => 1,
            Reader::Texts { .. } => 2,
        };
        watched.since_ns ^ u64::from(watched.messages) ^ watched.kind as u64 ^ reader
    }

    /// The second: how it is read, and where its last values are kept.
    #[inline]
    pub(crate) fn fetch_reader(&self, sender: u64) -> u64 {
        let State::Watching(watched) = &self.state else { return 0 };
        match &watched.reader {
            Reader::Numbers { numbers, sample, .. } => {
                numbers.fetch() ^ sample.place().map_or(0, f64::to_bits)
            }
            Reader::Codes { codes, sample } => {
                codes.fetch(sender) ^ sample.place().map_or(0, |kept| kept.hash)
            }
            Reader::Texts { texts, sample } => texts.fetch() ^ sample.place().map_or(0, |kept| kept.hash),
        }
    }

    /// The last: its lists.
    #[inline]
    pub(crate) fn fetch_lists(&self, value: &Value) -> u64 {
        let State::Watching(watched) = &self.state else { return 0 };
        match &watched.reader {
            Reader::Numbers { .. } => 0,
            Reader::Codes { codes, .. } => codes.fetch_lists(),
            Reader::Texts { texts, .. } => as_code(value).map_or(0, |text| texts.fetch_lists(text)),
        }
    }
}
