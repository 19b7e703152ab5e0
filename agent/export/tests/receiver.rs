//! What is sent, and what happens when the collector is away, slow, full or no collector: over real sockets, with a
//! receiver in this process. The real collector is in `collector.rs`.
#![allow(clippy::expect_used)] // A test fails by panicking.

mod support;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use pitot_common::user::Overload;
use pitot_export::{ExportError, Exporter, Report, Reporter, Settings, Snapshot, probe};
use prost::Message;
use support::{Answer, Receiver, attribute, finding, free_port, metrics_settings, settings};

const OK: Answer = Answer::Http("200 OK", Vec::new());
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";

fn send(settings: Settings, ids: &[&str]) -> Result<Report, ExportError> {
    let exporter = Exporter::start(settings).expect("starts");
    for id in ids {
        exporter.export(&finding(id));
    }
    exporter.shutdown()
}

/// The counts and the cause of an incomplete export.
fn incomplete(result: Result<Report, ExportError>) -> (u64, u64, ExportError) {
    match result.expect_err("cannot have arrived") {
        ExportError::Incomplete { taken, failed, cause } => (taken, failed, *cause),
        other => panic!("{other}"),
    }
}

#[test]
fn a_finding_is_an_event() {
    let receiver = Receiver::start(vec![OK]);
    let settings = settings(&[
        (ENDPOINT, &receiver.endpoint),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ]);
    let report = send(settings, &["00000000000000f1"]).expect("arrives");
    assert_eq!((report.taken, report.exported, report.pending), (1, 1, 0));

    let received = receiver.next();
    assert_eq!(received.head[0], "post /v1/logs http/1.1");
    for header in ["x-tenant: a b", "content-type: application/x-protobuf", "content-encoding: gzip"] {
        assert!(received.head.iter().any(|line| line == header), "{header}: {:?}", received.head);
    }
    let resource = &received.logs().resource_logs[0].resource.clone().expect("a resource").attributes;
    let check =
        |key, expected: &str| assert_eq!(attribute(resource, key).as_deref(), Some(expected), "{key}");
    check("service.name", "pitot");
    check("service.version", env!("CARGO_PKG_VERSION"));
    check("deployment.environment.name", "test");
    check("telemetry.sdk.language", "rust");
    let scope = received.logs().resource_logs[0].scope_logs[0].scope.clone().expect("a scope");
    assert_eq!(scope.name, "pitot");

    let records = received.records();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(record.event_name, "pitot.schema.drift");
    assert_eq!(record.time_unix_nano, 1_795_343_464_000_000_001);
    assert_eq!(record.observed_time_unix_nano, 1_795_343_467_000_000_000);
    assert_eq!((record.severity_number, record.severity_text.as_str()), (17, "error"));
    let body = format!("{:?}", record.body);
    assert!(body.contains("`$.amount` changed from number to string"), "{body}");
    let check = |key, expected: &str| {
        assert_eq!(attribute(&record.attributes, key).as_deref(), Some(expected), "{key}")
    };
    check("otel.event.name", "pitot.schema.drift");
    check("pitot.finding.id", "00000000000000f1");
    check("pitot.finding.state", "open");
    check("pitot.kind", "type_changed");
    check("pitot.path", "$.amount");
    check("pitot.confidence", "0.997");
    check("http.request.method", "POST");
    check("http.route", "/v1/charges");
    check("service.peer.name", "billing");
    check("pitot.flow.client", "shop");
    check("pitot.flow.status_class", "2xx");
    check("pitot.upstream.server", "gateway");
    check("pitot.evidence.before", r#"["number"]"#);
    check("pitot.evidence.examples", r#"[{"exchange":"00000000000000a1","t_ns":1795343464000000000}]"#);
    check("pitot.evidence.messages.affected", "12");
    check("pitot.evidence.messages.all", "18446744073709551615");
    check("pitot.evidence.share", "1.0");
}

#[test]
fn what_is_absent_is_not_sent_and_other_methods_are_other() {
    let receiver = Receiver::start(vec![OK]);
    let exporter = Exporter::start(settings(&[(ENDPOINT, &receiver.endpoint)])).expect("starts");
    let mut bare = finding("00000000000000f2");
    bare.old_path = None;
    bare.upstream = None;
    bare.flow.operation = None;
    bare.flow.method = "BREW".into();
    exporter.export(&bare);
    exporter.shutdown().expect("arrives");
    let received = receiver.next();
    let attributes = &received.records().first().expect("a record").attributes.clone();
    assert_eq!(attribute(attributes, "http.request.method").as_deref(), Some("_OTHER"));
    assert_eq!(attribute(attributes, "pitot.flow.method").as_deref(), Some("BREW"));
    for absent in ["pitot.old_path", "pitot.flow.operation", "pitot.upstream.client"] {
        assert_eq!(attribute(attributes, absent), None, "{absent}");
    }
}

#[test]
fn a_busy_collector_is_tried_again() {
    let receiver = Receiver::start(vec![Answer::Http("503 Service Unavailable", Vec::new()), OK]);
    let report = send(settings(&[(ENDPOINT, &receiver.endpoint)]), &["00000000000000f3"]).expect("arrives");
    assert_eq!((report.exported, report.rejected), (1, 0));
    assert!(report.problem.is_none());
    assert_eq!(receiver.next().ids(), receiver.next().ids());
}

#[test]
fn a_refusal_loses_only_what_was_refused() {
    let receiver = Receiver::start(vec![Answer::Http("401 Unauthorized", Vec::new()), OK]);
    let exporter = Exporter::start(settings(&[(ENDPOINT, &receiver.endpoint)])).expect("starts");
    exporter.export(&finding("00000000000000f4"));
    assert_eq!(receiver.next().ids(), ["00000000000000f4"]);
    exporter.export(&finding("00000000000000f5"));
    assert_eq!(receiver.next().ids(), ["00000000000000f5"]);
    let result = exporter.shutdown().expect_err("one was refused");
    assert!(matches!(result, ExportError::Incomplete { taken: 2, failed: 1, .. }), "{result}");
}

#[test]
fn partial_success_is_counted() {
    let partial = ExportLogsPartialSuccess { rejected_log_records: 1, error_message: "too\x1b old".into() };
    let answer = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let receiver = Receiver::start(vec![Answer::Http("200 OK", answer)]);
    let (taken, failed, cause) =
        incomplete(send(settings(&[(ENDPOINT, &receiver.endpoint)]), &["00000000000000f6"]));
    assert_eq!((taken, failed), (1, 1));
    assert!(
        matches!(&cause, ExportError::Rejected { rejected: 1, message, .. } if message == r"too\u{1b} old"),
        "{cause}"
    );
}

/// Each way to fail: the export ends within its time, and says in one line where, what, and how to fix it.
#[test]
fn failures_are_one_clear_line() {
    let check = |vars: &[(&str, &str)], expected: &[&str]| {
        let (taken, failed, cause) =
            incomplete(send(settings(vars), &["00000000000000f7", "00000000000000f8"]));
        assert_eq!((taken, failed), (2, 2));
        let line = cause.to_string();
        assert!(expected.iter().all(|part| line.contains(part)) && !line.contains('\n'), "{line}");
        assert_eq!(probe(&settings(vars)).expect_err("nobody takes it").to_string(), line);
    };
    let answers = |answer: fn() -> Answer| Receiver::start((0..16).map(|_| answer()).collect());
    const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");

    let nobody = format!("http://127.0.0.1:{}", free_port());
    for vars in [
        &[(ENDPOINT, nobody.as_str()), (TIMEOUT, "1000")][..],
        &[(ENDPOINT, nobody.as_str()), (TIMEOUT, "1000"), GRPC],
    ] {
        check(
            vars,
            &[
                "cannot reach",
                &nobody,
                "Connection refused",
                "start a collector there, or set OTEL_EXPORTER_OTLP_ENDPOINT",
            ],
        );
    }

    let silent = answers(|| Answer::Silence);
    check(
        &[(ENDPOINT, &silent.endpoint), (TIMEOUT, "300")],
        &["did not answer within 300ms", "OTEL_EXPORTER_OTLP_TIMEOUT"],
    );

    let no_such_path = answers(|| Answer::Http("404 Not Found", Vec::new()));
    check(&[(ENDPOINT, &no_such_path.endpoint)], &["answered HTTP 404 Not Found", "check port and path"]);

    let web_page = answers(|| Answer::Http("200 OK", b"<html>".to_vec()));
    check(&[(ENDPOINT, &web_page.endpoint)], &["not as an OTLP collector does", "check port and path"]);

    let locked = answers(|| Answer::Http("401 Unauthorized", Vec::new()));
    check(&[(ENDPOINT, &locked.endpoint)], &["401", "OTEL_EXPORTER_OTLP_HEADERS"]);
}

#[test]
fn disabled_sends_nothing() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let report = send(settings(&[(ENDPOINT, &nobody), ("OTEL_SDK_DISABLED", "true")]), &["00000000000000f9"])
        .expect("nothing to do");
    assert_eq!((report.taken, report.exported), (0, 0));
}

#[test]
fn a_header_that_http_does_not_allow_is_refused_at_the_start() {
    let bad = settings(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret%0Avalue")]);
    let line = Exporter::start(bad).expect_err("no such header").to_string();
    assert!(line.contains("authorization") && !line.contains("secret"), "{line}");
}

#[test]
fn probe_finds_a_collector() {
    let receiver = Receiver::start(vec![OK]);
    probe(&settings(&[(ENDPOINT, &receiver.endpoint)])).expect("is there");
    assert_eq!(receiver.next().records().len(), 0);
}

#[test]
fn the_queue_is_bounded_and_what_does_not_fit_is_counted() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let exporter = Exporter::start(settings(&[(ENDPOINT, &nobody), (TIMEOUT, "300")])).expect("starts");
    for _ in 0..5_000 {
        exporter.export(&finding("00000000000000fa"));
    }
    let report = exporter.report();
    assert_eq!(report.taken, 5_000);
    assert!(report.queue_full >= 5_000 - 4_096 - 64, "{report:?}");
    assert_eq!(report.taken, report.exported + report.rejected + report.queue_full + report.pending);
    assert_eq!(incomplete(exporter.shutdown()).1, 5_000);
}

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot { connections: 3, resident: Some(1 << 20), ..Snapshot::default() };
    snapshot.ledger.bytes.seen = 10;
    snapshot.ledger.bytes.parsed = 4;
    snapshot.ledger.bytes.skip("filtered", 3);
    snapshot.ledger.bytes.lose("ring_full", 2);
    snapshot.kernel.insert("ring_full", 7);
    snapshot.held.insert("bodies", 5);
    snapshot.left_out.insert("flow_stub", 2);
    snapshot
}

