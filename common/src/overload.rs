//! Which connections are left out while the ring buffer fills up.
//!
//! Time is cut into epochs of about a second. In each, every connection has a rank: a number that is the same for both its directions,
//! is spread evenly over all connections, and is drawn anew in the next epoch. A connection is captured while its rank is
//! below a limit, which falls from "all" to "none" as the ring fills from [`LOW`] to [`HIGH`]. Within an epoch the limit
//! never rises, so a connection that was left out stays out until the epoch ends: it loses one stretch, not bytes here and
//! there; and because ranks are drawn anew, none is left out for good.

/// An epoch is 2 to this many ns long: 1.07 s.
pub const EPOCH_SHIFT: u32 = 30;
/// Sixteenths of the ring from which connections are left out,
pub const LOW: u32 = 12;
/// and from which all are. What is above takes the records that say so, and packets under way on other CPUs.
pub const HIGH: u32 = 15;
/// The limit that admits every rank.
pub const ALL: u32 = u32::MAX;

/// The epoch of a time since boot; never 0.
#[inline(always)]
#[must_use]
pub fn epoch(time_ns: u64) -> u32 {
    (time_ns >> EPOCH_SHIFT) as u32 | 1 << 31
}

/// The limit for a ring of `size` bytes of which `fill` are taken.
#[inline(always)]
#[must_use]
pub fn limit(fill: u32, size: u32) -> u32 {
    let (low, high) = (size / 16 * LOW, size / 16 * HIGH);
    if fill <= low {
        ALL
    } else if fill >= high {
        0
    } else {
        (u64::from(high - fill) * u64::from(ALL - 1) / u64::from(high - low)) as u32
    }
}

/// The lowest limit of an epoch so far, and the epoch, in one word: `epoch << 32 | limit`.
#[inline(always)]
#[must_use]
pub fn lowest(word: u64, epoch: u32, limit: u32) -> u64 {
    let before = if (word >> 32) as u32 == epoch { word as u32 } else { ALL };
    u64::from(epoch) << 32 | u64::from(if limit < before { limit } else { before })
}

/// Whether a connection of this rank is captured under this limit.
#[inline(always)]
#[must_use]
pub fn admits(limit: u32, rank: u32) -> bool {
    limit == ALL || rank < limit
}

/// The rank of a connection: from its ends, in either order, in an epoch. `key` is secret, so that nobody can choose
/// addresses that are never left out.
#[inline(always)]
#[must_use]
pub fn rank(key: u64, epoch: u32, ends: [([u64; 2], u16); 2]) -> u32 {
    let [a, b] = ends;
    let both = end(key, a).wrapping_add(end(key, b));
    (mix(both ^ key ^ u64::from(epoch)) >> 32) as u32
}

#[inline(always)]
fn end(key: u64, (address, port): ([u64; 2], u16)) -> u64 {
    mix(mix(address[0] ^ key) ^ address[1].wrapping_add(u64::from(port) << 48 | u64::from(port)))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[inline(always)]
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits() {
        let check = |fill, expected| assert_eq!(limit(fill, 1 << 24), expected, "{fill}");
        check(0, ALL);
        check(12 << 20, ALL);
        check((12 << 20) + (3 << 19), (ALL - 1) / 2);
        check(15 << 20, 0);
        check(u32::MAX, 0);
    }

    #[test]
    fn an_epoch_forgets_the_last_ones_limit() {
        let word = lowest(0, 7, 100);
        assert_eq!((word, lowest(word, 7, 200), lowest(word, 7, 50)), (7 << 32 | 100, word, 7 << 32 | 50));
        assert_eq!(lowest(word, 8, ALL) as u32, ALL);
    }

    /// Over many epochs each connection is left out about as often as the limit says, and no oftener than others.
    #[test]
    fn everybody_has_a_turn() {
        let connections: Vec<_> =
            (0..50u16).map(|i| [([0x0100_007f, 0], 40_000 + i), ([0x0100_007f, 0], 80)]).collect();
        let half = u32::MAX / 2;
        for ends in connections {
            let admitted = (0..400).filter(|epoch| admits(half, rank(1, *epoch, ends))).count();
            assert!((140..260).contains(&admitted), "{admitted} of 400");
        }
    }

    proptest! {
        #[test]
        fn both_directions_have_one_rank(key: u64, epoch: u32, a: ([u64; 2], u16), b: ([u64; 2], u16)) {
            prop_assert_eq!(rank(key, epoch, [a, b]), rank(key, epoch, [b, a]));
        }

        #[test]
        fn a_fuller_ring_admits_no_more(a: u32, b: u32, shift in 16u32..30) {
            let (less, more) = (a.min(b), a.max(b));
            prop_assert!(limit(more, 1 << shift) <= limit(less, 1 << shift));
        }

        #[test]
        fn who_was_left_out_stays_out(fills: Vec<u32>, rank: u32) {
            let mut word = 0;
            let mut out = false;
            for fill in fills {
                word = lowest(word, 3, limit(fill, 1 << 24));
                let now = !admits(word as u32, rank);
                prop_assert!(now || !out);
                out = now;
            }
        }
    }
}
