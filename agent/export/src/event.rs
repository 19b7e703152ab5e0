//! A [`Finding`] as an OpenTelemetry event: a log record with an event name and flat attributes.
//!
//! Names are those of the registry in `docs/semconv`. What OpenTelemetry has a stable name for goes under that name
//! too. Many backends drop the event name, so it is repeated as an attribute, and the body reads well alone.

use std::time::{Duration, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord, Severity};
use pitot_common::user::Overload;
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

/// Writes the begin or end of an overload into a new record.
pub(crate) fn describe_overload(overload: &Overload, record: &mut impl LogRecord) {
    const NAME: &str = "pitot.capture.overload";
    let Overload { time_ns, begins, connections, bytes } = *overload;
    record.set_event_name(NAME);
    record.set_timestamp(time(time_ns));
    record.set_observed_timestamp(time(time_ns));
    record.set_severity_number(Severity::Warn);
    record.set_severity_text(finding::Severity::Warn.as_str());
    record.set_body(overload_line(overload).into());
    record.add_attribute("otel.event.name", NAME);
    record.add_attribute("pitot.overload.state", if begins { "begin" } else { "end" });
    record.add_attribute("pitot.overload.connections", i64::try_from(connections).unwrap_or(i64::MAX));
    record.add_attribute("pitot.overload.bytes", i64::try_from(bytes).unwrap_or(i64::MAX));
}

/// The begin or end of an overload in one sentence.
#[must_use]
pub fn overload_line(overload: &Overload) -> String {
    let Overload { begins, connections, bytes, .. } = *overload;
    if begins {
        "capture cannot keep up: whole connections are left out until it can; give the agent more CPU, raise \
         capture.ring_bytes, or leave traffic out by capture.filter"
            .to_owned()
    } else {
        format!("capture keeps up again; it left out {bytes} bytes of {connections} connections")
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
