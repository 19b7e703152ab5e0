//! Marks that a field's values never had: a code, a spelling, a length, a default. Is such a mark a rare thing that was
//! bound to be seen one day, or did something change?
//!
//! - **Evidence.** Rates of marks have the prior Beta(a, 1), a tenth: as many in a thousand as in a hundred, or nearly. After
//!   `n` messages without a mark, its rate under "nothing changed" has the posterior Beta(a, n + 1); under "a change" it
//!   has the prior. The first message with it raises the question and does not count; the ratio of the
//!   predictive probabilities of all that follow is an e-process, so by Ville's inequality it exceeds 1/p with
//!   probability p at most, whenever one looks (Ramdas and others, "Game-theoretic statistics and safe anytime-valid
//!   inference", 2023). It allows for what is rare and was not seen by chance: a code of a two-hundredth is no news
//!   after a thousand messages without it, however often it comes at that rate.
//! - **Open vocabularies.** The n-th question of a field gets 1/(n(n + 1)) of its budget, and a mark that came to
//!   nothing is known from then on. A field that has more marks than can be known says nothing of new ones.
//! - **Runs.** Where the same is sent again and again (a tenant's messages one after the other, a version), a run is one
//!   draw: histories count as many messages as there were draws, and of a mark its entries count, not its messages.
//! - **Senders.** Of several, two must send it, or it must come often.
//! - **Cost.** Known marks cost one search of a short list; all else happens where a mark is new.

use serde::{Deserialize, Serialize};

use super::Came;
use crate::gamma::ln_beta;

/// Marks that are known at most.
const KNOWN: usize = 128;
/// Questions at a time.
const CANDIDATES: usize = 12;
/// Probability that a field, over its whole life, has a change reported that is none.
const BUDGET: f64 = 1e-5;
/// Of the prior.
const PRIOR: f64 = 0.1;
/// Entries before a decision; those that are believed though all came from one sender of several.
const FEWEST: u32 = 5;
const ENOUGH_OF_ONE_SENDER: u32 = 12;
/// Messages from the first with the mark to the earliest decision: a shorter burst is no change.
const PATIENCE: f32 = 32.0;
/// Messages that a history is worth at most: what holds for long may still change slowly.
const WORTH: f32 = 10_000.0;
/// Messages after which a question is closed, and before which it is not.
const LONGEST: f32 = 16_384.0;
const SHORTEST: f32 = 1_024.0;
/// Doubt that closes it then.
const DOUBTFUL: f64 = 1e-2;

/// A mark under question.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Candidate<T> {
    pub(crate) mark: u64,
    /// A value that has it.
    pub(crate) value: T,
    /// Messages before, in draws.
    history: f32,
    /// The message before the first one.
    from: f32,
    pub(crate) onset_ns: u64,
    /// Messages with it, and times that it came after something else.
    pub(crate) messages: u32,
    entries: u32,
    /// The last message with it.
    last: u64,
    sender: u64,
    is_of_several: bool,
    /// Number of the question.
    number: u32,
}

/// A mark that is there from now on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct News {
    pub(crate) mark: u64,
    pub(crate) onset_ns: u64,
    /// Messages with it, and all since the first.
    pub(crate) messages: (u32, u32),
    /// Bound on the probability that nothing changed.
    pub(crate) error: f64,
}

/// The marks of a field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unseen<T> {
    /// Sorted by when they were met.
    known: Vec<u64>,
    candidates: Vec<Candidate<T>>,
    /// Messages so far.
    messages: f32,
    questions: u32,
    /// The last sender, and messages that came from another than the one before.
    sender: u64,
    switches: u32,
    /// The mark that was decided last.
    decided: Option<u64>,
}

impl<T: Copy> Unseen<T> {
    /// From marks that are known.
    pub(crate) fn new(marks: impl Iterator<Item = u64>) -> Self {
        let mut unseen = Self {
            known: Vec::new(),
            candidates: Vec::new(),
            messages: 0.0,
            questions: 0,
            sender: 0,
            switches: 0,
            decided: None,
        };
        marks.for_each(|mark| unseen.know(mark));
        unseen
    }

    /// A message came.
    #[inline]
    pub(crate) fn count(&mut self, sender: u64) {
        self.messages += 1.0;
        self.switches = self.switches.saturating_add(u32::from(sender != self.sender));
        self.sender = sender;
    }

    #[inline]
    pub(crate) fn is_known(&self, mark: u64) -> bool {
        self.known.contains(&mark)
    }

