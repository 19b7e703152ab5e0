//! Named edge cases of one connection: what goes in, and the whole transcript that comes out.

mod support;

use pitot_common::user::{LossReason, Segment, TcpFlags};
use pitot_stream::Limits;
use support::{Pipeline, SECOND, With, seg, transcript};

const CLIENT: &str = "10.0.0.1:1000";
const SERVER: &str = "10.0.0.2:80";

/// From the client, from the server; numbers are positions, both initial sequence numbers lie just before the wrap.
const C: u32 = u32::MAX - 1;
const S: u32 = u32::MAX - 3;

fn c(position: i64) -> Segment {
    seg(CLIENT, SERVER, (i64::from(C) + 1 + position) as u32)
}

fn s(position: i64) -> Segment {
    seg(SERVER, CLIENT, (i64::from(S) + 1 + position) as u32)
}

fn ack_c(position: u32) -> u32 {
    C.wrapping_add(1 + position)
}

fn ack_s(position: u32) -> u32 {
    S.wrapping_add(1 + position)
}

fn handshake() -> Vec<Step> {
    vec![Step::Seg(c(-1).syn()), Step::Seg(s(-1).syn().ack(ack_c(0)))]
}

enum Step {
    Seg(Segment),
    Tick,
}

fn small() -> Limits {
    Limits { slack_events: 4, hole_ticks: 3, ..Limits::default() }
}

/// Runs `steps` (after a handshake where `shaken`) and compares all that was said, and that the ledger adds up.
#[track_caller]
fn run(limits: Limits, steps: Vec<Step>, expected: &[&str]) -> Pipeline {
    let mut pipeline = Pipeline::new(limits, 1);
    for (n, step) in steps.into_iter().enumerate() {
        match step {
            Step::Seg(segment) => pipeline.segment(segment),
            Step::Tick => pipeline.tick(n as u64 * SECOND / 1000),
        }
        assert!(pipeline.partitions[0].held() <= limits.held_per_partition);
    }
    pipeline.finish();
    assert_eq!(transcript(&pipeline.out), expected);
    pipeline
}

#[track_caller]
fn check(segments: Vec<Segment>, expected: &[&str]) -> Pipeline {
    let mut steps = handshake();
    steps.extend(segments.into_iter().map(Step::Seg));
    let expected: Vec<_> = std::iter::once("A open TT").chain(expected.iter().copied()).collect();
    run(small(), steps, &expected)
}

#[test]
fn in_order() {
    check(
        vec![
            c(0).data("ab").ack(ack_s(0)),
            s(0).data("xyz").ack(ack_c(2)),
            c(2).data("c").ack(ack_s(3)).fin(),
            s(3).ack(ack_c(4)).fin(),
        ],
        &["A > 0 \"ab\"", "A < 0 \"xyz\"", "A > 2 \"c\"", "A > 3 fin", "A < 3 fin"],
    );
}

#[test]
fn reordered_and_repeated() {
    let pipeline = check(
        vec![c(2).data("cd"), c(4).data("ef"), c(0).data("abc"), c(0).data("abcdef"), c(5).data("fg")],
        &["A > 0 \"ab\"", "A > 2 \"cd\"", "A > 4 \"ef\"", "A > 6 \"g\"", "A closed end_of_input"],
    );
    assert_eq!(pipeline.partitions[0].counters().duplicate_bytes, 7);
    assert_eq!(pipeline.ledger().bytes.seen, 7);
}

#[test]
fn records_of_one_packet() {
    let packet = || c(0).data("abcdefgh");
    check(
        vec![packet().cut(3..6), packet().cut(0..3), packet().cut(6..8)],
        &["A > 0 \"abc\"", "A > 3 \"def\"", "A > 6 \"gh\"", "A closed end_of_input"],
    );
    // The length of the packet says that a record is missing, but only the end makes it certain.
    check(vec![packet().cut(0..3)], &["A > 0 \"abc\"", "A > 3 gap 5 end_of_input", "A closed end_of_input"]);
}

