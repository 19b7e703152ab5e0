//! From evidence to lines: one change is one finding, every line is as the schema says, nothing leaks.
#![allow(clippy::expect_used)] // A test fails by panicking, its helper functions too.

use std::sync::Arc;
use std::sync::LazyLock;

use pitot_drift::evidence::{Example, Expression, Part};
use pitot_drift::{Evidence, Kind};
use pitot_findings::finding::{Severity, State};
use pitot_findings::{Config, Finding, Findings, SCHEMA};
use pitot_observe::FlowKey;
use pitot_observe::shape::ValueKind;
use pitot_protocols::message::{Order, Side};
use proptest::prelude::*;

/// 2026-11-22 10:31:04 UTC.
const T0: u64 = 1_795_343_464_000_000_000;
const SECOND: u64 = 1_000_000_000;

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("the schema is a schema");
    jsonschema::draft202012::new(&schema).expect("the schema compiles")
});

fn flow(side: Side) -> FlowKey {
    FlowKey {
        client: "shop".into(),
        server: "billing".into(),
        protocol: "http",
        method: "POST".into(),
        route: "/v1/charges".into(),
        operation: None,
        side,
        status_class: (side == Side::Response).then_some(2),
    }
}

/// A claim that began at T0 and was decided by message `seq`, one message a second.
fn claim(kind: Kind, path: &str, seq: u64) -> Evidence {
    Evidence {
        flow: Arc::new(flow(Side::Request)),
        kind,
        path: path.into(),
        old_path: None,
        order: Order { seq, ..Order::default() },
        time_ns: T0 + seq * SECOND,
        onset_ns: T0,
        error: 1e-6,
        was_required: true,
        rate: None,
        factor: None,
        offset_s: None,
        relation: None,
        types: None,
        instances: None,
        affected: (12, 12),
        examples: vec![Example { exchange: "00000000000000a1".into(), t_ns: T0 }],
        reverted: false,
    }
}

fn rename(path: &str, old_path: &str, seq: u64) -> Evidence {
    Evidence { old_path: Some(old_path.into()), ..claim(Kind::FieldRenamed, path, seq) }
}

/// Pushes all, ends the input, and holds every line to the schema.
fn run(findings: &mut Findings, evidence: impl IntoIterator<Item = Evidence>) -> Vec<Finding> {
    let mut out = Vec::new();
    for evidence in evidence {
        findings.push(evidence, &mut out);
    }
    findings.finish(&mut out);
    for finding in &out {
        validate(finding);
    }
    let c = findings.counts();
    assert_eq!(
        c.taken,
        c.opened
            + c.repeated
            + c.resolved
            + c.unmatched
            + c.absorbed
            + c.withheld
            + c.capped
            + c.unknown_kind
    );
    out
}

fn validate(finding: &Finding) {
    let line = finding.to_line();
    let value = serde_json::from_str(&line).expect("a line is JSON");
    let errors: Vec<String> =
        VALIDATOR.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{line}\n{}", errors.join("\n"));
}

fn found(evidence: impl IntoIterator<Item = Evidence>) -> Vec<Finding> {
    run(&mut Findings::new(Config::default()), evidence)
}

fn names(findings: &[Finding]) -> Vec<(State, &str, &str)> {
    findings.iter().map(|f| (f.state, f.kind, f.path.as_str())).collect()
}

#[test]
fn the_line_is_the_contracts() {
    let mut findings = Findings::new(Config::default());
    findings.set_monitored(3_000);
    let out = run(&mut findings, [rename("$.amount_minor", "$.amount", 3)]);
    let lines: Vec<String> = out.iter().map(Finding::to_line).collect();
    assert_eq!(
        lines,
        [concat!(
            r#"{"id":"85ba1388f33441bf","state":"open","event":"pitot.schema.drift","kind":"field_renamed","#,
            r#""severity":"warn","time_ns":1795343467000000000,"onset_ns":1795343464000000000,"#,
            r#""flow":{"client":"shop","server":"billing","protocol":"http","method":"POST","route":"/v1/charges","#,
            r#""operation":null,"side":"request","status_class":null},"#,
            r#""path":"$.amount_minor","old_path":"$.amount","upstream":null,"confidence":0.997,"#,
            r#""evidence":{"examples":[{"exchange":"00000000000000a1","t_ns":1795343464000000000}],"#,
            r#""messages":{"affected":12,"all":12},"share":1.0},"#,
            r#""summary":"`$.amount_minor` took the place of `$.amount` in requests of shop to billing "#,
            r#"POST /v1/charges: 12 of 12 messages since 10:31:04 UTC"}"#,
        )]
    );
    assert_eq!(
        out[0].people(),
        "warn   field_renamed  85ba1388f33441bf\n  `$.amount_minor` took the place of `$.amount` in requests of shop \
         to billing POST /v1/charges: 12 of 12 messages since 10:31:04 UTC\n  began 2026-11-22 10:31:04 UTC, decided \
         10:31:07 UTC, confidence 0.997\n  for example exchange 00000000000000a1\n"
    );
}

