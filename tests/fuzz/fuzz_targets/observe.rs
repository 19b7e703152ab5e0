//! Any body, twice in a row: never a crash, the same observation both times, and "is it JSON" decided as serde_json does.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pitot_observe::{Limits, Namer, Observer, Unobserved};
use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};

fuzz_target!(|body: &[u8]| {
    let message = Message {
        order: Order::default(),
        t_ns: 1,
        exchange: "x".into(),
        side: Side::Request,
        protocol: "http",
        request: Some(Arc::new(RequestLine { method: "POST".into(), target: "/".into(), authority: None })),
        status: None,
        headers: [("content-type", "application/json")].into(),
        body: bytes::Bytes::copy_from_slice(body),
        incomplete: None,
        client: Peer::Named("a".into()),
        server: Peer::Named("b".into()),
        transport: None,
        instance: None,
    };
    let mut observer = Observer::new(Limits::default(), Namer::default());
    let first = observer.observe(&message);
    let second = observer.observe(&message);
    match (&first, &second) {
        (Ok(a), Ok(b)) => {
            assert_eq!(a.shape, b.shape);
            assert_eq!(a.counts, b.counts);
            assert_eq!(a.values, b.values);
            assert_eq!(a.exact, b.exact);
        }
        (Err(a), Err(b)) => assert_eq!(a, b),
        _ => panic!("the second observation differs: {first:?} {second:?}"),
    }
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let is_json = std::str::from_utf8(text)
        .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    let is_blank = body.trim_ascii().is_empty();
    match first {
        Ok(_) => assert!(is_json || is_blank),
        Err(Unobserved::InvalidJson) => assert!(!is_json),
        Err(reason) => assert!(is_json && reason != Unobserved::Unsupported, "{reason}"),
    }
});
