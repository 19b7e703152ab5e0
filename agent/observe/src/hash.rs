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

/// Hash of `bytes`, faster for texts: sixteen bytes at a time, a folded multiplication each (W. Yi, "wyhash").
#[must_use]
pub fn text64(bytes: &[u8]) -> u64 {
    let mut hash = TextHash::new(bytes.len());
    let (chunks, rest) = bytes.as_chunks::<16>();
    chunks.iter().for_each(|chunk| hash.add(u128::from_le_bytes(*chunk)));
    if !rest.is_empty() {
        hash.add(last_chunk(bytes));
    }
    hash.finish()
}

/// The state of [`text64`].
pub(crate) struct TextHash(u64);

impl TextHash {
    /// Of so many bytes.
    #[inline]
    pub(crate) fn new(length: usize) -> Self {
        // 2^64 divided by the golden ratio.
        Self((length as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Takes the next sixteen bytes; at the end, with zeros behind them ([`last_chunk`]).
    #[inline]
    pub(crate) fn add(&mut self, chunk: u128) {
        // Multipliers of Steele and Vigna ("Computationally easy, spectrally good multipliers", 2022).
        const FIRST: u64 = 0xd134_2543_de82_ef95;
        const SECOND: u64 = 0xaf25_1af3_b0f0_25b5;
        let (a, b) = (chunk as u64, (chunk >> 64) as u64);
        let product = u128::from(self.0 ^ a ^ FIRST) * u128::from(b ^ SECOND);
        self.0 = (product >> 64) as u64 ^ product as u64 ^ self.0.rotate_left(23);
    }

    #[inline]
    pub(crate) fn finish(self) -> u64 {
        mix(self.0)
    }
}

/// The 0 to 15 bytes at the end that are not a multiple of sixteen, with zeros behind them.
#[inline]
pub(crate) fn last_chunk(bytes: &[u8]) -> u128 {
    let rest = bytes.len() % 16;
    let (_, tail) = bytes.split_at_checked(bytes.len() - rest).unwrap_or((bytes, &[]));
    let (first, last) = match (tail.first_chunk::<8>(), tail.last_chunk::<8>()) {
        (Some(first), Some(last)) if rest > 8 => {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last) >> (8 * (16 - rest)))
        }
        (Some(first), _) => (u64::from_le_bytes(*first), 0),
        _ => (short_word(tail), 0),
    };
    u128::from(first) | u128::from(last) << 64
}

/// Up to seven bytes as a word.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let last = u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4));
        return u64::from(u32::from_le_bytes(*first)) | last;
    }
    let at = |i: usize| u64::from(bytes.get(i).copied().unwrap_or_default()) << (8 * i);
    at(0) | at(1) | at(2)
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
        assert_eq!(text64(b"cus_0000000000042"), 0x2de4ff9a9015ccda);
    }

    #[test]
    fn bytes_at_the_end() {
        let bytes: Vec<u8> = (1..=40).collect();
        for length in 0..=bytes.len() {
            let rest = length % 16;
            let mut chunk = [0; 16];
            chunk[..rest].copy_from_slice(&bytes[length - rest..length]);
            assert_eq!(last_chunk(&bytes[..length]).to_le_bytes(), chunk, "{length}");
        }
    }
}
