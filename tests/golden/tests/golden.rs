//! The same input gives the same bytes, for any number of workers and wherever batches end, and these bytes are the
//! ones checked in. `UPDATE_GOLDEN=1 cargo test -p pitot-golden` rewrites them; what they must say at least is in the
//! tables below.

// clippy.toml's exemption covers test functions, not their helpers.
#![allow(clippy::expect_used)]

use std::path::Path;

use pitot::config::Config;
use pitot::pipeline::Pipeline;
use pitot_common::user::{CaptureEvent, Progress, Source as _};
use pitot_findings::Finding;
use pitot_findings::finding::State;
use pitot_golden::{Fault, capture, messages};
use pitot_protocols::messages::{Item, Reader};

/// What must be opened: kind and path. Nothing else may be.
fn expected(fault: Fault) -> Vec<(&'static str, &'static str)> {
    match fault {
        Fault::None => vec![],
        Fault::Renamed => vec![("field_renamed", "$.amount_minor")],
        Fault::Removed => vec![("field_removed", "$.currency")],
        Fault::Added => vec![("field_added", "$.channel")],
        Fault::Retyped => vec![("type_changed", "$.customer.id")],
        Fault::Nulls => vec![("presence_changed", "$.lines[*].price")],
        // In the order of the deciding messages.
        Fault::Everywhere => vec![
            ("field_removed", "$.currency"),
            ("field_added", "$.fee"),
            ("field_removed", "$.account"),
            ("field_added", "$.fee"),
        ],
    }
}

/// Findings as lines, and the ledger.
#[derive(Debug, PartialEq)]
struct Result {
    lines: String,
    ledger: String,
    opened: Vec<(String, String)>,
}

fn finish(mut pipeline: Pipeline, mut findings: Vec<Finding>) -> Result {
    pipeline.finish(&mut findings);
    let opened = findings.iter().filter(|finding| finding.state == State::Open);
    Result {
        lines: findings.iter().map(|finding| finding.to_line() + "\n").collect(),
        ledger: pipeline.ledger().line(),
        opened: opened.map(|finding| (finding.kind.to_owned(), finding.path.clone())).collect(),
    }
}

fn replay_messages(file: &str, workers: usize, batch: usize) -> Result {
    let mut pipeline = Pipeline::new(&Config::default(), workers).expect("threads").batches_of(batch);
    let mut findings = Vec::new();
    for item in Reader::new(file.as_bytes()) {
        match item.expect("readable") {
            Item::Message(message) => pipeline.message(*message, &mut findings),
            other => panic!("the generator makes messages only: {other:?}"),
        }
    }
    finish(pipeline, findings)
}

fn replay_capture(events: &[CaptureEvent], workers: usize, batch: usize) -> Result {
    let mut pipeline = Pipeline::new(&Config::default(), workers).expect("threads");
    let mut findings = Vec::new();
    for batch in events.chunks(batch) {
        pipeline.capture(&mut batch.to_vec(), &mut findings);
    }
    finish(pipeline, findings)
}

fn check(fault: Fault, input: &str, replay: impl Fn(usize, usize) -> Result) {
    let result = replay(1, 1_000);
    let opened: Vec<_> = result.opened.iter().map(|(kind, path)| (kind.as_str(), path.as_str())).collect();
    assert_eq!(opened, expected(fault), "{fault:?} as {input}");
    for (workers, batch) in [(1, 1), (1, 7), (4, 1_000), (4, 64), (3, 100_000)] {
        assert_eq!(
            replay(workers, batch),
            result,
            "{fault:?} as {input}, {workers} workers, batches of {batch}"
        );
    }
    let name = format!("{}.{input}.jsonl", format!("{fault:?}").to_lowercase());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected").join(&name);
    let content = format!("{}{}\n", result.lines, result.ledger);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &content).expect("writable");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(content, kept, "{name} differs; UPDATE_GOLDEN=1 rewrites it");
}

#[test]
fn messages_files() {
    for fault in Fault::ALL {
        let file = messages(fault, 1);
        check(fault, "messages", |workers, batch| replay_messages(&file, workers, batch));
    }
}

#[test]
fn captures() {
    for fault in Fault::ALL {
        let events = capture(fault, 1);
        check(fault, "capture", |workers, batch| replay_capture(&events, workers, batch));
    }
}

/// What goes through a capture file comes out the same.
#[test]
fn a_capture_file_in_between_changes_nothing() {
    let events = capture(Fault::Renamed, 1);
    let mut recorder = pitot_replay::Recorder::new(Vec::new()).expect("memory");
    events.iter().try_for_each(|event| recorder.write(event)).expect("memory");
    let file = recorder.finish().expect("memory");
    let mut reader = pitot_replay::Reader::new(file.as_slice()).expect("a capture file");
    let mut read = Vec::new();
    while reader.next_batch(&mut read).expect("whole") != Progress::End {}
    assert_eq!(read, events);
    assert_eq!(replay_capture(&read, 2, 512), replay_capture(&events, 1, 512));
}

/// Seeds that nobody looked at: no alarm without a change.
#[test]
fn nothing_is_found_where_nothing_changes() {
    for seed in 2..6 {
        let found = replay_messages(&messages(Fault::None, seed), 1, 1_000);
        assert_eq!(found.lines, "", "seed {seed}");
    }
}