#[test]
fn short_records_leave_a_gap_of_their_reason() {
    check(
        vec![c(0).data("abcd").short(2), c(4).data("ef")],
        &["A > 0 \"ab\"", "A > 2 gap 2 load_failed", "A > 4 \"ef\"", "A closed end_of_input"],
    );
    // Held back, a retransmission may still fill it.
    check(
        vec![c(2).data("cdef").short(2), c(4).data("ef"), c(0).data("ab")],
        &["A > 0 \"ab\"", "A > 2 \"cd\"", "A > 4 \"ef\"", "A closed end_of_input"],
    );
    check(
        vec![c(2).data("cdef").short(2), c(0).data("ab")],
        &["A > 0 \"ab\"", "A > 2 \"cd\"", "A > 4 gap 2 load_failed", "A closed end_of_input"],
    );
}

#[test]
fn urgent_data_may_not_be_in_what_the_receiver_reads() {
    let mut urgent = c(2).data("cd");
    urgent.flags.0 |= TcpFlags::URG;
    check(
        vec![c(0).data("ab"), urgent, c(4).data("ef")],
        &["A > 0 \"ab\"", "A > 2 gap 2 urgent", "A > 4 \"ef\"", "A closed end_of_input"],
    );
}

#[test]
fn a_hole_that_was_acknowledged_is_a_gap_after_some_slack() {
    let later = || s(0).ack(ack_c(2));
    check(
        vec![
            c(2).data("cd"),
            s(0).data("x").ack(ack_c(4)),
            later(),
            later(),
            later(),
            later(),
            c(0).data("ab"),
        ],
        &["A < 0 \"x\"", "A > 0 gap 2 not_captured", "A > 2 \"cd\"", "A closed end_of_input"],
    );
    // Not acknowledged: waits. Acknowledged, and the record only came late: no gap.
    check(
        vec![c(2).data("cd"), later(), s(0).data("x").ack(ack_c(4)), c(0).data("ab"), later(), later()],
        &["A < 0 \"x\"", "A > 0 \"ab\"", "A > 2 \"cd\"", "A closed end_of_input"],
    );
}

#[test]
fn a_lost_tail_is_known_by_its_acknowledgement() {
    let mut steps = handshake();
    steps.extend([
        Step::Seg(c(0).data("ab")),
        Step::Seg(s(0).data("x").ack(ack_c(5))),
        Step::Tick,
        Step::Tick,
    ]);
    let expected =
        ["A open TT", "A > 0 \"ab\"", "A < 0 \"x\"", "A > 2 gap 3 not_captured", "A closed end_of_input"];
    let pipeline = run(small(), steps, &expected);
    assert_eq!(pipeline.ledger().bytes.seen, 6);
    assert_eq!(pipeline.ledger().bytes.lost["not_captured"], 3);
}

#[test]
fn the_acknowledgement_of_a_fin_is_not_one_of_a_byte() {
    let mut steps = handshake();
    steps.extend([
        Step::Seg(c(0).data("ab")),
        Step::Seg(s(0).data("x").ack(ack_c(3))),
        Step::Tick,
        Step::Tick,
    ]);
    let mut late = handshake();
    late.extend([
        Step::Seg(c(0).data("ab")),
        Step::Seg(s(0).data("x").ack(ack_c(3))),
        Step::Tick,
        Step::Tick,
    ]);
    late.push(Step::Seg(c(2).fin()));
    let expected = ["A open TT", "A > 0 \"ab\"", "A < 0 \"x\"", "A closed end_of_input"];
    run(small(), steps, &expected);
    run(small(), late, &["A open TT", "A > 0 \"ab\"", "A < 0 \"x\"", "A > 2 fin", "A closed end_of_input"]);
}

#[test]
fn a_hole_nobody_acknowledged_times_out() {
    let mut steps = handshake();
    steps.push(Step::Seg(c(2).data("cd")));
    steps.push(Step::Seg(c(6).data("gh")));
    steps.extend([Step::Tick, Step::Tick, Step::Tick]);
    steps.push(Step::Seg(c(8).data("i")));
    steps.push(Step::Seg(c(0).data("ab")));
    run(
        small(),
        steps,
        &[
            "A open TT",
            "A > 0 gap 2 timed_out",
            "A > 2 \"cd\"",
            // The second hole was noticed with the first one's end still ahead, and waits from then on.
            "A > 4 gap 2 end_of_input",
            "A > 6 \"gh\"",
            "A > 8 \"i\"",
            "A closed end_of_input",
        ],
    );
}

