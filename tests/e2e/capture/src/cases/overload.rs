//! The ring too small, the processors busy: what is kept must be exact, and what is not must be said.

use crate::case::{Case, Expect, Socket};
use crate::plan::{Exchange, Order};

/// The smallest that holds a few records.
const SMALL_RING: u32 = 64 << 10;

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let small = |count: usize| vec![Exchange { request: 200, response: 1_000 }; count];
    let large = |count: usize| vec![Exchange { request: 1_000, response: 200_000 }; count];
    [
        ("small_ring_small_messages", Some(SMALL_RING), 0, small(250)),
        ("small_ring_large_messages", Some(SMALL_RING), 0, large(15)),
        ("small_ring_and_busy", Some(SMALL_RING), 4, small(60)),
        ("small_ring_and_busy_large_messages", Some(SMALL_RING), 4, large(8)),
        ("busy", None, 4, small(60)),
    ]
    .into_iter()
    .map(|(name, ring_bytes, busy, exchanges)| Case {
        ring_bytes,
        busy,
        exchanges,
        connections: 16,
        order: Order::Threads(8),
        socket: Socket::V4,
        expect: if ring_bytes.is_some() { Expect::Declared } else { Expect::Exact },
        ..Case::new(format!("overload/{name}"), &[])
    })
}
