//! What an observer sees of a body, held against a plain walk over serde_json's values.

use std::collections::BTreeMap;
use std::sync::Arc;

use pitot_observe::identifier::looks_like_data;
use pitot_observe::shape::ValueKind;
use pitot_observe::value::Text;
use pitot_observe::{Counts, HeaderNames, Limits, Namer, Observation, Observer, Shape, Unobserved};
use pitot_protocols::message::{Incomplete, Message, Order, Peer, RequestLine, Side};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

fn message(target: &str, content_type: Option<&str>, body: &[u8]) -> Message {
    Message {
        order: Order::default(),
        t_ns: 1,
        exchange: "a1".into(),
        side: Side::Request,
        protocol: "http",
        request: Some(Arc::new(RequestLine {
            method: "POST".into(),
            target: target.into(),
            authority: None,
        })),
        status: None,
        headers: content_type.map(|c| ("content-type", c)).into_iter().collect(),
        body: bytes::Bytes::copy_from_slice(body),
        incomplete: None,
        client: Peer::Named("shop".into()),
        server: Peer::Named("billing".into()),
        transport: None,
        instance: None,
    }
}

fn json(body: &str) -> Message {
    message("/v1/orders", Some("application/json"), body.as_bytes())
}

fn observer() -> Observer {
    Observer::new(Limits::default(), Namer::default())
}

/// `path kind count`, by path and kind.
fn lines(observation: &Observation) -> Vec<String> {
    let Some(shape) = &observation.shape else { panic!("no shape") };
    if let Counts::Each(counts) = &observation.counts {
        assert_eq!(shape.entries.len(), counts.len());
        assert!(counts.iter().any(|count| *count > 1));
    }
    let line = |(entry, i): (&pitot_observe::shape::Entry, u32)| {
        format!("{} {:?} {}", entry.path, entry.kind, observation.counts.get(i))
    };
    shape.entries.iter().zip(0..).filter(|(entry, _)| entry.path.starts_with('$')).map(line).collect()
}

/// Every parent is an earlier entry, an object or array, and its path is the child's without the last step.
fn assert_parents(observation: &Observation) {
    let Some(Shape { entries, .. }) = observation.shape.as_deref() else { panic!("no shape") };
    for (i, entry) in entries.iter().enumerate() {
        match entry.parent {
            None => assert!(["$", "header", "query"].contains(&&*entry.path)),
            Some(parent) => {
                let parent_entry = &entries[parent as usize];
                assert!((parent as usize) < i);
                let step = entry.path.strip_prefix(&*parent_entry.path).unwrap_or("no step");
                let expected = if step == "[*]" { ValueKind::Array } else { ValueKind::Object };
                assert_eq!(parent_entry.kind, expected, "{}", entry.path);
            }
        }
    }
}

