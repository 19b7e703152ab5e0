//! Data that came ahead of its turn: pieces by position, never overlapping.

use std::collections::BTreeMap;

use bytes::Bytes;

/// What a piece costs beside its bytes: its place in the map and its reference-counted buffer.
pub const PIECE_COST: usize = 128;

/// Reason of a gap whose bytes were captured twice, differently: which of them the receiver used is not known.
pub(super) const AMBIGUOUS: &str = "ambiguous_overlap";

/// What is known of a range of positions.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Bytes(Bytes),
    Missing { len: u64, reason: &'static str },
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Missing { len, .. } => *len,
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Bytes(bytes) => PIECE_COST + bytes.len(),
            Self::Missing { .. } => PIECE_COST,
        }
    }

    /// The part from offset `from` up to `to`. A small part is copied: it must not keep a large buffer alive.
    pub(super) fn slice(&self, from: u64, to: u64) -> Self {
        match self {
            Self::Bytes(bytes) => {
                let range = from as usize..to as usize;
                let copy = range.len() < bytes.len() / 2;
                Self::Bytes(if copy { Bytes::copy_from_slice(&bytes[range]) } else { bytes.slice(range) })
            }
            Self::Missing { reason, .. } => Self::Missing { len: to - from, reason },
        }
    }
}

/// The pieces held for one direction.
#[derive(Debug, Default)]
pub(super) struct Held {
    pieces: BTreeMap<u64, Content>,
    cost: usize,
}

impl Held {
    /// What it all costs in memory, bytes.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Position of the first piece.
    pub(super) fn first(&self) -> Option<u64> {
        self.pieces.first_key_value().map(|(position, _)| *position)
    }

    /// Position after the last piece.
    pub(super) fn end(&self) -> Option<u64> {
        self.pieces.last_key_value().map(|(position, piece)| position + piece.len())
    }

    /// Takes the first piece out if it begins at `position`.
    pub(super) fn take_at(&mut self, position: u64) -> Option<Content> {
        let piece = self.pieces.remove(&position)?;
        self.cost -= piece.cost();
        Some(piece)
    }

    /// Holds `content` at `position`; where something is held already the first capture stays. Returns how many
    /// bytes became ambiguous because the two captures differ.
    pub(super) fn insert(&mut self, position: u64, content: &Content) -> u64 {
        let end = position + content.len();
        let mut at = position;
        let mut ambiguous = 0;
        while at < end {
            let upto = match self.covering(at) {
                Some((start, piece_end)) => {
                    let upto = piece_end.min(end);
                    ambiguous += self.overlap(start, at, &content.slice(at - position, upto - position));
                    upto
                }
                None => {
                    let upto = self.pieces.range(at..end).next().map_or(end, |(start, _)| *start);
                    self.put(at, content.slice(at - position, upto - position));
                    upto
                }
            };
            at = upto;
        }
        ambiguous
    }

    /// Drops what lies at or after `position`; returns how many bytes that were.
    pub(super) fn truncate(&mut self, position: u64) -> u64 {
        let mut dropped = 0;
        if let Some((start, piece_end)) = self.covering(position)
            && let Some(piece) = self.take_at(start)
        {
            self.put(start, piece.slice(0, position - start));
            dropped += piece_end - position;
        }
        for piece in self.pieces.split_off(&position).into_values() {
            self.cost -= piece.cost();
            dropped += piece.len();
        }
        dropped
    }

    /// The piece that covers `position`: its start and end.
    fn covering(&self, position: u64) -> Option<(u64, u64)> {
        let (start, piece) = self.pieces.range(..=position).next_back()?;
        let end = start + piece.len();
        (end > position).then_some((*start, end))
    }

