//! Random conversations against a model that knows what was sent and which records arrived.
//!
//! Both directions of up to three connections are cut into segments and records, some are sent again with other cuts,
//! some records are lost, and what is left is shuffled within a window. Whatever comes out must be exactly what was
//! sent, where it was sent; and a gap must be what no record brought.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::BTreeMap;

use pitot_common::user::Segment;
use pitot_stream::{ConnId, EndKind, Kind, Limits, PARTITIONS, StreamEvent};
use proptest::prelude::*;
use support::{Pipeline, With, seg};

/// How far records may be shuffled; less than the slack.
const WINDOW: u64 = 40;

/// splitmix64: all choices of one case come from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    seed: u64,
    connections: u8,
    bytes: u64,
    loss_percent: u64,
    shuffle: bool,
    ticks: bool,
    tiny_memory: bool,
    /// From which record on the agent runs; 0 sees the handshake.
    join_at: u64,
}

fn plans() -> impl Strategy<Value = Plan> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (any::<u64>(), 1..4_u8, 1..3_000_u64, 0..40_u64, flags, 0..30_u64).prop_map(
        |(seed, connections, bytes, loss_percent, (shuffle, ticks, tiny_memory), join_at)| Plan {
            seed,
            connections,
            bytes,
            loss_percent,
            shuffle,
            ticks,
            tiny_memory,
            join_at,
        },
    )
}

/// One direction as the model knows it.
struct Truth {
    bytes: Vec<u8>,
    isn: u32,
    /// Which bytes a record brought, and which were brought when they were first sent.
    captured: Vec<bool>,
    first_captured: Vec<bool>,
    fin_captured: bool,
}

struct Conversation {
    ends: [String; 2],
    truth: [Truth; 2],
}

impl Conversation {
    fn new(n: u8, bytes: u64, random: &mut Random) -> Self {
        let mut truth = |_| {
            let len = random.below(bytes + 1);
            let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            // Half of the streams wrap.
            let isn =
                if random.chance(50) { random.next() } else { u64::from(u32::MAX) - random.below(len + 2) };
            let captured = vec![false; bytes.len()];
            let first_captured = captured.clone();
            Truth { captured, first_captured, bytes, isn: isn as u32, fin_captured: false }
        };
        let truth = [0, 1].map(&mut truth);
        Self { ends: [format!("10.0.0.1:{n}"), format!("10.0.0.2:{n}")], truth }
    }

    fn segment(&self, sender: usize, position: usize) -> Segment {
        let number = self.truth[sender].isn.wrapping_add(1).wrapping_add(position as u32);
        seg(&self.ends[sender], &self.ends[1 - sender], number)
    }

    /// All records in the order they were sent.
    fn records(&self, random: &mut Random) -> Vec<Record> {
        let ack = |receiver: usize, position: usize| {
            self.truth[1 - receiver].isn.wrapping_add(1).wrapping_add(position as u32)
        };
        let mut syns = [self.segment(0, 0).syn(), self.segment(1, 0).syn().ack(ack(1, 0))];
        syns.iter_mut().for_each(|syn| syn.seq = syn.seq.wrapping_sub(1));
        let mut records: Vec<_> = syns
            .into_iter()
            .zip(0..)
            .map(|(segment, sender)| Record { segment, sender, range: 0..0, again: false })
            .collect();
        let mut sent = [0, 0];
        while (0..2).any(|sender| sent[sender] < self.truth[sender].bytes.len()) {
            let sender = random.below(2) as usize;
            let (stream, at) = (&self.truth[sender].bytes, sent[sender]);
            let again = random.chance(20);
            let from = if again { random.below(at as u64 + 1) as usize } else { at };
            let to = (from + 1 + random.below(200) as usize).min(stream.len());
            let to = if again { to.min(at) } else { to };
            sent[sender] = sent[sender].max(to);
            let packet =
                self.segment(sender, from).data(&stream[from..to]).ack(ack(sender, sent[1 - sender]));
            let mut cut = 0;
            while cut < to - from {
                let next = (cut + 1 + random.below(120) as usize).min(to - from);
                let (segment, range) = (packet.clone().cut(cut..next), from + cut..from + next);
                records.push(Record { segment, sender, range, again });
                cut = next;
            }
        }
        for sender in [0, 1] {
            let end = self.truth[sender].bytes.len();
            // The second FIN acknowledges the first, as it would on the wire.
            let acked = self.truth[1 - sender].bytes.len() + sender;
            let segment = self.segment(sender, end).fin().ack(ack(sender, acked));
            records.push(Record { segment, sender, range: end..end, again: false });
        }
        records
    }
}