/// The step to a member.
fn step(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match name {
        name if looks_like_data(name) => ".*".to_owned(),
        name if plain => format!(".{name}"),
        name => format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

/// The same by a plain recursive walk.
fn oracle(value: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, counts: &mut BTreeMap<(String, ValueKind), u32>) {
        let kind = match value {
            Value::Null => ValueKind::Null,
            Value::Bool(_) => ValueKind::Boolean,
            Value::Number(_) => ValueKind::Number,
            Value::String(_) => ValueKind::String,
            Value::Array(_) => ValueKind::Array,
            Value::Object(_) => ValueKind::Object,
        };
        *counts.entry((path.to_owned(), kind)).or_default() += 1;
        match value {
            Value::Array(elements) => elements.iter().for_each(|e| walk(e, &format!("{path}[*]"), counts)),
            Value::Object(members) => {
                for (name, value) in members {
                    walk(value, &format!("{path}{}", step(name)), counts);
                }
            }
            _ => {}
        }
    }
    let mut counts = BTreeMap::new();
    walk(value, "$", &mut counts);
    counts.iter().map(|((path, kind), count)| format!("{path} {kind:?} {count}")).collect()
}

/// Every value of a body with its path, in order.
fn leaves(observation: &Observation) -> Vec<(String, pitot_observe::Value)> {
    let Some(shape) = &observation.shape else { panic!("no shape") };
    let leaf = |leaf: &pitot_observe::Leaf| (shape.entries[leaf.entry as usize].path.to_string(), leaf.value);
    observation.values.iter().map(leaf).filter(|(path, _)| path.starts_with('$')).collect()
}

/// The same by a plain recursive walk.
fn leaves_of(value: &Value, path: &str, out: &mut Vec<(String, pitot_observe::Value)>) {
    let mut push = |value| out.push((path.to_owned(), value));
    match value {
        Value::Null => {}
        Value::Bool(b) => push(pitot_observe::Value::Boolean(*b)),
        Value::Number(n) => push(pitot_observe::Value::Number(n.as_f64().unwrap_or(f64::NAN))),
        Value::String(text) => push(pitot_observe::Value::Text(Text::of(text))),
        Value::Array(elements) => elements.iter().for_each(|e| leaves_of(e, &format!("{path}[*]"), out)),
        Value::Object(members) => {
            for (name, value) in members {
                leaves_of(value, &format!("{path}{}", step(name)), out);
            }
        }
    }
}

/// The integers of a body that no double holds, in order.
fn exact_of(value: &Value, out: &mut Vec<i128>) {
    match value {
        Value::Number(n) => {
            let integer = n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
            out.extend(integer.filter(|n| n.unsigned_abs() > 1 << 53));
        }
        Value::Array(elements) => elements.iter().for_each(|e| exact_of(e, out)),
        Value::Object(members) => members.values().for_each(|v| exact_of(v, out)),
        _ => {}
    }
}

#[test]
fn integers_beyond_doubles_are_kept() {
    let body = r#"{"a":9007199254740993,"b":[1,-9007199254740993,18446744073709551615],"c":12.5}"#;
    let observation = observer().observe(&json(body)).unwrap();
    let exact: Vec<(u32, i128)> = observation.exact.iter().map(|exact| (exact.leaf, exact.integer)).collect();
    assert_eq!(
        exact,
        [(0, 9_007_199_254_740_993), (2, -9_007_199_254_740_993), (3, 18_446_744_073_709_551_615)]
    );
}

#[test]
fn bodies() {
    let check = |body: &str, expected: &[&str]| {
        assert_eq!(lines(&observer().observe(&json(body)).unwrap()), expected)
    };
    check("{}", &["$ Object 1"]);
    check("3", &["$ Number 1"]);
    check("[]", &["$ Array 1"]);
    check(r#"[1,2.5,null,"x"]"#, &["$ Array 1", "$[*] Null 1", "$[*] Number 2", "$[*] String 1"]);
    check(r#"{"b":1e999,"a":{"c":null}}"#, &["$ Object 1", "$.a Object 1", "$.a.c Null 1", "$.b Number 1"]);
    check(
        r#"{"labels":{"ann@example.org":1,"4711":2,"x":true}}"#,
        &["$ Object 1", "$.labels Object 1", "$.labels.* Number 2", "$.labels.x Boolean 1"],
    );
    check(r#"{"":1,"*":2}"#, &["$ Object 1", "$[''] Number 1", "$['*'] Number 1"]);
    check(
        r#"[[1],[[2]]]"#,
        &["$ Array 1", "$[*] Array 2", "$[*][*] Number 1", "$[*][*] Array 1", "$[*][*][*] Number 1"],
    );
}

#[test]
fn of_duplicate_keys_the_last_one_counts() {
    let check = |body: &str, expected: &[&str]| {
        let mut observer = observer();
        assert_eq!(lines(&observer.observe(&json(body)).unwrap()), expected);
        assert_eq!(observer.counters().duplicate_keys, 1, "{body}");
    };
    check(r#"{"a":1,"a":"x"}"#, &["$ Object 1", "$.a String 1"]);
    check(
        r#"{"a":{"b":1,"c":[1]},"d":1,"a":null,"a":true}"#,
        &["$ Object 1", "$.a Boolean 1", "$.d Number 1"],
    );
    check(
        r#"[{"a":1},{"a":1,"a":2},{"a":{"b":1,"b":2}}]"#,
        &["$ Array 1", "$[*] Object 3", "$[*].a Number 2", "$[*].a Object 1", "$[*].a.b Number 1"],
    );
}

#[test]
fn content_types() {
    let check = |content_type: Option<&str>, body: &str, expected: Result<bool, Unobserved>| {
        let observed = observer().observe(&message("/", content_type, body.as_bytes()));
        assert_eq!(observed.map(|o| !lines(&o).is_empty()), expected, "{content_type:?} {body}");
    };
    check(Some("application/json"), "{}", Ok(true));
    check(Some("Application/JSON; charset=utf-8"), "{}", Ok(true));
    check(Some("application/problem+json"), "{}", Ok(true));
    check(Some("text/json"), "{}", Ok(true));
    check(Some("application/json"), "", Ok(false));
    check(Some("application/json"), " \n", Ok(false));
    check(Some("application/json"), "{", Err(Unobserved::InvalidJson));
    check(Some("text/html"), "{}", Ok(false));
    check(Some("application/x-ndjson"), "{}\n{}", Ok(false));
    check(None, " {}", Ok(true));
    check(None, "{x}", Ok(false));
    check(None, "hello", Ok(false));
}

/// `path=length count` of what a message has beside its body.
fn beside_the_body(message: &Message) -> Vec<String> {
    let mut observer = observer().with_headers(HeaderNames::new(["x-tenant", "authorization"]));
    let (Ok(first), Ok(again)) = (observer.observe(message), observer.observe(message)) else {
        panic!("{message:?}")
    };
    assert_parents(&first);
    let (Some(shape), Some(same)) = (first.shape, again.shape) else { panic!("no shape") };
    assert!(Arc::ptr_eq(&shape, &same));
    assert_eq!((&first.counts, &first.values), (&again.counts, &again.values));
    let paths = |leaf: &pitot_observe::Leaf| {
        let entry = &shape.entries[leaf.entry as usize];
        let pitot_observe::Value::Text(text) = leaf.value else { panic!("{} is no text", entry.path) };
        assert_eq!(entry.kind, ValueKind::String);
        format!("{}={} {}", entry.path, text.length, first.counts.get(leaf.entry))
    };
    let is_beside = |leaf: &&pitot_observe::Leaf| !shape.entries[leaf.entry as usize].path.starts_with('$');
    first.values.iter().filter(is_beside).map(paths).collect()
}

#[test]
fn parameters_and_headers_are_fields() {
    let check = |target: &str, headers: &[(&str, &str)], body: &str, expected: &[&str]| {
        let base = message(target, Some("application/json"), body.as_bytes());
        let message = Message { headers: headers.iter().copied().collect(), ..base };
        assert_eq!(beside_the_body(&message), expected, "{target} {headers:?}");
    };
    let json = ("content-type", "application/json");
    check("/", &[], "", &[]);
    check("/a?", &[json], "{}", &[]);
    check(
        "/a?page=12&q=&flag&&x",
        &[],
        "",
        &["query.page=2 1", "query.q=0 1", "query.flag=0 1", "query.x=0 1"],
    );
    check("/a?b=1&a=22&b=333#c=1", &[json], "[1,2]", &["query.b=1 2", "query.a=2 1", "query.b=3 2"]);
    check(
        "/a?a%5B%5D=1&a-b=c%20d+e&4711=x",
        &[],
        "",
        &["query['a[]']=1 1", "query['a-b']=5 1", "query.*=1 1"],
    );
    check("/a", &[("x-tenant", "acme"), ("authorization", "secret"), json], "{}", &["header.x-tenant=4 1"]);
}

#[test]
fn a_response_has_headers_but_no_parameters() {
    let base = message("/a?b=1", None, b"");
    let headers = [("x-tenant", "acme")].into();
    let response = Message { side: Side::Response, status: Some(200), headers, ..base };
    assert_eq!(beside_the_body(&response), ["header.x-tenant=4 1"]);
}

#[test]
fn what_cannot_be_observed_is_counted() {
    let limits = Limits { depth: 4, nodes: 50, paths: 8, ..Limits::default() };
    let check = |message: &Message, expected: Unobserved| {
        let mut observer = Observer::new(limits, Namer::default());
        assert_eq!(observer.observe(message).unwrap_err(), expected);
        let at = Unobserved::ALL.iter().position(|r| *r == expected).unwrap();
        assert_eq!(observer.counters().unobserved[at], 1);
    };
    check(&Message { incomplete: Some(Incomplete::Gap), ..json("{}") }, Unobserved::Incomplete);
    check(&Message { request: None, ..json("{}") }, Unobserved::NoRequest);
    check(&json("[[[[[]]]]]"), Unobserved::TooDeep);
    check(&json(&format!("[{}1]", "1,".repeat(50))), Unobserved::TooManyNodes);
    check(&json(r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}"#), Unobserved::TooManyPaths);
    check(&json("nope"), Unobserved::InvalidJson);
}

/// Caps change what is remembered, never what is observed.
#[test]
fn forgetting_changes_no_observation() {
    let limits = Limits { flow_paths: 4, flow_shapes: 2, flows: 2, ..Limits::default() };
    let mut small = Observer::new(limits, Namer::default());
    let mut large = observer();
    for i in 0..200_u32 {
        let body = format!(r#"{{"a":1,"k{}x":[{{"b{}y":null}}]}}"#, i % 7, i % 5);
        let message = message(&format!("/r{}", i / 20 % 3), Some("application/json"), body.as_bytes());
        let (a, b) = (small.observe(&message).unwrap(), large.observe(&message).unwrap());
        assert_eq!(a.flow, b.flow);
        assert_eq!(a.shape, b.shape);
        assert_eq!((a.counts, a.values), (b.counts, b.values));
    }
    assert!(small.counters().forgotten_flows > 0 && small.counters().forgotten_paths > 0);
    assert_eq!(large.counters().forgotten_flows + large.counters().forgotten_paths, 0);
}

#[test]
fn a_known_shape_is_shared() {
    let mut observer = observer();
    let first = observer.observe(&json(r#"{"a":1,"b":[1]}"#)).unwrap();
    let second = observer.observe(&json(r#"{"b":[2,3],"a":5}"#)).unwrap();
    assert!(Arc::ptr_eq(&first.shape.unwrap(), &second.shape.unwrap()));
    assert!(Arc::ptr_eq(&first.flow, &second.flow));
    assert_eq!(first.counts, Counts::Once);
    assert_eq!(second.counts, [1, 1, 1, 2, 1, 1].into_iter().collect());
}

#[test]
fn flows_differ_by_what_the_contract_says() {
    let mut observer = observer();
    let request = json("{}");
    let response = Message { side: Side::Response, status: Some(404), ..json("{}") };
    let key = |observer: &mut Observer, message: &Message| observer.observe(message).unwrap().flow;
    assert_eq!(key(&mut observer, &request).status_class, None);
    assert_eq!(key(&mut observer, &response).status_class, Some(4));
    assert_eq!(key(&mut observer, &response).side, Side::Response);
    let unnamed = Message { server: Peer::Address("192.0.2.1:80".parse().unwrap()), ..json("{}") };
    assert_eq!(&*key(&mut observer, &unnamed).server, "external");
    let host = Peer::Host { address: "192.0.2.1:80".parse().unwrap(), authority: "Pay.Example:80".into() };
    assert_eq!(&*key(&mut observer, &Message { server: host, ..json("{}") }).server, "pay.example");
}

/// Any JSON value, with few names so that paths repeat.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z\\\\\"é]{0,6}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        "[a-d]".prop_map(String::from),
        Just("x-y".to_owned()),
        Just("it's".to_owned()),
        Just("a\\b".to_owned()),
        Just(String::new()),
        Just("*".to_owned()),
        "[0-9]{1,3}",
        Just("ann@example.org".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((name.clone(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// `value` as text, members in an order that `seed` tells.
fn shuffled(value: &Value, seed: u64) -> String {
    match value {
        Value::Array(elements) => {
            let parts: Vec<String> = elements.iter().map(|e| shuffled(e, seed)).collect();
            format!("[{}]", parts.join(" ,"))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| {
                pitot_observe::hash::mix(pitot_observe::hash::fixed64(name.as_bytes()) ^ seed)
            });
            let parts: Vec<String> = members
                .iter()
                .map(|(name, v)| format!("{}: {}", Value::from(name.as_str()), shuffled(v, seed)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        value => value.to_string(),
    }
}

proptest! {
    #[test]
    fn agrees_with_a_plain_walk(values in vec(any_json(), 1..8)) {
        let mut observer = observer();
        // From the sixteenth body like it on, the first is expected.
        for value in std::iter::repeat_n(&values[0], 18).chain(&values).chain(&values[..1]) {
            let observation = observer.observe(&json(&value.to_string())).unwrap();
            prop_assert_eq!(lines(&observation), oracle(value));
            let mut expected = Vec::new();
            leaves_of(value, "$", &mut expected);
            prop_assert_eq!(leaves(&observation), expected);
            let mut expected = Vec::new();
            exact_of(value, &mut expected);
            prop_assert_eq!(observation.exact.iter().map(|exact| exact.integer).collect::<Vec<_>>(), expected);
            assert_parents(&observation);
        }
    }

    #[test]
    fn member_order_does_not_matter(value in any_json(), seed in any::<u64>()) {
        let mut one = observer();
        let a = one.observe(&json(&value.to_string())).unwrap();
        let b = one.observe(&json(&shuffled(&value, seed))).unwrap();
        let elsewhere = observer().observe(&json(&shuffled(&value, !seed))).unwrap();
        prop_assert_eq!(&a.shape, &b.shape);
        prop_assert_eq!(&a.shape, &elsewhere.shape);
        prop_assert_eq!(a.counts, b.counts);
    }

    #[test]
    fn any_bytes_are_taken(body in vec(any::<u8>(), 0..200)) {
        let mut observer = observer();
        let valid = std::str::from_utf8(&body).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        let blank = body.trim_ascii().is_empty();
        let observed = observer.observe(&message("/", Some("application/json"), &body));
        prop_assert_eq!(observed.is_ok(), valid || blank);
    }
}
