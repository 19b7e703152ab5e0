//! Texts that are no codes: names, identifiers, sentences. How long they are and what characters they have.

use pitot_observe::value::Text;
use serde::{Deserialize, Serialize};

use super::Came;
use super::cause::{self, Cause};
use super::scales::{CHANNELS, Sums};
use super::unseen::{News, Unseen};
use crate::evidence::Kind;

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
    /// The most frequent spelling among the first ones.
    usual: u64,
    known: Vec<u16>,
    last: u64,
    sums: Sums,
    /// The longest of this block.
    longest_here: u32,
    /// A skeleton of this block that is not known.
    other: Option<u32>,
    /// Spellings, lengths and defaults that are not known; lengths that are, a bit each.
    unseen: Unseen<Text>,
    lengths: u32,
    draws: Draws,
    /// Number of the last message.
    message: u64,
}

/// Texts with a mark of which a cause is read off.
const FEWEST: usize = 4;

/// What of a text may be new: its signs and classes of characters, its length, and that it is a default.
fn spelling(text: &Text) -> u64 {
    u64::from(text.skeleton) | u64::from(text.classes.bits()) << 32 | 1 << 40
}

fn length(text: &Text) -> u64 {
    u64::from(short(text)) | 2 << 40
}

/// Lengths beyond are as one.
fn short(text: &Text) -> u32 {
    text.length.min(u32::BITS - 1)
}

const DEFAULT: u64 = 3 << 40;

fn marks(text: &Text) -> impl Iterator<Item = u64> {
    [spelling(text), length(text)].into_iter().chain(cause::is_default(text).then_some(DEFAULT))
}

/// How often the next text is a draw of its own: not the same again, not of the same tenant with its own spelling.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Draws {
    messages: f32,
    /// Those with another text than the one before.
    changes: f32,
    /// Those with the spelling that is the most frequent one, as far as the first ones tell, and changes from or to it.
    usual: f32,
    switches: f32,
    was_usual: bool,
}

impl Draws {
    fn see(&mut self, is_other: bool, is_usual: bool) {
        self.messages += 1.0;
        self.changes += f32::from(u8::from(is_other));
        self.usual += f32::from(u8::from(is_usual));
        self.switches += f32::from(u8::from(is_usual != self.was_usual));
        self.was_usual = is_usual;
    }

    /// The share of messages that are draws: see [`super::codes::Codes::clustering`].
    fn share(&self) -> f32 {
        let n = self.messages.max(1.0);
        let usual = self.usual / n;
        let of_spelling = (self.switches + 1.0) / (2.0 * n * usual * (1.0 - usual) + 1.0);
        ((self.changes + 1.0) / (n + 1.0)).min(of_spelling).min(1.0)
    }
}

impl Texts {
    /// From texts, and the marks of others that were seen before them.
    pub(crate) fn new(sample: &[Text], seen: &[u64]) -> Self {
        let mut lengths: Vec<u32> = sample.iter().map(|text| text.length).collect();
        lengths.sort_unstable();
        let at = |share: f64| super::quantile(&lengths, share);
        let mut skeletons: Vec<u32> = sample.iter().map(|text| text.skeleton).collect();
        skeletons.sort_unstable();
        skeletons.dedup();
        skeletons.truncate(SKELETONS);
        // The most frequent spelling first.
        let mut spellings: Vec<u64> = sample.iter().map(spelling).collect();
        spellings.sort_unstable();
        let usual = spellings.chunk_by(|a, b| a == b).max_by_key(|run| run.len()).and_then(|run| run.first());
        let marks =
            usual.copied().into_iter().chain(sample.iter().flat_map(marks)).chain(seen.iter().copied());
        let unseen = Unseen::new(marks);
        let lengths = (0..u32::BITS).filter(|bit| unseen.is_known(u64::from(*bit) | 2 << 40));
        Self {
            lengths: lengths.fold(0, |lengths, bit| lengths | 1 << bit),
            unseen,
            draws: Draws::default(),
            message: 0,
            edges: SHARES.map(at),
            longest: at(1.0),
            skeletons,
            usual: usual.copied().unwrap_or_default(),
            known: vec![0; KNOWN],
            last: 0,
            sums: [0.0; CHANNELS],
            longest_here: 0,
            other: None,
        }
    }

    /// Marks that were seen.
    pub(crate) fn seen(&self) -> Vec<u64> {
        self.unseen.known().to_vec()
    }

