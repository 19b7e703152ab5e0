//! The registry in `docs/semconv` and what is emitted are the same list.
#![allow(clippy::expect_used)] // A test fails by panicking.

mod support;

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use pitot_common::user::Overload;
use pitot_export::{Exporter, Reporter, Snapshot};
use pitot_findings::Finding;
use serde::Deserialize;
use support::{Answer, Receiver, finding, metrics_settings, settings};

/// The part of the registry's format that this test reads.
#[derive(Deserialize)]
struct Registry {
    attributes: Vec<Attribute>,
    events: Vec<Event>,
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    #[serde(rename = "type")]
    type_: serde_json::Value,
}

#[derive(Deserialize)]
struct Event {
    name: String,
    attributes: Vec<Reference>,
}

#[derive(Deserialize)]
struct Metric {
    name: String,
    instrument: String,
    unit: String,
    attributes: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    key: String,
    #[serde(default)]
    requirement_level: serde_json::Value,
}

fn keys(references: &[Reference]) -> BTreeSet<&str> {
    references.iter().map(|reference| reference.key.as_str()).collect()
}

fn required(references: &[Reference]) -> BTreeSet<&str> {
    let required = references.iter().filter(|reference| reference.requirement_level == "required");
    required.map(|reference| reference.key.as_str()).collect()
}

fn emitted(attributes: &[KeyValue]) -> BTreeSet<&str> {
    attributes.iter().map(|attribute| attribute.key.as_str()).collect()
}

impl Registry {
    fn read() -> Self {
        let registry: Self = serde_saphyr::from_str(include_str!("../../../docs/semconv/pitot.yaml"))
            .expect("the registry reads");
        assert!(
            registry.attributes.iter().all(|attribute| attribute.key.starts_with("pitot.")),
            "only our own"
        );
        registry
    }

    fn event(&self, name: &str) -> &[Reference] {
        &self.events.iter().find(|event| event.name == name).expect(name).attributes
    }

    /// Whether the values are of the registered types.
    fn check_types(&self, attributes: &[KeyValue]) {
        for attribute in attributes {
            let Some(defined) = self.attributes.iter().find(|defined| defined.key == attribute.key) else {
                assert!(!attribute.key.starts_with("pitot."), "{} is not registered", attribute.key);
                continue;
            };
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref()).expect("a value");
            let fits = match value {
                // Counts above 2^63 - 1, which OTLP cannot carry as integers, are the one exception.
                Value::StringValue(text) => match defined.type_.pointer("/members") {
                    Some(members) => members
                        .as_array()
                        .expect("a list")
                        .iter()
                        .any(|member| member["value"] == text.as_str()),
                    None => defined.type_ != "int" || text.parse::<u64>().is_ok_and(|n| n > i64::MAX as u64),
                },
                Value::IntValue(_) => defined.type_ == "int",
                Value::DoubleValue(_) => defined.type_ == "double",
                _ => false,
            };
            assert!(fits, "{}: {value:?} is no {}", attribute.key, defined.type_);
        }
    }
}

/// The events of findings.
const FINDINGS: [&str; 3] = ["pitot.schema.drift", "pitot.semantic.drift", "pitot.value_range.drift"];

/// A finding of this event with everything that it can say.
fn full(event: &'static str, id: &str) -> Finding {
    let mut full = Finding { event, ..finding(id) };
    if event == "pitot.schema.drift" {
        full.evidence.insert("instances".into(), serde_json::json!({"affected": 3, "all": 8}));
    }
    if event == "pitot.semantic.drift" {
        full.kind = "relation_broken";
        full.evidence.insert("factor".into(), 100.0.into());
        full.evidence.insert("offset_s".into(), 0.5.into());
        full.evidence.insert("relation".into(), "$.a = $.b".into());
    }
    full
}

