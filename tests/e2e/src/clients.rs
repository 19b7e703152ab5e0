//! Clients: curl, Python's requests, Node's fetch.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::peers::script;

/// Fetches each address with curl, over one connection.
///
/// # Panics
/// When curl fails.
pub fn curl(urls: &[String]) {
    run(Command::new("curl").args(["--silent", "--show-error", "--fail"]).args(each_to_nowhere(urls)));
}

/// Fetches each address with curl, all at once, over connections of their own.
///
/// # Panics
/// When curl fails.
pub fn curl_parallel(urls: &[String], at_once: usize) {
    let limit = at_once.to_string();
    let args = [
        "--silent",
        "--show-error",
        "--fail",
        "--parallel",
        "--parallel-immediate",
        "--parallel-max",
        &limit,
    ];
    run(Command::new("curl").args(args).args(["--header", "Connection: close"]).args(each_to_nowhere(urls)));
}

/// Posts a file with curl.
///
/// # Panics
/// When curl fails.
pub fn curl_post(url: &str, file: &std::path::Path) {
    let mut data = OsStr::new("@").to_owned();
    data.push(file);
    run(Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--header", "Expect:", "--data-binary"])
        .arg(data)
        .arg(url));
}

/// Fetches each address with Python's requests (the python3 on PATH must have it), in one session.
///
/// # Panics
/// When Python fails.
pub fn requests(urls: &[String]) {
    run(Command::new("python3").arg(script("fetch.py")).args(urls));
}

/// Fetches each address with Node's fetch, one after the other.
///
/// # Panics
/// When Node fails.
pub fn node(urls: &[String]) {
    run(Command::new("node").arg(script("fetch.mjs")).args(urls));
}

fn each_to_nowhere(urls: &[String]) -> impl Iterator<Item = &str> {
    urls.iter().flat_map(|url| ["--output", "/dev/null", url])
}

/// Runs a client to its end.
///
/// # Panics
/// When it fails.
pub fn run(command: &mut Command) {
    let output = command.stdout(Stdio::null()).output().expect("start a client");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
