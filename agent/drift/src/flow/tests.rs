//! Counting messages together, held against counting them one by one.

use super::*;
use pitot_observe::Shape;
use pitot_observe::hash::mix;
use pitot_observe::shape::{Entry, ValueKind};
use pitot_protocols::message::Side;
use proptest::prelude::*;

/// Members of `$`, each absent, or of a kind so many times.
type Members = [Option<(ValueKind, u32)>; 5];

fn observation(seq: u64, members: &Members) -> Observation {
    let mut entries = vec![Entry { path: "$".into(), kind: ValueKind::Object, parent: None }];
    let mut counts = vec![1];
    for (name, member) in ["a", "b", "c", "d", "e"].iter().zip(members) {
        let Some((kind, count)) = member else { continue };
        entries.push(Entry { path: format!("$.{name}").into(), kind: *kind, parent: Some(0) });
        counts.push(*count);
    }
    let hash = entries.iter().fold(0, |hash, entry| {
        mix(hash ^ mix(entry.kind as u64) ^ pitot_observe::hash::fixed64(entry.path.as_bytes()))
    });
    Observation {
        order: Order { seq, ..Order::default() },
        t_ns: seq,
        exchange: seq.to_string().into(),
        conn: seq % 2,
        instance: 0,
        flow: key(),
        flow_hash: 0,
        shape: Some(Arc::new(Shape { hash, entries })),
        counts: counts.into_iter().collect(),
        values: Vec::new(),
        exact: Vec::new(),
        body_bytes: 0,
    }
}

fn key() -> Arc<FlowKey> {
    let (client, method) = (Arc::from("shop"), Arc::from("POST"));
    let (server, route) = (Arc::from("billing"), Arc::from("/"));
    let (operation, status_class) = (None, None);
    let side = Side::Request;
    Arc::new(FlowKey { client, server, protocol: "http", method, route, operation, side, status_class })
}

fn any_members() -> impl Strategy<Value = Members> {
    let often = (Just(ValueKind::String), 1..2_u32);
    let any = (proptest::sample::select(ValueKind::ALL.to_vec()), 0..3_u32);
    let member = prop_oneof![8 => often.prop_map(Some), 2 => any.prop_map(Some), 1 => Just(None)];
    proptest::array::uniform5(member)
}

proptest! {
    /// Messages that are counted together give what they give one by one.
    #[test]
    fn repeats_are_counted_as_if_one_by_one(
        bodies in proptest::collection::vec(any_members(), 1..4),
        stretches in proptest::collection::vec((0..4_usize, 1..90_usize), 1..12),
    ) {
        let config = Config { learning_messages: 20, ..Config::default() };
        let (mut flow, mut plain) = (Flow::new(key(), 0), Flow::new(key(), 0));
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        let mut seq = 0;
        for (body, messages) in std::iter::once(&(0, 300)).chain(&stretches) {
            for _ in 0..*messages {
                seq += 1;
                let message = observation(seq, bodies.get(*body).unwrap_or(&bodies[0]));
                flow.push(&message, &config, &mut found);
                plain.push(&message, &config, &mut expected);
                plain.count_repeats();
            }
            prop_assert_eq!(&found, &expected);
        }
        flow.finish(&config, &mut found);
        plain.finish(&config, &mut expected);
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(format!("{:?}", flow.fields.list), format!("{:?}", plain.fields.list));
    }
}