/// Name, unit, attributes and value of each point.
fn points(received: &support::Received) -> Vec<String> {
    let request = received.metrics();
    let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
    metrics
        .flat_map(|metric| {
            let points = match metric.data.as_ref().expect("data") {
                Data::Sum(sum) => {
                    assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
                    &sum.data_points
                }
                Data::Gauge(gauge) => &gauge.data_points,
                other => panic!("{other:?}"),
            };
            points.iter().map(|point| {
                assert!(0 < point.start_time_unix_nano && point.start_time_unix_nano <= point.time_unix_nano);
                let values =
                    point.attributes.iter().map(|a| attribute(&point.attributes, &a.key).expect("text"));
                let values: Vec<_> = values.collect();
                format!(
                    "{} {} {} {:?}",
                    metric.name,
                    metric.unit,
                    values.join("/"),
                    point.value.expect("a value")
                )
            })
        })
        .collect()
}

#[test]
fn the_latest_metrics_are_sent_and_the_last_before_the_end() {
    let receiver = Receiver::start(vec![Answer::Http("503 Service Unavailable", Vec::new()), OK]);
    let vars = [
        (ENDPOINT, receiver.endpoint.as_str()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://localhost:1/"),
    ];
    let mut reporter = Reporter::start(metrics_settings(&vars)).expect("starts");
    assert!(reporter.report(snapshot()).is_none());
    let first = receiver.next();
    assert!(first.head[0].starts_with("post /v1/metrics "), "{:?}", first.head);
    while !reporter.is_due() {
        std::thread::yield_now();
    }
    // One that could not be sent is replaced by the next.
    reporter.shutdown(snapshot()).expect("arrives");
    let received = receiver.next();
    assert_eq!(
        points(&received),
        [
            "pitot.capture.bytes By parsed AsInt(4)",
            "pitot.capture.bytes By pending AsInt(1)",
            "pitot.capture.bytes By skipped/filtered AsInt(3)",
            "pitot.capture.bytes By lost/ring_full AsInt(2)",
            "pitot.messages {message} parsed AsInt(0)",
            "pitot.messages {message} pending AsInt(0)",
            "pitot.kernel.records {record} ring_full AsInt(7)",
            "pitot.connections {connection}  AsInt(3)",
            "pitot.buffer.usage By bodies AsInt(5)",
            "pitot.learning.left_out {item} flow_stub AsInt(2)",
            "process.memory.usage By  AsInt(1048576)",
        ]
    );
}

#[test]
fn no_metrics_where_nobody_wants_them() {
    for vars in [[("OTEL_METRICS_EXPORTER", "none")], [("OTEL_SDK_DISABLED", "true")]] {
        let mut reporter = Reporter::start(metrics_settings(&vars)).expect("starts");
        assert!(!reporter.is_due());
        assert!(reporter.report(snapshot()).is_none());
        reporter.shutdown(snapshot()).expect("nothing was to be sent");
    }
}

#[test]
fn metrics_that_do_not_arrive_are_no_secret() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let reporter = Reporter::start(metrics_settings(&[(ENDPOINT, &endpoint)])).expect("starts");
    let error = reporter.shutdown(snapshot()).expect_err("nobody listens");
    assert!(error.to_string().starts_with("cannot reach the OTLP collector at http://127.0.0.1:"), "{error}");
}

#[test]
fn an_overload_is_an_event() {
    let receiver = Receiver::start(vec![OK]);
    let exporter = Exporter::start(settings(&[(ENDPOINT, &receiver.endpoint)])).expect("starts");
    exporter.overload(&Overload { time_ns: 5, begins: false, connections: 2, bytes: 300 });
    exporter.shutdown().expect("arrives");
    let record = receiver.next().records().remove(0);
    assert_eq!((record.event_name.as_str(), record.time_unix_nano), ("pitot.capture.overload", 5));
    assert_eq!(attribute(&record.attributes, "pitot.overload.state").as_deref(), Some("end"));
    assert_eq!(attribute(&record.attributes, "pitot.overload.bytes").as_deref(), Some("300"));
}
