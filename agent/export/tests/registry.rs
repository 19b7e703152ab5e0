//! The registry in `docs/semconv` and what is emitted are the same list.
#![allow(clippy::expect_used)] // A test fails by panicking.

mod support;

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use pitot_export::Exporter;
use serde::Deserialize;
use support::{Answer, Receiver, finding, settings};

/// The part of the registry's format that this test reads.
#[derive(Deserialize)]
struct Registry {
    attributes: Vec<Attribute>,
    events: Vec<Event>,
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
struct Reference {
    #[serde(rename = "ref")]
    key: String,
    #[serde(default)]
    requirement_level: serde_json::Value,
}

#[test]
fn every_event_and_attribute_is_registered_and_every_registered_one_is_emitted() {
    let registry: Registry =
        serde_saphyr::from_str(include_str!("../../../docs/semconv/pitot.yaml")).expect("the registry reads");
    let own: BTreeSet<&str> = registry.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(own.len(), registry.attributes.len(), "a key is defined twice");
    assert!(own.iter().all(|key| key.starts_with("pitot.")), "only our own attributes are defined here");

    let receiver = Receiver::start((0..2).map(|_| Answer::Http("200 OK", Vec::new())).collect());
    let exporter =
        Exporter::start(settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint)])).expect("starts");
    exporter.export(&finding("00000000000000f1"));
    let mut bare = finding("00000000000000f2");
    (bare.old_path, bare.upstream, bare.flow.operation, bare.flow.status_class) = (None, None, None, None);
    bare.evidence.clear();
    exporter.export(&bare);
    exporter.shutdown().expect("arrives");
    // In one request or in two.
    let mut records = Vec::new();
    while records.len() < 2 {
        records.extend(receiver.next().records().cloned());
    }
    let (full, bare) = (&records[0], &records[1]);

    let names: BTreeSet<&str> = registry.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from([full.event_name.as_str()]));
    let event = &registry.events[0];
    let referenced: BTreeSet<&str> =
        event.attributes.iter().map(|reference| reference.key.as_str()).collect();
    let emitted: BTreeSet<&str> = full.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(emitted, referenced);
    let ours: BTreeSet<&str> = emitted.iter().copied().filter(|key| key.starts_with("pitot.")).collect();
    assert_eq!(ours, own);

    let required = event.attributes.iter().filter(|reference| reference.requirement_level == "required");
    let always: BTreeSet<&str> = bare.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(always, required.map(|reference| reference.key.as_str()).collect());

    for attribute in &full.attributes {
        let Some(defined) = registry.attributes.iter().find(|defined| defined.key == attribute.key) else {
            continue;
        };
        let value = attribute.value.as_ref().and_then(|value| value.value.as_ref()).expect("a value");
        let fits = match value {
            // Counts above 2^63 - 1, which OTLP cannot carry as integers, are the one exception.
            Value::StringValue(text) => {
                defined.type_ != "int" || text.parse::<u64>().is_ok_and(|n| n > i64::MAX as u64)
            }
            Value::IntValue(_) => defined.type_ == "int",
            Value::DoubleValue(_) => defined.type_ == "double",
            _ => false,
        };
        assert!(fits, "{}: {value:?} is no {}", attribute.key, defined.type_);
    }
}