/// What the exporter sends: a full and a bare finding of each event, and an overload.
fn sent() -> Vec<LogRecord> {
    let records = 2 * FINDINGS.len() + 1;
    let receiver = Receiver::start((0..records).map(|_| Answer::Http("200 OK", Vec::new())).collect());
    let exporter =
        Exporter::start(settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint)])).expect("starts");
    for event in FINDINGS {
        exporter.export(&full(event, "00000000000000f1"));
        let mut bare = full(event, "00000000000000f2");
        (bare.old_path, bare.upstream, bare.flow.operation, bare.flow.status_class) =
            (None, None, None, None);
        bare.evidence.clear();
        exporter.export(&bare);
    }
    exporter.overload(&Overload { time_ns: 1, begins: true, connections: 1, bytes: 1 });
    exporter.shutdown().expect("arrives");
    // In one request or in several.
    let mut sent = Vec::new();
    while sent.len() < records {
        sent.extend(receiver.next().records());
    }
    sent
}

#[test]
fn events() {
    let registry = Registry::read();
    let records = sent();
    let names: BTreeSet<&str> = records.iter().map(|record| record.event_name.as_str()).collect();
    assert_eq!(names, registry.events.iter().map(|event| event.name.as_str()).collect());
    records.iter().for_each(|record| registry.check_types(&record.attributes));

    let (overload, findings) = records.split_last().expect("several");
    for (event, two) in FINDINGS.iter().zip(findings.chunks_exact(2)) {
        let [full, bare] = two else { panic!("two") };
        let drift = registry.event(event);
        assert_eq!(emitted(&full.attributes), keys(drift), "{event}");
        assert_eq!(emitted(&bare.attributes), required(drift), "{event}");
    }
    assert_eq!(emitted(&overload.attributes), keys(registry.event("pitot.capture.overload")));
}

#[test]
fn metrics() {
    let registry = Registry::read();
    let receiver = Receiver::start(vec![Answer::Http("200 OK", Vec::new())]);
    let reporter = Reporter::start(metrics_settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint)]));
    let mut snapshot = Snapshot::default();
    snapshot.ledger.bytes.skip("filtered", 1);
    snapshot.ledger.messages.lose("gap", 1);
    (snapshot.ledger.bytes.seen, snapshot.ledger.messages.seen) = (1, 1);
    snapshot.kernel.insert("ring_full", 1);
    snapshot.held.insert("reassembly", 1);
    snapshot.left_out.insert("flow_stub", 1);
    reporter.expect("starts").shutdown(snapshot).expect("arrives");

    let request = receiver.next().metrics();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let names: BTreeSet<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, registry.metrics.iter().map(|metric| metric.name.as_str()).collect());
    for metric in metrics {
        let defined =
            registry.metrics.iter().find(|defined| defined.name == metric.name).expect("registered");
        let (instrument, points) = match metric.data.as_ref().expect("data") {
            Data::Sum(sum) if sum.is_monotonic => ("counter", &sum.data_points),
            Data::Sum(sum) => ("updowncounter", &sum.data_points),
            Data::Gauge(gauge) => ("gauge", &gauge.data_points),
            other => panic!("{other:?}"),
        };
        assert_eq!((instrument, metric.unit.as_str()), (defined.instrument.as_str(), defined.unit.as_str()));
        let mut seen = BTreeSet::new();
        for point in points {
            registry.check_types(&point.attributes);
            let keys = emitted(&point.attributes);
            assert!(required(&defined.attributes).is_subset(&keys), "{}: {keys:?}", metric.name);
            seen.extend(keys);
        }
        assert_eq!(seen, keys(&defined.attributes), "{}", metric.name);
    }
}

#[test]
fn every_attribute_is_used() {
    let registry = Registry::read();
    let own: BTreeSet<&str> = registry.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(own.len(), registry.attributes.len(), "a key is defined twice");
    let events = registry.events.iter().map(|event| &event.attributes);
    let metrics = registry.metrics.iter().map(|metric| &metric.attributes);
    let used: BTreeSet<&str> = events.chain(metrics).flat_map(|references| keys(references)).collect();
    assert_eq!(own, used.into_iter().filter(|key| key.starts_with("pitot.")).collect());
}
