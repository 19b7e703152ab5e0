//! Texts that are no codes: names, identifiers, sentences. How long they are and what characters they have.

use pitot_observe::value::Text;
use serde::{Deserialize, Serialize};

use super::scales::{CHANNELS, Sums};

/// Shares of texts at or below each length.
const SHARES: [f64; 3] = [0.05, 0.5, 0.95];
/// Skeletons that are known.
const SKELETONS: usize = 8;
/// Texts whose return is noticed.
const KNOWN: usize = 128;

/// The channels after those of lengths.
pub(crate) mod channel {
    /// Classes of characters: one channel each, by bit.
    pub(crate) const CLASSES: usize = 3;
    /// Longer than any before.
    pub(crate) const LONGER: usize = 10;
    /// Signs that no text had.
    pub(crate) const SKELETON: usize = 11;
    pub(crate) const DEFAULT: usize = 12;
    /// The same as the one before.
    pub(crate) const SAME: usize = 13;
    /// Seen not long ago.
    pub(crate) const KNOWN: usize = 14;
    /// As long as the longest.
    pub(crate) const LONGEST: usize = 15;
}

/// The texts of a field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Texts {
    edges: [u32; SHARES.len()],
    longest: u32,
    skeletons: Vec<u32>,
    known: Vec<u32>,
    last: u64,
    sums: Sums,
    /// The longest of this block.
    longest_here: u32,
    /// A skeleton of this block that is not known.
    other: Option<u32>,
}

impl Texts {
    pub(crate) fn new(sample: &[Text]) -> Self {
        let mut lengths: Vec<u32> = sample.iter().map(|text| text.length).collect();
        lengths.sort_unstable();
        let at = |share: f64| super::quantile(&lengths, share);
        let mut skeletons: Vec<u32> = sample.iter().map(|text| text.skeleton).collect();
        skeletons.sort_unstable();
        skeletons.dedup();
        skeletons.truncate(SKELETONS);
        Self {
            edges: SHARES.map(at),
            longest: at(1.0),
            skeletons,
            known: vec![0; KNOWN],
            last: 0,
            sums: [0.0; CHANNELS],
            longest_here: 0,
            other: None,
        }
    }

    /// Counts a text.
    #[inline]
    pub(crate) fn see(&mut self, text: &Text, weight: f32) {
        let mut add = |channel: usize, is: bool| {
            if let Some(sum) = self.sums.get_mut(channel) {
                *sum += if is { weight } else { 0.0 };
            }
        };
        for (channel, edge) in self.edges.iter().enumerate() {
            add(channel, text.length <= *edge);
        }
        for class in 0..7 {
            add(channel::CLASSES + class, text.classes.bits() & (1 << class) != 0);
        }
        let is_known_skeleton = self.skeletons.contains(&text.skeleton);
        add(channel::LONGER, text.length > self.longest);
        add(channel::LONGEST, text.length == self.longest);
        add(channel::SKELETON, !is_known_skeleton);
        add(channel::DEFAULT, super::cause::is_default(text));
        add(channel::SAME, text.hash == self.last);
        if let Some(known) = self.known.get_mut(text.hash as usize % KNOWN) {
            let mark = (text.hash >> 32) as u32;
            add(channel::KNOWN, *known == mark);
            // One in eight takes the place: those seen often stay long enough to be met again.
            if mark & 7 == 0 || *known == 0 {
                *known = mark;
            }
        }
        self.last = text.hash;
        self.longest_here = self.longest_here.max(text.length);
        if !is_known_skeleton {
            self.other = Some(text.skeleton);
        }
    }

    /// What the block had; a new one begins.
    pub(crate) fn take(&mut self) -> Sums {
        std::mem::replace(&mut self.sums, [0.0; CHANNELS])
    }

    /// The block is as those before.
    pub(crate) fn accept(&mut self) {
        self.longest = self.longest.max(std::mem::take(&mut self.longest_here));
        if let Some(other) = self.other.take().filter(|_| self.skeletons.len() < SKELETONS) {
            self.skeletons.push(other);
        }
    }
}