struct Record {
    segment: Segment,
    sender: usize,
    /// What it brings.
    range: std::ops::Range<usize>,
    again: bool,
}

struct Case {
    conversations: Vec<Conversation>,
    segments: Vec<Segment>,
}

fn build(plan: Plan) -> Case {
    let mut random = Random(plan.seed);
    let mut conversations: Vec<_> =
        (0..plan.connections).map(|n| Conversation::new(n, plan.bytes, &mut random)).collect();
    let mut queued = Vec::new();
    for (n, conversation) in conversations.iter_mut().enumerate() {
        let records = conversation.records(&mut random);
        for (index, Record { segment, sender, range, again }) in (0_u64..).zip(records) {
            if index < plan.join_at || (index > 1 && random.chance(plan.loss_percent)) {
                continue;
            }
            let truth = &mut conversation.truth[sender];
            truth.fin_captured |= segment.flags.0 & 1 != 0;
            truth.captured[range.clone()].fill(true);
            if !again {
                truth.first_captured[range].fill(true);
            }
            // What opens a connection precedes everything else on it.
            let jitter = if plan.shuffle && index > 1 {
                random.below(WINDOW / u64::from(plan.connections))
            } else {
                0
            };
            queued.push((index + jitter, n, index, segment));
        }
    }
    queued.sort_by_key(|(at, n, index, _)| (*at, *n, *index));
    Case { conversations, segments: queued.into_iter().map(|(_, _, _, segment)| segment).collect() }
}

fn run(plan: Plan, case: &Case, partitions: usize) -> Pipeline {
    let mut limits = Limits { slack_events: WINDOW + 8, ..Limits::default() };
    if plan.tiny_memory {
        limits = Limits { held_per_direction: 1_500, held_per_partition: 2_500, ..limits };
    }
    let mut pipeline = Pipeline::new(limits, partitions);
    let mut random = Random(plan.seed);
    for segment in &case.segments {
        pipeline.segment(segment.clone());
        if plan.ticks && random.chance(3) {
            pipeline.tick(0);
        }
        assert!(pipeline.partitions.iter().all(|partition| partition.held() <= limits.held_per_partition));
    }
    // A receiver's last word on what it got would be a bare acknowledgement: ticks stand in for it.
    if !plan.ticks {
        (0..6).for_each(|_| pipeline.tick(0));
    }
    pipeline.finish();
    pipeline
}

/// What was said of one direction, put together; checks that it tiles.
#[derive(Default)]
struct Heard {
    bytes: Vec<Option<u8>>,
    end: Option<EndKind>,
}

struct Listener {
    proven: [bool; 2],
    closed: bool,
    initiator: String,
    heard: [Heard; 2],
}

fn listen(events: &[StreamEvent]) -> BTreeMap<ConnId, Listener> {
    let mut listeners = BTreeMap::new();
    for event in events {
        let id = event.conn.id;
        if let Kind::Open { proven } = event.kind {
            let initiator = event.conn.initiator.to_string();
            let listener = Listener { proven, closed: false, initiator, heard: Default::default() };
            assert!(listeners.insert(id, listener).is_none(), "opened twice");
            continue;
        }
        let listener: &mut Listener = listeners.get_mut(&id).expect("nothing before Open");
        assert!(
            !listener.closed && listener.heard.iter().any(|heard| heard.end.is_none()),
            "said after the end"
        );
        let mut add = |direction: pitot_stream::Direction, position: u64, bytes: Vec<Option<u8>>| {
            let heard = &mut listener.heard[direction.index()];
            assert!(heard.end.is_none() && !bytes.is_empty());
            assert_eq!(heard.bytes.len() as u64, position, "does not touch");
            heard.bytes.extend(bytes);
        };
        match &event.kind {
            Kind::Chunk { direction, position, bytes } => {
                add(*direction, *position, bytes.iter().copied().map(Some).collect());
            }
            Kind::Gap { direction, position, bytes, .. } => {
                add(*direction, *position, vec![None; usize::try_from(*bytes).unwrap()]);
            }
            Kind::End { direction, position, how } => {
                let heard = &mut listener.heard[direction.index()];
                assert_eq!(heard.bytes.len() as u64, *position);
                assert!(heard.end.replace(*how).is_none());
            }
            Kind::Closed { .. } => listener.closed = true,
            _ => {}
        }
    }
    listeners
}

