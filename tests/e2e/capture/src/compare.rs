//! What the peers sent beside what Pitot recorded: a [`Row`].

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::plan::{Line, Manner, Plan};
use crate::recording::{Ledger, Message, Recorded};
use crate::wire::{HEAD, Id};

/// Messages of one case, each counted once by what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Begun by a peer.
    pub sent: u64,
    /// Reported complete, once, and as they were sent.
    pub exact: u64,
    /// Reported as incomplete.
    pub declared: u64,
    /// Not reported one by one; the ledger has their bytes as lost or skipped.
    pub lost: u64,
    /// Neither reported nor accounted for.
    pub missing: u64,
    /// Reported complete and not what was sent, or more than once.
    pub wrong: u64,
}

/// A row, and what the comparison has to say about it.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// The counts.
    pub row: Row,
    /// The first few of what is wrong or missing, and what is wrong with the ledger.
    pub complaints: Vec<String>,
    /// Why messages were declared incomplete, and bytes lost or skipped.
    pub reasons: BTreeMap<String, u64>,
}

/// More of the same kind tell nothing new.
const COMPLAINTS: usize = 5;

/// What the two peers of a case told.
#[derive(Debug, Default)]
pub struct Told {
    begun: BTreeMap<Id, Begun>,
    sent: HashSet<Id>,
    received: HashMap<Id, Option<String>>,
}

#[derive(Debug)]
struct Begun {
    body: usize,
    sha256: String,
}

impl Told {
    /// Takes a line.
    pub fn add(&mut self, line: Line) {
        match line {
            Line::Begin { id, body, sha256 } => drop(self.begun.insert(id, Begun { body, sha256 })),
            Line::Sent { id } => drop(self.sent.insert(id)),
            Line::Received { id, sha256 } => drop(self.received.insert(id, sha256)),
            _ => {}
        }
    }

    /// What is not as TCP promises: then the case shows nothing about Pitot.
    #[must_use]
    pub fn contradiction(&self, plan: &Plan) -> Option<String> {
        // What ends by a reset is never known to be whole.
        let sides = if plan.manner == Manner::UntilReset { 1 } else { 2 };
        let expected = plan.exchanges.len() * plan.connections as usize * sides;
        if plan.manner.cuts().is_none() && self.sent.len() != expected {
            return Some(format!("the peers sent {} of {expected} messages", self.sent.len()));
        }
        self.sent.iter().find_map(|id| {
            let (begun, received) = (self.begun.get(id)?, self.received.get(id));
            match received {
                // Reset or killed: what was sent before may not have been read.
                None if plan.manner.cuts().is_some() => None,
                None => Some(format!("{id:?} was sent and never received")),
                Some(Some(sha256)) if *sha256 != begun.sha256 => {
                    Some(format!("{id:?} was received as something else"))
                }
                Some(_) => None,
            }
        })
    }

    fn wire_bytes(&self, id: &Id) -> u64 {
        self.begun.get(id).map_or(0, |begun| (HEAD + begun.body) as u64)
    }
}

/// Compares. With `only_ours`, the recording holds the case's connections and no others.
#[must_use]
pub fn compare(plan: &Plan, told: &Told, recorded: &Recorded, only_ours: bool) -> Comparison {
    let mut comparison = Comparison::default();
    let mut lines: BTreeMap<Id, Vec<&Message>> = BTreeMap::new();
    for message in &recorded.messages {
        match message.id(&plan.run) {
            Some(id) if told.begun.contains_key(&id) => lines.entry(id).or_default().push(message),
            _ if message.complete && only_ours => {
                comparison.wrong(format!("a complete message that nobody sent: {message:?}"));
            }
            _ => {}
        }
    }
    let mut unreported = Vec::new();
    for (id, begun) in &told.begun {
        comparison.row.sent += 1;
        match lines.get(id).map(Vec::as_slice).unwrap_or_default() {
            [] => unreported.push(id),
            [line] if !line.complete => {
                comparison.row.declared += 1;
                let reason = line.incomplete.clone().unwrap_or_else(|| "incomplete".into());
                *comparison.reasons.entry(reason).or_default() += 1;
            }
            [_] if !told.sent.contains(id) => {
                comparison.wrong(format!("{id:?}: complete, but it was cut off"));
            }
            [line] => match difference(plan, id, begun, line) {
                None => comparison.row.exact += 1,
                Some(difference) => comparison.wrong(format!("{id:?}: {difference}")),
            },
            several => comparison.wrong(format!("{id:?}: reported {} times", several.len())),
        }
    }
    pairing(&lines, &mut comparison);
    account(told, &lines, &unreported, &recorded.ledger, &mut comparison);
    if only_ours {
        check_ledger(plan, told, &recorded.ledger, &mut comparison);
    }
    comparison
}

/// What a complete line says otherwise than the message that was sent.
fn difference(plan: &Plan, id: &Id, begun: &Begun, line: &Message) -> Option<String> {
    let head = plan.head(id.connection, id.exchange, id.side);
    if line.body_bytes != begun.body as u64 {
        Some(format!("{} bytes of body reported, {} sent", line.body_bytes, begun.body))
    } else if line.body_sha256 != begun.sha256 {
        Some("another body".into())
    } else if !line.has_head(&head) {
        Some("another head".into())
    } else {
        None
    }
}

