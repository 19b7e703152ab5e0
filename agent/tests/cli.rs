//! The program from outside: every way to use it wrongly, or where it cannot work, ends with one clear line and
//! the contract's exit code (section 5), and loses nothing else.

// clippy.toml's exemption covers test functions, not their helpers.
#![allow(clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program with a clean environment, so that the machine's variables decide nothing.
fn pitot(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pitot"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Runs `arguments` and expects an exit code and exactly one line on stderr.
fn check(arguments: &[&str], code: i32, line: &str) {
    check_command(&mut pitot(arguments), code, line);
}

fn check_command(command: &mut Command, code: i32, line: &str) {
    let output = run(command);
    let stderr = text(&output.stderr);
    assert_eq!(stderr.trim_end(), line, "{command:?}");
    assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
}

fn write(directory: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = directory.path().join(name);
    fs::write(&path, content).expect("a file in a temporary directory");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn every_command_shows_an_example() {
    for command in
        ["run", "replay", "record", "demo", "doctor", "validate", "completions", "man", "demo-peer"]
    {
        let output = run(&mut pitot(&[command, "--help"]));
        assert!(output.status.success(), "{command}");
        assert!(text(&output.stdout).contains("Example:\n  "), "{command}");
        assert!(text(&output.stdout).contains(&format!("pitot {command}")), "{command}");
    }
    assert!(text(&run(&mut pitot(&["--help"])).stdout).contains("Example:"));
}

#[test]
fn wrong_usage() {
    check(&[], 2, "pitot: no command given; see 'pitot --help'");
    check(
        &["relay"],
        2,
        "pitot: unrecognized subcommand 'relay'; a similar subcommand exists: 'replay'; see 'pitot --help'",
    );
    check(
        &["replay", "x", "--workers", "0"],
        2,
        "pitot: invalid value '0' for '--workers <N>': 0 is not in 1..=64; see 'pitot --help'",
    );
    check(&["demo", "--fault", "loss"], 2, "pitot: this fault is not built yet; use --fault all");
}

#[test]
fn bad_configuration() {
    let directory = TempDir::new().expect("a temporary directory");
    let file = write(&directory, "pitot.yaml", "learning:\n  mesages: 5\n");
    let line = format!("pitot: {file}:2:3: unknown key `mesages`; did you mean `messages`?");
    check(&["validate", &file], 2, &line);
    check(&["run", "--config", &file], 2, &line);
    check(&["replay", "nothing", "--config", &file], 2, &line);
    check(&["record", "--output", "nothing", "--config", &file], 2, &line);
    check(&["doctor", "--config", &file], 2, &line);
    check(
        &["validate", "/nowhere/p.yaml"],
        2,
        "pitot: /nowhere/p.yaml: the configuration cannot be read; give a readable file to --config: \
         No such file or directory (os error 2)",
    );
    check_command(
        pitot(&["doctor"]).env("PITOT_LEARNING__MESAGES", "5"),
        2,
        "pitot: PITOT_LEARNING__MESAGES: unknown key `mesages`; did you mean `messages`?",
    );
    let nowhere = write(&directory, "nowhere.yaml", "export: {otlp: {enabled: false}}");
    check(
        &["run", "--config", &nowhere],
        2,
        "pitot: findings would go nowhere: give --findings F, or set export.otlp.enabled to true",
    );
    let good = write(&directory, "good.yaml", "learning: {messages: 50}");
    let output = run(&mut pitot(&["validate", &good]));
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), format!("{good}: valid\n")));
}

