//! HTTP archives: entries to messages, and what is wrong with single ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pitot_protocols::har::{Archive, Error, read};
use pitot_protocols::message::{Incomplete, Side};

fn archive(entries: &str) -> Archive {
    read(format!(r#"{{"log":{{"creator":{{"name":"proxy"}},"entries":[{entries}]}}}}"#).as_bytes()).unwrap()
}

fn entry(started: &str, time: u32, request: &str, response: &str) -> String {
    format!(
        r#"{{"startedDateTime":"{started}","time":{time},"request":{{"method":"POST","url":"https://pay.example/v1/a"{request}}},"response":{{"status":201{response}}}}}"#
    )
}

/// One line a message: time in ms, side, status, body, why it is incomplete.
fn lines(archive: &Archive) -> Vec<String> {
    archive
        .messages
        .iter()
        .map(|m| {
            let side = if m.side == Side::Request { ">" } else { "<" };
            let why = m.incomplete.map_or("", Incomplete::as_str);
            format!("{} {side} {:?} {} {why}", m.t_ns / 1_000_000, m.status, String::from_utf8_lossy(&m.body))
        })
        .collect()
}

#[test]
fn exchanges_in_the_order_of_their_time() {
    let body = r#","postData":{"mimeType":"application/json","text":"{\"a\":1}"}"#;
    let content = r#","content":{"size":2,"mimeType":"text/plain","text":"aGk=","encoding":"base64"}"#;
    let found = archive(
        &[
            entry("1970-01-01T00:00:02Z", 500, body, content),
            entry("1970-01-01T01:00:01.5+01:00", 2000, "", ""),
        ]
        .join(","),
    );
    assert!(found.errors.is_empty());
    assert_eq!(
        lines(&found),
        ["1500 > None  ", "2000 > None {\"a\":1} ", "2500 < Some(201) hi ", "3500 < Some(201)  "]
    );
    assert_eq!(found.messages[0].exchange, found.messages[3].exchange);
    assert_eq!(found.messages[3].request.as_ref().unwrap().target, "/v1/a");
}

#[test]
fn what_the_archive_left_out_is_incomplete() {
    let found = archive(&entry("2026-11-22T15:00:00Z", 1, r#","bodySize":9"#, r#","content":{"size":5}"#));
    assert!(found.messages.iter().all(|m| m.incomplete == Some(Incomplete::Declared)));
}

#[test]
fn a_bad_entry_costs_itself() {
    let good = entry("2026-11-22T15:00:00Z", 1, "", "");
    let check = |bad: &str, expected: &str| {
        let found = archive(&format!("{bad},{good}"));
        assert_eq!(found.messages.len(), 2, "{bad}");
        assert!(found.errors[0].to_string().starts_with(expected), "{}", found.errors[0]);
    };
    check("7", "entry 1: ");
    check(&entry("yesterday", 1, "", ""), "entry 1: startedDateTime");
    check(&entry("1969-01-01T00:00:00Z", 1, "", ""), "entry 1: startedDateTime");
    let content = r#","content":{"size":2,"text":"?","encoding":"base64"}"#;
    check(&entry("2026-11-22T15:00:00Z", 1, "", content), "entry 1: the response's content");
}

#[test]
fn no_archive() {
    for text in ["", "{}", "[1,2]", r#"{"log":{}}"#, r#"{"log":{"entries":[1"#] {
        assert!(matches!(read(text.as_bytes()), Err(Error::NotAnArchive(_))), "{text}");
    }
}