    /// `new` was captured at `at` where the piece at `start` covers all of it.
    fn overlap(&mut self, start: u64, at: u64, new: &Content) -> u64 {
        let Some(old) = self.pieces.get(&start) else { return 0 };
        let (from, to) = (at - start, at - start + new.len());
        let (winner, ambiguous) = match (old, new) {
            (Content::Bytes(old), Content::Bytes(new)) if old[from as usize..to as usize] != new[..] => {
                (Content::Missing { len: to - from, reason: AMBIGUOUS }, to - from)
            }
            (Content::Missing { reason, .. }, Content::Bytes(_)) if *reason != AMBIGUOUS => (new.clone(), 0),
            _ => return 0,
        };
        if let Some(old) = self.take_at(start) {
            self.put(start, old.slice(0, from));
            self.put(at, winner);
            self.put(start + to, old.slice(to, old.len()));
        }
        ambiguous
    }

    fn put(&mut self, position: u64, piece: Content) {
        if piece.len() > 0 {
            self.cost += piece.cost();
            self.pieces.insert(position, piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inserts `(position, text)` in turn ('?' in a text is a missing range) and shows what is held.
    #[track_caller]
    fn check(inserts: &[(u64, &'static str)], expected: &str, ambiguous: u64) {
        let mut held = Held::default();
        let mut differing = 0;
        for (position, text) in inserts {
            let content = if text.starts_with('?') {
                Content::Missing { len: text.len() as u64, reason: "short" }
            } else {
                Content::Bytes(Bytes::from_static(text.as_bytes()))
            };
            differing += held.insert(*position, &content);
        }
        let mut shown = String::new();
        for (position, piece) in &held.pieces {
            shown.push_str(&" ".repeat((*position as usize).saturating_sub(shown.len())));
            match piece {
                Content::Bytes(bytes) => shown.push_str(std::str::from_utf8(bytes).unwrap()),
                Content::Missing { len, reason } => {
                    shown.push_str(&(if *reason == AMBIGUOUS { "!" } else { "?" }).repeat(*len as usize));
                }
            }
        }
        assert_eq!((shown.as_str(), differing), (expected, ambiguous));
        assert_eq!(held.cost, held.pieces.values().map(Content::cost).sum::<usize>());
        let all = held.truncate(0);
        assert_eq!(all as usize, expected.replace(' ', "").len());
        assert_eq!((held.cost, held.is_empty()), (0, true));
    }

    #[test]
    fn overlaps() {
        check(&[(2, "cd"), (0, "ab")], "abcd", 0);
        check(&[(0, "abcd"), (1, "bc")], "abcd", 0);
        check(&[(1, "bc"), (0, "abcd")], "abcd", 0);
        check(&[(1, "b"), (3, "d"), (0, "abcdef")], "abcdef", 0);
        check(&[(0, "abc"), (2, "cde")], "abcde", 0);
        check(&[(2, "cde"), (0, "abc")], "abcde", 0);
        check(&[(0, "ab"), (5, "f")], "ab   f", 0);
    }

    #[test]
    fn differing_overlaps_are_ambiguous_and_stay_so() {
        check(&[(0, "abcd"), (1, "xx")], "a!!d", 2);
        check(&[(0, "abcd"), (1, "xx"), (0, "abcd")], "a!!d", 2);
        check(&[(1, "b"), (0, "axc")], "a!c", 1);
    }

    #[test]
    fn missing_ranges_are_filled_by_bytes_only() {
        check(&[(0, "????"), (1, "bc")], "?bc?", 0);
        check(&[(0, "abcd"), (1, "??")], "abcd", 0);
        check(&[(0, "??"), (1, "??")], "???", 0);
    }

    #[test]
    fn truncate_cuts_through_a_piece() {
        let mut held = Held::default();
        held.insert(0, &Content::Bytes(Bytes::from_static(b"abcd")));
        held.insert(6, &Content::Bytes(Bytes::from_static(b"gh")));
        assert_eq!(held.truncate(3), 3);
        assert_eq!((held.first(), held.end(), held.cost()), (Some(0), Some(3), PIECE_COST + 3));
    }
}