#[test]
fn each_kind_says_what_happened() {
    let check = |evidence: Evidence, severity: Severity, expected: &str| {
        let out = found([evidence]);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].severity, severity);
        assert!(out[0].summary.starts_with(expected), "{}", out[0].summary);
    };
    let types = |before: &[ValueKind], after: &[ValueKind]| Some((before.to_vec(), after.to_vec()));
    let responses = Arc::new(flow(Side::Response));

    check(
        claim(Kind::FieldAdded, "$.tip", 1),
        Severity::Info,
        "`$.tip` is new in requests of shop to billing POST /v1/charges: 12 of 12",
    );
    check(
        Evidence { flow: responses, ..claim(Kind::FieldRemoved, "$.id", 1) },
        Severity::Error,
        "`$.id` is gone from 2xx responses of billing to shop POST /v1/charges: ",
    );
    check(
        Evidence {
            types: types(&[ValueKind::Number], &[ValueKind::String, ValueKind::Null]),
            ..claim(Kind::TypeChanged, "$.a", 1)
        },
        Severity::Error,
        "`$.a` changed from number to string or null in ",
    );
    check(
        Evidence {
            relation: Some(Expression(vec![
                Part::Path("$.a".into()),
                Part::Text(" = ".into()),
                Part::Path("$.b".into()),
            ])),
            ..claim(Kind::RelationBroken, "$.a", 1)
        },
        Severity::Warn,
        "`$.a = $.b` no longer holds in requests of shop to billing POST /v1/charges: 12 of 12",
    );
    check(
        Evidence { rate: Some((1.0, 0.4251)), ..claim(Kind::PresenceChanged, "$.a", 1) },
        Severity::Warn,
        "the rate at which `$.a` is present (or null) went from 100 % to 42.5 % in ",
    );
}

#[test]
fn changes_of_values_are_said_in_words() {
    let check = |evidence: Evidence, expected: &str| {
        let out = found([evidence]);
        let expected =
            format!("`$.a` {expected} in requests of shop to billing POST /v1/charges: 12 of 12 messages");
        assert!(out[0].summary.starts_with(&expected), "{}", out[0].summary);
    };
    let of = |kind| claim(kind, "$.a", 1);
    check(Evidence { factor: Some(100.0), ..of(Kind::UnitChanged) }, "is 100 times what it was");
    check(Evidence { factor: Some(1.19), ..of(Kind::ValueRescaled) }, "is 1.19 times what it was");
    check(of(Kind::UnitChanged), "is in another unit");
    check(Evidence { offset_s: Some(-19_800.0), ..of(Kind::TimeShifted) }, "lies 5.5 h earlier than it did");
    check(Evidence { offset_s: Some(3_600.0), ..of(Kind::TimeShifted) }, "lies 1 h later than it did");
    check(of(Kind::ValueFrozen), "keeps the same value");
    let some = Evidence { instances: Some((3, 8)), ..of(Kind::FieldRemoved) };
    let out = found([some]);
    assert!(out[0].summary.contains(": 12 of 12 messages of 3 of 8 instances since "), "{}", out[0].summary);
}