/// A request and its response have the same `exchange`, and no other message has it.
fn pairing(lines: &BTreeMap<Id, Vec<&Message>>, comparison: &mut Comparison) {
    let mut owners: HashMap<&str, (u32, u32)> = HashMap::new();
    for (id, messages) in lines {
        for message in messages.iter().filter(|message| message.complete) {
            let place = (id.connection, id.exchange);
            if *owners.entry(&message.exchange).or_insert(place) != place {
                comparison.wrong(format!("{id:?}: paired with another exchange"));
                comparison.row.exact = comparison.row.exact.saturating_sub(1);
            }
        }
    }
}

/// Of the messages that were not reported, those count as lost whose bytes the ledger has as lost or skipped beyond
/// what the incomplete messages explain.
fn account(
    told: &Told,
    lines: &BTreeMap<Id, Vec<&Message>>,
    unreported: &[&Id],
    ledger: &Ledger,
    comparison: &mut Comparison,
) {
    let incomplete = lines.iter().filter(|(_, lines)| lines.iter().all(|line| !line.complete));
    let explained: u64 = incomplete.map(|(id, _)| told.wire_bytes(id)).sum();
    let mut budget = ledger.declared_bytes().saturating_sub(explained);
    let mut sizes: Vec<(u64, &&Id)> = unreported.iter().map(|id| (told.wire_bytes(id), id)).collect();
    sizes.sort();
    for (size, id) in sizes {
        // Of a message that was cut off nobody knows how much reached the socket.
        let size = if told.sent.contains(*id) { size } else { 1 };
        if size <= budget {
            comparison.row.lost += 1;
            budget -= size;
        } else {
            comparison.row.missing += 1;
            comparison.complain(format!("{id:?}: {size} bytes sent, and nothing said about them"));
        }
    }
    for (reason, bytes) in ledger.reasons() {
        *comparison.reasons.entry(reason).or_default() += bytes;
    }
}

/// The sums hold; and where everything was exact, so is the count of bytes.
fn check_ledger(plan: &Plan, told: &Told, ledger: &Ledger, comparison: &mut Comparison) {
    if let Some(complaint) = ledger.contradiction() {
        comparison.fault(complaint);
    }
    let sent: u64 = told.sent.iter().map(|id| told.wire_bytes(id)).sum();
    let row = comparison.row;
    if plan.manner.cuts().is_none() && row.exact == row.sent && ledger.parsed_bytes() != sent {
        let parsed = ledger.parsed_bytes();
        comparison.fault(format!("the ledger has {parsed} bytes as parsed, and {sent} were sent"));
    }
}

impl Comparison {
    fn wrong(&mut self, complaint: String) {
        self.row.wrong += 1;
        self.complain(complaint);
    }

    /// A complaint that no count holds: the case fails by it.
    fn fault(&mut self, complaint: String) {
        self.complaints.insert(0, format!("ledger: {complaint}"));
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(complaint);
        }
    }

    /// Whether Pitot claimed something that is not so, or kept silent.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.row.wrong > 0 || self.row.missing > 0 || !self.complaints.is_empty()
    }
}

