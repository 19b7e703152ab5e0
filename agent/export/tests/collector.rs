//! A real collector that no one here wrote (rotel) takes the events, over both transports, and prints what it took.
//!
//! Found through `PITOT_ROTEL`, or as `rotel-agent` on PATH; without it the test says that it is skipped.
#![allow(clippy::expect_used)] // A test fails by panicking.

mod support;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use pitot_export::{Exporter, probe};
use support::{PATIENCE, finding, free_port, settings};

/// A running collector; ends with the test.
struct Collector {
    child: Child,
    lines: mpsc::Receiver<String>,
    grpc: String,
    http: String,
}

impl Collector {
    fn start(program: &PathBuf) -> Self {
        let (grpc, http) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let mut child = Command::new(program)
            .args([
                "start",
                "--exporter",
                "blackhole",
                "--debug-log",
                "logs",
                "--debug-log-verbosity",
                "detailed",
            ])
            .args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
            .arg("--pid-file")
            .arg(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rotel.pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the collector starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = mpsc::sync_channel(1_024);
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, grpc: format!("http://{grpc}"), http: format!("http://{http}") }
    }

    /// The lines of the next event, from its time to its flags, trimmed.
    fn next_event(&self) -> Vec<String> {
        let mut event = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the collector prints an event");
            let line = line.trim().to_owned();
            if line.starts_with("LogRecord #") {
                event.clear();
            }
            let last = line.starts_with("Flags:");
            event.push(line);
            if last {
                return event;
            }
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended by itself; the test has its verdict either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rotel() -> Option<PathBuf> {
    if let Some(program) = std::env::var_os("PITOT_ROTEL") {
        return Some(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("rotel-agent")).find(|program| program.is_file())
}

#[test]
fn a_real_collector_takes_the_events() {
    let Some(program) = rotel() else {
        println!(
            "skipped: no OpenTelemetry collector (PITOT_ROTEL is not set, no rotel-agent on PATH); `pip install --pre rotel` has one"
        );
        return;
    };
    let collector = Collector::start(&program);
    let cases = [
        ("http/protobuf", "none", "00000000000000c1"),
        ("http/protobuf", "gzip", "00000000000000c2"),
        ("grpc", "none", "00000000000000c3"),
        ("grpc", "gzip", "00000000000000c4"),
    ];
    for (protocol, compression, id) in cases {
        let endpoint = if protocol == "grpc" { &collector.grpc } else { &collector.http };
        let settings = settings(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
        ]);
        let exporter = Exporter::start(settings.clone()).expect("starts");
        exporter.export(&finding(id));
        // A collector that is still starting refuses connections; the exporter tries again.
        let report = exporter.shutdown().expect("the collector takes the finding");
        assert_eq!((report.taken, report.exported), (1, 1));

        let event = collector.next_event();
        let id = format!("-> pitot.finding.id: Str({id})");
        for expected in [
            "EventName: pitot.schema.drift",
            "Timestamp: 1795343464000000001",
            "ObservedTimestamp: 1795343467000000000",
            "SeverityText: error",
            "SeverityNumber: SEVERITY_NUMBER_ERROR(17)",
            "Body: Str(`$.amount` changed from number to string)",
            "-> otel.event.name: Str(pitot.schema.drift)",
            &id,
            "-> pitot.kind: Str(type_changed)",
            "-> pitot.path: Str($.amount)",
            "-> pitot.flow.client: Str(shop)",
            "-> pitot.flow.route: Str(/v1/charges)",
            "-> http.request.method: Str(POST)",
            "-> service.peer.name: Str(billing)",
            "-> pitot.evidence.before: Str([\"number\"])",
            "-> pitot.evidence.messages.affected: Int(12)",
        ] {
            assert!(
                event.iter().any(|line| line == expected),
                "{protocol}, {compression}: no {expected:?} in {event:#?}"
            );
        }
        probe(&settings).expect("the collector answers a probe");
    }
}