#[test]
fn text_from_outside_cannot_command_the_terminal() {
    let directory = TempDir::new().expect("a temporary directory");
    let file = write(&directory, "pitot.yaml", "\"\\e[31mred\\nline\": 1\n");
    let stderr = text(&run(&mut pitot(&["validate", &file])).stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
}

#[test]
fn what_is_printed_for_programs_is_whole() {
    let schema = run(&mut pitot(&["validate", "--schema"]));
    assert!(serde_json::from_slice::<serde_json::Value>(&schema.stdout).is_ok());
    let defaults = run(&mut pitot(&["validate", "--defaults"]));
    let directory = TempDir::new().expect("a temporary directory");
    let file = write(&directory, "defaults.yaml", defaults.stdout);
    assert!(run(&mut pitot(&["validate", &file])).status.success(), "the defaults are a configuration");
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&run(&mut pitot(&["completions", shell])).stdout).contains("replay"), "{shell}");
    }
    assert!(text(&run(&mut pitot(&["man"])).stdout).contains(".TH pitot-record 1"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = pitot(&["man"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn files_that_cannot_be_replayed() {
    let directory = TempDir::new().expect("a temporary directory");
    check(
        &["replay", "/nowhere"],
        2,
        "pitot: /nowhere: cannot be read; name a file that `pitot record` wrote: No such file or directory (os error 2)",
    );
    let file = write(&directory, "picture", b"\x89PNG\r\n");
    check(
        &["replay", &file],
        2,
        &format!(
            "pitot: {file}: neither a capture file nor lines of JSON; give a file that `pitot record` wrote"
        ),
    );
    let har = write(&directory, "a.har", "{}");
    check(
        &["replay", &har, "--format", "har"],
        2,
        &format!("pitot: {har}: not an HTTP archive: missing field `log` at line 1 column 2; export HAR 1.2"),
    );
    let har = write(&directory, "b.har", r#"{"log":{"entries":[{}]}}"#);
    let entry =
        format!("pitot: {har}: entry 1: missing field `startedDateTime` at line 1 column 2; it is skipped");
    let end = "1 entry was skipped; correct it, or take the file as it is with --lenient";
    check(&["replay", &har], 2, &format!("{entry}\npitot: {har}: {end}"));
    check(&["replay", &har, "--lenient"], 0, &entry);
}

/// Where the kernel's type information is missing, or there is no kernel part, the line says what to do.
#[test]
fn a_machine_that_does_not_allow_it() {
    for command in [&["run", "--findings", "-"][..], &["record", "--output", "/dev/null"], &["demo"]] {
        let output =
            run(pitot(command).args(["--btf", "/nowhere/btf"]).env("PITOT_EXPORT__OTLP__ENABLED", "false"));
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{command:?}: {stderr}");
        let last = stderr.lines().last().unwrap_or_default();
        let expected = ["BTF", "kernel part", "missing CAP_"];
        assert!(expected.iter().any(|part| last.contains(part)), "{command:?}: {stderr}");
    }
}

#[test]
fn doctor_names_each_miss_with_its_fix() {
    let output = run(pitot(&["doctor", "--json", "--btf", "/nowhere/btf"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"));
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["ok"], false);
    let checks = report["checks"].as_array().expect("a list");
    for check in checks {
        assert_eq!(check["ok"] == false, check["fix"].is_string(), "{check}");
    }
    let misses = |name: &str| checks.iter().any(|check| check["name"] == name && check["ok"] == false);
    assert!(misses("type information (BTF)"), "{report}");
    assert!(misses("OTLP endpoint"), "{report}");
}

/// As an ordinary user, which only root can become here.
#[test]
fn no_privileges() {
    // Who runs this: the owner of a file this process makes.
    let directory = TempDir::new().expect("a temporary directory");
    use std::os::unix::fs::MetadataExt as _;
    let root = fs::metadata(directory.path()).expect("there").uid() == 0;
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut command = if root {
        if !setpriv.exists() {
            println!("skipped: no privileges: root without /usr/bin/setpriv cannot become an ordinary user");
            return;
        }
        // The program may lie where an ordinary user cannot go: give it a place where one can.
        let copy = directory.path().join("pitot");
        fs::copy(env!("CARGO_BIN_EXE_pitot"), &copy).expect("a copy");
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        let mut command = Command::new(setpriv);
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "-all"])
            .arg(copy);
        command.args(["run", "--findings", "-"]);
        command
    } else {
        pitot(&["run", "--findings", "-"])
    };
    let output = run(command.env_clear().env("PITOT_EXPORT__OTLP__ENABLED", "false"));
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let expected = ["missing CAP_BPF", "without its kernel part"];
    assert!(expected.iter().any(|part| stderr.contains(part)), "{stderr}");
}
