//! Streams from a seeded generator: those that do not change give no evidence, those that do give it once.

mod changes;
mod generate;
mod moves;
mod still;

use std::sync::Arc;

use generate::{Body, Source, name};
use pitot_drift::{Config, Flows};
use pitot_observe::shape::ValueKind::{Object, String as Text};

#[test]
fn caps_hold_and_are_counted() {
    let mut flows = Flows::new(Config { flows: 3, paths: 10, ..Config::default() });
    let mut sources: Vec<Source> = (0..5).map(|i| Source::new(&format!("/r{i}"))).collect();
    let mut body = Body::default();
    body.add("$", Object);
    (0..20).for_each(|i| body.add(name(i), Text));
    let mut out = Vec::new();
    for seq in 1..=2_000 {
        let source = &mut sources[seq as usize % 5];
        assert!(Arc::strong_count(&source.flow) <= 3, "the flow and the table");
        flows.push(source.observe(seq, 0, &body), &mut out);
    }
    assert!(flows.counters().forgotten_flows > 0 && flows.counters().refused_paths > 0);
    assert!(out.is_empty());
}