#[test]
fn fin_reveals_a_gap_and_ends_what_follows() {
    check(
        vec![c(0).data("ab"), c(4).fin(), c(4).data("zz")],
        &["A > 0 \"ab\"", "A > 2 gap 2 end_of_input", "A > 4 fin", "A closed end_of_input"],
    );
    let pipeline = check(
        vec![c(2).data("cdef"), c(0).data("a"), c(3).fin(), c(1).data("b")],
        &["A > 0 \"a\"", "A > 1 \"b\"", "A > 2 \"c\"", "A > 3 fin", "A closed end_of_input"],
    );
    assert_eq!(pipeline.partitions[0].counters().beyond_end_bytes, 3);
    // A FIN behind what was released is none.
    check(
        vec![c(0).data("abc"), c(1).fin(), c(3).data("d")],
        &["A > 0 \"abc\"", "A > 3 \"d\"", "A closed end_of_input"],
    );
}

#[test]
fn reset_ends_only_in_position() {
    check(
        vec![c(0).data("ab"), c(2).rst(), c(2).data("cd")],
        &["A > 0 \"ab\"", "A > 2 reset", "A closed end_of_input"],
    );
    check(vec![c(0).data("ab"), c(1).rst()], &["A > 0 \"ab\"", "A closed end_of_input"]);
    check(vec![c(0).data("ab"), c(9).rst()], &["A > 0 \"ab\"", "A closed end_of_input"]);
    // Its place comes into position later.
    check(
        vec![c(4).rst(), c(2).data("cd"), c(0).data("ab")],
        &["A > 0 \"ab\"", "A > 2 \"cd\"", "A > 4 reset", "A closed end_of_input"],
    );
    // What follows it in memory is beyond the end.
    check(
        vec![c(2).rst(), c(3).data("d"), c(0).data("ab")],
        &["A > 0 \"ab\"", "A > 2 reset", "A closed end_of_input"],
    );
}

#[test]
fn a_reset_connection_is_closed_unless_its_sender_goes_on() {
    let steps = |more: Vec<Step>| {
        let mut steps = handshake();
        steps.extend([Step::Seg(c(0).data("ab")), Step::Seg(c(2).rst())]);
        steps.extend(more);
        steps
    };
    let expected = ["A open TT", "A > 0 \"ab\"", "A > 2 reset", "A < 0 \"x\"", "A closed reset"];
    run(
        small(),
        steps(vec![Step::Seg(s(0).data("x")), Step::Tick, Step::Tick, Step::Seg(s(1).data("y"))]),
        &expected,
    );
    let mut bogus = handshake();
    bogus.extend([Step::Seg(c(0).data("ab")), Step::Seg(c(9).rst()), Step::Tick, Step::Seg(c(2).data("cd"))]);
    bogus.extend([Step::Tick, Step::Tick, Step::Tick]);
    run(small(), bogus, &["A open TT", "A > 0 \"ab\"", "A > 2 \"cd\"", "A closed end_of_input"]);
}

#[test]
fn keep_alive_probes_do_not_disturb() {
    check(
        vec![c(-1), c(-1).data("?"), c(0).data("ab"), c(1), c(1).data("?"), c(2).data("c")],
        &["A > 0 \"ab\"", "A > 2 \"c\"", "A closed end_of_input"],
    );
}

#[test]
fn differing_copies_are_declared() {
    let pipeline = check(
        vec![c(2).data("cdef"), c(3).data("XX"), c(0).data("ab")],
        &[
            "A > 0 \"ab\"",
            "A > 2 \"c\"",
            "A > 3 gap 2 ambiguous_overlap",
            "A > 5 \"f\"",
            "A closed end_of_input",
        ],
    );
    assert_eq!(pipeline.partitions[0].counters().ambiguous_bytes, 2);
}

#[test]
fn openings() {
    let run = |segments: Vec<Segment>, expected: &[&str]| {
        run(small(), segments.into_iter().map(Step::Seg).collect(), expected);
    };
    // Refused: nothing to say.
    run(vec![c(-1).syn(), s(0).rst().ack(ack_c(0))], &[]);
    // SYN-ACK missed, SYN missed, both missed.
    let data = || [c(0).data("ab").ack(ack_s(0)), s(0).data("x").ack(ack_c(2))];
    let said = ["A > 0 \"ab\"", "A < 0 \"x\"", "A closed end_of_input"];
    let [request, response] = data();
    run(vec![c(-1).syn(), request, response], &[&["A open TF"], &said[..]].concat());
    let [request, response] = data();
    run(vec![s(-1).syn().ack(ack_c(0)), request, response], &[&["A open FT"], &said[..]].concat());
    let [request, response] = data();
    run(vec![request, response], &[&["A open FF"], &said[..]].concat());
    // Nothing but acknowledgements does not set a position.
    run(vec![c(7).ack(ack_s(9)), c(8).data("b")], &["A open FF", "A > 0 \"b\"", "A closed end_of_input"]);
}