#[test]
fn figures_carry_the_contracts_names() {
    let check = |evidence: Evidence, expected: serde_json::Value| {
        let out = found([Evidence { examples: Vec::new(), ..evidence }]);
        assert_eq!(serde_json::Value::Object(out[0].evidence.clone()), expected);
    };
    check(
        Evidence { rate: Some((1.0, 1.0 / 3.0)), affected: (2, 3), ..claim(Kind::PresenceChanged, "$.a", 1) },
        serde_json::json!({"after": 0.333_333, "before": 1.0, "messages": {"affected": 2, "all": 3}, "share": 0.666_667}),
    );
    check(
        Evidence {
            types: Some((vec![ValueKind::Number], vec![ValueKind::String])),
            ..claim(Kind::TypeChanged, "$.a", 1)
        },
        serde_json::json!({"after": ["string"], "before": ["number"], "messages": {"affected": 12, "all": 12}, "share": 1.0}),
    );
    let relation = Expression(vec![
        Part::Path("$.total".into()),
        Part::Text(" = sum(".into()),
        Part::Path("$['a@b'][*].price".into()),
        Part::Text(")".into()),
    ]);
    check(
        Evidence {
            relation: Some(relation),
            rate: Some((0.0, 1.0)),
            ..claim(Kind::RelationBroken, "$.total", 1)
        },
        serde_json::json!({
            "after": 1.0, "before": 0.0, "messages": {"affected": 12, "all": 12},
            "relation": "$.total = sum($.*[*].price)", "share": 1.0
        }),
    );
    check(
        Evidence { factor: Some(100.0), offset_s: Some(-3_600.0), ..claim(Kind::UnitChanged, "$.a", 1) },
        serde_json::json!({"factor": 100.0, "messages": {"affected": 12, "all": 12}, "offset_s": -3_600.0, "share": 1.0}),
    );
    check(
        Evidence { instances: Some((3, 8)), ..claim(Kind::FieldRemoved, "$.a", 1) },
        serde_json::json!({
            "instances": {"affected": 3, "all": 8}, "messages": {"affected": 12, "all": 12}, "share": 1.0
        }),
    );
    check(
        Evidence { affected: (0, 0), ..claim(Kind::FieldAdded, "$.a", 1) },
        serde_json::json!({"messages": {"affected": 0, "all": 0}}),
    );
}

#[test]
fn one_change_is_one_finding() {
    let check = |evidence: Vec<Evidence>, expected: &[(State, &str, &str)]| {
        assert_eq!(names(&found(evidence)), expected)
    };
    use State::{Open, Updated};

    // The same message decides several claims: the most specific is the finding, in whatever order they come.
    check(
        vec![claim(Kind::FieldAdded, "$.b", 1), claim(Kind::FieldRemoved, "$.a", 1), rename("$.b", "$.a", 1)],
        &[(Open, "field_renamed", "$.b")],
    );
    check(
        vec![claim(Kind::PresenceChanged, "$.a", 1), claim(Kind::TypeChanged, "$.a", 1)],
        &[(Open, "type_changed", "$.a")],
    );
    // What came with its parent is no change of its own; a neighbour is.
    check(
        vec![
            claim(Kind::FieldAdded, "$.a.b", 1),
            claim(Kind::FieldAdded, "$.a", 1),
            claim(Kind::FieldAdded, "$.ab", 1),
        ],
        &[(Open, "field_added", "$.a"), (Open, "field_added", "$.ab")],
    );
    check(
        vec![claim(Kind::PresenceChanged, "$.a", 1), claim(Kind::FieldRemoved, "$.a.b", 1)],
        &[(Open, "field_removed", "$.a.b"), (Open, "presence_changed", "$.a")],
    );
    // Decided later, but begun before the first was decided: the same change.
    check(
        vec![claim(Kind::TypeChanged, "$.a", 4), claim(Kind::PresenceChanged, "$.a", 9)],
        &[(Open, "type_changed", "$.a")],
    );
    // Begun after: another one.
    check(
        vec![
            claim(Kind::TypeChanged, "$.a", 4),
            Evidence { onset_ns: T0 + 5 * SECOND, ..claim(Kind::FieldRemoved, "$.a", 9) },
        ],
        &[(Open, "type_changed", "$.a"), (Open, "field_removed", "$.a")],
    );
    // Another flow: its own finding (until the map connects them).
    check(
        vec![
            claim(Kind::FieldAdded, "$.a", 1),
            Evidence { flow: Arc::new(flow(Side::Response)), ..claim(Kind::FieldAdded, "$.a", 1) },
        ],
        &[(Open, "field_added", "$.a"), (Open, "field_added", "$.a")],
    );
    // Counts: nothing at less than the double, then the rest at the end.
    let grown =
        |seq, affected| Evidence { affected: (affected, affected), ..claim(Kind::FieldAdded, "$.a", seq) };
    check(
        vec![grown(1, 5), grown(2, 9), grown(3, 10), grown(4, 10), grown(5, 11)],
        &[(Open, "field_added", "$.a"), (Updated, "field_added", "$.a"), (Updated, "field_added", "$.a")],
    );
    check(vec![grown(1, 5), grown(2, 5)], &[(Open, "field_added", "$.a")]);
}

