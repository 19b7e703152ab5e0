//! The ledger as the contract writes it (section 7): what the stages counted, and what the kernel part did.
//!
//! Bytes that user space never got have no place there, except as a gap: something later of the same direction shows how
//! many are missing, not why. The kernel part knows why, and how many in all, not whether anything will show it. Each byte is
//! in the ledger once, by this rule:
//!
//! - what was left out on purpose (filtered, not our protocol, not attributed) shows as no gap, for the stages know which
//!   connections that are: it is added to what was seen and skipped, as the kernel part counted it;
//! - of what was lost for a reason, as much as there are gaps without a known reason is taken to be those gaps: they
//!   get the reason's name;
//! - what is lost beyond that no gap shows (yet, or ever: nothing more was seen of the connection): it is added to what was
//!   seen and lost. It is also told apart, as `unplaced`.
//!
//! What is then still a gap without a reason, the kernel part did not notice: records of a CPU that never came, or a hook that
//! did not run. A packet that is sent again after it was left out or lost is counted again by the kernel part.

use std::collections::BTreeMap;

use pitot_common::user::LossReason;
use pitot_stream::ledger::{Account, Ledger};
use serde::Serialize;

/// Gaps whose reason only the kernel part can know, in the order in which they get it; the last are named after what ended
/// the wait for them.
const UNEXPLAINED: [&str; 9] = [
    "not_captured",
    "timed_out",
    "hold_full",
    "finished",
    "reset",
    "replaced",
    "idle",
    "evicted",
    "end_of_input",
];

/// What the kernel part counted, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Counted(BTreeMap<&'static str, Amount>);

/// Packets or records, and their payload bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Amount {
    records: u64,
    bytes: u64,
}

impl Counted {
    pub(super) fn add(&mut self, lost: &pitot_common::user::Lost) {
        let amount = self.0.entry(lost.reason.as_str()).or_default();
        amount.records += lost.records;
        amount.bytes += lost.bytes;
    }

    fn bytes(&self, reason: LossReason) -> u64 {
        self.0.get(reason.as_str()).map_or(0, |amount| amount.bytes)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Everything once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// The sums.
    pub ledger: Ledger,
    /// The part of what was lost that no gap shows, by reason.
    pub unplaced: BTreeMap<&'static str, u64>,
    counted: Counted,
}

/// Adds what the kernel part counted to what the stages did, by the rule above.
pub(super) fn settle(mut ledger: Ledger, counted: Counted) -> Settled {
    let mut unplaced = BTreeMap::new();
    let bytes = &mut ledger.bytes;
    for reason in LossReason::ALL {
        let (name, total) = (reason.as_str(), counted.bytes(reason));
        if reason.is_skip() {
            bytes.seen += total;
            bytes.skip(name, total);
            continue;
        }
        // Where the kernel part could say which bytes it lost, they are gaps of that name.
        let placed = bytes.lost.get(name).copied().unwrap_or(0).min(total);
        let rest = explain(bytes, name, total - placed);
        if rest > 0 {
            bytes.seen += rest;
            bytes.lose(name, rest);
            unplaced.insert(name, rest);
        }
    }
    Settled { ledger, unplaced, counted }
}

/// Gives up to `bytes` of gaps without a reason this one; how many are left.
fn explain(account: &mut Account, reason: &'static str, bytes: u64) -> u64 {
    let mut left = bytes;
    for gap in UNEXPLAINED {
        let Some(unexplained) = account.lost.get_mut(gap) else { continue };
        let taken = left.min(*unexplained);
        *unexplained -= taken;
        left -= taken;
        if *unexplained == 0 {
            account.lost.remove(gap);
        }
        account.lose(reason, taken);
    }
    left
}

#[derive(Serialize)]
struct Line<'a> {
    ledger: Accounts<'a>,
    /// Part of the sums: what was lost and no gap shows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unplaced: &'a BTreeMap<&'static str, u64>,
    /// What the kernel part counted, as it did: also what has no bytes, such as programs that were not run.
    #[serde(skip_serializing_if = "Counted::is_empty")]
    kernel: &'a Counted,
}

#[derive(Serialize)]
struct Accounts<'a> {
    bytes: Bytes<'a>,
    messages: Messages<'a>,
}

#[derive(Serialize)]
struct Bytes<'a> {
    seen: u64,
    #[serde(flatten)]
    fate: Fate<'a>,
}

#[derive(Serialize)]
struct Messages<'a> {
    started: u64,
    #[serde(flatten)]
    fate: Fate<'a>,
}

#[derive(Serialize)]
struct Fate<'a> {
    parsed: u64,
    pending: u64,
    skipped: &'a BTreeMap<&'static str, u64>,
    lost: &'a BTreeMap<&'static str, u64>,
}

