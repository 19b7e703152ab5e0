//! What the tests of this crate share: a finding, settings, and a small OTLP/HTTP receiver.
#![allow(dead_code, clippy::expect_used)] // Each test file uses its part; a test fails by panicking.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use pitot_export::{MetricsSettings, Settings};
use pitot_findings::Finding;
use pitot_findings::finding::{Flow, Severity, State};
use prost::Message;

/// Longer than anything takes; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A finding with every field and every evidence name that is emitted so far.
pub(crate) fn finding(id: &str) -> Finding {
    let flow = |server: &str| Flow {
        client: "shop".into(),
        server: server.into(),
        protocol: "http".into(),
        method: "POST".into(),
        route: "/v1/charges".into(),
        operation: Some("createCharge".into()),
        side: "response".into(),
        status_class: Some("2xx".into()),
    };
    let evidence = serde_json::json!({
        "after": ["string", "null"],
        "before": ["number"],
        "examples": [{"exchange": "00000000000000a1", "t_ns": 1_795_343_464_000_000_000_u64}],
        "messages": {"affected": 12, "all": 18_446_744_073_709_551_615_u64},
        "share": 1.0,
    });
    Finding {
        id: id.into(),
        state: State::Open,
        event: "pitot.schema.drift",
        kind: "type_changed",
        severity: Severity::Error,
        time_ns: 1_795_343_467_000_000_000,
        onset_ns: 1_795_343_464_000_000_001,
        flow: flow("billing"),
        path: "$.amount".into(),
        old_path: Some("$.amount_old".into()),
        upstream: Some(flow("gateway")),
        confidence: 0.997,
        evidence: evidence.as_object().expect("an object").clone(),
        summary: "`$.amount` changed from number to string".into(),
    }
}

/// Settings as from these variables and no others.
pub(crate) fn settings(vars: &[(&str, &str)]) -> Settings {
    Settings::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
        .expect("good settings")
}

/// The same for metrics.
pub(crate) fn metrics_settings(vars: &[(&str, &str)]) -> MetricsSettings {
    MetricsSettings::from_vars(|name| {
        vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    })
    .expect("good settings")
}

/// A port of the loopback interface where nobody listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// What the receiver answers to one request.
pub(crate) enum Answer {
    /// Status line and body.
    Http(&'static str, Vec<u8>),
    /// Nothing: the connection stays open.
    Silence,
}

/// Takes one request for each answer, then stops listening.
pub(crate) struct Receiver {
    pub(crate) endpoint: String,
    pub(crate) requests: mpsc::Receiver<Received>,
}

pub(crate) struct Received {
    /// Request line and headers, lower case.
    pub(crate) head: Vec<String>,
    /// Whole and as it came; which signal it is, the request line says.
    bytes: Vec<u8>,
}

impl Receiver {
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, requests) = mpsc::sync_channel(answers.len());
        let mut silent = Vec::new();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                // The test may have seen enough.
                let _ = sender.send(receive(&stream));
                match answer {
                    Answer::Http(status, body) => {
                        let head = format!(
                            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        );
                        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
                    }
                    Answer::Silence => silent.push(stream),
                }
            }
            // Silent connections stay open for as long as the test runs.
            while !silent.is_empty() && listener.accept().is_ok() {}
        });
        Self { endpoint, requests }
    }

    pub(crate) fn next(&self) -> Received {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }
}

fn receive(stream: &TcpStream) -> Received {
    let mut reader = BufReader::new(stream);
    let head: Vec<String> = reader
        .by_ref()
        .lines()
        .map(|line| line.expect("a header").to_ascii_lowercase())
        .take_while(|line| !line.is_empty())
        .collect();
    let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name));
    let length = header("content-length: ").map_or(0, |value| value.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    if header("content-encoding: ") == Some("gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("gzip");
        body = plain;
    }
    Received { head, bytes: body }
}

impl Received {
    pub(crate) fn logs(&self) -> ExportLogsServiceRequest {
        ExportLogsServiceRequest::decode(&self.bytes[..]).expect("OTLP")
    }

    pub(crate) fn metrics(&self) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest::decode(&self.bytes[..]).expect("OTLP")
    }

    pub(crate) fn records(&self) -> Vec<LogRecord> {
        self.logs()
            .resource_logs
            .iter()
            .flat_map(|r| &r.scope_logs)
            .flat_map(|s| &s.log_records)
            .cloned()
            .collect()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.records().iter().filter_map(|record| attribute(&record.attributes, "pitot.finding.id")).collect()
    }
}

/// An attribute, as text.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => format!("{number:?}"),
        other => format!("{other:?}"),
    })
}
