//! Which flows messages are put in, whoever observes them.

use std::sync::Arc;

use pitot_observe::{FlowKey, Limits, Namer, Observation, Observer, Placement};
use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};
use proptest::collection::vec;
use proptest::prelude::*;

/// Number `seq` of all messages.
fn message(seq: u64, exchange: &str, side: Side, target: &str, body: &str) -> Message {
    Message {
        order: Order { seq, ..Order::default() },
        t_ns: seq,
        exchange: exchange.into(),
        side,
        protocol: "http",
        request: Some(Arc::new(RequestLine {
            method: "POST".into(),
            target: target.into(),
            authority: None,
        })),
        status: (side == Side::Response).then_some(200),
        headers: [("content-type", "application/json")].into(),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        incomplete: None,
        client: Peer::Named("shop".into()),
        server: Peer::Named("billing".into()),
        transport: None,
        instance: None,
    }
}

/// As the agent does it, in batches: each message is observed by one of so many, then all are placed in order.
fn placed_in(batch: usize, messages: &[Message], observers: usize) -> (Vec<Observation>, Placement) {
    let new = |_| Observer::new(Limits::default(), Namer::default());
    let mut observers: Vec<Observer> = (0..observers).map(new).collect();
    let mut placement = Placement::default();
    let mut all: Vec<Observation> = Vec::new();
    for batch in messages.chunks(batch) {
        let mut observations = Vec::new();
        let templates = placement.templates();
        let count = observers.len();
        for (which, observer) in observers.iter_mut().enumerate() {
            if let Some(templates) = &templates {
                observer.follow(templates.clone());
            }
            let of_this = batch.iter().filter(|message| message.order.seq as usize % count == which);
            let observed: Result<Vec<Observation>, _> =
                of_this.map(|message| observer.observe(message)).collect();
            observations.extend(observed.unwrap_or_else(|reason| panic!("{reason}")));
        }
        observations.sort_by_key(|observation| observation.order);
        observations.iter_mut().for_each(|observation| placement.place(observation));
        all.append(&mut observations);
    }
    assert!(all.iter().all(|o| o.flow_hash == o.flow.fixed_hash()));
    (all, placement)
}

fn placed(messages: &[Message], observers: usize) -> (Vec<Observation>, Placement) {
    placed_in(messages.len(), messages, observers)
}

fn keys(messages: &[Message], observers: usize) -> Vec<FlowKey> {
    placed(messages, observers).0.iter().map(|observation| (*observation.flow).clone()).collect()
}

const BY_NAME: &str = r#"{"query":"query Orders { orders { id } }"}"#;
const BY_KIND: &str = r#"{"query":"{ orders { id } }"}"#;

#[test]
fn responses_have_the_operation_of_their_request() {
    let messages = [
        message(1, "a", Side::Response, "/graphql", r#"{"data":{}}"#), // its request was not seen
        message(2, "b", Side::Request, "/graphql", BY_NAME),
        message(3, "c", Side::Request, "/graphql", BY_KIND),
        message(4, "c", Side::Response, "/graphql", r#"{"data":{}}"#),
        message(5, "b", Side::Response, "/graphql", r#"{"data":{}}"#),
        message(6, "d", Side::Request, "/graphql", r#"{"x":1}"#),
        message(7, "d", Side::Response, "/graphql", r#"{"data":{}}"#),
        message(8, "e", Side::Request, "/rpc", r#"{"jsonrpc":"2.0","method":"sum","id":1}"#),
        message(9, "e", Side::Response, "/rpc", r#"{"jsonrpc":"2.0","result":1,"id":1}"#),
    ];
    for observers in 1..4 {
        let found: Vec<Option<String>> = keys(&messages, observers)
            .into_iter()
            .map(|key| key.operation.map(|operation| operation.to_string()))
            .collect();
        let found: Vec<&str> = found.iter().map(|operation| operation.as_deref().unwrap_or("-")).collect();
        assert_eq!(found, ["-", "Orders", "query", "query", "Orders", "-", "-", "sum", "sum"]);
    }
}

#[test]
fn a_route_has_so_many_operations() {
    let call = |seq: u64| {
        let name: String = (0..3).map(|i| char::from(b'a' + (seq / 26_u64.pow(i) % 26) as u8)).collect();
        message(seq, "x", Side::Request, "/rpc", &format!(r#"{{"jsonrpc":"2.0","method":"{name}"}}"#))
    };
    let messages: Vec<Message> = (0..300).chain(0..300).map(call).collect();
    let (observations, placement) = placed(&messages, 1);
    let is_other = |o: &&Observation| o.flow.operation.as_deref() == Some("_OTHER");
    assert_eq!(observations.iter().filter(is_other).count(), 2 * 44);
    assert_eq!(placement.placed().refused_operations, 44);
}

#[test]
fn learned_routes_hold_from_then_on_for_both_sides() {
    let name = |i: u64| -> String {
        (0..4).map(|p| char::from(b'a' + (i * 7 / 26_u64.pow(p) % 26) as u8)).collect()
    };
    let messages: Vec<Message> = (0..100)
        .flat_map(|i| {
            let target = format!("/users/{}/orders", name(i));
            let exchange = i.to_string();
            [(2 * i, Side::Request), (2 * i + 1, Side::Response)]
                .map(|(seq, side)| message(seq, &exchange, side, &target, "{}"))
        })
        .collect();
    let (observations, placement) = placed(&messages, 2);
    let is_folded = |observation: &Observation| &*observation.flow.route == "/users/{id}/orders";
    assert_eq!(observations.iter().position(is_folded), Some(2 * 64));
    assert!(observations[2 * 64..].iter().all(is_folded));
    assert_eq!(placement.placed().templates, 1);
}

proptest! {
    /// However messages are dealt out to observers, and wherever batches end.
    #[test]
    fn observers_do_not_matter(picks in vec((0..400_u64, 0..4_usize, any::<bool>()), 1..150), observers in 2..5_usize, batch in 1..150_usize) {
        let bodies = ["", BY_NAME, BY_KIND, r#"{"jsonrpc":"2.0","method":"sum"}"#];
        let messages: Vec<Message> = picks
            .iter()
            .zip(0..)
            .map(|((name, body, is_request), seq)| {
                let side = if *is_request { Side::Request } else { Side::Response };
                let target = format!("/u/name-{}x/{}", char::from(b'a' + (name % 26) as u8), "y".repeat(*name as usize / 26));
                message(seq, &(seq / 3).to_string(), side, &target, bodies[*body])
            })
            .collect();
        let (batched, _) = placed_in(batch, &messages, observers);
        prop_assert_eq!(keys(&messages, 1), batched.iter().map(|o| (*o.flow).clone()).collect::<Vec<_>>());
    }
}
