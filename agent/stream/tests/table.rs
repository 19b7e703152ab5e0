//! Which connection a segment belongs to: namespaces, NAT, joins, reuse, peers, bounds.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use pitot_common::user::Segment;
use pitot_stream::Limits;
use pitot_stream::table::{Routed, Step, Table};
use support::{Pipeline, SECOND, With, process, seg, transcript};

const A: &str = "10.0.0.1:1000";
const B: &str = "10.0.0.2:80";

#[track_caller]
fn run(limits: Limits, segments: Vec<Segment>, expected: &[&str]) -> Pipeline {
    let mut pipeline = Pipeline::new(limits, 1);
    for pid in [1, 2] {
        pipeline.table.process(process(pid));
    }
    segments.into_iter().for_each(|segment| pipeline.segment(segment));
    let before = pipeline.out.len();
    pipeline.finish();
    let mut lines = transcript(&pipeline.out);
    // At the end connections are closed in the order of their identities.
    lines[before..].sort_unstable();
    assert_eq!(lines, expected);
    pipeline
}

#[track_caller]
fn check(segments: Vec<Segment>, expected: &[&str]) -> Pipeline {
    run(Limits::default(), segments, expected)
}

const TALK: [&str; 4] = ["A open TT", "A > 0 \"hi\"", "A < 0 \"yo\"", "A closed end_of_input"];

#[test]
fn on_loopback() {
    check(
        vec![
            seg(A, B, 9).syn(),
            seg(B, A, 99).syn().ack(10),
            seg(A, B, 10).data("hi").ack(100),
            seg(B, A, 100).data("yo").ack(12),
        ],
        &TALK,
    );
}

#[test]
fn ends_in_two_namespaces() {
    check(
        vec![
            seg(A, B, 9).syn(),
            seg(B, A, 99).syn().ack(10).netns(2),
            seg(A, B, 10).data("hi").ack(100),
            seg(B, A, 100).data("yo").ack(12).netns(2),
        ],
        &TALK,
    );
}

#[test]
fn data_with_the_syn_in_two_namespaces() {
    // The server took the data, or only the SYN.
    for acknowledged in [12, 10] {
        check(
            vec![
                seg(A, B, 9).syn().data("hi"),
                seg(B, A, 99).syn().ack(acknowledged).netns(2),
                seg(A, B, 10).data("hi").ack(100),
                seg(B, A, 100).data("yo").ack(12).netns(2),
            ],
            &TALK,
        );
    }
}

#[test]
fn through_nat() {
    let (vip, gateway) = ("192.168.0.1:8080", "172.16.0.1:5555");
    let pipeline = check(
        vec![
            seg(A, vip, 9).syn(),
            seg(B, gateway, 99).syn().ack(10).netns(2),
            seg(A, vip, 10).data("hi").ack(100),
            seg(B, gateway, 100).data("yo").ack(12).netns(2),
        ],
        &TALK,
    );
    let conn = &pipeline.out[0].conn;
    assert_eq!((conn.initiator, conn.responder), (A.parse().unwrap(), vip.parse().unwrap()));
}

#[test]
fn the_addresses_behind_nat_are_told() {
    let (vip, gateway) = ("192.168.0.1:8080", "172.16.0.1:5555");
    let views = |segments: Vec<Segment>| {
        let (mut table, mut out) = (Table::new(Limits::default()), Vec::new());
        for (seq, segment) in (1..).zip(segments) {
            table.route(seq, segment, &mut out);
        }
        let view = |step: &Routed| match &step.step {
            Step::View { ends } => Some(ends.map(|end| end.to_string())),
            _ => None,
        };
        out.iter().filter_map(view).collect::<Vec<_>>()
    };
    let through = vec![seg(A, vip, 9).syn(), seg(B, gateway, 99).syn().ack(10).netns(2)];
    assert_eq!(views(through), [[gateway, B]]);
    // The same addresses in both places are told once, with the connection.
    assert_eq!(views(vec![seg(A, B, 9).syn(), seg(B, A, 99).syn().ack(10).netns(2)]), [[""; 2]; 0]);
}

