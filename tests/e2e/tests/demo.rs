//! The demonstration is a test of the whole: real processes, the real kernel, a fault, a finding.

#![allow(clippy::expect_used, reason = "a test: what is missing ends it, with its name")]

use std::process::Command;

use pitot_e2e::{agent, ready};
use serde_json::Value;

fn demo(fault: &str) -> (Option<i32>, Vec<Value>) {
    let output =
        Command::new(agent()).args(["demo", "--json", "--fault", fault]).output().expect("pitot demo");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    let findings = lines.lines().map(|line| serde_json::from_str(line).expect("a finding a line")).collect();
    (output.status.code(), findings)
}

#[test]
fn the_injected_faults_are_found_and_nothing_else() {
    if !ready() {
        return;
    }
    let (schema, semantic, range) = ("pitot.schema.drift", "pitot.semantic.drift", "pitot.value_range.drift");
    for (fault, events) in [
        ("schema", &[schema][..]),
        ("semantic", &[semantic]),
        ("value_range", &[range]),
        ("all", &[schema, semantic, range]),
    ] {
        let (code, findings) = demo(fault);
        assert_eq!(code, Some(0), "{fault}: {findings:?}");
        let opened: Vec<_> = findings.iter().filter(|f| f["state"] == "open").map(|f| &f["event"]).collect();
        assert_eq!(opened, events, "{fault}: {findings:?}");
    }
}

#[test]
fn without_a_fault_nothing_is_found() {
    if !ready() {
        return;
    }
    assert_eq!(demo("none"), (Some(0), vec![]));
}
