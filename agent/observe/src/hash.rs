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

/// The hash of a text, taken eight bytes at a time: a folded multiplication each (W. Yi, "wyhash"), the key fixed.
pub(crate) struct Words(u64);

impl Words {
    /// 2^64 divided by the golden ratio, and a multiplier of Steele and Vigna ("Computationally easy, spectrally good
    /// multipliers", 2022).
    const LENGTH: u64 = 0x9e37_79b9_7f4a_7c15;
    const WORD: u64 = 0xd134_2543_de82_ef95;

    /// Of a text of so many bytes.
    #[inline]
    pub(crate) fn new(length: usize) -> Self {
        Self((length as u64 + 1).wrapping_mul(Self::LENGTH))
    }

    #[inline]
    pub(crate) fn add(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(Self::WORD);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    #[inline]
    pub(crate) fn finish(self) -> u64 {
        mix(self.0)
    }
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
