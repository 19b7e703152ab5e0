//! Codes: texts or booleans of which there are few.

use pitot_observe::value::Text;
use serde::{Deserialize, Serialize};

use super::Came;
use super::cause::{self, Cause};
use super::scales::{CHANNELS, Scales, Sums};
use super::unseen::{News, Unseen};

/// Changes from one code to another before anything but a default is news.
pub(crate) const SWITCHES: u32 = 16;
/// Codes that are counted each for itself.
const TOP: usize = 12;
/// A sender that has another code less often than in one of so many messages keeps to it.
const SELDOM: u32 = 100;
/// Senders whose last code is known.
const SENDERS: usize = 16;
/// Codes that are known at most.
const KNOWN: usize = 64;
/// Blocks after which a new code, of which nothing was said, is known.
const KNOWN_AFTER: u32 = 64;

pub(crate) mod channel {
    /// A code that is not known, after another one: a run of them counts once, since what is new often comes in runs.
    pub(crate) const NEW: usize = 12;
    /// The same as the one before.
    pub(crate) const SAME: usize = 13;
    pub(crate) const DEFAULT: usize = 14;
    /// A known one that is not counted for itself.
    pub(crate) const OTHER: usize = 15;
}

/// A code that is not known yet.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Candidate {
    code: u64,
    blocks: u32,
    messages: f32,
}

/// Whether each sender keeps to one code: a version, a region. There, another code is another sender or a deployment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Senders {
    /// The last code of some senders.
    last: [(u64, u64); SENDERS],
    /// Messages of a sender that is known, and those with another code than its last.
    messages: u32,
    switches: u32,
}

impl Senders {
    /// Takes a code; that of the same sender before, where it is known.
    fn see(&mut self, sender: u64, code: u64) -> Option<u64> {
        let last = self.last.get_mut(sender as usize % SENDERS)?;
        let (of, before) = std::mem::replace(last, (sender, code));
        if of != sender || before == 0 {
            return None;
        }
        self.messages = self.messages.saturating_add(1);
        self.switches = self.switches.saturating_add(u32::from(before != code));
        Some(before)
    }
}

/// The codes of a field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Codes {
    /// Most frequent first.
    known: Vec<u64>,
    candidates: Vec<Candidate>,
    last: u64,
    sums: Sums,
    /// Changes from one code to another.
    switches: u32,
    senders: Senders,
    /// Messages in all, and with each known code.
    messages: f32,
    counts: Vec<f32>,
    /// Number of the last message.
    message: u64,
    /// Codes that are not known.
    unseen: Unseen<Text>,
}

impl Codes {
    /// From codes in the order they came, and others that were seen before them.
    pub(crate) fn new(sample: &[u64], seen: &[u64]) -> Self {
        let mut sorted = sample.to_vec();
        sorted.sort_unstable();
        let mut runs: Vec<&[u64]> = sorted.chunk_by(|a, b| a == b).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
        let known: Vec<u64> = runs.iter().filter_map(|run| run.first()).take(KNOWN).copied().collect();
        let unseen = Unseen::new(seen.iter().copied().filter(|code| !known.contains(code)));
        Self {
            counts: vec![0.0; known.len()],
            known,
            candidates: Vec::new(),
            last: 0,
            sums: [0.0; CHANNELS],
            switches: 0,
            senders: Senders::default(),
            messages: 0.0,
            message: 0,
            unseen,
        }
    }

    /// Codes that were seen, the more frequent ones first.
    pub(crate) fn seen(&self) -> Vec<u64> {
        self.known.iter().chain(self.unseen.known()).copied().collect()
    }

    /// Codes that are known.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    /// The codes that are known, with their shares so far.
    pub(crate) fn shares(&self) -> Vec<(u64, f64)> {
        let all = f64::from(self.messages.max(1.0));
        self.known.iter().zip(&self.counts).map(|(code, count)| (*code, f64::from(*count) / all)).collect()
    }

    /// Changes from one code to another, of one and the same sender where that can be told.
    pub(crate) fn switches(&self) -> u32 {
        let Senders { messages, switches, .. } = self.senders;
        if !self.tells_senders() {
            return self.switches;
        }
        if switches >= messages / SELDOM { switches } else { 0 }
    }

    /// Whether senders come again, so that it can be told what each sent before.
    fn tells_senders(&self) -> bool {
        self.senders.messages >= self.messages as u32 / 4
    }

    /// Reads each line of the cache that [`Codes::see`] needs, but for its lists.
    #[inline]
    pub(crate) fn fetch(&self, sender: u64) -> u64 {
        let [first, .., last] = self.sums;
        let of_sender = self.senders.last.get(sender as usize % SENDERS).map_or(0, |last| last.1);
        let sums = u64::from((first + last + self.messages).to_bits());
        sums ^ of_sender ^ self.last ^ self.message ^ u64::from(self.switches ^ self.senders.messages)
    }

