//! Every kind of socket, and every way to share one.

use super::paths;
use crate::case::{Case, Expect, Socket, Start};
use crate::plan::{Exchange, Manner, Order};
use crate::receive::ReceivePath;
use crate::send::SendPath;
use crate::wire::Side;

const SIZES: &[usize] = &[0, 1, 17, 1_448, 65_536, 1 << 20, 0, 300];
/// Small and large in turn, for the cases where it matters who sends which.
const TURNS: &[usize] = &[10, 3_000, 70_000, 0, 500, 200_000, 1, 20, 9_000, 40];
/// The last one is cut in the middle of its body.
const CUT: &[usize] = &[10, 3_000, 300_000];

/// TCP: kinds of sockets, then kinds of sharing.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    kinds().into_iter().chain(sharing("share/", Socket::V4)).chain(tcp()).chain(ends()).chain(many())
}

/// Unix sockets: each kind with every way to send and receive, and every way to share.
pub(super) fn unix() -> impl Iterator<Item = Case> {
    let kinds =
        [("path", Socket::UnixPath), ("abstract", Socket::UnixAbstract), ("socketpair", Socket::Socketpair)];
    let kinds = kinds.into_iter().map(|(name, socket)| Case {
        socket,
        // A pair has to be there before the two processes that get it, and so before the recording.
        expect: if socket == Socket::Socketpair { Expect::Declared } else { Expect::Exact },
        ..Case::new(format!("unix/{name}"), SIZES)
    });
    // The path lanes differ here: below a Unix socket there is no packet.
    let ways = paths::cases()
        .filter(|case| !paths::TCP_ONLY.contains(&case.name.as_str()))
        .map(|case| Case { name: format!("unix/{}", case.name), socket: Socket::UnixPath, ..case });
    let before = Case {
        start: Start::Late,
        expect: Expect::Declared,
        ..of(Socket::UnixPath, "unix/before/opened_before", TURNS)
    };
    let names = Case { names: true, ..of(Socket::UnixPath, "unix/names/both_ends", TURNS) };
    let urgent = |name, receive, expect| Case {
        send: SendPath::Urgent,
        receive,
        expect,
        ..of(Socket::UnixPath, name, TURNS)
    };
    let urgent = [
        urgent("unix/urgent_byte", ReceivePath::Read, Expect::Exact),
        // Whoever was given it alone, the kernel does not say at once.
        urgent("unix/urgent_byte_taken", ReceivePath::UrgentThenRead, Expect::Declared),
    ];
    kinds.chain(ways).chain(sharing("unix/share/", Socket::UnixPath)).chain([before, names]).chain(urgent)
}

fn of(socket: Socket, name: &str, sizes: &[usize]) -> Case {
    Case { socket, ..Case::new(name, sizes) }
}

fn kinds() -> Vec<Case> {
    vec![
        of(Socket::V4, "socket/v4", SIZES),
        of(Socket::V6, "socket/v6", SIZES),
        of(Socket::Mapped, "socket/v4_mapped", SIZES),
        Case { names: true, ..of(Socket::V4, "names/both_ends", TURNS) },
        Case { select_by_comm: true, ..of(Socket::V4, "select/by_comm", TURNS) },
        Case { expect: Expect::Declared, ..of(Socket::Mptcp, "socket/mptcp", SIZES) },
        // More than one body may hold: declared as such.
        Case { expect: Expect::Declared, ..of(Socket::V4, "size/beyond_the_cap", &[40 << 20]) },
        of(Socket::V4, "size/24_mib_in_one_write", &[24 << 20]),
    ]
}

fn sharing(prefix: &str, socket: Socket) -> Vec<Case> {
    let case = |name: &str, manner| Case { manner, ..of(socket, &format!("{prefix}{name}"), TURNS) };
    vec![
        case("dup", Manner::Dup),
        case("two_threads", Manner::TwoThreads),
        case("pipelined_by_threads", Manner::Pipelined),
        case("forked_child_sends", Manner::Forked),
        case("passed_by_scm_rights", Manner::Passed),
        case("half_close", Manner::HalfClose),
        Case {
            connections: 2_000,
            exchanges: vec![Exchange { request: 100, response: 1_000 }],
            ..case("reused_descriptors", Manner::Plain)
        },
    ]
    .into_iter()
    .chain(cuts(prefix, socket))
    .collect()
}

/// Connections that end in the middle of a message.
fn cuts(prefix: &str, socket: Socket) -> Vec<Case> {
    let manners = [
        ("reset_in_request", Manner::Reset(Side::Request)),
        ("reset_in_response", Manner::Reset(Side::Response)),
        ("killed_in_request", Manner::Killed(Side::Request)),
        ("killed_in_response", Manner::Killed(Side::Response)),
    ];
    let case = |(name, manner): (&str, Manner)| Case {
        manner,
        expect: Expect::ExactButCut,
        ..of(socket, &format!("{prefix}{name}"), CUT)
    };
    manners.into_iter().map(case).collect()
}

/// Connections that are older than the recording: the first messages prove where it stands.
fn ends() -> Vec<Case> {
    let turns: Vec<usize> = TURNS.iter().copied().cycle().take(60).collect();
    let late = |name: &str, socket| Case {
        start: Start::Late,
        expect: Expect::Declared,
        ..of(socket, name, &turns)
    };
    vec![
        late("before/v4", Socket::V4),
        late("before/v6", Socket::V6),
        Case { connections: 200, ..late_many("before/200_connections", &[100, 5_000, 20]) },
    ]
}

fn late_many(name: &str, sizes: &[usize]) -> Case {
    Case { start: Start::Late, expect: Expect::Declared, ..of(Socket::V4, name, sizes) }
}

/// What only TCP has.
fn tcp() -> Vec<Case> {
    let each = |name: &str, manner| Case { manner, connections: 20, ..of(Socket::V4, name, &[3_000]) };
    vec![
        // What the receiver reads is not what is on the wire.
        Case { send: SendPath::Urgent, expect: Expect::Declared, ..of(Socket::V4, "tcp/urgent_byte", TURNS) },
        Case {
            send: SendPath::Urgent,
            receive: ReceivePath::UrgentThenRead,
            expect: Expect::Declared,
            ..of(Socket::V4, "tcp/urgent_byte_taken", TURNS)
        },
        Case { connections: 200, ..each("tcp/same_addresses_again", Manner::SameAddresses) },
        each("tcp/response_until_close", Manner::UntilClose),
        Case { expect: Expect::ExactButCut, ..each("tcp/response_until_reset", Manner::UntilReset) },
    ]
}

fn many() -> Vec<Case> {
    let exchanges =
        |sizes: &[usize]| sizes.iter().map(|&size| Exchange { request: 50, response: size }).collect();
    vec![
        Case {
            connections: 2_000,
            order: Order::AllOpen,
            exchanges: exchanges(&[1_000, 10]),
            ..of(Socket::V4, "many/2000_at_once", &[])
        },
        Case {
            connections: 200,
            order: Order::Threads(8),
            exchanges: exchanges(&[20_000, 1_000, 60_000]),
            ..of(Socket::V4, "many/200_by_8_threads", &[])
        },
    ]
}