#[test]
fn two_waiting_connections_through_nat_are_told_apart() {
    let (vip, gateway) = ("192.168.0.1:8080", "172.16.0.1:5555");
    check(
        vec![
            seg("10.0.0.1:1000", vip, 9).syn(),
            seg("10.0.0.1:1001", vip, 19).syn(),
            seg(B, gateway, 99).syn().ack(20).netns(2),
            seg("10.0.0.1:1001", vip, 20).data("hi").ack(100),
            seg("10.0.0.1:1000", vip, 10).data("ho"),
        ],
        &[
            "A open TT",
            "A > 0 \"hi\"",
            "B open TF",
            "B > 0 \"ho\"",
            "A closed end_of_input",
            "B closed end_of_input",
        ],
    );
}

#[test]
fn the_same_addresses_in_other_namespaces_are_other_connections() {
    let (a, b) = ("127.0.0.1:1000", "127.0.0.1:80");
    check(
        vec![
            seg(a, b, 10).data("hi").ack(100),
            seg(a, b, 50_000_000).data("ho").ack(70_000_000).netns(2),
            seg(b, a, 70_000_000).data("yo").ack(50_000_002).netns(2),
            seg(b, a, 100).data("ya").ack(12),
        ],
        &[
            "A open FF",
            "A > 0 \"hi\"",
            "B open FF",
            "B > 0 \"ho\"",
            "B < 0 \"yo\"",
            "A < 0 \"ya\"",
            "A closed end_of_input",
            "B closed end_of_input",
        ],
    );
}

#[test]
fn older_than_the_agent() {
    let expected = ["A open FF", "A > 0 \"hi\"", "A < 0 \"yo\"", "A closed end_of_input"];
    // In one namespace.
    check(vec![seg(A, B, 10).data("hi").ack(100), seg(B, A, 100).data("yo").ack(12)], &expected);
    // In two: addresses, and the numbers match.
    check(vec![seg(A, B, 10).data("hi").ack(100), seg(B, A, 100).data("yo").ack(12).netns(2)], &expected);
    // In two: the numbers do not match.
    check(
        vec![seg(A, B, 10).data("hi").ack(100), seg(B, A, 100).data("yo").ack(1 << 30).netns(2)],
        &[
            "A open FF",
            "A > 0 \"hi\"",
            "B open FF",
            "B > 0 \"yo\"",
            "A closed end_of_input",
            "B closed end_of_input",
        ],
    );
}

#[test]
fn seen_leaving_and_arriving_in_two_namespaces_it_is_reported_once() {
    let leaving = |first: Segment| [first.clone(), first.ingress().netns(2)];
    let segments = [
        leaving(seg(A, B, 10).data("hi").ack(100)),
        leaving(seg(B, A, 100).data("yo").ack(12).netns(2)).map(|mut segment| {
            segment.netns = if segment.hook == pitot_common::user::Hook::Ingress { 1 } else { 2 };
            segment
        }),
    ];
    let expected = ["A open FF", "A > 0 \"hi\"", "A < 0 \"yo\"", "A closed end_of_input"];
    check(segments.into_iter().flatten().collect(), &expected);
    // A new one, whose mark in the kernel was evicted; with NAT between.
    let gateway = "172.16.0.1:5555";
    check(
        vec![
            seg(A, B, 9).syn(),
            seg(gateway, B, 9).syn().netns(2).ingress(),
            seg(B, gateway, 99).syn().ack(10).netns(2),
            seg(B, A, 99).syn().ack(10).ingress(),
            seg(A, B, 10).data("hi").ack(100),
            seg(gateway, B, 10).data("hi").ack(100).netns(2).ingress(),
            seg(B, gateway, 100).data("yo").ack(12).netns(2),
            seg(B, A, 100).data("yo").ack(12).ingress(),
        ],
        &TALK,
    );
}