impl<'a> From<&'a Account> for Fate<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            parsed: account.parsed,
            pending: account.pending(),
            skipped: &account.skipped,
            lost: &account.lost,
        }
    }
}

impl Settled {
    /// What the kernel part counted, in packets or records, by reason.
    pub fn kernel_records(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counted.0.iter().map(|(reason, amount)| (*reason, amount.records))
    }

    /// One line of JSON, without the line break.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { ledger, unplaced, counted } = self;
        let line = Line {
            ledger: Accounts {
                bytes: Bytes { seen: ledger.bytes.seen, fate: (&ledger.bytes).into() },
                messages: Messages { started: ledger.messages.seen, fate: (&ledger.messages).into() },
            },
            unplaced,
            kernel: counted,
        };
        // Numbers and string-keyed maps only: serialization into memory has no way to fail.
        #[allow(clippy::expect_used)]
        serde_json::to_string(&line).expect("a ledger is plain data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(counts: &[(LossReason, u64, u64)]) -> Counted {
        let mut counted = Counted::default();
        for &(reason, records, bytes) in counts {
            counted.add(&pitot_common::user::Lost { time_ns: 1, reason, records, bytes });
        }
        counted
    }

    #[test]
    fn a_line_as_the_contract_has_it() {
        let mut ledger = Ledger::default();
        assert_eq!(
            settle(ledger.clone(), Counted::default()).line(),
            r#"{"ledger":{"bytes":{"seen":0,"parsed":0,"pending":0,"skipped":{},"lost":{}},"messages":{"started":0,"parsed":0,"pending":0,"skipped":{},"lost":{}}}}"#
        );
        ledger.bytes.seen = 10;
        ledger.bytes.parsed = 4;
        ledger.bytes.skip("not_http", 2);
        ledger.bytes.lose("not_captured", 3);
        ledger.messages.seen = 1;
        assert_eq!(
            settle(ledger, counted(&[(LossReason::RingFull, 2, 9)])).line(),
            r#"{"ledger":{"bytes":{"seen":16,"parsed":4,"pending":1,"skipped":{"not_http":2},"lost":{"ring_full":9}},"messages":{"started":1,"parsed":0,"pending":1,"skipped":{},"lost":{}}},"unplaced":{"ring_full":6},"kernel":{"ring_full":{"records":2,"bytes":9}}}"#
        );
    }

    #[test]
    fn every_lost_byte_is_there_once() {
        use LossReason::{Filtered, Overload, PacketTooLarge, Recursion, RingFull};
        let check = |gaps: &[(&'static str, u64)],
                     counts: &[(LossReason, u64)],
                     lost: &[(&'static str, u64)],
                     unplaced: &[(&'static str, u64)]| {
            let mut ledger = Ledger::default();
            for (reason, bytes) in gaps {
                ledger.bytes.seen += bytes;
                ledger.bytes.lose(reason, *bytes);
            }
            let counts: Vec<_> = counts.iter().map(|(reason, bytes)| (*reason, 1, *bytes)).collect();
            let settled = settle(ledger, counted(&counts));
            let bytes = settled.ledger.bytes;
            assert_eq!(bytes.lost, lost.iter().copied().collect(), "{gaps:?} {counts:?}");
            assert_eq!(settled.unplaced, unplaced.iter().copied().collect(), "{gaps:?} {counts:?}");
            assert_eq!(bytes.pending(), 0);
            assert_eq!(bytes.seen, bytes.lost.values().chain(bytes.skipped.values()).sum::<u64>());
        };
        check(&[], &[], &[], &[]);
        check(&[("not_captured", 5)], &[], &[("not_captured", 5)], &[]);
        check(&[("not_captured", 5)], &[(RingFull, 5)], &[("ring_full", 5)], &[]);
        check(&[("timed_out", 5)], &[(RingFull, 3)], &[("ring_full", 3), ("timed_out", 2)], &[]);
        check(&[("timed_out", 5)], &[(RingFull, 9)], &[("ring_full", 9)], &[("ring_full", 4)]);
        check(
            &[("not_captured", 5), ("evicted", 5)],
            &[(RingFull, 6), (Overload, 3)],
            &[("ring_full", 6), ("overload", 3), ("evicted", 1)],
            &[],
        );
        // What the kernel part placed by itself needs no explanation, and what is ambiguous has one.
        check(&[("packet_too_large", 5)], &[(PacketTooLarge, 5)], &[("packet_too_large", 5)], &[]);
        check(
            &[("ambiguous_overlap", 5)],
            &[(RingFull, 1)],
            &[("ambiguous_overlap", 5), ("ring_full", 1)],
            &[("ring_full", 1)],
        );
        check(&[("not_captured", 5)], &[(Filtered, 5), (Recursion, 0)], &[("not_captured", 5)], &[]);
    }
}