fn check(plan: Plan) {
    let case = build(plan);
    let pipeline = run(plan, &case, 1);
    let listeners = listen(&pipeline.out);

    for conversation in &case.conversations {
        let found: Vec<_> = listeners.values().filter(|l| conversation.ends.contains(&l.initiator)).collect();
        assert!(found.len() <= 1, "one conversation, one connection");
        for (sender, truth) in conversation.truth.iter().enumerate() {
            let Some(listener) = found.first() else {
                assert!(!truth.captured.contains(&true), "a connection nobody heard of");
                continue;
            };
            let direction = usize::from(listener.initiator != conversation.ends[sender]);
            check_direction(plan, truth, &listener.heard[direction], listener.proven[direction]);
        }
    }

    let (mut seen, mut lost) = (0, 0);
    for heard in listeners.values().flat_map(|listener| &listener.heard) {
        seen += heard.bytes.len() as u64;
        lost += heard.bytes.iter().filter(|byte| byte.is_none()).count() as u64;
    }
    let account = pipeline.ledger().bytes;
    assert_eq!(account.lost.values().sum::<u64>(), lost);
    assert_eq!(account.seen - account.skipped.values().sum::<u64>(), seen);

    if !plan.tiny_memory {
        let mut spread = run(plan, &case, PARTITIONS);
        let key = |event: &StreamEvent| (event.seq, event.conn.id);
        let mut single = pipeline.out;
        single.sort_by_key(key);
        spread.out.sort_by_key(key);
        assert_eq!(format!("{single:?}"), format!("{:?}", spread.out), "depends on the partitioning");
    }
}

fn check_direction(plan: Plan, truth: &Truth, heard: &Heard, proven: bool) {
    let fits = |shift: usize| {
        let sent = truth.bytes.get(shift..).unwrap_or_default();
        // Where the last bytes are lost, the acknowledgement of a FIN not known (yet) looks like one of a byte more.
        heard.bytes.iter().zip(sent).all(|(heard, sent)| heard.is_none_or(|byte| byte == *sent))
            && heard.bytes.get(sent.len()..).unwrap_or_default().iter().all(|byte| byte.is_none())
            && heard.bytes.len() <= sent.len() + usize::from(heard.end.is_none())
    };
    // Where it was joined, the model asks the output: from its end, or any place at which all bytes are right.
    let shift = match heard.end {
        _ if plan.join_at < 2 => Some(0),
        Some(_) => truth.bytes.len().checked_sub(heard.bytes.len()),
        None => (0..=truth.bytes.len()).find(|shift| fits(*shift)),
    };
    let shift = shift.expect("wrong bytes or a wrong end");
    assert!(fits(shift), "wrong bytes");
    assert!(!proven || plan.join_at < 2);
    if plan.join_at < 2 && !plan.ticks {
        assert_eq!(heard.end.is_some(), truth.fin_captured);
    }
    if heard.end.is_some() {
        assert!(truth.fin_captured);
        assert_eq!(heard.bytes.len() + shift, truth.bytes.len(), "ended in the wrong place");
    }
    if plan.join_at < 2 && !plan.ticks && !plan.tiny_memory {
        // Only what no record brought is missing, or what was lost, acknowledged all the same, and sent again too late.
        for (position, heard) in heard.bytes.iter().take(truth.bytes.len()).enumerate() {
            assert!(heard.is_some() || !truth.first_captured[position], "position {position} is missing");
            assert!(heard.is_none() || truth.captured[position], "position {position} is invented");
        }
        let rest = truth.captured.get(heard.bytes.len()..).unwrap_or_default();
        assert!(!rest.contains(&true), "captured and not given");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn anything_from_the_start(plan in plans()) {
        check(Plan { join_at: 0, ..plan });
    }

    #[test]
    fn joined_anywhere(plan in plans()) {
        check(plan);
    }

    #[test]
    fn nothing_lost_nothing_missing(plan in plans()) {
        let plan = Plan { join_at: 0, loss_percent: 0, ticks: false, tiny_memory: false, ..plan };
        check(plan);
        let case = build(plan);
        let pipeline = run(plan, &case, 1);
        prop_assert!(pipeline.ledger().bytes.lost.is_empty());
        for listener in listen(&pipeline.out).values() {
            prop_assert_eq!(listener.proven, [true, true]);
            prop_assert!(listener.heard.iter().all(|heard| heard.end == Some(EndKind::Fin)));
            prop_assert!(!listener.closed);
        }
    }
}
