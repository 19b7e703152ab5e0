//! HTTP/1 as scripts: what both ends send and what is missing, and the messages that come of it. Each script is also run
//! with every chunk cut into single bytes: the messages must be the same.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use pitot_protocols::Limits;
use pitot_protocols::message::{Message, Peer};
use support::{CLIENT, SERVER, Script, Step, c, s};

use Step::{Closed, Fin, Gap, Owner, Pass, Remote, Rst, Tick};

fn byte_by_byte(steps: &[Step]) -> Vec<Step> {
    let cut = |step: &Step| match step {
        Step::C(bytes) => bytes.iter().map(|b| Step::C(vec![*b])).collect(),
        Step::S(bytes) => bytes.iter().map(|b| Step::S(vec![*b])).collect(),
        other => vec![other.clone()],
    };
    steps.iter().flat_map(cut).collect()
}

#[track_caller]
fn check_with(new: impl Fn() -> Script, steps: &[Step], expected: &[&str]) {
    assert_eq!(new().run(steps).lines(), expected, "{steps:?}");
    assert_eq!(new().run(&byte_by_byte(steps)).lines(), expected, "byte by byte: {steps:?}");
}

#[track_caller]
fn check(steps: &[Step], expected: &[&str]) {
    check_with(Script::proven, steps, expected);
}