    /// Takes a mark that is not known, of the message that was counted last. `is_entry`: not as the value before;
    /// `draws`: the share of messages that are draws of their own. Whether there is something to say.
    #[cold]
    pub(crate) fn see(&mut self, mark: u64, value: T, came: Came, is_entry: bool, draws: f32) -> bool {
        if came.is_learning {
            self.know(mark);
            return false;
        }
        let Some(place) = self.candidates.iter().position(|candidate| candidate.mark == mark) else {
            self.ask(mark, value, came, draws);
            return false;
        };
        let Some(candidate) = self.candidates.get_mut(place) else { return false };
        if candidate.last == came.message {
            return false;
        }
        candidate.last = came.message;
        candidate.messages += 1;
        candidate.entries += u32::from(is_entry);
        candidate.is_of_several |= came.sender != candidate.sender;
        let since = self.messages - candidate.from;
        let error = candidate.error(since, draws);
        let is_rare = since > SHORTEST && error > DOUBTFUL;
        if is_rare || since > LONGEST {
            self.candidates.swap_remove(place);
            self.know(mark);
            return false;
        }
        let is_of_one = !candidate.is_of_several && self.switches > 2;
        let needed = if is_of_one { ENOUGH_OF_ONE_SENDER } else { FEWEST };
        if candidate.entries >= needed && since >= PATIENCE && error <= BUDGET {
            self.decided = Some(mark);
        }
        self.decided.is_some()
    }

    /// What was decided.
    pub(crate) fn take(&mut self, draws: f32) -> Option<News> {
        let mark = self.decided.take()?;
        let candidate = self.candidates.iter().find(|candidate| candidate.mark == mark)?;
        let since = self.messages - candidate.from;
        Some(News {
            mark,
            onset_ns: candidate.onset_ns,
            messages: (candidate.messages, since as u32),
            error: candidate.error(since, draws),
        })
    }

    /// The mark is as others from now on.
    pub(crate) fn accept(&mut self, mark: u64) {
        self.candidates.retain(|candidate| candidate.mark != mark);
        self.know(mark);
    }

    /// All that is under question is as it is from now on.
    pub(crate) fn accept_all(&mut self) {
        let marks: Vec<u64> = self.candidates.drain(..).map(|candidate| candidate.mark).collect();
        marks.into_iter().for_each(|mark| self.know(mark));
    }

    /// What is known.
    pub(crate) fn known(&self) -> &[u64] {
        &self.known
    }

    /// Of each mark under question, the share of messages since its first that have it.
    pub(crate) fn shares(&self) -> impl Iterator<Item = f32> {
        self.candidates.iter().map(|candidate| candidate.messages as f32 / (self.messages - candidate.from))
    }

    /// Whether a mark is under question.
    pub(crate) fn is_asked(&self, mark: u64) -> bool {
        self.candidates.iter().any(|candidate| candidate.mark == mark)
    }

    /// What is under question.
    pub(crate) fn candidates(&self) -> &[Candidate<T>] {
        &self.candidates
    }

    fn know(&mut self, mark: u64) {
        if self.known.len() <= KNOWN && !self.known.contains(&mark) {
            self.known.push(mark);
        }
    }

    fn ask(&mut self, mark: u64, value: T, came: Came, draws: f32) {
        if self.known.len() > KNOWN {
            return;
        }
        if self.candidates.len() == CANDIDATES {
            // The one of which least was seen for longest is a rare thing.
            let oldest = self.candidates.iter().enumerate().min_by_key(|(_, candidate)| candidate.last);
            let Some((place, _)) = oldest else { return };
            let mark = self.candidates.swap_remove(place).mark;
            self.know(mark);
        }
        self.questions += 1;
        self.candidates.push(Candidate {
            mark,
            value,
            history: ((self.messages - 1.0) * draws).min(WORTH),
            from: self.messages - 1.0,
            onset_ns: came.t_ns,
            messages: 1,
            entries: 1,
            last: came.message,
            sender: came.sender,
            is_of_several: false,
            number: self.questions,
        });
    }
}

