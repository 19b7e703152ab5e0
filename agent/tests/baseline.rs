//! What was learned is stored and taken up again, as if nothing had been in between.

// clippy.toml's exemption covers test functions, not their helpers.
#![allow(clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use pitot::config::Config;
use pitot::pipeline::{Learned, Pipeline};
use pitot_findings::Finding;
use pitot_findings::finding::State;
use pitot_protocols::Message;
use pitot_protocols::messages::{Item, Reader};
use proptest::prelude::*;

const MESSAGES: u64 = 1_200;

/// Three integrations with rare fields, nulls, arrays, several senders, and changes now and then; the flows are uneven.
fn messages(seed: u64) -> Vec<Message> {
    let mut random = seed | 1;
    let mut draw = move |below: u64| {
        random = pitot_observe::hash::mix(random.wrapping_add(0x9e37_79b9_7f4a_7c15));
        random % below
    };
    let mut file = String::new();
    for number in 0..MESSAGES {
        let t_ns = 1_763_800_000_000_000_000 + number * 37_000_000;
        let (client, server, route) = match draw(7) {
            0 => ("cron", "stock", "/v1/levels"),
            1 | 2 => ("shop", "mail", "/send"),
            _ => ("shop", "billing", "/v1/charges"),
        };
        let amount = if number < 500 { "amount" } else { "amount_minor" };
        let total = if number < 700 { draw(9_000).to_string() } else { format!("\"{}\"", draw(9_000)) };
        let mut body = format!(r#"{{"id":"o-{number}","{amount}":{},"total":{total}"#, draw(500));
        if draw(10) < 7 && number < 900 {
            let note = if draw(3) == 0 { "null" } else { "\"n\"" };
            write!(body, r#","note":{note}"#).expect("memory");
        }
        if draw(150) == 0 {
            write!(body, r#","rare_{}":true"#, draw(3)).expect("memory");
        }
        if number < 1_050 || draw(3) > 0 {
            body.push_str(r#","currency":"EUR""#);
        }
        if number > 400 {
            body.push_str(r#","trace":{"span":"a"}"#);
        }
        let lines: Vec<String> = (0..draw(4))
            .map(|i| {
                if draw(5) == 0 {
                    format!(r#"{{"sku":{i}}}"#)
                } else {
                    format!(r#"{{"sku":{i},"price":1.5}}"#)
                }
            })
            .collect();
        write!(body, r#","lines":[{}]}}"#, lines.join(",")).expect("memory");
        let instance = draw(3);
        writeln!(
            file,
            r#"{{"t_ns":{t_ns},"client":"{client}","server":"{server}","exchange":"{number}","instance":"i{instance}","side":"request","method":"POST","target":"{route}","headers":{{"content-type":"application/json"}},"body":{body}}}"#
        )
        .expect("memory");
    }
    read(&file)
}

fn read(file: &str) -> Vec<Message> {
    Reader::new(file.as_bytes())
        .map(|item| match item.expect("memory") {
            Item::Message(message) => *message,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// The findings of all messages, with the agent stopped and started again at each cut. Sources count anew after each.
fn run(messages: &[Message], cuts: &[usize], workers: usize) -> Vec<String> {
    let mut config = Config::default();
    config.learning.messages = 60;
    resumed_run(&config, messages, cuts, workers).0
}

/// The same, with what was left out for want of memory.
fn resumed_run(
    config: &Config,
    messages: &[Message],
    cuts: &[usize],
    workers: usize,
) -> (Vec<String>, BTreeMap<&'static str, u64>) {
    let mut pipeline = Pipeline::new(config, workers).expect("threads");
    let (mut findings, mut seq) = (Vec::new(), 0);
    for (number, message) in messages.iter().enumerate() {
        if cuts.contains(&number) {
            let stored = pipeline.learned(&mut findings).expect("can be stored");
            let learned: Learned = pitot_state::decode(&stored).expect("reads what it wrote");
            pipeline = Pipeline::new(config, workers).expect("threads").resumed(config, learned);
            let again = pipeline.learned(&mut findings).expect("can be stored");
            assert!(again == stored, "what is read and written again is the same");
            seq = 0;
        }
        let mut message = message.clone();
        message.order.seq = seq;
        seq += 1;
        pipeline.message(message, &mut findings);
    }
    pipeline.finish(&mut findings);
    (findings.iter().map(Finding::to_line).collect(), pipeline.learning().left_out)
}

/// Flows that do not fit into memory, of many routes: what is left out, and so what is found, depends on the messages only.
#[test]
fn a_small_budget_gives_the_same_for_any_number_of_workers() {
    let mut messages = messages(1);
    for (number, message) in messages.iter_mut().enumerate() {
        if let (Some(request), true) = (&mut message.request, number % 3 == 0) {
            let request = Arc::make_mut(request);
            request.target = format!("{}/part{}x/all", request.target, number / 3 % 40);
        }
    }
    let mut config = Config::default();
    config.learning.messages = 60;
    config.limits.learned_bytes = 64 * (64 << 10);
    let (findings, left_out) = resumed_run(&config, &messages, &[], 1);
    assert!(
        left_out["flow_stub"] > 0 && left_out["flow_forgotten"] > 0 && !findings.is_empty(),
        "{left_out:?}"
    );
    for workers in [2, 5] {
        assert_eq!(resumed_run(&config, &messages, &[], workers), (findings.clone(), left_out.clone()));
    }
}

#[test]
fn two_halves_are_one_run() {
    let messages = messages(1);
    let whole = run(&messages, &[], 1);
    assert!(whole.len() > 3, "the stream has changes: {whole:#?}");
    for cuts in [&[600][..], &[0], &[1, 2, 3], &[100, 510, 520, 711, 1_060, 1_065, 1_070, 1_199]] {
        assert_eq!(run(&messages, cuts, 1), whole, "cut at {cuts:?}");
    }
    assert_eq!(run(&messages, &[600], 3), whole, "three workers");
}

/// A change that was approved is the baseline: its finding is closed, and a return is a change of its own.
#[test]
fn an_approved_change_is_the_baseline() {
    let mut pipeline = Pipeline::new(&Config::default(), 1).expect("threads");
    let (mut findings, mut number, mut seq) = (Vec::new(), 0_u64, 0);
    let mut send = |pipeline: &mut Pipeline, name: &str, count: u64, findings: &mut Vec<Finding>| {
        let lines: String = (0..count)
            .map(|_| {
                number += 1;
                let t_ns = 1_763_800_000_000_000_000 + number * 10_000_000;
                format!(
                    r#"{{"t_ns":{t_ns},"client":"shop","server":"mail","exchange":"{number}","side":"request","method":"POST","target":"/send","headers":{{"content-type":"application/json"}},"body":{{"id":{number},"{name}":1}}}}{}"#,
                    '\n'
                )
            })
            .collect();
        for mut message in read(&lines) {
            message.order.seq = seq;
            seq += 1;
            pipeline.message(message, findings);
        }
        pipeline.learned(findings).expect("can be stored"); // lets the last batch through
    };
    send(&mut pipeline, "to", 300, &mut findings);
    send(&mut pipeline, "recipient", 200, &mut findings);
    let opened = findings.iter().find(|finding| finding.state == State::Open).expect("a rename").clone();
    assert_eq!((opened.kind, findings.len()), ("field_renamed", 1));
    findings.clear();

    assert!(pipeline.approve("0123456789abcdef", &mut findings).is_err());
    pipeline.approve(&opened.id, &mut findings).expect("it is open");
    assert_eq!((&findings[0].id, findings[0].state), (&opened.id, State::Resolved));
    assert!(findings[0].summary.starts_with("approved: "), "{}", findings[0].summary);
    assert!(pipeline.approve(&opened.id, &mut findings).is_err(), "it is closed");
    findings.clear();

    send(&mut pipeline, "to", 300, &mut findings);
    let back: Vec<_> = findings.iter().map(|f| (f.state, f.kind, f.path.as_str())).collect();
    assert_eq!(back, [(State::Open, "field_renamed", "$.to")]);

    findings.clear();
    assert!(pipeline.forget("nobody", false, &mut findings).is_err());
    let forgotten = pipeline.forget("shop -> mail", false, &mut findings).expect("one flow");
    assert_eq!(forgotten, ["shop -> mail POST /send request"]);
    assert_eq!((findings.len(), findings[0].state), (1, State::Resolved));
    findings.clear();
    send(&mut pipeline, "address", 150, &mut findings);
    assert!(findings.is_empty(), "it learns anew");
}

/// The same of values: what they were before is no longer what they return to.
#[test]
fn an_approved_change_of_values_is_the_baseline() {
    let amounts = |from: u64, count: u64, factor: u64| -> String {
        let line = |number: u64| {
            let t_ns = 1_763_800_000_000_000_000 + number * 10_000_000;
            let amount = factor * (1_000 + pitot_observe::hash::mix(number) % 9_000);
            format!(
                r#"{{"t_ns":{t_ns},"client":"shop","server":"bank","exchange":"{number}","side":"request","method":"POST","target":"/pay","headers":{{"content-type":"application/json"}},"body":{{"id":{number},"amount":{amount}}}}}{}"#,
                '\n'
            )
        };
        (from..from + count).map(line).collect()
    };
    let file = amounts(0, 1_500, 1) + &amounts(1_500, 1_500, 100) + &amounts(3_000, 1_500, 1);
    let run = |is_approved: bool| {
        let mut pipeline = Pipeline::new(&Config::default(), 1).expect("threads");
        let (mut findings, mut opened) = (Vec::new(), 0);
        for (seq, mut message) in (0..).zip(read(&file)) {
            message.order.seq = seq;
            pipeline.message(message, &mut findings);
            if seq == 2_900 {
                pipeline.learned(&mut findings).expect("can be stored"); // lets the last batch through
                opened = findings.len();
                let id = findings[0].id.clone();
                if is_approved {
                    pipeline.approve(&id, &mut findings).expect("it is open");
                }
            }
        }
        pipeline.finish(&mut findings);
        let of = |f: &Finding| (f.state, f.kind, f.path.clone());
        (findings[..opened].iter().map(of).collect::<Vec<_>>(), findings.last().map(of))
    };
    let change = (State::Open, "unit_changed", "$.amount".to_owned());
    assert_eq!(run(false), (vec![change.clone()], Some((State::Resolved, change.1, change.2.clone()))));
    assert_eq!(run(true), (vec![change.clone()], Some(change)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any stream, stopped and started again anywhere and any number of times.
    #[test]
    fn any_cut(seed in 0_u64..50, cuts in prop::collection::vec(0..MESSAGES as usize, 1..6)) {
        let messages = messages(seed);
        prop_assert_eq!(run(&messages, &cuts, 1), run(&messages, &[], 1));
    }
}
