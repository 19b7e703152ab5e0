//! Every byte and every message accounted for (contract, section 7).
//!
//! `seen = parsed + skipped + lost + pending` for bytes, `started = ...` for messages. Stages add to their own
//! ledger; ledgers add up by [`Ledger::merge`].

use std::collections::BTreeMap;

/// One side of the ledger: bytes, or messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// What came in: transport payload bytes, each position once, or messages whose start was seen.
    pub seen: u64,
    /// What ended in a complete message, or the complete messages.
    pub parsed: u64,
    /// What was deliberately not used, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// What was not captured, by reason.
    pub lost: BTreeMap<&'static str, u64>,
}

impl Account {
    /// What is still undecided.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let decided = self.parsed + self.skipped.values().sum::<u64>() + self.lost.values().sum::<u64>();
        debug_assert!(decided <= self.seen, "more decided than seen: {self:?}");
        self.seen.saturating_sub(decided)
    }

    /// Adds `n` to what was skipped for `reason`.
    pub fn skip(&mut self, reason: &'static str, n: u64) {
        if n > 0 {
            *self.skipped.entry(reason).or_default() += n;
        }
    }

    /// Adds `n` to what was lost for `reason`.
    pub fn lose(&mut self, reason: &'static str, n: u64) {
        if n > 0 {
            *self.lost.entry(reason).or_default() += n;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.seen += other.seen;
        self.parsed += other.parsed;
        for (reason, n) in &other.skipped {
            self.skip(reason, *n);
        }
        for (reason, n) in &other.lost {
            self.lose(reason, *n);
        }
    }
}

/// Bytes and messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Transport payload.
    pub bytes: Account,
    /// Messages.
    pub messages: Account,
}

impl Ledger {
    /// Adds `other` to this one.
    pub fn merge(&mut self, other: &Self) {
        self.bytes.merge(&other.bytes);
        self.messages.merge(&other.messages);
    }
}
