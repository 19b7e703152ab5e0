//! Between two network namespaces: real segments, retransmitted, reordered, duplicated, translated.

use crate::case::{Case, Expect, Socket};
use crate::kernel;
use crate::link::Between;
use crate::plan::{Manner, Order};

const SIZES: &[usize] = &[0, 1, 17, 1_448, 65_536, 1 << 20, 300, 4 << 20];
/// Retransmission takes its time.
const FEWER: &[usize] = &[0, 1, 1_448, 65_536, 300_000];

/// Before Linux 6.12 what a packet holds beyond 80 KiB is not captured, and said to be so (`docs/kernels.md`).
fn of_large_packets() -> Expect {
    if kernel::version() < kernel::FULL { Expect::Declared } else { Expect::Exact }
}

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let case = |name: &str, between, socket, sizes| Case {
        link: Some(between),
        socket,
        ..Case::new(format!("link/{name}"), sizes)
    };
    [
        Case { names: true, ..case("veth", Between::Veth, Socket::V4, SIZES) },
        case("veth_v6", Between::Veth, Socket::V6, SIZES),
        Case {
            connections: 20,
            manner: Manner::EarlyData,
            ..case("data_with_the_syn", Between::EarlyData, Socket::V4, &[100, 3_000])
        },
        case("small_segments", Between::SmallSegments, Socket::V4, SIZES),
        Case { expect: of_large_packets(), ..case("big_tcp", Between::BigTcp, Socket::V4, SIZES) },
        Case { expect: of_large_packets(), ..case("big_tcp_v6", Between::BigTcp, Socket::V6, SIZES) },
        Case {
            expect: of_large_packets(),
            ..case("big_tcp_on_loopback", Between::BigTcpOnLoopback, Socket::V4, SIZES)
        },
        Case {
            expect: of_large_packets(),
            ..case("big_tcp_on_loopback_v6", Between::BigTcpOnLoopback, Socket::V6, SIZES)
        },
        case("loss", Between::Loss, Socket::V4, FEWER),
        Case {
            connections: 12,
            order: Order::Threads(6),
            ..case("loss_12_connections", Between::Loss, Socket::V4, FEWER)
        },
        case("reordered_and_duplicated", Between::Relay, Socket::V4, SIZES),
        Case {
            connections: 12,
            order: Order::Threads(6),
            ..case("reordered_and_duplicated_12_connections", Between::Relay, Socket::V4, FEWER)
        },
        case("nat", Between::Nat, Socket::V4, SIZES),
        Case {
            connections: 50,
            order: Order::AllOpen,
            ..case("nat_50_connections", Between::Nat, Socket::V4, FEWER)
        },
        case("nat_of_the_port", Between::NatPort, Socket::V4, FEWER),
        // What one level has acknowledged the other may send again; and with two subflows a message is spread over two
        // connections, and neither holds it.
        Case { expect: Expect::Declared, ..case("mptcp", Between::Veth, Socket::Mptcp, SIZES) },
        Case {
            expect: Expect::Declared,
            ..case("mptcp_two_subflows", Between::TwoPaths, Socket::Mptcp, SIZES)
        },
    ]
    .into_iter()
}