#[test]
fn remote_peers_and_owners() {
    // A remote client: its side is remote, the arriving segments tell our side's owner.
    check(
        vec![
            seg(A, B, 9).syn().ingress(),
            seg(B, A, 99).syn().ack(10),
            seg(A, B, 10).data("hi").ingress().owner(2),
            seg(B, A, 100).data("yo").owner(2),
        ],
        &["A open TT", "A > remote", "A < owner p2", "A > 0 \"hi\"", "A < 0 \"yo\"", "A closed end_of_input"],
    );
    // Both local; the first owner stays; an unknown one is not taken.
    check(
        vec![
            seg(A, B, 9).syn().owner(1),
            seg(B, A, 99).syn().ack(10),
            seg(A, B, 10).data("hi").owner(2),
            seg(B, A, 100).data("y").owner(7),
            seg(B, A, 101).data("o").owner(2),
        ],
        &[
            "A open TT",
            "A > owner p1",
            "A > 0 \"hi\"",
            "A < 0 \"y\"",
            "A < owner p2",
            "A < 1 \"o\"",
            "A closed end_of_input",
        ],
    );
}

#[test]
fn syn_again_late_or_crossing() {
    // Sent again: nothing new.
    check(
        vec![
            seg(A, B, 9).syn(),
            seg(A, B, 9).syn(),
            seg(B, A, 99).syn().ack(10),
            seg(B, A, 99).syn().ack(10),
            seg(A, B, 10).data("hi"),
            seg(A, B, 9).syn(),
            seg(B, A, 100).data("yo"),
        ],
        &TALK,
    );
    // Overtaken by what follows it.
    check(
        vec![seg(A, B, 10).data("hi"), seg(A, B, 9).syn(), seg(B, A, 100).data("yo")],
        &["A open FF", "A > 0 \"hi\"", "A < 0 \"yo\"", "A closed end_of_input"],
    );
    check(
        vec![seg(B, A, 99).syn().ack(10), seg(A, B, 9).syn(), seg(A, B, 10).data("hi")],
        &["A open FT", "A > 0 \"hi\"", "A closed end_of_input"],
    );
    // Both ends open at once (RFC 9293, 3.5, figure 7).
    check(
        vec![
            seg(A, B, 9).syn(),
            seg(B, A, 99).syn(),
            seg(A, B, 9).syn().ack(100),
            seg(B, A, 99).syn().ack(10),
            seg(A, B, 10).data("hi"),
            seg(B, A, 100).data("yo"),
        ],
        &TALK,
    );
}

#[test]
fn addresses_used_again() {
    let replaced = |again: Vec<Segment>, expected: &[&str]| {
        let mut segments = vec![seg(A, B, 9).syn(), seg(B, A, 99).syn().ack(10), seg(A, B, 10).data("hi")];
        segments.extend(again);
        let first = ["A open TT", "A > 0 \"hi\"", "A closed replaced"];
        let pipeline = check(segments, &[&first, expected].concat());
        assert_eq!((pipeline.table.counters().replaced, pipeline.table.connections()), (1, 1));
    };
    replaced(
        vec![seg(A, B, 5_009).syn(), seg(A, B, 5_010).data("ho")],
        &["B open TF", "B > 0 \"ho\"", "B closed end_of_input"],
    );
    // The SYN was missed.
    replaced(
        vec![seg(B, A, 7_099).syn().ack(5_010), seg(A, B, 5_010).data("ho")],
        &["B open FT", "B > 0 \"ho\"", "B closed end_of_input"],
    );
    // From the other end.
    replaced(
        vec![seg(B, A, 7_099).syn(), seg(B, A, 7_100).data("ho")],
        &["B open TF", "B > 0 \"ho\"", "B closed end_of_input"],
    );
}

#[test]
fn stragglers_of_a_finished_connection_are_not_a_new_one() {
    let finished = || {
        vec![
            seg(A, B, 9).syn(),
            seg(B, A, 99).syn().ack(10),
            seg(A, B, 10).data("hi").ack(100).fin(),
            seg(B, A, 100).ack(13).fin(),
            seg(A, B, 10).data("hi").ack(100).fin(),
            seg(A, B, 13).ack(101),
            seg(B, A, 101).rst(),
        ]
    };
    let said = ["A open TT", "A > 0 \"hi\"", "A > 2 fin", "A < 0 fin"];
    let pipeline = check(finished(), &said);
    assert_eq!(pipeline.partitions[0].counters().late_records, 3);
    // But data beyond its end is: both SYN and SYN-ACK of the next connection were missed.
    let mut segments = finished();
    segments.push(seg(A, B, 90_013).data("ho").ack(100));
    check(segments, &[&said[..], &["B open FF", "B > 0 \"ho\"", "B closed end_of_input"]].concat());
}

