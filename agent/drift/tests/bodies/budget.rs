//! Flows in little memory: the budget holds whatever comes, and a stub still knows what its flow is like.

use pitot_drift::{Config, Evidence, Flows};
use pitot_observe::{Limits, Namer, Observer};
use proptest::prelude::*;

use crate::stream::{Random, message};

/// Enough for the values of a few flows.
const MEMORY: u64 = 2 << 20;

/// Flows in a table with a budget.
struct Table {
    observer: Observer,
    flows: Flows,
    random: Random,
    seq: u64,
    out: Vec<Evidence>,
}

impl Table {
    fn new() -> Self {
        Self {
            observer: Observer::new(Limits::default(), Namer::default()),
            flows: Flows::new(Config { memory: MEMORY, ..Config::default() }),
            random: Random::new(1),
            seq: 0,
            out: Vec::new(),
        }
    }

    /// Sends messages to a route; `body` is given a number below 10,000.
    fn send(&mut self, route: &str, messages: u64, body: impl Fn(u64) -> String) {
        for _ in 0..messages {
            self.seq += 1;
            let message = message(route, self.seq, body(self.random.below(10_000)));
            self.flows.push(self.observer.observe(&message).expect("observed"), &mut self.out);
            assert!(self.flows.memory() <= MEMORY, "{} bytes", self.flows.memory());
        }
    }

    /// `kind path` of what was found since the last call.
    fn found(&mut self) -> Vec<String> {
        self.out
            .drain(..)
            .map(|e| format!("{:?} {}{}", e.kind, e.path, if e.reverted { " undone" } else { "" }))
            .collect()
    }
}

/// As many members as `width`.
fn wide(width: usize, number: u64) -> String {
    let members: Vec<String> =
        (0..width).map(|i| format!(r#""m{i}":{}"#, number * 7 % (i as u64 + 9))).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn a_stub_still_knows_its_flow() {
    let others = |table: &mut Table| {
        let before = table.flows.counters().stubs;
        (0..60).for_each(|i| table.send(&format!("/other{i}x/all"), 40, |number| wide(12, number)));
        assert!(table.flows.counters().stubs > before);
    };
    let mut table = Table::new();
    table.send("/v1/orders", 400, |number| format!(r#"{{"id":{number},"amount":{number}}}"#));
    table.send("/v1/orders", 400, |number| format!(r#"{{"id":{number},"amount":"{number}"}}"#));
    assert_eq!(table.found(), ["TypeChanged $.amount"]);
    others(&mut table);
    table.send("/v1/orders", 400, |number| format!(r#"{{"id":{number},"amount":"{number}"}}"#));
    assert_eq!(table.found(), [""; 0], "it was said before");
    others(&mut table);
    table.send("/v1/orders", 400, |number| format!(r#"{{"id":{number},"amount":{number},"note":1}}"#));
    assert_eq!(table.found(), ["TypeChanged $.amount undone", "FieldAdded $.note"]);
    assert_eq!(table.flows.counters().forgotten_flows, 0);
}

#[test]
fn one_flow_alone_keeps_within_the_budget() {
    let mut table = Table::new();
    table.send("/v1/all", 150, |number| wide(800, number));
    let counters = table.flows.counters();
    assert!(counters.refused_paths > 0 && counters.unwatched_paths > 0, "{counters:?}");
    assert_eq!((counters.stubs, counters.forgotten_flows), (0, 0));
    assert_eq!(table.found(), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any order of flows of any width; [`Table::send`] holds them to the budget.
    #[test]
    fn any_order_keeps_within_the_budget(
        steps in prop::collection::vec((0_u32..60, 1_u64..80, 1_usize..40), 1..60),
    ) {
        let mut table = Table::new();
        for (flow, messages, width) in steps {
            table.send(&format!("/r{flow}x/all"), messages, |number| wide(width, number));
        }
        prop_assert!(table.flows.memory() > 0);
    }
}
