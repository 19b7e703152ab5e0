//! What sockets tell of connections before, or without, their traffic.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use pitot_common::user::{Segment, Socket};
use pitot_stream::Limits;
use support::{Pipeline, With, process, seg, socket, transcript};

const A: &str = "10.0.0.1:1000";
const B: &str = "10.0.0.2:80";

#[track_caller]
fn run(limits: Limits, sockets: Vec<Socket>, segments: Vec<Segment>, expected: &[&str]) -> Pipeline {
    let mut pipeline = Pipeline::new(limits, 1);
    for pid in [1, 2, 3] {
        pipeline.table.process(process(pid));
    }
    sockets.into_iter().for_each(|socket| pipeline.socket(socket));
    segments.into_iter().for_each(|segment| pipeline.segment(segment));
    assert_eq!(transcript(&pipeline.out), expected);
    pipeline
}

#[track_caller]
fn check(sockets: Vec<Socket>, segments: Vec<Segment>, expected: &[&str]) -> Pipeline {
    run(Limits::default(), sockets, segments, expected)
}

fn both() -> Vec<Socket> {
    vec![socket(A, Some(B), 1), socket(B, Some(A), 2)]
}

fn in_netns(netns: u64, socket: Socket) -> Socket {
    Socket { netns, ..socket }
}

#[test]
fn both_owners_are_known_from_the_first_segment_on() {
    let hi = seg(A, B, 10).data("hi").ack(100);
    check(both(), vec![hi.clone()], &["A open FF", "A > owner p1", "A < owner p2", "A > 0 \"hi\""]);
    // Whichever end it is seen at.
    let yo = seg(B, A, 100).data("yo").ack(10);
    check(both(), vec![yo], &["A open FF", "A > owner p2", "A < owner p1", "A > 0 \"yo\""]);
    // In whichever namespace the other end is.
    let sockets = vec![socket(A, Some(B), 1), in_netns(2, socket(B, Some(A), 2))];
    check(sockets, vec![hi.clone()], &["A open FF", "A > owner p1", "A < owner p2", "A > 0 \"hi\""]);
    // Who sends knows better; whom nobody told of stays unknown.
    check(vec![socket(A, Some(B), 1)], vec![hi.owner(3)], &["A open FF", "A > owner p3", "A > 0 \"hi\""]);
}

#[test]
fn a_sender_with_a_socket_here_is_not_remote() {
    let hi = seg(A, B, 10).data("hi").ack(100).ingress();
    let known = ["A open FF", "A > owner p1", "A < owner p2", "A > 0 \"hi\""];
    check(vec![in_netns(2, socket(A, Some(B), 1)), socket(B, Some(A), 2)], vec![hi.clone()], &known);
    check(
        vec![socket(B, Some(A), 2)],
        vec![hi],
        &["A open FF", "A > remote", "A < owner p2", "A > 0 \"hi\""],
    );
}

#[test]
fn through_nat_each_end_is_known_where_it_is() {
    let (vip, gateway) = ("192.168.0.1:8080", "172.16.0.1:5555");
    check(
        vec![socket(A, Some(vip), 1), in_netns(2, Socket { time_ns: 9, ..socket(B, Some(gateway), 2) })],
        vec![seg(A, vip, 9).syn().at(4), seg(B, gateway, 99).syn().ack(10).netns(2).at(6)],
        &["A open TT", "A > owner p1", "A < owner p2"],
    );
}

#[test]
fn the_same_addresses_elsewhere_tell_nothing() {
    let (a, b) = ("127.0.0.1:1000", "127.0.0.1:80");
    check(
        vec![in_netns(2, socket(a, Some(b), 1)), in_netns(2, socket(b, Some(a), 2))],
        vec![seg(a, b, 10).data("hi").ack(100)],
        &["A open FF", "A > 0 \"hi\""],
    );
    // Nor where several namespaces have them.
    check(
        vec![in_netns(2, socket(A, Some(B), 1)), in_netns(3, socket(A, Some(B), 2))],
        vec![seg(A, B, 10).data("hi").ack(100)],
        &["A open FF", "A > 0 \"hi\""],
    );
}