impl<T> Candidate<T> {
    /// Bound on the probability of what came in so many messages, if nothing changed.
    fn error(&self, since: f32, draws: f32) -> f64 {
        let events = f64::from(self.entries - 1);
        let trials = f64::from((since - 1.0) * draws).max(events);
        let (others, history) = (trials - events, f64::from(self.history));
        let ln_e = ln_beta(PRIOR + events, 1.0 + others)
            - ln_beta(PRIOR, 1.0)
            - ln_beta(PRIOR + events, 1.0 + history + others)
            + ln_beta(PRIOR, 1.0 + history);
        let number = f64::from(self.number);
        ((-ln_e).exp() * number * (number + 1.0)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use pitot_observe::hash::mix;

    use super::*;

    fn unit(seed: u64) -> f64 {
        (mix(seed) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Messages up to the first news, and how many of them had the mark.
    fn first(
        messages: u64,
        draws: f32,
        sender: &dyn Fn(u64) -> u64,
        mark: &dyn Fn(u64) -> u64,
    ) -> Option<(u64, u32)> {
        let mut unseen = Unseen::new([0].into_iter());
        let mut last = 0;
        for message in 1..=messages {
            let (mark, sender) = (mark(message), sender(message));
            let came = Came { message, t_ns: message, sender, weight: 1.0, is_learning: message <= 64 };
            unseen.count(sender);
            let is_entry = std::mem::replace(&mut last, mark) != mark;
            if !unseen.is_known(mark) && unseen.see(mark, (), came, is_entry, draws) {
                return unseen.take(draws).map(|news| (message, news.messages.0));
            }
        }
        None
    }

    #[test]
    fn marks_that_come_and_stay() {
        const ONSET: u64 = 1_000;
        let check = |name: &str, rate: f64, within: u32| {
            let mark = |message: u64| u64::from(message >= ONSET && unit(message) < rate);
            let found = first(40_000, 1.0, &|message| message % 3, &mark);
            let is_in_time = found.is_some_and(|(_, occurrences)| occurrences <= within);
            assert!(is_in_time, "{name}: {found:?}");
        };
        check("half", 0.5, 24);
        check("a third", 0.3, 16);
        check("a twentieth", 0.05, 12);
        check("a fiftieth", 0.02, 24);
    }

    #[test]
    fn what_is_rare_is_no_news() {
        let check = |name: &str, draws: f32, mark: &dyn Fn(u64, u64) -> u64| {
            for seed in 0..40 {
                let found = first(20_000, draws, &|m| mix(m) % 4, &|message| mark(seed << 32, message));
                assert_eq!(found, None, "{name}, {seed}");
            }
        };
        let rare = |rate: f64| move |seed: u64, message: u64| u64::from(unit(seed + message) < rate);
        check("a tenth", 1.0, &rare(0.1));
        check("a hundredth", 1.0, &rare(0.01));
        check("a two-hundredth", 1.0, &rare(0.005));
        check("a thousandth", 1.0, &rare(0.001));
        // Rates in proportion to 1/n: there is always another one.
        check("a heavy tail", 1.0, &|seed, message| (unit(seed + message) * 10.0).exp() as u64);
        check("every message its own", 1.0, &|_, message| message);
        // Forty messages of one tenant in a row.
        check("runs", 1.0 / 40.0, &|seed, message| mix(seed + message / 40) % 12);
        check("once for long", 1.0, &|_, message| u64::from(message > 9_000));
        check("a burst", 1.0, &|_, message| {
            u64::from((9_000..9_020).contains(&message) && message.is_multiple_of(2))
        });
    }

    /// A code of a two-hundredth that was not seen by chance, from which moment on it comes as often as it should.
    #[test]
    fn what_was_not_seen_by_chance_is_no_news() {
        for seed in 0..200_u64 {
            let mark = |message: u64| u64::from(message >= 1_000 && unit((seed << 32) + message) < 0.005);
            assert_eq!(first(20_000, 1.0, &|message| message % 4, &mark), None, "{seed}");
        }
    }

    #[test]
    fn one_sender_of_several_must_send_it_often() {
        let mark = |message: u64| u64::from(message >= 1_000 && message.is_multiple_of(8));
        let of_one = first(2_000, 1.0, &|message| message % 4, &mark).map(|(_, occurrences)| occurrences);
        let of_all = first(2_000, 1.0, &|message| message % 5, &mark).map(|(_, occurrences)| occurrences);
        assert_eq!(of_one, Some(ENOUGH_OF_ONE_SENDER));
        assert!(of_all.is_some_and(|occurrences| occurrences < ENOUGH_OF_ONE_SENDER), "{of_all:?}");
    }

    #[test]
    fn what_is_decided_is_known() {
        let mut unseen = Unseen::new([0].into_iter());
        let came = |message| Came { message, t_ns: 0, sender: 0, weight: 1.0, is_learning: false };
        for message in 1..=1_000 {
            unseen.count(0);
            let _ = message > 900 && unseen.see(7, (), came(message), true, 1.0);
        }
        assert_eq!(unseen.take(1.0).map(|news| news.messages), Some((100, 100)));
        assert_eq!(unseen.take(1.0), None, "told once");
        unseen.accept_all();
        assert_eq!(unseen.known(), [0, 7]);
    }
}
