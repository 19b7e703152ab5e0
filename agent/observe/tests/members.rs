//! Objects whose names are data are recognised; others are not.

use std::sync::Arc;

use pitot_observe::shape::ValueKind;
use pitot_observe::{Limits, Members, Namer, Observation, Observer};
use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};
use proptest::collection::vec;
use proptest::prelude::*;

fn message(body: &str) -> Message {
    Message {
        order: Order::default(),
        t_ns: 1,
        exchange: "a1".into(),
        side: Side::Response,
        protocol: "http",
        request: Some(Arc::new(RequestLine { method: "GET".into(), target: "/".into(), authority: None })),
        status: Some(200),
        headers: [("content-type", "application/json")].into(),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        incomplete: None,
        client: Peer::Named("shop".into()),
        server: Peer::Named("billing".into()),
        transport: None,
        instance: None,
    }
}

/// Letters that no look tells from a name.
fn word(number: u64) -> String {
    (0..4).map(|place| char::from(b'a' + (number / 26_u64.pow(place) % 26) as u8)).collect()
}

/// `path kind count` of the body, and after how many bodies objects were found to be maps.
fn folded(bodies: impl Iterator<Item = String>) -> (Vec<usize>, Vec<String>) {
    let mut observer = Observer::new(Limits::default(), Namer::default());
    let mut members = Members::default();
    let (mut found, mut last) = (Vec::new(), Vec::new());
    for (i, body) in bodies.enumerate() {
        let Ok(mut observation) = observer.observe(&message(&body)) else { panic!("{body}") };
        if members.fold(&mut observation) {
            found.push(i);
        }
        last = lines(&observation);
    }
    (found, last)
}

fn lines(observation: &Observation) -> Vec<String> {
    let Some(shape) = &observation.shape else { panic!("no shape") };
    for (i, entry) in shape.entries.iter().enumerate() {
        let parent = entry.parent.map(|parent| &shape.entries[parent as usize]);
        assert!(entry.parent.is_none_or(|parent| (parent as usize) < i));
        assert!(parent.is_none_or(|parent| entry.path.starts_with(&*parent.path)), "{}", entry.path);
    }
    for leaf in &observation.values {
        let kind = shape.entries[leaf.entry as usize].kind;
        assert!([ValueKind::Boolean, ValueKind::Number, ValueKind::String].contains(&kind));
    }
    let is_body = |(entry, _): &(&pitot_observe::shape::Entry, u32)| entry.path.starts_with('$');
    let line = |(entry, i): (&pitot_observe::shape::Entry, u32)| {
        format!("{} {:?} {}", entry.path, entry.kind, observation.counts.get(i))
    };
    shape.entries.iter().zip(0..).filter(is_body).map(line).collect()
}

#[test]
fn names_of_people_are_folded() {
    let body = |i: u64| {
        let (a, b) = (word(2 * i), word(2 * i + 1));
        format!(r#"{{"n":1,"people":{{"me":{{"age":1}},"{a}":{{"age":2,"tags":["x"]}},"{b}":{{"age":3}}}}}}"#)
    };
    let (found, last) = folded((0..200).map(body));
    assert_eq!(found, [64]);
    assert_eq!(
        last,
        [
            "$ Object 1",
            "$.n Number 1",
            "$.people Object 1",
            "$.people.* Object 2",
            "$.people.*.age Number 2",
            "$.people.*.tags Array 1",
            "$.people.*.tags[*] String 1",
            "$.people.me Object 1",
            "$.people.me.age Number 1",
        ]
    );
}

#[test]
fn maps_below_maps_are_found() {
    let body = |i: u64| format!(r#"{{"{}":{{"{}":1}}}}"#, word(i), word(i * 31 + 7));
    let (found, last) = folded((0..400).map(body));
    assert_eq!(found.len(), 2);
    assert_eq!(last, ["$ Object 1", "$.* Object 1", "$.*.* Number 1"]);
}

#[test]
fn large_objects_are_no_maps() {
    let object = |names: &mut dyn Iterator<Item = u64>| -> String {
        let members: Vec<String> = names.map(|name| format!(r#""{}":1"#, word(name))).collect();
        format!("{{{}}}", members.join(","))
    };
    // All members in each, two variants, and many optional members.
    assert!(folded((0..100).map(|_| object(&mut (0..300)))).0.is_empty());
    assert!(folded((0..100).map(|i| object(&mut (i % 2 * 100..i % 2 * 100 + 100)))).0.is_empty());
    let is_there = |i: u64, name: u64| pitot_observe::hash::mix(i * 1_000 + name).is_multiple_of(20);
    assert!(folded((0..500).map(|i| object(&mut (0..150).filter(|name| is_there(i, *name))))).0.is_empty());
}

proptest! {
    /// What is remembered of shapes changes nothing: in a stored and restored learner there is none.
    #[test]
    fn storing_changes_nothing(names in vec((0..300_u64, 0..6_u64), 1..250), at in 0..250_usize) {
        let mut observer = Observer::new(Limits::default(), Namer::default());
        let mut whole = Members::default();
        let mut stored = Members::default();
        for (i, (a, b)) in names.iter().enumerate() {
            let body = format!(r#"{{"m":{{"{}":1,"{}":"x"}}}}"#, word(*a), word(1_000 + b));
            let mut one = observer.observe(&message(&body)).unwrap();
            let mut other = one.clone();
            if i == at {
                stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
            }
            prop_assert_eq!(whole.fold(&mut one), stored.fold(&mut other));
            prop_assert_eq!(lines(&one), lines(&other));
            prop_assert_eq!(one.shape.unwrap().hash, other.shape.unwrap().hash);
        }
    }
}
