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
    // 2^64 divided by the golden ratio, and multipliers of Steele and Vigna ("Computationally easy, spectrally good
    // multipliers", 2022).
    const LENGTH: u64 = 0x9e37_79b9_7f4a_7c15;
    const FIRST: u64 = 0xd134_2543_de82_ef95;
    const SECOND: u64 = 0xaf25_1af3_b0f0_25b5;
    let mut hash = (bytes.len() as u64 + 1).wrapping_mul(LENGTH);
    let mut add = |a: u64, b: u64| {
        let product = u128::from(hash ^ a ^ FIRST) * u128::from(b ^ SECOND);
        hash = (product >> 64) as u64 ^ product as u64 ^ hash.rotate_left(23);
    };
    let (pairs, rest) = bytes.as_chunks::<16>();
    let word = |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    for pair in pairs {
        add(word(pair), word(&pair[8..]));
    }
    match rest.len() {
        0 => {}
        1..8 => add(last_word(bytes), 0),
        8 => add(word(rest), 0),
        _ => add(word(rest), last_word(bytes)),
    }
    mix(hash)
}

/// The bytes at the end that are no whole word of eight, as a word with zeros behind them.
#[inline]
pub(crate) fn last_word(bytes: &[u8]) -> u64 {
    let rest = bytes.len() % 8;
    if rest == 0 {
        return 0;
    }
    if let Some(last) = bytes.last_chunk::<8>() {
        return u64::from_le_bytes(*last) >> (8 * (8 - rest));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first))
            | u64::from(u32::from_le_bytes(*last)) << (8 * (rest - 4));
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
    fn last_words() {
        let bytes: Vec<u8> = (1..=40).collect();
        for length in 0..=bytes.len() {
            let rest = length % 8;
            let mut word = [0; 8];
            word[..rest].copy_from_slice(&bytes[length - rest..length]);
            assert_eq!(last_word(&bytes[..length]), u64::from_le_bytes(word), "{length}");
        }
    }
}