#[test]
fn the_end_of_an_unknown_connection_is_ignored() {
    let pipeline =
        check(vec![seg(A, B, 9).fin().ack(1), seg(B, A, 9).rst().data("x"), seg(B, A, 9).rst()], &[]);
    assert_eq!((pipeline.table.counters().ignored, pipeline.table.connections()), (3, 0));
}

#[test]
fn a_socket_connected_to_itself() {
    check(
        vec![
            seg(A, A, 9).syn(),
            seg(A, A, 9).syn().ack(10),
            seg(A, A, 10).data("hi").ack(10),
            seg(A, A, 12).ack(12).fin(),
        ],
        &["A open TF", "A > 0 \"hi\"", "A > 2 fin", "A closed end_of_input"],
    );
}

#[test]
fn silent_connections_are_forgotten() {
    let mut pipeline = Pipeline::new(Limits::default(), 1);
    let limits = Limits::default();
    pipeline.segment(seg(A, B, 9).syn().at(SECOND));
    pipeline.segment(seg(B, A, 99).syn().ack(10).at(SECOND));
    pipeline.segment(seg("10.0.0.1:2", B, 9).data("hi").fin().at(SECOND));
    pipeline.tick(SECOND + limits.linger_ns - 1);
    assert_eq!(pipeline.table.connections(), 2);
    pipeline.tick(SECOND + limits.linger_ns);
    pipeline.segment(seg(A, B, 10).data("hi").at(2 * SECOND));
    pipeline.tick(SECOND + limits.idle_ns);
    assert_eq!(pipeline.table.connections(), 1);
    pipeline.tick(2 * SECOND + limits.idle_ns);
    assert_eq!((pipeline.table.connections(), pipeline.table.counters().idle), (0, 1));
    let expected = ["A open TT", "B open FF", "B > 0 \"hi\"", "B > 2 fin", "B closed finished"];
    let expected = [&expected[..], &["A > 0 \"hi\"", "A closed idle"]].concat();
    assert_eq!(transcript(&pipeline.out), expected);
}

#[test]
fn a_full_table_forgets_ending_ones_first_then_the_longest_unused() {
    let limits = Limits { connections: 3, ..Limits::default() };
    let client = |n: u32| format!("10.0.0.1:{n}");
    let data = |n: u32, seq: u32| seg(&client(n), B, seq).data("x");
    let pipeline = run(
        limits,
        vec![
            data(1, 0),
            data(2, 0),
            data(3, 0),
            data(1, 1),
            data(3, 1).fin(),
            data(4, 0),
            data(5, 0),
            data(1, 2),
        ],
        &[
            "A open FF",
            "A > 0 \"x\"",
            "B open FF",
            "B > 0 \"x\"",
            "C open FF",
            "C > 0 \"x\"",
            "A > 1 \"x\"",
            "C > 1 \"x\"",
            "C > 2 fin",
            "C closed evicted",
            "D open FF",
            "D > 0 \"x\"",
            "B closed evicted",
            "E open FF",
            "E > 0 \"x\"",
            "A > 2 \"x\"",
            "A closed end_of_input",
            "D closed end_of_input",
            "E closed end_of_input",
        ],
    );
    assert_eq!((pipeline.table.connections(), pipeline.table.counters().evicted), (3, 2));
}

#[test]
fn processes_are_bounded() {
    let mut pipeline = Pipeline::new(Limits { processes: 2, ..Limits::default() }, 1);
    [1, 2].into_iter().for_each(|pid| pipeline.table.process(process(pid)));
    pipeline.segment(seg("10.0.0.1:1", B, 0).data("x").owner(1));
    [1, 3].into_iter().for_each(|pid| pipeline.table.process(process(pid)));
    pipeline.segment(seg("10.0.0.1:2", B, 0).data("x").owner(2));
    pipeline.segment(seg("10.0.0.1:3", B, 0).data("x").owner(1));
    let owners: Vec<_> =
        transcript(&pipeline.out).into_iter().filter(|line| line.contains("owner")).collect();
    assert_eq!(owners, ["A > owner p1", "C > owner p1"]);
    assert_eq!(pipeline.table.counters().processes_evicted, 1);
}
