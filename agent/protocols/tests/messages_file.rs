//! The messages format: what is written reads back; what is wrong is said and skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use pitot_protocols::Headers;
use pitot_protocols::message::{Incomplete, Message, Order, Peer, RequestLine, Side, Transport};
use pitot_protocols::messages::{CaptureGap, HIDDEN, Item, Reader, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn read(file: &str) -> Vec<String> {
    let mut reader = Reader::new(file.as_bytes());
    let mut lines: Vec<String> = reader.by_ref().map(|item| show(&item.unwrap())).collect();
    let counts = reader.counts();
    if counts.late + counts.bad + counts.forgotten > 0 {
        lines.push(format!("late {} bad {} forgotten {}", counts.late, counts.bad, counts.forgotten));
    }
    lines
}

fn show(item: &Item) -> String {
    match item {
        Item::Message(m) => format!(
            "{} {} {:?} {} {}{}",
            m.order.seq,
            m.t_ns,
            m.side,
            m.request.as_ref().map_or("?", |line| &line.target),
            String::from_utf8_lossy(&m.body),
            m.incomplete.map_or(String::new(), |reason| format!(" !{}", reason.as_str())),
        ),
        Item::Gap(gap) => format!("gap {}-{} {}", gap.t_ns, gap.until_ns, gap.client),
        Item::Error(error) => {
            let text = error.to_string();
            text.chars().take(40).collect()
        }
    }
}

fn request(t_ns: u64, exchange: &str, rest: &str) -> String {
    format!(
        "{{\"t_ns\":{t_ns},\"client\":\"c\",\"server\":\"s\",\"exchange\":\"{exchange}\",\"side\":\"request\",\
         \"method\":\"POST\",\"target\":\"/{exchange}\"{rest}}}\n"
    )
}

fn response(t_ns: u64, exchange: &str) -> String {
    format!(
        "{{\"t_ns\":{t_ns},\"client\":\"c\",\"server\":\"s\",\"exchange\":\"{exchange}\",\"side\":\"response\",\"status\":200}}\n"
    )
}

#[track_caller]
fn check(file: &str, expected: &[&str]) {
    assert_eq!(read(file), expected, "{file}");
}

#[test]
fn bodies_keep_their_spelling() {
    check(&request(1, "a", r#","body":{"n" : 1.50, "b":1e2}"#), &[r#"0 1 Request /a {"n" : 1.50, "b":1e2}"#]);
    check(&request(1, "a", r#","body":null"#), &["0 1 Request /a null"]);
    check(&request(1, "a", r#","body":{"a":1,"a":2}"#), &[r#"0 1 Request /a {"a":1,"a":2}"#]);
    check(&request(1, "a", r#","body_text":"a\nb""#), &["0 1 Request /a a\nb"]);
    check(&request(1, "a", r#","body_base64":"aGk=""#), &["0 1 Request /a hi"]);
    check(&request(1, "a", r#","complete":false"#), &["0 1 Request /a  !declared"]);
    check(&request(1, "a", r#","complete":true,"unknown":[1]"#), &["0 1 Request /a "]);
    let deep = format!(",\"body\":{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(&request(1, "a", &deep)).len(), 1);
}

#[test]
fn order_and_pairs() {
    check(&(response(2, "a") + &request(1, "a", "")), &["0 1 Request /a ", "1 2 Response /a "]);
    check(&response(2, "a"), &["0 2 Response ?  !request_not_seen"]);
    check(
        &(request(1, "a", "") + &response(1, "a") + &response(2, "a")),
        &["0 1 Request /a ", "1 1 Response /a ", "2 2 Response ?  !request_not_seen"],
    );
    let second = 1_000_000_000;
    // 5 s late is in order, more is not.
    check(
        &(request(9 * second, "a", "") + &request(4 * second, "b", "")),
        &["0 4000000000 Request /b ", "1 9000000000 Request /a "],
    );
    check(
        &(request(9 * second, "a", "") + &request(4 * second - 1, "b", "")),
        &["0 4000000000 Request /b ", "1 9000000000 Request /a ", "late 1 bad 0 forgotten 0"],
    );
    check(
        "{\"t_ns\":5,\"gap\":{\"client\":\"c\",\"server\":\"s\",\"conn\":null,\"until_ns\":9,\"lost_messages\":null}}\n",
        &["gap 5-9 c"],
    );
}

#[test]
fn bad_lines_are_named_and_skipped() {
    let good = request(1, "a", "");
    for (bad, text) in [
        ("{\n", "line 1 is not a message in JSON: EOF whi"),
        ("[]\n", "line 1 is not a message in JSON: invalid"),
        ("{}\n", "line 1 has no \"t_ns\"; add it"),
        ("{\"t_ns\":1.5}\n", "line 1 is not a message in JSON: invalid"),
        ("{\"t_ns\":1}\n", "line 1 has no \"side\"; add it"),
        ("{\"t_ns\":1,\"side\":\"request\"}\n", "line 1 has no \"method\"; add it"),
        ("{\"t_ns\":1,\"side\":\"response\"}\n", "line 1 has no \"status\"; add it"),
        (&request(1, "b", r#","body":1,"body_text":"""#), "line 1 has more than one of body, body_t"),
        (&request(1, "b", r#","body_base64":"%""#), "line 1 has a body_base64 that is not bas"),
        (&request(1, "b", r#","headers":{"a":1}"#), "line 1 is not a message in JSON: data di"),
    ] {
        check(&format!("{bad}\n{good}"), &[text, "0 1 Request /a ", "late 0 bad 1 forgotten 0"]);
    }
    let file = [b"\xff\n", good.as_bytes()].concat();
    let items: Vec<_> = Reader::new(file.as_slice()).map(Result::unwrap).collect();
    assert!(matches!(items.as_slice(), [Item::Error(_), Item::Message(_)]));
    // The last line may be cut off.
    check(
        &(good.clone() + "{\"t_ns\":2,\"cli"),
        &["line 2 is not a message in JSON: EOF whi", "0 1 Request /a ", "late 0 bad 1 forgotten 0"],
    );
}

#[test]
fn a_line_without_end_is_bounded() {
    use std::io::{BufReader, Read};
    let endless = std::io::repeat(b'x').take((65 << 20) - 1);
    let file = endless.chain(b"\n".as_slice()).chain(std::io::Cursor::new(request(1, "a", "")));
    let items: Vec<String> = Reader::new(BufReader::new(file)).map(|item| show(&item.unwrap())).collect();
    assert_eq!(items, ["line 1 is longer than 67108864 bytes; le", "0 1 Request /a "]);
}

#[test]
fn the_table_of_requests_is_bounded() {
    let file: String = (0..70_000).map(|n| request(1, &n.to_string(), "")).collect();
    let lines = read(&(file + &response(2, "69999") + &response(2, "0")));
    assert_eq!(
        lines[70_000..],
        ["70000 2 Response /69999 ", "70001 2 Response ?  !request_not_seen", "late 0 bad 0 forgotten 4464",]
    );
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(vec![
            "",
            "{\"a\":1.50}",
            "{\"a\":1,\"a\":2}",
            "{\n \"a\":1}",
            "{\"a\":1}\n",
            " 1",
            "null",
            "\"***\"",
            "{\"a\":\"\u{2028}\u{e9}\"}",
            "text\r\n",
            "1e999",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        ".*".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..40),
    ]
}

fn header() -> impl Strategy<Value = (String, String)> {
    (select(vec!["host", "a", "b", "cookie", "x-secret"]).prop_map(str::to_owned), ".{0,8}")
}

fn message(n: usize) -> impl Strategy<Value = Message> {
    (
        any::<bool>(),
        body(),
        vec(header(), 0..5),
        prop::option::of(select(Incomplete::ALL.to_vec())),
        any::<bool>(),
    )
        .prop_map(move |(is_request, body, mut headers, incomplete, live)| {
            // A name's values stand together in a line.
            headers.sort_by(|a, b| a.0.cmp(&b.0));
            let headers: Headers = headers.into_iter().collect();
            let line = RequestLine::new("POST".into(), format!("/{n}?a=\"b\""), &headers);
            let transport =
                Transport { conn: "00ff".into(), client: "[::1]:1".into(), server: "127.0.0.1:80".into() };
            let incomplete =
                if is_request { incomplete } else { incomplete.or(Some(Incomplete::RequestNotSeen)) };
            Message {
                order: Order { seq: n as u64, conn: 0, index: 0 },
                t_ns: 1_000 + n as u64,
                exchange: format!("x{n}").into(),
                side: if is_request { Side::Request } else { Side::Response },
                protocol: "http",
                request: is_request.then(|| Arc::new(line)),
                status: (!is_request).then_some(201),
                headers,
                body: body.into(),
                incomplete,
                client: Peer::Named("shop".into()),
                server: Peer::Named("etl".into()),
                transport: live.then_some(transport),
                instance: live.then(|| "host:1:2".into()),
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(messages in (message(0), message(1), message(2))) {
        let messages = [messages.0, messages.1, messages.2];
        let mut writer = Writer::new(Vec::new(), ["X-Secret".to_owned()]);
        for message in &messages {
            writer.write(message, "shop", "etl").unwrap();
        }
        let file = writer.into_inner();
        prop_assert_eq!(file.iter().filter(|b| **b == b'\n').count(), 3);
        let read: Vec<Message> = Reader::new(file.as_slice())
            .map(|item| match item.unwrap() {
                Item::Message(message) => *message,
                other => panic!("{other:?}"),
            })
            .collect();
        let expected: Vec<Message> = messages
            .into_iter()
            .map(|mut message| {
                let hidden = |name| name == "cookie" || name == "x-secret";
                let fields = message.headers.iter();
                let shown = fields.map(|(name, value)| (name, if hidden(name) { HIDDEN } else { value }));
                message.headers = shown.collect();
                message
            })
            .collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn order_does_not_depend_on_lines(mut times in vec(0..20_000_000_000u64, 1..30)) {
        times.sort_unstable();
        let file = |times: &[u64]| times.iter().map(|t| request(*t, "a", "")).collect::<String>();
        let sorted = read(&file(&times));
        // Swap neighbours less than the window apart.
        for at in (1..times.len()).step_by(2) {
            if times[at] - times[at - 1] < 5_000_000_000 {
                times.swap(at, at - 1);
            }
        }
        prop_assert_eq!(read(&file(&times)), sorted);
    }
}

#[test]
fn written_lines() {
    let mut writer = Writer::new(Vec::new(), []);
    let headers = Headers::from([("authorization", "Bearer x"), ("a", "1"), ("a", "2")]);
    let message = Message {
        order: Order::default(),
        t_ns: 5,
        exchange: "0011223344556677".into(),
        side: Side::Request,
        protocol: "http",
        request: Some(Arc::new(RequestLine::new("PUT".into(), "/a".into(), &headers))),
        status: None,
        headers,
        body: Bytes::from_static(b"{\"n\":1.0}"),
        incomplete: Some(Incomplete::Gap),
        client: Peer::Address("127.0.0.1:1".parse().unwrap()),
        server: Peer::Address("127.0.0.1:2".parse().unwrap()),
        transport: Some(Transport {
            conn: "00000000000000ab".into(),
            client: "127.0.0.1:1".into(),
            server: "127.0.0.1:2".into(),
        }),
        instance: None,
    };
    writer.write(&message, "shop", "etl").unwrap();
    let gap = CaptureGap {
        t_ns: 6,
        until_ns: 7,
        client: "shop".into(),
        server: "etl".into(),
        conn: None,
        lost_messages: Some(3),
    };
    writer.write_gap(&gap).unwrap();
    // The sum is what `printf '{"n":1.0}' | sha256sum` says.
    assert_eq!(
        String::from_utf8(writer.into_inner()).unwrap(),
        "{\"t_ns\":5,\"client\":\"shop\",\"server\":\"etl\",\"exchange\":\"0011223344556677\",\"side\":\"request\",\
         \"method\":\"PUT\",\"target\":\"/a\",\"headers\":{\"authorization\":\"***\",\"a\":[\"1\",\"2\"]},\
         \"body\":{\"n\":1.0},\"complete\":false,\"incomplete\":\"gap\",\"conn\":\"00000000000000ab\",\
         \"client_addr\":\"127.0.0.1:1\",\"server_addr\":\"127.0.0.1:2\",\"tls\":null,\
         \"body_sha256\":\"3b6b06ecd1c968c8e738e0f11c4bb361fca80a9a694de22fe66a05286afbd081\",\"body_bytes\":9}\n\
         {\"t_ns\":6,\"gap\":{\"client\":\"shop\",\"server\":\"etl\",\"conn\":null,\"until_ns\":7,\"lost_messages\":3}}\n"
    );
}
