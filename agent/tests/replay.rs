//! `pitot replay` from outside: damaged input still gives the findings of its readable part, and an unreachable
//! collector loses nothing else.

// clippy.toml's exemption covers test functions, not their helpers.
#![allow(clippy::expect_used)]

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use pitot_common::user::{CaptureEvent, Hook, Process, ProcessId, Segment, TcpFlags};
use tempfile::TempDir;

/// Requests before the change, and in all.
const ONSET: u64 = 250;
const REQUESTS: u64 = 350;

fn body(number: u64) -> String {
    let amount = if number < ONSET { "amount" } else { "amount_minor" };
    format!(r#"{{"order":{number},"{amount}":{}}}"#, number % 7)
}

/// A messages file in which `amount` becomes `amount_minor`.
fn messages() -> String {
    let mut file = String::new();
    for number in 0..REQUESTS {
        let t_ns = 1_763_800_000_000_000_000 + number * 10_000_000;
        let body = body(number);
        writeln!(
            file,
            r#"{{"t_ns":{t_ns},"client":"shop","server":"billing","exchange":"{number}","side":"request","method":"POST","target":"/orders","headers":{{"content-type":"application/json"}},"body":{body}}}"#
        )
        .expect("memory");
    }
    file
}

/// The same requests, on one connection, as a capture file.
fn capture() -> Vec<u8> {
    let addresses = [SocketAddr::from(([127, 0, 0, 1], 40_000)), SocketAddr::from(([127, 0, 0, 1], 80))];
    let segment = |end: usize, seq: u32, ack: u32, flags: u8, payload: Vec<u8>, time_ns: u64| {
        CaptureEvent::Segment(Segment {
            time_ns,
            hook: Hook::Egress,
            cookie: end as u64 + 1,
            cgroup: 1,
            netns: 1,
            src: addresses[end].into(),
            dst: addresses[1 - end].into(),
            seq,
            ack,
            flags: TcpFlags(flags),
            owner: Some(ProcessId { pid: end as u32 + 1, start_ns: 1 }),
            total: payload.len() as u32,
            offset: 0,
            payload,
            short: None,
        })
    };
    let process = |pid, name: &str| {
        CaptureEvent::Process(Arc::new(Process {
            id: ProcessId { pid, start_ns: 1 },
            comm: name.into(),
            exe: name.into(),
            args: vec![],
            ..Process::default()
        }))
    };
    let start = 1_763_800_000_000_000_000;
    let mut events = vec![
        process(1, "shop"),
        process(2, "billing"),
        segment(0, 0, 0, TcpFlags::SYN, vec![], start),
        segment(1, 0, 1, TcpFlags::SYN | TcpFlags::ACK, vec![], start),
    ];
    let (mut sent, mut answered) = (1, 1);
    for number in 0..REQUESTS {
        let time = start + number * 10_000_000;
        let body = body(number);
        let request = format!(
            "POST /orders HTTP/1.1\r\nhost: b\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let response = "HTTP/1.1 204 No Content\r\n\r\n";
        events.push(segment(0, sent, answered, TcpFlags::ACK, request.clone().into_bytes(), time));
        sent += request.len() as u32;
        events.push(segment(1, answered, sent, TcpFlags::ACK, response.into(), time + 1));
        answered += response.len() as u32;
    }
    let mut recorder = pitot_replay::Recorder::new(Vec::new()).expect("memory");
    events.iter().try_for_each(|event| recorder.write(event)).expect("memory");
    recorder.finish().expect("memory")
}

struct Case {
    directory: TempDir,
    file: PathBuf,
}

impl Case {
    fn new(content: impl AsRef<[u8]>) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let file = directory.path().join("input");
        fs::write(&file, content).expect("writable");
        Self { directory, file }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pitot"));
        command.arg("replay").arg(&self.file).args(arguments).env_clear();
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    fn name(&self) -> &str {
        self.file.to_str().expect("UTF-8")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn assert_rename_found(findings: &[u8]) {
    let text = String::from_utf8(findings.to_vec()).expect("UTF-8");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let opened: Vec<_> = lines.iter().filter(|line| line["state"] == "open").collect();
    assert_eq!(opened.len(), 1, "{text}");
    assert_eq!(opened[0]["path"], "$.amount_minor");
    assert_eq!(opened[0]["flow"]["client"], "shop");
}

fn ledger(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("written")).expect("JSON")
}

#[test]
fn both_formats_are_recognised() {
    for content in [messages().into_bytes(), capture()] {
        let case = Case::new(content);
        let ledger_file = case.path("ledger");
        let output = case.run(&["--ledger", ledger_file.to_str().expect("UTF-8")]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        assert_rename_found(&output.stdout);
        let ledger = ledger(&ledger_file);
        let messages = &ledger["ledger"]["messages"];
        assert_eq!(messages["started"], messages["parsed"], "{ledger}");
    }
}

#[test]
fn a_truncated_capture_file_gives_what_can_be_read() {
    let whole = capture();
    let case = Case::new(&whole[..whole.len() - 40]);
    let ledger_file = case.path("ledger");
    let output = case.run(&["--ledger", ledger_file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    assert_rename_found(&output.stdout);
    let line = stderr(&output);
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with(&format!("pitot: {}: cut off in record", case.name())), "{line}");
    assert_eq!(ledger(&ledger_file)["ledger"]["bytes"]["pending"], 0);
}

#[test]
fn bad_lines_are_named_and_skipped() {
    let mut file = messages();
    file.insert_str(0, "{\"t_ns\":1\n");
    let case = Case::new(file);
    let output = case.run(&["--format", "messages"]);
    assert_eq!(output.status.code(), Some(2));
    assert_rename_found(&output.stdout);
    let lines = stderr(&output);
    let mut lines = lines.lines();
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with(&format!("pitot: {}: line 1 ", case.name())), "{first}");
    let summary = format!(
        "pitot: {}: 1 line was skipped; correct it, or take the file as it is with --lenient",
        case.name()
    );
    assert_eq!((lines.next(), lines.next()), (Some(summary.as_str()), None));
    let lenient = case.run(&["--lenient"]);
    assert_eq!(lenient.status.code(), Some(0));
    assert_eq!(lenient.stdout, output.stdout);
}

#[test]
fn an_unreachable_collector_loses_nothing_else() {
    let case = Case::new(messages());
    let output = case
        .command(&["--otlp"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert_rename_found(&output.stdout);
    let line = stderr(&output);
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains("http://127.0.0.1:1"), "{line}");
}

#[test]
fn the_configuration_counts() {
    let case = Case::new(messages());
    let learning = |messages: &str| {
        let output = case.command(&[]).env("PITOT_LEARNING__MESSAGES", messages).output();
        output.expect("the program starts").stdout
    };
    assert_rename_found(&learning("100"));
    assert!(learning("400").is_empty(), "still learning at the end");
}

#[test]
fn a_closed_output_is_no_failure() {
    let case = Case::new(messages());
    let mut child = case
        .command(&[])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

/// The lines of a messages file before the change, and those from there on.
fn halves() -> (String, String) {
    let file = messages();
    let at = file.match_indices('\n').nth(ONSET as usize - 1).expect("as many lines").0 + 1;
    (file[..at].to_owned(), file[at..].to_owned())
}

#[test]
fn a_baseline_goes_on_where_it_ended() {
    let (before, after) = halves();
    let case = Case::new(&before);
    let baseline = case.path("baseline");
    let baseline = baseline.to_str().expect("UTF-8");
    let output = case.run(&["--save-baseline", baseline]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert!(output.stdout.is_empty());
    let kept = fs::read(baseline).expect("written");
    assert_eq!(fs::metadata(baseline).expect("there").permissions().mode() & 0o777, 0o600);

    let case = Case::new(&after);
    assert!(case.run(&[]).stdout.is_empty(), "alone it is too short to be learned");
    let output = case.run(&["--baseline", baseline]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert_rename_found(&output.stdout);
    assert_eq!(output.stdout, Case::new(messages()).run(&[]).stdout, "as in one run");
    assert_eq!(fs::read(baseline).expect("still there"), kept, "it is not written");
    for workers in ["1", "2", "4"] {
        let saved = case.path(workers);
        let arguments = ["--baseline", baseline, "--workers", workers, "--save-baseline"];
        let again = case.run(&[&arguments[..], &[saved.to_str().expect("UTF-8")]].concat());
        assert_eq!(again.stdout, output.stdout, "{workers} workers");
        assert_eq!(fs::read(saved).expect("written"), fs::read(case.path("1")).expect("written"));
    }
    // What was found is known: after a restart it is neither opened again nor forgotten.
    let known = case.path("1");
    let output = case.run(&["--baseline", known.to_str().expect("UTF-8")]);
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_baseline_of_no_use_is_named_and_left_alone() {
    let case = Case::new(messages());
    let file = case.path("baseline");
    let name = file.to_str().expect("UTF-8");
    let check = |content: Option<&[u8]>, expected: &str| {
        content.map_or_else(
            || fs::remove_file(&file).unwrap_or_default(),
            |c| fs::write(&file, c).expect("writable"),
        );
        let output = case.run(&["--baseline", name]);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        assert_eq!(stderr(&output), format!("pitot: {name}: {expected}\n"));
        assert_eq!(fs::read(&file).ok().as_deref(), content);
    };
    check(None, "there is no such file; `pitot replay --save-baseline` writes one");
    let unusable = "cannot be used as a baseline; give one that this version of Pitot wrote";
    check(Some(b"{}"), &format!("{unusable}: this is not a file of Pitot's state"));
    check(Some(b"pitotst\n\x09\0\0\0"), &format!("{unusable}: it is cut off: 12 bytes of 52"));
    assert!(case.run(&["--save-baseline", name]).status.success());
    let mut damaged = fs::read(&file).expect("written");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    check(Some(&damaged), &format!("{unusable}: its checksum does not match: it was damaged"));
}

/// The bar: a million messages, byte for byte the same on every run and with any number of workers.
#[test]
#[ignore = "takes minutes: cargo test --release -p pitot --test replay -- --ignored"]
fn a_million_messages_give_the_same_bytes() {
    let mut file = String::new();
    for number in 0..1_000_000_u64 {
        let t_ns = 1_763_800_000_000_000_000 + number * 1_000_000;
        let flow = (number * number) % 23;
        let name = if number < 500_000 || flow % 3 > 0 { "amount" } else { "amount_minor" };
        let note = if number % 11 < 3 { r#","note":null"# } else { "" };
        let total = if number < 700_000 || flow % 5 > 0 { "1.5" } else { "\"1.5\"" };
        writeln!(
            file,
            r#"{{"t_ns":{t_ns},"client":"c{}","server":"s{}","exchange":"{number}","side":"request","method":"POST","target":"/r{flow}","headers":{{"content-type":"application/json"}},"body":{{"id":{number},"{name}":{},"total":{total}{note}}}}}"#,
            flow % 4,
            flow % 3,
            number % 97,
        )
        .expect("memory");
    }
    let case = Case::new(file);
    let run = |workers: &str, number: u8| {
        let baseline = case.path(&format!("baseline-{number}"));
        let output = case.run(&["--workers", workers, "--save-baseline", baseline.to_str().expect("UTF-8")]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        (output.stdout, fs::read(baseline).expect("written"))
    };
    let first = run("1", 0);
    assert!(!first.0.is_empty());
    for (number, workers) in (1..).zip(["1", "2", "4"]) {
        assert!(run(workers, number) == first, "{workers} workers");
    }
}