#[test]
fn addresses_used_anew_have_new_owners() {
    let expected = ["A open TF", "A > 0 \"hi\""];
    let pipeline =
        check(both(), vec![seg(A, B, 9).syn().at(6), seg(A, B, 10).data("hi").ack(100).at(7)], &expected);
    assert_eq!(pipeline.table.counters().opened, 1);
    // It was open already when the socket was found, though this came later.
    check(
        both(),
        vec![seg(A, B, 9).syn().at(4), seg(A, B, 10).data("hi").ack(100).at(7)],
        &["A open TF", "A > owner p1", "A < owner p2", "A > 0 \"hi\""],
    );
}

#[test]
fn an_owner_is_told_while_the_connection_is_open() {
    let mut pipeline = check(
        vec![],
        vec![seg(A, B, 9).syn().owner(1), seg(B, A, 99).syn().ack(10)],
        &["A open TT", "A > owner p1"],
    );
    pipeline.socket(socket(B, Some(A), 2));
    pipeline.socket(socket(B, Some(A), 3));
    assert_eq!(transcript(&pipeline.out)[2..], ["A < owner p2"]);
}

#[test]
fn whoever_waits_for_connections_is_the_server() {
    let check = |local: &str, src: &str, dst: &str, expected: Option<&str>| {
        let mut pipeline = Pipeline::new(Limits::default(), 1);
        pipeline.socket(socket(local, None, 0));
        pipeline.segment(seg(src, dst, 10).data("hi").ack(100));
        let conn = &pipeline.out[0].conn;
        assert_eq!(conn.initiator_known, expected.is_some(), "{local}: {src} {dst}");
        assert_eq!(conn.initiator, expected.unwrap_or(src).parse().unwrap(), "{local}: {src} {dst}");
    };
    check(B, B, A, Some(A));
    check("0.0.0.0:80", B, A, Some(A));
    check("[::]:80", B, A, Some(A));
    check("[::]:80", "[fd00::2]:80", "[fd00::1]:1000", Some("[fd00::1]:1000"));
    check("0.0.0.0:80", "[fd00::2]:80", "[fd00::1]:1000", None);
    check("10.0.0.9:80", B, A, None);
    check("0.0.0.0:81", B, A, None);
    // Where the other end is, is not known: its port may be another namespace's.
    check("0.0.0.0:80", A, B, None);
    check("0.0.0.0:1000", A, B, Some(B));
}

#[test]
fn a_server_in_another_namespace_is_told_by_its_socket() {
    let mut pipeline = Pipeline::new(Limits::default(), 1);
    pipeline.socket(in_netns(2, socket("0.0.0.0:80", None, 0)));
    pipeline.socket(in_netns(2, socket(B, Some(A), 2)));
    pipeline.segment(seg(A, B, 10).data("hi").ack(100));
    let conn = &pipeline.out[0].conn;
    assert!(conn.initiator_known);
    assert_eq!(conn.initiator, A.parse().unwrap());
}

#[test]
fn unix_sockets_have_names() {
    let (client, server) = ("unix:7", "unix:8");
    let named = |path: &str| Socket { path: path.into(), ..socket(server, Some(client), 2) };
    let expected = ["A open FF", "A > owner p2", "A < owner p1", "A > 0 \"hi\""];
    let hi = seg(server, client, 10).data("hi").ack(100).netns(9);
    let pipeline = check(
        vec![socket(client, Some(server), 1), named("/run/a")],
        vec![hi.clone()],
        &["A open FF", "A > owner p1", "A < owner p2", "A < 0 \"hi\""],
    );
    let conn = &pipeline.out[0].conn;
    assert_eq!((conn.path.as_deref(), conn.initiator), (Some("/run/a"), client.parse().unwrap()));
    let pipeline = check(vec![socket(client, Some(server), 1), named("")], vec![hi], &expected);
    assert_eq!(pipeline.out[0].conn.path, None);
    // A new connection was announced before it.
    check(
        vec![socket(client, Some(server), 1), named("/run/a")],
        vec![seg(client, server, 9).syn().at(100), seg(client, server, 10).data("hi").ack(100)],
        &["A open TF", "A > owner p1", "A < owner p2", "A > 0 \"hi\""],
    );
}

#[test]
fn the_least_recently_used_is_forgotten() {
    let limits = Limits { sockets: 2, ..Limits::default() };
    let mut sockets = both();
    sockets.push(socket("10.0.0.3:1", Some(B), 3));
    let expected = ["A open FF", "A < owner p2", "A > 0 \"hi\""];
    let pipeline = run(limits, sockets, vec![seg(A, B, 10).data("hi").ack(100)], &expected);
    assert_eq!(pipeline.table.counters().sockets_evicted, 1);
}
