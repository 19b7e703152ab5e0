//! A 64-bit hash with a fixed key: the same in every partition, process and release.
//!
//! FNV-1a over the bytes, then the finalizer of SplitMix64 (Steele, Lea, Flood 2014), so that sums of hashes stay
//! well distributed. Not for tables whose keys traffic chooses: those use std's random seed.

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Hash of `bytes`.
#[must_use]
pub fn fixed64(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)))
}

/// A bijection of 64-bit numbers in which every input bit moves every output bit.
#[must_use]
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is part of stored state: it must never change.
    #[test]
    fn is_fixed() {
        assert_eq!(fixed64(b""), mix(FNV_OFFSET));
        assert_eq!(fixed64(b"$.amount"), 0x9b4d_d769_92e5_a013);
        assert_ne!(fixed64(b"ab"), fixed64(b"ba"));
    }
}