#[track_caller]
fn check_joined(steps: &[Step], expected: &[&str]) {
    check_with(Script::joined, steps, expected);
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn bodies() {
    check(&[c(GET), s(OK)], &["> GET /a", "< 200 /a hi"]);
    check(
        &[c("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"), s("HTTP/1.1 204 No Content\r\n\r\n")],
        &["> POST /a hello", "< 204 /a"],
    );
    let chunked = "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n";
    check(
        &[c(&format!("POST /a HTTP/1.1\r\n{chunked}")), s(&format!("HTTP/1.1 200 OK\r\n{chunked}{OK}"))],
        &["> POST /a hello", "< 200 /a hello", "< 200 ? hi !request_not_seen"],
    );
    check(&[c(GET), s("HTTP/1.0 200 OK\r\n\r\nall of it"), Fin(SERVER)], &["> GET /a", "< 200 /a all of it"]);
    check(
        &[c(GET), s("HTTP/1.0 200 OK\r\n\r\npart"), Rst(SERVER)],
        &["> GET /a", "< 200 /a part !unproven_end"],
    );
    check(&[c(GET), s("HTTP/1.0 200 OK\r\n\r\npart")], &["> GET /a", "< 200 /a part !unproven_end"]);
    check(
        &[
            c("HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
            s("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
            s(OK),
        ],
        &["> HEAD /a", "> GET /b", "< 200 /a", "< 200 /b hi"],
    );
    check(
        &[c(GET), s("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"), c(GET), s(OK)],
        &["> GET /a", "< 304 /a", "> GET /a", "< 200 /a hi"],
    );
    check(&[c(GET), s("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")], &["> GET /a", "< 200 /a"]);
    check(&[c(&format!("\r\n\r\n{GET}\r\n{GET}"))], &["> GET /a", "> GET /a"]);
    check(
        &[c("GET http://h.example:8080/a?b HTTP/1.1\r\nHost: other\r\n\r\n"), s(OK)],
        &["> GET http://h.example:8080/a?b", "< 200 http://h.example:8080/a?b hi"],
    );
}

#[test]
fn interim_responses() {
    check(
        &[
            c("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
            s("HTTP/1.1 100 Continue\r\n\r\n"),
            c("hello"),
            s("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
            s(OK),
        ],
        &["> PUT /a hello", "< 200 /a hi"],
    );
    let refused = [
        c("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 28\r\n\r\n"),
        s("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"),
    ];
    let [put, no] = refused;
    // It may be the next request, or a body that looks like one.
    check(
        &[put.clone(), no.clone(), c(GET), s(OK)],
        &[
            "< 417 /a",
            "> PUT /a !ambiguous_framing",
            "< 200 ? hi !request_not_seen",
            "> GET /a !unproven_start",
        ],
    );
    check(
        &[put, no, c("{\"length\":\"twenty-eight!!\"}\n"), c(GET), s(OK)],
        &["< 417 /a", "> PUT /a {\"length\":\"twenty-eight!!\"}\n", "> GET /a", "< 200 /a hi"],
    );
}

#[test]
fn pipelining_and_keep_alive() {
    let requests: String =
        (0..50).map(|n| format!("POST /{n} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{n:02}")).collect();
    let responses: String =
        (0..50).map(|n| format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{n:02}")).collect();
    let expected: Vec<String> = (0..50)
        .map(|n| format!("> POST /{n} {n:02}"))
        .chain((0..50).map(|n| format!("< 200 /{n} {n:02}")))
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(&[c(&requests), s(&responses)], &expected);
    let keep_alive: Vec<Step> = (0..1000).flat_map(|_| [c(GET), s(OK)]).collect();
    let lines = Script::proven().run(&keep_alive).lines();
    assert_eq!(lines.len(), 2000);
    assert!(lines.iter().all(|line| line == "> GET /a" || line == "< 200 /a hi"));
}

#[test]
fn other_protocols_take_over() {
    let upgrade = c("GET /ws HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let switching = s("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    let frames = c("\u{1}\u{2}GET /not/a/request HTTP/1.1\r\n\r\n");
    check(&[upgrade.clone(), switching, frames.clone(), s(OK)], &["> GET /ws", "< 101 /ws"]);
    check(
        &[upgrade.clone(), s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), c(GET), s(OK)],
        &["> GET /ws", "< 200 /ws", "> GET /a", "< 200 /a hi"],
    );
    // Sent before the answer was there: not read until it is.
    check(
        &[upgrade.clone(), c(GET), s("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")],
        &["> GET /ws", "< 400 /ws", "> GET /a"],
    );
    check(
        &[
            c("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
            s("HTTP/1.1 200 OK\r\n\r\n\u{16}\u{3}"),
            frames,
        ],
        &["> CONNECT h:443", "< 200 h:443"],
    );
    check(
        &[
            c("CONNECT h:443 HTTP/1.1\r\n\r\n"),
            s("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
            c(GET),
            s(OK),
        ],
        &["> CONNECT h:443", "< 403 h:443", "> GET /a", "< 200 /a hi"],
    );
    let finished = Script::proven().run(&[upgrade, c("\u{1}\u{2}\u{3}")]);
    assert_eq!(finished.connections.ledger().bytes.skipped.get("upgrade_unanswered"), Some(&3));
}

#[test]
fn not_http() {
    for (first, reason) in [
        (c("\u{16}\u{3}\u{1}\u{2}"), "tls"),
        (c("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "http2"),
        (c("*1\r\n$4\r\nPING\r\n"), "not_http"),
        (s("SSH-2.0-OpenSSH\r\n"), "not_http"),
        (s("220 smtp ready\r\n"), "not_http"),
    ] {
        let finished = Script::proven().run(&[first.clone(), c(GET), s(OK)]);
        assert_eq!(finished.lines(), Vec::<String>::new(), "{first:?}");
        let skipped = &finished.connections.ledger().bytes.skipped;
        assert_eq!(skipped.keys().collect::<Vec<_>>(), [&reason], "{first:?}");
    }
    // The server speaks something else: what the client asked stays.
    check(&[c(GET), s("ICY 200 OK\r\n")], &["> GET /a"]);
}

#[test]
fn ambiguous_framing_is_declared_and_ends_the_reading() {
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 5\r\n folded: x\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: 5\n",
        "X: a\rContent-Length: 5\r\n",
    ] {
        let post = format!("POST /a HTTP/1.1\r\n{head}\r\nhello");
        check(
            &[c(&post), c(GET), s(OK), s(OK)],
            &["> POST /a !ambiguous_framing", "< 200 /a hi", "< 200 ? hi !request_not_seen"],
        );
        if !head.starts_with("Transfer-Encoding: chunked, gzip") {
            let response = format!("HTTP/1.1 200 OK\r\n{head}\r\nhello");
            check(
                &[c(GET), s(&response), c(GET), s(OK)],
                &["> GET /a", "< 200 /a !ambiguous_framing", "> GET /a"],
            );
        }
    }
    for chunks in
        ["5 \r\nhello", "5\nhello", "zz\r\n", "3\r\nhello\r\n", "ffffffffffffffffff\r\n", "0\r\nbad\r\n\r\n"]
    {
        let post = format!("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{GET}");
        let lines = Script::proven().run(&[c(&post)]).lines();
        assert_eq!(lines.len(), 1, "{chunks:?}");
        assert!(lines[0].ends_with("!ambiguous_framing"), "{lines:?}");
    }
    check(&[c("GET /a HTTP/1.1\nHost: h\n\n"), c(GET)], &["> GET /a !ambiguous_framing"]);
}

#[test]
fn ends_before_the_declared_end() {
    let part = "POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel";
    check(&[c(part), Fin(CLIENT)], &["> POST /a hel !truncated"]);
    check(&[c(part), Rst(CLIENT)], &["> POST /a hel !truncated"]);
    check(&[c(part), Closed], &["> POST /a hel !unproven_end"]);
    check(&[c(part)], &["> POST /a hel !unproven_end"]);
    let chunked = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";
    check(&[c(chunked), Fin(CLIENT)], &["> POST /a hello !truncated"]);
    let finished = Script::proven().run(&[c("GET /a HTTP/1.1\r\nHost:"), Fin(CLIENT), Fin(SERVER)]);
    assert_eq!(finished.connections.ledger().messages.skipped.get("truncated"), Some(&1));
}

#[test]
fn caps() {
    let mut limits = Limits::default();
    limits.body = 4;
    limits.head = 256;
    let small = || Script::new(limits.clone(), [true; 2], true);
    check_with(
        small,
        &[c("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"), c(GET), s(OK), s(OK)],
        &["> POST /a !too_large", "> GET /a", "< 200 /a hi", "< 200 /a hi"],
    );
    check_with(
        small,
        &[
            c("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"),
            c(GET),
        ],
        &["> POST /a !too_large", "> GET /a"],
    );
    let long = format!("GET /a HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(300));
    // Given up in its head: counted, and reading goes on behind it, without pairs.
    check_with(
        small,
        &[c(&long), c(GET), c(GET), s(OK), s(OK)],
        &["> GET /a", "> GET /a", "< 200 ? hi !request_not_seen", "< 200 ? hi !request_not_seen"],
    );
    let many = format!("GET /a HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(129));
    check(&[c(&many)], &["> GET /a !too_large"]);
}

#[test]
fn the_partition_budget_is_kept() {
    let mut limits = Limits::default();
    limits.buffered = 8;
    let mut script = Script::new(limits, [true; 2], true);
    script.step(&c("POST /a HTTP/1.1\r\nContent-Length: 6\r\n\r\nhello"));
    assert_eq!(script.connections.buffered(), 5);
    script.step(&s("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    assert_eq!(script.connections.buffered(), 5);
    assert_eq!(script.run(&[c("!")]).lines(), ["< 200 /a !memory", "> POST /a hello!"]);
}

#[test]
fn bodies_are_given_up_when_memory_is_short() {
    let post = "POST /a HTTP/1.1\r\nContent-Length: 6\r\n\r\nhello";
    let give_up = |script: &mut Script| {
        let mut held = Vec::new();
        script.connections.bodies(&mut held);
        let (bytes, conn) = held[0];
        assert_eq!((held.len(), bytes), (1, script.connections.buffered()));
        script.connections.give_up_bodies(conn);
        assert_eq!(script.connections.buffered(), 0);
    };
    // In the middle of a body: what comes of it later is not held either, and its framing is still followed.
    let mut script = Script::proven();
    script.step(&c(post));
    give_up(&mut script);
    assert_eq!(
        script.run(&[c("!"), c(GET), s(OK)]).lines(),
        ["> POST /a !memory", "> GET /a", "< 200 /a hi"]
    );
    // While it waits for the names of its ends.
    let mut script = Script::proven();
    script.step(&c(&format!("{post}!")));
    give_up(&mut script);
    assert_eq!(script.run(&[]).lines(), ["> POST /a !memory"]);
    // Once decoded, what it has become counts: a hundred bytes.
    let mut script = Script::proven();
    let gzip = [31, 139, 8, 0, 0, 0, 0, 0, 2, 255, 75, 76, 164, 61, 0, 0, 100, 122, 112, 175, 100, 0, 0, 0]
        .as_slice();
    let head = "POST /a HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 24\r\n\r\n";
    script.step(&Step::C([head.as_bytes(), gzip].concat()));
    assert_eq!(script.connections.buffered(), 100);
    give_up(&mut script);
    assert_eq!(script.run(&[]).lines(), ["> POST /a !memory"]);
}

#[test]
fn gaps_inside_a_body_of_known_length() {
    let part = "POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\nhel";
    check(
        &[c(part), Gap(CLIENT, 5), c("xx"), c(GET), s(OK), s(OK)],
        &["> POST /a hel !gap", "> GET /a", "< 200 /a hi", "< 200 /a hi"],
    );
    // It ends with the gap.
    check(
        &[c(part), Gap(CLIENT, 7), c(GET), s(OK), s(OK)],
        &["> POST /a hel !gap", "> GET /a", "< 200 /a hi", "< 200 /a hi"],
    );
    // Beyond its end: what else was missed is not known. The first answer is still its own.
    check(
        &[c(part), Gap(CLIENT, 8), c(GET), c(GET), s(OK), s(OK)],
        &["> POST /a hel !gap", "> GET /a", "> GET /a", "< 200 /a hi", "< 200 ? hi !request_not_seen"],
    );
    let chunk = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe";
    check(
        &[c(chunk), Gap(CLIENT, 3), c("\r\n0\r\n\r\n"), c(GET), s(OK), s(OK)],
        &["> POST /a he !gap", "> GET /a", "< 200 /a hi", "< 200 /a hi"],
    );
    check(
        &[c(GET), s("HTTP/1.0 200 OK\r\n\r\nab"), Gap(SERVER, 3), s("cd"), Fin(SERVER)],
        &["> GET /a", "< 200 /a ab !gap"],
    );
}

#[test]
fn gaps_that_lose_the_place() {
    // In a head: only counted. The next request is proven by the one behind it.
    check(
        &[c("GET /x HTTP/1.1\r\nHo"), Gap(CLIENT, 9), c("st\r\n\r\n"), c(GET), c(GET), c(GET)],
        &["> GET /a", "> GET /a", "> GET /a"],
    );
    // Alone it is not proven.
    check(&[c(GET), Gap(CLIENT, 9), c(GET)], &["> GET /a", "> GET /a !unproven_start"]);
    check(
        &[c(GET), Gap(CLIENT, 9), c(GET), c("junk\n"), c(GET)],
        &["> GET /a", "> GET /a !unproven_start", "> GET /a !unproven_start"],
    );
    // A start line inside a body is found, and refuted.
    check(
        &[
            c(GET),
            Gap(CLIENT, 9),
            c("{\"log\":\"GET /fake HTTP/1.1\r\nX: y\r\n\r\n and so on\"}"),
            c(GET),
            c(GET),
        ],
        &["> GET /a", "> GET /fake !unproven_start", "> GET /a", "> GET /a"],
    );
    // What stands behind the framing is a start line only by a method made of a body's end.
    check(
        &[
            c(GET),
            Gap(CLIENT, 9),
            c("GET /fake HTTP/1.1\r\n\r\n|"),
            c("POST /fake HTTP/1.1\r\n\r\n\n"),
            c(GET),
            c(GET),
        ],
        &["> GET /a", "> GET /fake !unproven_start", "> POST /fake !unproven_start", "> GET /a", "> GET /a"],
    );
    // It does not wait for ever.
    check(
        &[c(GET), Gap(CLIENT, 9), c(GET), Tick, Tick, s(OK), c(GET)],
        &["> GET /a", "> GET /a !unproven_start", "< 200 /a hi", "> GET /a"],
    );
}

#[test]
fn pairs_after_gaps() {
    let quiet = Pass(1500);
    // Once quiet, the next request and its answer belong together.
    check(
        &[
            c(GET),
            s(OK),
            Gap(CLIENT, 50),
            s(OK),
            c(GET),
            s(OK),
            quiet.clone(),
            c("GET /b HTTP/1.1\r\n\r\n"),
            s(OK),
        ],
        &[
            "> GET /a",
            "< 200 /a hi",
            "< 200 ? hi !request_not_seen",
            "< 200 ? hi !request_not_seen",
            "> GET /a",
            "> GET /b",
            "< 200 /b hi",
        ],
    );
    // Two requests at once after silence: the second may not be taken for the only one.
    check(
        &[c(GET), s(OK), Gap(CLIENT, 50), quiet.clone(), c(&format!("{GET}{GET}")), s(OK), s(OK)],
        &[
            "> GET /a",
            "< 200 /a hi",
            "> GET /a",
            "> GET /a",
            "< 200 ? hi !request_not_seen",
            "< 200 ? hi !request_not_seen",
        ],
    );
    // A response gap: the answer to a request before it may have been in it.
    check(
        &[c(GET), Gap(SERVER, 9), s(OK), s(OK)],
        &["> GET /a", "< 200 ? hi !request_not_seen", "< 200 ? hi !request_not_seen"],
    );
    // Taking turns, without silence.
    let mut steps = vec![c(GET), s(OK), Gap(SERVER, 30)];
    steps.extend((0..12).flat_map(|_| [c(GET), s(OK)]));
    let lines = Script::proven().run(&steps).lines();
    let unpaired = lines.iter().filter(|line| line.ends_with("!request_not_seen")).count();
    assert_eq!(unpaired, 9, "{lines:#?}");
    assert_eq!(lines.last().map(String::as_str), Some("< 200 /a hi"));
    // A client that pipelines: never again.
    let mut steps = vec![c(GET), c(GET), s(OK), s(OK), Gap(CLIENT, 30), Pass(5000)];
    steps.extend((0..40).flat_map(|_| [Pass(2000), c(GET), s(OK)]));
    let lines = Script::proven().run(&steps).lines();
    assert_eq!(lines.iter().filter(|line| *line == "< 200 /a hi").count(), 2);
}

#[test]
fn joined_connections() {
    let quiet = Pass(1500);
    check_joined(
        &[
            s("rest of a body"),
            c(GET),
            s(OK),
            quiet.clone(),
            c("GET /b HTTP/1.1\r\n\r\n"),
            s("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"),
            quiet.clone(),
            c("GET /c HTTP/1.1\r\n\r\n"),
            s(OK),
        ],
        &["< 200 ? hi !request_not_seen", "> GET /a", "> GET /b", "< 200 /b 2", "> GET /c", "< 200 /c hi"],
    );
    // Who is the client is told by what they send.
    let finished = Script::joined().run(&[s(GET), c(OK), s(GET)]);
    assert_eq!(finished.out[0].transport.as_ref().map(|t| &*t.client), Some("127.0.0.1:80"));
    // An answer to HEAD whose request was not seen: its length is not believed.
    check_joined(
        &[s("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), s(OK), c(GET)],
        &["< 200 ? !request_not_seen", "< 200 ? hi !request_not_seen", "> GET /a !unproven_start"],
    );
    let garbage: Vec<Step> = (0..40).map(|_| Step::C(vec![b'x'; 1 << 20])).collect();
    let mut limits = Limits::default();
    limits.resync = 8 << 20;
    let finished = Script::new(limits, [false; 2], false).run(&garbage);
    assert_eq!(finished.connections.ledger().bytes.skipped.get("no_start_line"), Some(&(40 << 20)));
}

#[test]
fn messages_wait_for_names() {
    let mut script = Script::proven();
    script.step(&Owner(CLIENT));
    script.step(&c(GET));
    assert!(script.out.is_empty(), "the server is not known yet");
    script.step(&Owner(SERVER));
    assert_eq!(script.out.len(), 1);
    script.step(&s(OK));
    assert_eq!(script.out.len(), 2);
    assert!(matches!(script.out[0].server, Peer::Local(_)));
    assert_eq!(script.out[0].server, script.out[1].server);
    assert_eq!(script.out[0].exchange, script.out[1].exchange);
    assert_eq!(script.out[0].exchange.len(), 16);

    let mut script = Script::proven();
    for step in [c(GET), Tick] {
        script.step(&step);
    }
    assert!(script.out.is_empty());
    script.step(&Tick);
    assert_eq!(script.out.len(), 1, "two ticks");
    // Never revised.
    for step in [Owner(CLIENT), Remote(SERVER), s(OK)] {
        script.step(&step);
    }
    assert_eq!(
        (&script.out[0].client, &script.out[0].server),
        (&script.out[1].client, &script.out[1].server)
    );

    let mut script = Script::proven();
    let other = "GET /b HTTP/1.1\r\nHost: other\r\n\r\n";
    for step in [Owner(CLIENT), Remote(SERVER), c(GET), s(OK), c(other), s(OK)] {
        script.step(&step);
    }
    let of_the_first = |m: &Message| matches!(&m.server, Peer::Host { authority, .. } if &**authority == "h");
    assert_eq!(script.out.iter().filter(|m| of_the_first(m)).count(), 4, "{:?}", script.out);

    let mut limits = Limits::default();
    limits.held_messages = 3;
    let mut script = Script::new(limits, [true; 2], true);
    script.step(&c(&GET.repeat(3)));
    assert!(script.out.is_empty());
    script.step(&c(GET));
    assert_eq!(script.out.len(), 4, "bounded");
}

#[test]
fn encodings() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"{\"a\":1}").unwrap();
    let body = encoder.finish().unwrap();
    let mut response =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    let head = std::mem::take(&mut response).into_bytes();
    check(
        &[c(GET), Step::S([head, body].concat()), c(GET), s(OK)],
        &["> GET /a", "< 200 /a {\"a\":1}", "> GET /a", "< 200 /a hi"],
    );
    check(
        &[c(GET), s("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nhi"), c(GET), s(OK)],
        &["> GET /a", "< 200 /a hi !encoding", "> GET /a", "< 200 /a hi"],
    );
    check(
        &[c("POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"), c(GET)],
        &["> POST /a x !encoding", "> GET /a"],
    );
}
