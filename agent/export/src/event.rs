//! A [`Finding`] as an OpenTelemetry event: a log record with an event name and flat attributes.
//!
//! Names are those of the registry in `docs/semconv`. What OpenTelemetry has a stable name for goes under that name
//! too. Many backends drop the event name, so it is repeated as an attribute, and the body reads well alone.

use std::time::{Duration, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord, Severity};
use pitot_findings::Finding;
use pitot_findings::finding::{self, Flow};
use serde_json::Value;

/// Methods that `http.request.method` takes as they are (RFC 9110, PATCH of RFC 5789, QUERY); any
/// other is `_OTHER`.
const METHODS: &[&str] =
    &["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// Writes the finding into a new record.
pub(crate) fn describe(finding: &Finding, record: &mut impl LogRecord) {
    record.set_event_name(finding.event);
    record.set_timestamp(time(finding.onset_ns));
    record.set_observed_timestamp(time(finding.time_ns));
    record.set_severity_number(match finding.severity {
        finding::Severity::Info => Severity::Info,
        finding::Severity::Warn => Severity::Warn,
        finding::Severity::Error => Severity::Error,
    });
    record.set_severity_text(finding.severity.as_str());
    record.set_body(finding.summary.clone().into());

    record.add_attribute("otel.event.name", finding.event);
    record.add_attribute("pitot.finding.id", finding.id.clone());
    record.add_attribute("pitot.finding.state", finding.state.as_str());
    record.add_attribute("pitot.kind", finding.kind);
    record.add_attribute("pitot.path", finding.path.clone());
    optional(record, "pitot.old_path", finding.old_path.as_ref());
    record.add_attribute("pitot.confidence", finding.confidence);
    conventional(&finding.flow, record);
    flow("pitot.flow", &finding.flow, record);
    if let Some(upstream) = &finding.upstream {
        flow("pitot.upstream", upstream, record);
    }
    for (name, value) in &finding.evidence {
        evidence(format!("pitot.evidence.{name}"), value, record);
    }
}

fn time(ns: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(ns)
}

/// The attributes that others know. No `server.address`: a flow is named by its workload, which may have many.
fn conventional(flow: &Flow, record: &mut impl LogRecord) {
    if flow.protocol == "http" {
        let method =
            if METHODS.contains(&flow.method.as_str()) { flow.method.clone() } else { "_OTHER".to_owned() };
        record.add_attribute("http.request.method", method);
        record.add_attribute("http.route", flow.route.clone());
    }
    record.add_attribute("service.peer.name", flow.server.clone());
}

fn flow(prefix: &str, flow: &Flow, record: &mut impl LogRecord) {
    record.add_attribute(format!("{prefix}.client"), flow.client.clone());
    record.add_attribute(format!("{prefix}.server"), flow.server.clone());
    record.add_attribute(format!("{prefix}.protocol"), flow.protocol.clone());
    record.add_attribute(format!("{prefix}.method"), flow.method.clone());
    record.add_attribute(format!("{prefix}.route"), flow.route.clone());
    optional(record, format!("{prefix}.operation"), flow.operation.as_ref());
    record.add_attribute(format!("{prefix}.side"), flow.side.clone());
    optional(record, format!("{prefix}.status_class"), flow.status_class.as_ref());
}

fn optional(record: &mut impl LogRecord, name: impl Into<opentelemetry::Key>, value: Option<&String>) {
    if let Some(value) = value {
        record.add_attribute(name, value.clone());
    }
}

/// Objects become names with a dot, lists JSON strings.
fn evidence(name: String, value: &Value, record: &mut impl LogRecord) {
    let value: AnyValue = match value {
        Value::Null => return,
        Value::Object(members) => {
            for (member, value) in members {
                evidence(format!("{name}.{member}"), value, record);
            }
            return;
        }
        Value::Bool(value) => (*value).into(),
        Value::String(value) => value.clone().into(),
        Value::Array(_) => value.to_string().into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(double)) if number.is_f64() => double.into(),
            // OTLP has no integer above 2^63 - 1.
            _ => number.to_string().into(),
        },
    };
    record.add_attribute(name, value);
}