#[test]
fn fast_open_data_waits_for_the_answer() {
    let syn = || c(-1).syn().data("ab");
    let run = |steps: Vec<Step>, expected: &[&str]| {
        run(small(), steps, expected);
    };
    run(
        vec![Step::Seg(syn()), Step::Seg(s(-1).syn().ack(ack_c(2))), Step::Seg(c(2).data("c"))],
        &["A open TT", "A > 0 \"ab\"", "A > 2 \"c\"", "A closed end_of_input"],
    );
    // Refused and sent again.
    run(
        vec![Step::Seg(syn()), Step::Seg(s(-1).syn().ack(ack_c(0))), Step::Seg(c(0).data("abc"))],
        &["A open TT", "A > 0 \"ab\"", "A > 2 \"c\"", "A closed end_of_input"],
    );
    run(
        vec![Step::Seg(syn()), Step::Tick, Step::Tick, Step::Tick, Step::Tick],
        &["A open TF", "A > 0 \"ab\"", "A closed end_of_input"],
    );
    run(vec![Step::Seg(syn())], &["A open TF", "A > 0 \"ab\"", "A closed end_of_input"]);
}

#[test]
fn joined_in_the_middle_what_lies_before_is_skipped() {
    let steps = [c(10).data("kl"), c(8).data("ij"), c(9).data("jk"), c(12).data("m")].map(Step::Seg);
    let pipeline = run(
        small(),
        steps.into_iter().collect(),
        &["A open FF", "A > 0 \"kl\"", "A > 2 \"m\"", "A closed end_of_input"],
    );
    assert_eq!(pipeline.ledger().bytes.skipped["before_start"], 2);
    assert_eq!(pipeline.ledger().bytes.seen, 5);
}

#[test]
fn memory_is_bounded_per_direction() {
    let limits = Limits { held_per_direction: 3 * (pitot_stream::reassembly::PIECE_COST + 2), ..small() };
    let mut steps = handshake();
    steps.extend([2, 4, 8, 10].map(|at| Step::Seg(c(at).data("xx"))));
    run(
        limits,
        steps,
        &[
            "A open TT",
            "A > 0 gap 2 hold_full",
            "A > 2 \"xx\"",
            "A > 4 \"xx\"",
            "A > 6 gap 2 end_of_input",
            "A > 8 \"xx\"",
            "A > 10 \"xx\"",
            "A closed end_of_input",
        ],
    );
}

#[test]
fn memory_is_bounded_per_partition_oldest_hole_first() {
    let limits = Limits { held_per_partition: 2 * (pitot_stream::reassembly::PIECE_COST + 2), ..small() };
    let mut steps = handshake();
    steps.extend([s(2).data("yy"), c(2).data("cc"), c(6).data("gg")].map(Step::Seg));
    run(
        limits,
        steps,
        &[
            "A open TT",
            "A < 0 gap 2 hold_full",
            "A < 2 \"yy\"",
            "A > 0 gap 2 end_of_input",
            "A > 2 \"cc\"",
            "A > 4 gap 2 end_of_input",
            "A > 6 \"gg\"",
            "A closed end_of_input",
        ],
    );
}

#[test]
fn many_gibibytes() {
    const STALL: u64 = 5 << 29;
    let block = vec![b'x'; 1 << 16];
    let mut pipeline = Pipeline::new(Limits::default(), 1);
    pipeline.segment(c(-1).syn());
    pipeline.segment(s(-1).syn().ack(ack_c(0)));
    let mut position = 0;
    let mut gaps = Vec::new();
    for _ in 0..5 {
        pipeline.segment(c(position as i64).data(&block));
        position += block.len() as u64;
        // 2.5 GiB of which nothing was captured.
        gaps.push(format!("A > {position} gap {STALL} timed_out"));
        position += STALL;
        pipeline.segment(c(position as i64).data(&block));
        pipeline.segment(c(position as i64).data(&block));
        position += block.len() as u64;
        (0..5).for_each(|_| pipeline.tick(0));
    }
    pipeline.segment(c(position as i64).fin());
    let mut lines = transcript(&pipeline.out);
    assert_eq!(lines.pop().unwrap(), format!("A > {position} fin"));
    lines.retain(|line| line.contains("gap"));
    assert_eq!(lines, gaps);
    assert_eq!(pipeline.ledger().bytes.seen, position);
}