#[test]
fn an_update_keeps_identity_and_onset_and_brings_new_figures() {
    let first = Evidence { affected: (5, 6), ..claim(Kind::FieldAdded, "$.a", 1) };
    let later = Evidence { affected: (10, 12), ..claim(Kind::FieldAdded, "$.a", 7) };
    let out = found([first, later]);
    assert_eq!((out[1].state, &out[1].id, out[1].onset_ns), (State::Updated, &out[0].id, out[0].onset_ns));
    assert_eq!(out[1].time_ns, T0 + 7 * SECOND);
    assert!(out[1].summary.contains("10 of 12 messages"), "{}", out[1].summary);
    assert_eq!(out[1].evidence["messages"]["affected"], 10);
}

#[test]
fn the_same_change_again_has_another_id_and_after_a_restart_the_same_ones() {
    let again = |seq| Evidence { onset_ns: T0 + seq * SECOND, ..claim(Kind::TypeChanged, "$.a", seq) };
    let first = found([again(1), again(20)]);
    assert_eq!(names(&first).len(), 2);
    assert_ne!(first[0].id, first[1].id);
    assert_eq!(first, found([again(1), again(20)]));
}

#[test]
fn what_was_undone_is_resolved_once_and_opens_nothing() {
    let undone = |path, seq| Evidence { reverted: true, ..claim(Kind::FieldRemoved, path, seq) };
    let again = Evidence { onset_ns: T0 + 30 * SECOND, ..claim(Kind::FieldRemoved, "$.a", 31) };
    let mut findings = Findings::new(Config::default());
    let evidence =
        [claim(Kind::FieldRemoved, "$.a", 1), undone("$.b", 8), undone("$.a", 9), undone("$.a", 10), again];
    let out = run(&mut findings, evidence);
    use State::{Open, Resolved};
    assert_eq!(
        names(&out),
        [(Open, "field_removed", "$.a"), (Resolved, "field_removed", "$.a"), (Open, "field_removed", "$.a")]
    );
    assert_eq!(out[1].id, out[0].id);
    assert_ne!(out[2].id, out[0].id);
    assert_eq!((out[1].onset_ns, out[1].time_ns), (T0, T0 + 9 * SECOND));
    assert_eq!(
        out[1].summary,
        "`$.a` is again as it was before in requests of shop to billing POST /v1/charges, decided 10:31:13 UTC"
    );
    assert_eq!(findings.counts().unmatched, 2);
}

#[test]
fn a_tick_releases_what_waits_for_its_message() {
    let mut findings = Findings::new(Config::default());
    let mut out = Vec::new();
    findings.push(claim(Kind::FieldAdded, "$.a", 2), &mut out);
    findings.tick(T0 + SECOND, &mut out);
    assert!(out.is_empty());
    findings.tick(T0 + 2 * SECOND, &mut out);
    assert_eq!(out.len(), 1);
    findings.finish(&mut out);
    assert_eq!(out.len(), 1);
}

#[test]
fn weak_claims_wait_for_stronger_ones() {
    let mut findings = Findings::new(Config { error_budget: 0.01 });
    findings.set_monitored(1_000);
    let weak = Evidence { error: 1e-4, ..claim(Kind::FieldAdded, "$.a", 1) };
    assert!(run(&mut findings, [weak]).is_empty());
    assert_eq!(findings.counts().withheld, 1);
    let out = run(&mut findings, [Evidence { error: 1e-6, ..claim(Kind::FieldAdded, "$.a", 2) }]);
    assert_eq!(out[0].confidence, 0.999);
}