impl Row {
    /// The row's sum over both sides, as `case` lines have it.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { sent, exact, declared, lost, missing, wrong } = self;
        format!("sent={sent} exact={exact} declared={declared} lost={lost} missing={missing} wrong={wrong}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Address, Exchange, Order};
    use crate::receive::ReceivePath;
    use crate::send::SendPath;
    use crate::wire::Side;

    fn plan() -> Plan {
        Plan {
            run: "r".into(),
            comm: "c".into(),
            address: Address::Inherited,
            send: SendPath::Write,
            receive: ReceivePath::Read,
            exchanges: vec![Exchange { request: 100, response: 200 }; 2],
            connections: 1,
            order: Order::OneByOne,
            manner: Manner::Plain,
            wait: false,
        }
    }

    const IDS: [(u32, Side); 4] =
        [(0, Side::Request), (0, Side::Response), (1, Side::Request), (1, Side::Response)];

    fn id(index: usize) -> Id {
        let (exchange, side) = IDS[index];
        Id { connection: 0, exchange, side }
    }

    /// All four messages were begun, and sent but for `cut`.
    fn told(cut: Option<usize>) -> Told {
        let mut told = Told::default();
        for index in 0..IDS.len() {
            let body = if id(index).side == Side::Request { 100 } else { 200 };
            told.add(Line::Begin { id: id(index), body, sha256: format!("hash{index}") });
            if cut != Some(index) {
                told.add(Line::Sent { id: id(index) });
            }
        }
        told
    }

    /// The line of a message, as JSON to be changed.
    fn line(index: usize) -> serde_json::Value {
        let id = id(index);
        let head = plan().head(id.connection, id.exchange, id.side);
        let text = String::from_utf8(head.encode()).expect("ASCII");
        let headers: serde_json::Map<_, _> = text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.into()))
            .collect();
        serde_json::json!({
            "side": id.side, "target": head.target(), "status": 200, "headers": headers,
            "exchange": format!("e{}", id.exchange), "body_sha256": format!("hash{index}"), "body_bytes": head.body,
        })
    }

    /// The recording of these lines, with `parsed` bytes and `lost` ones.
    fn recorded(lines: &[serde_json::Value], parsed: u64, lost: u64) -> Recorded {
        let message = |line: &serde_json::Value| serde_json::from_value(line.clone()).expect("a message");
        let ledger = serde_json::json!({"ledger": {
            "bytes": {"seen": parsed + lost, "parsed": parsed, "pending": 0, "skipped": {}, "lost": {"ring_full": lost}},
            "messages": {"started": 4, "parsed": 4, "pending": 0, "skipped": {}, "lost": {}},
        }});
        Recorded {
            messages: lines.iter().map(message).collect(),
            ledger: serde_json::from_value(ledger).expect("a ledger"),
        }
    }

    const ALL_BYTES: u64 = 4 * HEAD as u64 + 600;

    #[track_caller]
    fn check(cut: Option<usize>, recorded: &Recorded, expected: &str) -> Comparison {
        let comparison = compare(&plan(), &told(cut), recorded, true);
        assert_eq!(comparison.row.line(), expected, "{:?}", comparison.complaints);
        comparison
    }

    fn changed(index: usize, key: &str, value: impl Into<serde_json::Value>) -> Vec<serde_json::Value> {
        let mut lines: Vec<_> = (0..4).map(line).collect();
        lines[index][key] = value.into();
        lines
    }

    #[test]
    fn what_is_as_it_was_sent_is_exact() {
        let all: Vec<_> = (0..4).map(line).collect();
        let good =
            check(None, &recorded(&all, ALL_BYTES, 0), "sent=4 exact=4 declared=0 lost=0 missing=0 wrong=0");
        assert!(!good.is_bad());
        let bytes = check(None, &recorded(&all, 7, 0), "sent=4 exact=4 declared=0 lost=0 missing=0 wrong=0");
        assert!(bytes.is_bad(), "the ledger has other bytes");
    }

    #[test]
    fn what_is_not_as_it_was_sent_is_wrong() {
        for (key, value) in [
            ("body_sha256", "x".into()),
            ("body_bytes", 99.into()),
            ("exchange", "e1".into()),
            ("target", "/".into()),
        ] {
            let value: serde_json::Value = value;
            let lines = recorded(&changed(0, key, value), ALL_BYTES, 0);
            let comparison = compare(&plan(), &told(None), &lines, true);
            assert!(comparison.row.wrong > 0 && comparison.is_bad(), "{key}: {}", comparison.row.line());
        }
        let mut twice: Vec<_> = (0..4).map(line).collect();
        twice.push(line(3));
        check(None, &recorded(&twice, ALL_BYTES, 0), "sent=4 exact=3 declared=0 lost=0 missing=0 wrong=1");
        let mut foreign: Vec<_> = (0..4).map(line).collect();
        foreign.push(serde_json::json!({"side": "request"}));
        check(None, &recorded(&foreign, ALL_BYTES, 0), "sent=4 exact=4 declared=0 lost=0 missing=0 wrong=1");
    }

    #[test]
    fn what_was_cut_off_may_only_be_declared() {
        let all: Vec<_> = (0..4).map(line).collect();
        check(Some(3), &recorded(&all, ALL_BYTES, 0), "sent=4 exact=3 declared=0 lost=0 missing=0 wrong=1");
        let declared = changed(3, "complete", false);
        check(Some(3), &recorded(&declared, 0, 0), "sent=4 exact=3 declared=1 lost=0 missing=0 wrong=0");
        check(Some(3), &recorded(&all[..3], 0, 0), "sent=4 exact=3 declared=0 lost=0 missing=1 wrong=0");
        check(Some(3), &recorded(&all[..3], 0, 5), "sent=4 exact=3 declared=0 lost=1 missing=0 wrong=0");
    }

    #[test]
    fn silence_is_missing_unless_the_ledger_has_the_bytes() {
        let two: Vec<_> = (0..2).map(line).collect();
        let (request, response) = (HEAD as u64 + 100, HEAD as u64 + 200);
        let check = |lost, expected| {
            check(None, &recorded(&two, 0, lost), expected);
        };
        check(0, "sent=4 exact=2 declared=0 lost=0 missing=2 wrong=0");
        check(request - 1, "sent=4 exact=2 declared=0 lost=0 missing=2 wrong=0");
        check(request, "sent=4 exact=2 declared=0 lost=1 missing=1 wrong=0");
        check(request + response, "sent=4 exact=2 declared=0 lost=2 missing=0 wrong=0");
    }

    #[test]
    fn incomplete_messages_explain_lost_bytes_first() {
        let mut lines: Vec<_> = (0..3).map(line).collect();
        lines[2]["complete"] = false.into();
        let expected = "sent=4 exact=2 declared=1 lost=0 missing=1 wrong=0";
        check(None, &recorded(&lines, 0, HEAD as u64 + 100), expected);
    }
}