    /// Reads each line of the cache that [`Texts::see`] needs, but for its lists.
    #[inline]
    pub(crate) fn fetch(&self) -> u64 {
        let ([edge, ..], [first, .., last]) = (self.edges, self.sums);
        let sums = u64::from((first + last + self.draws.messages).to_bits());
        sums ^ self.last ^ self.usual ^ self.message ^ u64::from(edge ^ self.longest ^ self.lengths)
    }

    /// The same of its lists.
    #[inline]
    pub(crate) fn fetch_lists(&self, text: &Text) -> u64 {
        let known = self.known.get(text.hash as usize % KNOWN).copied().unwrap_or_default();
        u64::from(known) ^ self.skeletons.first().copied().map_or(0, u64::from)
    }

    /// Counts a text. Whether there is something to say.
    #[inline]
    pub(crate) fn see(&mut self, text: &Text, came: Came) -> bool {
        let is_default = cause::is_default(text);
        let is_known_skeleton = self.skeletons.contains(&text.skeleton);
        // A bit for each channel.
        let mut has = u32::from(text.classes.bits()) << channel::CLASSES;
        let mut add = |channel: usize, is: bool| has |= u32::from(is) << channel;
        for (channel, edge) in self.edges.iter().enumerate() {
            add(channel, text.length <= *edge);
        }
        add(channel::LONGER, text.length > self.longest);
        add(channel::LONGEST, text.length == self.longest);
        add(channel::SKELETON, !is_known_skeleton);
        add(channel::DEFAULT, is_default);
        add(channel::SAME, text.hash == self.last);
        if let Some(known) = self.known.get_mut(text.hash as usize % KNOWN) {
            let mark = (text.hash >> 48) as u16;
            add(channel::KNOWN, *known == mark);
            // One in eight takes the place: those seen often stay long enough to be met again.
            if (mark ^ came.message as u16) & 7 == 0 || *known == 0 {
                *known = mark;
            }
        }
        for (channel, sum) in self.sums.iter_mut().enumerate() {
            *sum += if has & 1 << channel != 0 { came.weight } else { 0.0 };
        }
        let is_other = std::mem::replace(&mut self.last, text.hash) != text.hash;
        self.longest_here = self.longest_here.max(text.length);
        if !is_known_skeleton {
            self.other = Some(text.skeleton);
        }
        let spelling = spelling(text);
        if std::mem::replace(&mut self.message, came.message) != came.message {
            self.unseen.count(came.sender);
            self.draws.see(is_other, spelling == self.usual);
        }
        let is_spelling_known = spelling == self.usual || self.unseen.is_known(spelling);
        let is_known = self.lengths & 1 << short(text) != 0 && is_spelling_known && !is_default;
        !is_known && self.see_new(text, came, is_other)
    }

    #[cold]
    fn see_new(&mut self, text: &Text, came: Came, is_other: bool) -> bool {
        let draws = self.draws.share();
        let mut is_due = false;
        for mark in marks(text) {
            if !self.unseen.is_known(mark) {
                is_due |= self.unseen.see(mark, *text, came, is_other, draws);
            }
        }
        if self.unseen.is_known(length(text)) {
            self.lengths |= 1 << short(text);
        }
        is_due
    }

    /// What is there now that never was. `recent` are the last texts.
    pub(crate) fn news(&mut self, past: &[Text], recent: &[Text]) -> Option<(Cause, News)> {
        let news = self.unseen.take(self.draws.share())?;
        let is_new = |text: &&Text| marks(text).any(|mark| !self.unseen.is_known(mark));
        let new: Vec<Text> = recent.iter().filter(is_new).copied().collect();
        if new.len() < FEWEST {
            return None;
        }
        let is_one = super::distinct(new.iter().map(|text| text.hash)) == 1;
        if is_one && new.len() < recent.len() {
            self.unseen.accept_all();
            return Some((Kind::DefaultSubstituted.into(), news));
        }
        let cause = cause::of_texts(past, &new);
        if cause.kind == Kind::DistributionShifted {
            self.unseen.accept(news.mark);
            return None;
        }
        self.unseen.accept_all();
        Some((cause, news))
    }

    /// Whether a property says how often texts come again.
    pub(crate) fn is_of_repetition(channel: usize) -> bool {
        matches!(channel, channel::KNOWN | channel::SAME)
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
