//! One flow, from a seeded generator of bodies.

use std::sync::Arc;

use pitot_drift::{Config, Evidence, Flows};
use pitot_observe::hash::mix;
use pitot_observe::{Limits, Namer, Observer};
use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};

/// Time of the first message, ns since the Unix epoch.
pub(crate) const BEGIN_NS: u64 = 1_736_121_600_000_000_000;

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % end
    }
}

/// A message of a flow.
pub(crate) fn message(route: &str, seq: u64, body: String) -> Message {
    Message {
        order: Order { seq, ..Order::default() },
        t_ns: BEGIN_NS + seq * 1_000_000_000,
        exchange: format!("{seq:x}").into(),
        side: Side::Request,
        protocol: "http",
        request: Some(Arc::new(RequestLine { method: "POST".into(), target: route.into(), authority: None })),
        status: None,
        headers: [("content-type", "application/json")].into(),
        body: body.into(),
        incomplete: None,
        client: Peer::Named("shop".into()),
        server: Peer::Named("billing".into()),
        transport: None,
        instance: Some(format!("{}", seq % 3).into()),
    }
}

/// What is found in a second-by-second stream; `body` of the message with a number, from 1.
pub(crate) fn found(
    seed: u64,
    messages: u64,
    mut body: impl FnMut(&mut Random, u64) -> String,
) -> Vec<Evidence> {
    let mut random = Random::new(seed);
    let mut observer = Observer::new(Limits::default(), Namer::default());
    let mut flows = Flows::new(Config::default());
    let mut out = Vec::new();
    for seq in 1..=messages {
        let body = body(&mut random, seq);
        flows.push(observer.observe(&message("/v1/orders", seq, body)).expect("observed"), &mut out);
    }
    flows.finish(&mut out);
    out
}