    /// The same of its lists.
    #[inline]
    pub(crate) fn fetch_lists(&self) -> u64 {
        let count = self.counts.first().copied().unwrap_or_default();
        self.known.first().copied().unwrap_or_default() ^ u64::from(count.to_bits())
    }

    /// Counts a code. Whether there is something to say.
    #[inline]
    pub(crate) fn see(&mut self, text: &Text, came: Came) -> bool {
        let Came { sender, weight, .. } = came;
        let code = text.hash;
        let of_sender = self.senders.see(sender, code);
        let is_same = code == self.last;
        self.messages += weight;
        self.last = code;
        self.switches = self.switches.saturating_add(u32::from(!is_same));
        if std::mem::replace(&mut self.message, came.message) != came.message {
            self.unseen.count(sender);
        }
        let mut add = |channel: usize| {
            if let Some(sum) = self.sums.get_mut(channel) {
                *sum += weight;
            }
        };
        if is_same {
            add(channel::SAME);
        }
        if cause::is_default(text) {
            add(channel::DEFAULT);
        }
        match self.known.iter().position(|known| *known == code) {
            Some(place) => {
                add(if place < TOP { place } else { channel::OTHER });
                if let Some(count) = self.counts.get_mut(place) {
                    *count += weight;
                }
                false
            }
            None => {
                if !is_same {
                    add(channel::NEW);
                }
                // A sender that is not known yet may be one that keeps to it.
                let is_of_sender = of_sender.map_or_else(|| !self.tells_senders(), |before| before != code);
                self.see_new(text, came, !is_same && is_of_sender)
            }
        }
    }

    #[cold]
    fn see_new(&mut self, text: &Text, came: Came, is_entry: bool) -> bool {
        let Text { hash: code, .. } = *text;
        if let Some(candidate) = self.candidates.iter_mut().find(|candidate| candidate.code == code) {
            candidate.messages += came.weight;
        } else if self.candidates.len() < KNOWN {
            self.candidates.push(Candidate { code, blocks: 0, messages: came.weight });
        }
        let draws = self.draws();
        !self.unseen.is_known(code)
            && self.unseen.see(code, *text, came, is_entry, draws)
            && self.switches() >= SWITCHES
    }

    /// What is there now that never was.
    pub(crate) fn news(&mut self, past: &[Text], recent: &[Text]) -> Option<(Cause, News)> {
        let draws = self.draws();
        let news = self.unseen.take(draws)?;
        let others: Vec<Text> = self.unseen.candidates().iter().map(|candidate| candidate.value).collect();
        let share: f32 = self.unseen.shares().sum();
        let cause = cause::of_new_codes(past, recent, &others, &news, f64::from(share.min(1.0)))?;
        self.unseen.accept_all();
        Some((cause, news))
    }

    /// How much more sums of messages in a row vary than if they were independent: of a Markov chain that stays where it is
    /// with some probability and else draws again, (1 + r) / (1 - r) with the correlation r of neighbours.
    pub(crate) fn clustering(&self) -> f32 {
        let share = self.draws();
        ((2.0 - share) / share).max(1.0)
    }

    /// The share of messages in which the chain draws again.
    fn draws(&self) -> f32 {
        let n = self.messages.max(2.0);
        let same: f32 = self.counts.iter().map(|count| (count / n).powi(2)).sum();
        ((self.switches as f32 + 1.0) / (n * (1.0 - same).max(0.0) + 1.0)).min(1.0)
    }

    /// What the block had; a new one begins.
    pub(crate) fn take(&mut self) -> Sums {
        std::mem::replace(&mut self.sums, [0.0; CHANNELS])
    }

    /// The block is as those before: new codes get older.
    pub(crate) fn accept(&mut self, scales: &mut Scales) {
        self.candidates.iter_mut().for_each(|candidate| candidate.blocks += 1);
        let is_old =
            |candidate: &Candidate| candidate.blocks >= KNOWN_AFTER && !self.unseen.is_asked(candidate.code);
        while let Some(old) = self.candidates.iter().position(is_old) {
            let candidate = self.candidates.swap_remove(old);
            if self.known.len() >= KNOWN {
                self.known.pop();
                self.counts.pop();
            }
            let place = if self.known.len() < TOP { self.known.len() } else { channel::OTHER };
            self.known.push(candidate.code);
            self.counts.push(candidate.messages);
            let messages = super::scales::BLOCK * KNOWN_AFTER;
            scales.raise(place, candidate.messages / messages as f32);
        }
    }
}