/// The client's and the server's segments with the cookies of their sockets; the SYN-ACK has the listener's.
fn known(segment: Segment, cookie: u64) -> Step {
    Step::Seg(Segment { cookie, ..segment })
}

/// Runs `before`, refuses the connection, runs `after`: what was said, the ledger, and what capture was asked.
#[track_caller]
fn check_refused(
    before: Vec<Step>,
    after: Vec<Step>,
    expected: &[&str],
    skipped: u64,
    asked: &[[u64; 2]],
) -> Pipeline {
    let mut pipeline = Pipeline::new(small(), 1);
    let play = |pipeline: &mut Pipeline, steps| {
        for step in steps {
            match step {
                Step::Seg(segment) => pipeline.segment(segment),
                Step::Tick => pipeline.tick(0),
            }
        }
    };
    play(&mut pipeline, before);
    let id = pipeline.out[0].conn.id;
    pipeline.partitions[0].refuse(id, LossReason::NotOurProtocol);
    play(&mut pipeline, after);
    pipeline.finish();
    assert_eq!(transcript(&pipeline.out), expected);
    let mut refusals = Vec::new();
    pipeline.partitions[0].take_refusals(&mut refusals);
    assert_eq!(refusals.iter().map(|refusal| refusal.cookies).collect::<Vec<_>>(), asked);
    let ledger = pipeline.ledger().bytes;
    assert_eq!(ledger.skipped.get("not_our_protocol").copied().unwrap_or(0), skipped);
    assert!(ledger.lost.is_empty(), "{ledger:?}");
    assert_eq!(ledger.pending() + skipped, ledger.seen);
    pipeline
}

fn opened() -> Vec<Step> {
    vec![known(c(-1).syn(), 7), known(s(-1).syn().ack(ack_c(0)), 99), known(c(0).data("abc"), 7)]
}

#[test]
fn a_refused_connection_is_counted_and_said_no_more() {
    let fin = || vec![known(c(1_000).fin(), 7), known(s(500).fin(), 8)];
    let said = ["A open TT", "A > 0 \"abc\"", "A > 1000 fin", "A < 500 fin"];
    // What capture leaves out, up to the FIN, is no loss.
    check_refused(opened(), fin(), &said, 0, &[[7, 0]]);
    // What was under way is skipped, each position once, whatever its order; the other socket is asked for when it is known.
    let mut late = vec![
        known(c(5).data("fg"), 7),
        known(c(3).data("de"), 7),
        known(c(3).data("defg"), 7),
        known(s(0).data("xyz"), 8),
    ];
    late.extend(fin());
    check_refused(opened(), late, &said, 7, &[[7, 0], [7, 8]]);
}

#[test]
fn a_refusal_that_was_forgotten_is_repeated_once_a_tick() {
    let more = vec![
        known(c(3).data("d"), 7),
        Step::Tick,
        known(c(4).data("e"), 7),
        known(c(5).data("f"), 7),
        Step::Tick,
        known(c(6).fin(), 7),
    ];
    let said = ["A open TT", "A > 0 \"abc\"", "A > 6 fin", "A closed end_of_input"];
    check_refused(opened(), more, &said, 3, &[[7, 0], [7, 0]]);
}

#[test]
fn a_listener_is_never_refused() {
    // The first data that arrives from a remote peer may still be handled by the listener.
    let opening = || {
        let ack = s(-1).syn().ack(ack_c(0));
        vec![known(c(-1).syn().ingress(), 99), known(ack, 99), known(c(0).data("abc").ingress(), 99)]
    };
    let said = ["A open TT", "A > remote", "A > 0 \"abc\"", "A closed end_of_input"];
    check_refused(opening(), vec![], &said, 0, &[]);
    check_refused(opening(), vec![known(c(3).data("d").ingress(), 8)], &said, 1, &[[0, 8]]);
    check_refused(opening(), vec![known(s(0).data("d"), 8)], &said, 1, &[[0, 8]]);
}