#[test]
fn names_that_are_data_stay_here() {
    let hostile = FlowKey {
        client: "\u{1b}]0;owned\u{7}".into(),
        server: "bob@example.com".into(),
        route: "/users/bob@example.com/4111111111111111".into(),
        operation: Some("\u{202e}evil".into()),
        ..flow(Side::Request)
    };
    let keys = ["alice@example.com", "bob@example.com", "4111111111111111"];
    let evidence = keys.iter().zip(1..).map(|(key, seq)| Evidence {
        flow: Arc::new(hostile.clone()),
        onset_ns: T0 + seq * SECOND,
        affected: (seq, seq),
        ..claim(Kind::FieldAdded, &format!("$.users['{key}']"), seq)
    });
    let out = found(evidence);
    // All three look the same: one change, whose count has doubled once and grown since.
    assert_eq!(
        names(&out),
        [
            (State::Open, "field_added", "$.users.*"),
            (State::Updated, "field_added", "$.users.*"),
            (State::Updated, "field_added", "$.users.*")
        ]
    );
    for finding in &out {
        for text in [finding.to_line(), finding.people()] {
            assert!(
                !text.contains("example.com") && !text.contains("4111") && !text.contains('\u{1b}'),
                "{text}"
            );
            assert!(!text.contains('\u{202e}'), "{text}");
        }
        assert_eq!((finding.flow.server.as_str(), finding.flow.route.as_str()), ("*", "/users/{id}/{id}"));
    }
}

#[test]
fn a_flood_of_names_is_capped_and_counted() {
    let mut findings = Findings::new(Config::default());
    let flood =
        (0..1_100).map(|n| claim(Kind::FieldAdded, &format!("$.k{}{}", letter(n / 26), letter(n)), n + 1));
    let out = run(&mut findings, flood);
    assert_eq!(findings.counts().opened as usize, out.len());
    assert!(findings.counts().capped > 0);
}

fn letter(n: u64) -> String {
    format!("{}{}", char::from(b'a' + (n % 26) as u8), "x".repeat((n / 26) as usize))
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let kind = prop_oneof![
        Just(Kind::FieldAdded),
        Just(Kind::FieldRemoved),
        Just(Kind::FieldRenamed),
        Just(Kind::TypeChanged),
        Just(Kind::PresenceChanged)
    ];
    let path =
        prop_oneof!["\\$(\\.[ab]){0,3}", "\\$(\\['.{0,8}'\\]|\\.\\*|\\[\\*\\]){0,3}", "\\PC{0,90}|.{0,20}"];
    let figures = (any::<f64>(), any::<(u64, u64)>(), any::<Option<(f64, f64)>>(), any::<bool>());
    let bits = (any::<bool>(), any::<bool>());
    (kind, path, bits, 0..6_u64, 0..6_u64, figures).prop_map(
        |(kind, path, (response, reverted), step, began, (error, (a, b), rate, types))| {
            let side = if response { Side::Response } else { Side::Request };
            Evidence {
                flow: Arc::new(flow(side)),
                old_path: (kind == Kind::FieldRenamed).then(|| "$.b".into()),
                onset_ns: T0.saturating_sub(began),
                order: Order { seq: step, ..Order::default() },
                time_ns: T0 + step,
                error,
                reverted,
                affected: (a.min(b), a.max(b)),
                rate: rate.map(|(x, y)| (x.abs() % 1.0, y.abs() % 1.0)),
                types: types.then(|| (vec![ValueKind::Number], vec![ValueKind::Array, ValueKind::Object])),
                ..claim(kind, &path, 0)
            }
        },
    )
}

proptest! {
    /// Whatever the evidence: every line is as the schema says, the counts add up (`run` checks both), ids of opened
    /// findings never repeat, an update follows its opening, and the same input gives the same bytes.
    #[test]
    fn any_evidence_gives_valid_lines(mut evidence in prop::collection::vec(any_evidence(), 0..12)) {
        evidence.sort_by_key(|e| e.order);
        let out = found(evidence.clone());
        let mut open = std::collections::BTreeSet::new();
        for finding in &out {
            match finding.state {
                State::Open => prop_assert!(open.insert(finding.id.clone())),
                _ => prop_assert!(open.contains(&finding.id)),
            }
        }
        let lines = |out: &[Finding]| out.iter().map(Finding::to_line).collect::<Vec<_>>();
        prop_assert_eq!(lines(&out), lines(&found(evidence)));
    }
}
