//! The ledger as the contract writes it (section 7).

use std::collections::BTreeMap;

use pitot_stream::ledger::{Account, Ledger};
use serde::Serialize;

/// What a source said it lost without knowing where, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Lost(BTreeMap<&'static str, Amount>);

/// Packets or records, and their payload bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Amount {
    records: u64,
    bytes: u64,
}

impl Lost {
    pub(super) fn add(&mut self, lost: &pitot_common::user::Lost) {
        let amount = self.0.entry(lost.reason.as_str()).or_default();
        amount.records += lost.records;
        amount.bytes += lost.bytes;
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    ledger: Accounts<'a>,
    /// Not part of the sums: where something was lost in a connection, these have it as a gap.
    #[serde(skip_serializing_if = "Lost::is_empty")]
    unplaced: &'a Lost,
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

/// The ledger as one line of JSON, without the line break; `unplaced` is beside it if there is any.
pub(super) fn line(ledger: &Ledger, unplaced: &Lost) -> String {
    let line = Line {
        ledger: Accounts {
            bytes: Bytes { seen: ledger.bytes.seen, fate: (&ledger.bytes).into() },
            messages: Messages { started: ledger.messages.seen, fate: (&ledger.messages).into() },
        },
        unplaced,
    };
    // Numbers and string-keyed maps only: serialization into memory has no way to fail.
    #[allow(clippy::expect_used)]
    serde_json::to_string(&line).expect("a ledger is plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_as_the_contract_has_it() {
        let mut ledger = Ledger::default();
        assert_eq!(
            line(&ledger, &Lost::default()),
            r#"{"ledger":{"bytes":{"seen":0,"parsed":0,"pending":0,"skipped":{},"lost":{}},"messages":{"started":0,"parsed":0,"pending":0,"skipped":{},"lost":{}}}}"#
        );
        ledger.bytes.seen = 10;
        ledger.bytes.parsed = 4;
        ledger.bytes.skip("not_http", 2);
        ledger.bytes.lose("ring_full", 3);
        ledger.messages.seen = 1;
        let mut lost = Lost::default();
        let reason = pitot_common::user::LossReason::RingFull;
        lost.add(&pitot_common::user::Lost { time_ns: 1, reason, records: 2, bytes: 9 });
        assert_eq!(
            line(&ledger, &lost),
            r#"{"ledger":{"bytes":{"seen":10,"parsed":4,"pending":1,"skipped":{"not_http":2},"lost":{"ring_full":3}},"messages":{"started":1,"parsed":0,"pending":1,"skipped":{},"lost":{}}},"unplaced":{"ring_full":{"records":2,"bytes":9}}}"#
        );
    }
}
