//! What Pitot says about itself as metrics: the ledger, and what is held.
//!
//! Names are those of the registry in `docs/semconv`; a test holds the two together. All are sums over the whole
//! machine: nothing here names a workload. Values are cumulative since the start. What may be decided otherwise later
//! (a gap whose reason the kernel part tells afterwards, what is pending) goes down again, so those are no
//! monotonic sums.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use opentelemetry_sdk::Resource;
use pitot_stream::ledger::{Account, Ledger};

/// What there is to say.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What became of every byte and message.
    pub ledger: Ledger,
    /// What the kernel part counted, by reason, in packets or records: also what has no bytes.
    pub kernel: BTreeMap<&'static str, u64>,
    /// Connections known.
    pub connections: u64,
    /// Memory held by traffic that waits, bytes, by what it waits for, and by what was learned.
    pub held: BTreeMap<&'static str, u64>,
    /// What is not learned, or no longer, for want of memory, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Resident memory of this process, bytes, where it could be read.
    pub resident: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    UpDownCounter,
    Gauge,
}

/// A value and its attributes.
type Point = (Vec<(&'static str, &'static str)>, u64);

/// The request that says `snapshot`; the sums began at `start`.
pub(crate) fn request(
    snapshot: &Snapshot,
    resource: &Resource,
    scope: &InstrumentationScope,
    start: SystemTime,
) -> ExportMetricsServiceRequest {
    let times = (ns(start), ns(SystemTime::now()));
    let metric = |name: &str, unit: &str, kind, points| metric(name, unit, kind, points, times);
    let Snapshot { ledger, kernel, connections, held, left_out, resident } = snapshot;
    let by_reason = |counts: &BTreeMap<&'static str, u64>| {
        counts.iter().map(|(reason, n)| (vec![(REASON, *reason)], *n)).collect::<Vec<_>>()
    };
    let by_use = held.iter().map(|(what, n)| (vec![("pitot.buffer", *what)], *n)).collect();
    let mut metrics = vec![
        metric("pitot.capture.bytes", "By", Kind::UpDownCounter, fates(&ledger.bytes)),
        metric("pitot.messages", "{message}", Kind::UpDownCounter, fates(&ledger.messages)),
        metric("pitot.kernel.records", "{record}", Kind::Counter, by_reason(kernel)),
        metric("pitot.connections", "{connection}", Kind::UpDownCounter, vec![(Vec::new(), *connections)]),
        metric("pitot.buffer.usage", "By", Kind::Gauge, by_use),
        metric("pitot.learning.left_out", "{item}", Kind::UpDownCounter, by_reason(left_out)),
    ];
    if let Some(resident) = resident {
        metrics.push(metric("process.memory.usage", "By", Kind::Gauge, vec![(Vec::new(), *resident)]));
    }
    metrics.retain(|metric| metric.data.is_some());
    let scope_metrics =
        vec![ScopeMetrics { scope: Some((scope.clone(), None).into()), metrics, schema_url: String::new() }];
    let resource_metrics = vec![ResourceMetrics {
        resource: Some(resource.into()),
        scope_metrics,
        schema_url: resource.schema_url().unwrap_or_default().to_owned(),
    }];
    ExportMetricsServiceRequest { resource_metrics }
}

const STATE: &str = "pitot.state";
const REASON: &str = "pitot.reason";

/// Every state, and for what was not parsed the reason.
fn fates(account: &Account) -> Vec<Point> {
    let mut points =
        vec![(vec![(STATE, "parsed")], account.parsed), (vec![(STATE, "pending")], account.pending())];
    for (state, reasons) in [("skipped", &account.skipped), ("lost", &account.lost)] {
        points.extend(reasons.iter().map(|(reason, n)| (vec![(STATE, state), (REASON, *reason)], *n)));
    }
    points
}

fn metric(name: &str, unit: &str, kind: Kind, points: Vec<Point>, times: (u64, u64)) -> Metric {
    let data_points: Vec<_> = points.into_iter().map(|point| data_point(point, times)).collect();
    let sum = |data_points, is_monotonic| {
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
    };
    let data = (!data_points.is_empty()).then(|| match kind {
        Kind::Counter => sum(data_points, true),
        Kind::UpDownCounter => sum(data_points, false),
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points }),
    });
    Metric { name: name.to_owned(), unit: unit.to_owned(), data, ..Metric::default() }
}

fn data_point((attributes, value): Point, (start, now): (u64, u64)) -> NumberDataPoint {
    let attribute = |(key, value): (&str, &str)| {
        let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
        KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
    };
    NumberDataPoint {
        attributes: attributes.into_iter().map(attribute).collect(),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(number_data_point::Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX))),
        ..NumberDataPoint::default()
    }
}

fn ns(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}
