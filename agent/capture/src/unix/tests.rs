use pitot_common::user::{Hook, Short};

use super::*;

const CLIENT: u64 = 7000;
const SERVER: u64 = 7001;

fn record(from: u64, to: u64, position: u64, payload: &[u8], flags: u8) -> Segment {
    Segment {
        time_ns: 1_000,
        hook: Hook::Egress,
        cookie: 1,
        cgroup: 0,
        netns: 9,
        src: Endpoint::Unix(from),
        dst: Endpoint::Unix(to),
        seq: position as u32,
        ack: (position >> 32) as u32,
        flags: TcpFlags(flags),
        owner: None,
        total: payload.len() as u32,
        offset: 0,
        payload: payload.to_vec(),
        short: None,
    }
}

/// Both sockets are new, and the server's has a name.
fn tracker() -> Unix {
    let mut unix = Unix::new(Births::since(5));
    unix.named.insert(SERVER);
    unix
}

/// What comes out, as `from>to flags position payload`: the position counts from the SYN, `-` is a hole with its reason.
fn told(unix: &mut Unix, records: &[Segment]) -> Vec<String> {
    let mut out = Vec::new();
    for record in records {
        unix.segment(record.clone(), &mut |segment| out.push(tell(&segment)));
    }
    out
}

fn tell(segment: &Segment) -> String {
    let name = |end| match end {
        Endpoint::Unix(CLIENT) => "client",
        Endpoint::Unix(SERVER) => "server",
        _ => "?",
    };
    let flags = [(TcpFlags::SYN, "S"), (TcpFlags::ACK, "A"), (TcpFlags::FIN, "F"), (TcpFlags::RST, "R")];
    let flags: String =
        flags.iter().filter(|(flag, _)| segment.flags.has(*flag)).map(|(_, name)| *name).collect();
    let position = segment.seq.wrapping_sub(1_000) as i32;
    let payload = String::from_utf8_lossy(&segment.payload);
    let hole =
        segment.short.map_or(String::new(), |short| format!("-{}:{}", short.bytes, short.reason.as_str()));
    format!("{}>{} {flags}{position} {payload}{hole}", name(segment.src), name(segment.dst))
}

#[test]
fn a_new_connection_is_opened_from_the_end_without_a_name() {
    let opening = ["client>server S-1 ", "server>client SA-1 "];
    let check = |from, to, rest: &[&str]| {
        let told = told(&mut tracker(), &[record(from, to, 0, b"GET", TcpFlags::SYN)]);
        assert_eq!(told, [&opening[..], rest].concat());
    };
    check(CLIENT, SERVER, &["client>server 0 GET"]);
    check(SERVER, CLIENT, &["server>client 0 GET"]);
}

#[test]
fn an_old_connection_is_joined_in_the_middle() {
    let mut unix = Unix::new(Births::since(7));
    let records =
        [record(CLIENT, SERVER, 0, b"GET", TcpFlags::SYN), record(SERVER, CLIENT, 0, b"200", TcpFlags::SYN)];
    assert_eq!(told(&mut unix, &records), ["client>server 0 GET", "server>client 0 200"]);
}

#[test]
fn holes_where_the_kernel_part_counted_on() {
    let mut unix = tracker();
    let first = record(CLIENT, SERVER, 0, b"ab", TcpFlags::SYN);
    let second = record(CLIENT, SERVER, 5, b"f", 0);
    let unreadable = Short { reason: LossReason::Unreadable, bytes: 4 };
    let third = Segment { total: 4, short: Some(unreadable), ..record(CLIENT, SERVER, 6, b"", 0) };
    let expected = [
        "client>server 0 ab",
        "client>server 2 -3:ring_full",
        "client>server 5 f",
        "client>server 6 -4:unreadable",
    ];
    assert_eq!(told(&mut unix, &[first, second, third])[2..], expected);
}

#[test]
fn every_stream_has_a_hole_where_a_program_was_left_out() {
    let mut unix = tracker();
    told(&mut unix, &[record(CLIENT, SERVER, 0, b"ab", TcpFlags::SYN)]);
    unix.missed(Births::since(8));
    let records = [
        record(CLIENT, SERVER, 2, b"c", 0),
        record(CLIENT, SERVER, 3, b"d", 0),
        record(SERVER, CLIENT, 0, b"x", 0),
    ];
    let expected = [
        "client>server 2 -1:recursion",
        "client>server 3 c",
        "client>server 4 d",
        "server>client 0 -1:recursion",
        "server>client 1 x",
    ];
    assert_eq!(told(&mut unix, &records), expected);
    let young = told(&mut unix, &[record(CLIENT + 5, SERVER + 5, 0, b"y", TcpFlags::SYN)]);
    assert_eq!(young, ["?>? 0 y"], "its beginning may be what was missed");
}

#[test]
fn a_stream_that_the_kernel_part_forgot_goes_on_behind_a_hole() {
    let mut unix = tracker();
    let records =
        [record(CLIENT, SERVER, 0, b"abc", TcpFlags::SYN), record(CLIENT, SERVER, 0, b"de", TcpFlags::SYN)];
    let expected = ["client>server 0 abc", "client>server 3 -1:map_full", "client>server 4 de"];
    assert_eq!(told(&mut unix, &records)[2..], expected);
}

#[test]
fn ends() {
    let mut unix = tracker();
    let open = record(CLIENT, SERVER, 0, b"ab", TcpFlags::SYN);
    told(&mut unix, std::slice::from_ref(&open));
    // The server has read the end of a client that is closed and reads no more.
    let end = record(CLIENT, SERVER, 2, b"", TcpFlags::FIN | TcpFlags::RST);
    assert_eq!(told(&mut unix, &[end]), ["client>server F2 ", "server>client R0 "]);
    assert!(unix.streams.is_empty() && unix.peers.is_empty() && unix.named.is_empty());

    let check = |fate, expected: &str| {
        let mut unix = tracker();
        told(&mut unix, std::slice::from_ref(&open));
        let mut out = Vec::new();
        unix.ended(SERVER, fate, 5, &mut |segment| out.push(tell(&segment)));
        unix.ended(SERVER, fate, 5, &mut |segment| out.push(tell(&segment)));
        assert_eq!(out, [expected]);
    };
    check(Fate::AtEnd, "client>server F2 ");
    check(Fate::Closed, "client>server R2 ");
}

#[test]
fn a_sender_that_closed_is_known_by_what_it_received() {
    let mut unix = tracker();
    told(&mut unix, &[record(SERVER, CLIENT, 0, b"hello", TcpFlags::SYN)]);
    unix.streams.remove(&SERVER);
    assert_eq!(told(&mut unix, &[record(0, SERVER, 0, b"bye", TcpFlags::SYN)]), ["client>server 0 bye"]);
}

#[test]
fn positions_have_64_bits() {
    let mut unix = tracker();
    told(&mut unix, &[record(CLIENT, SERVER, 0, b"a", TcpFlags::SYN)]);
    let mut missing = 0;
    let far = record(CLIENT, SERVER, (5 << 32) + 1, b"z", 0);
    unix.segment(far, &mut |segment| missing += segment.short.map_or(0, |short| u64::from(short.bytes)));
    assert_eq!(missing, 5 << 32);
}
