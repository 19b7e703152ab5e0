//! Seeded bodies: anyone who knows a message's name and size knows its bytes.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Most JSON bodies are one string of these characters: valid on one line, without escapes.
const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// The body of the message with this seed and size: JSON for every other seed, any bytes for the rest.
#[must_use]
pub fn body(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed ^ size as u64);
    let mut bytes = random.bytes(size);
    if is_json(seed) {
        for byte in &mut bytes {
            *byte = ALPHABET[usize::from(*byte) % ALPHABET.len()];
        }
        match bytes.as_mut_slice() {
            [] => {}
            [only] => *only = b'7',
            [first, .., last] => (*first, *last) = (b'"', b'"'),
        }
    }
    bytes
}

/// Whether the body of this seed is JSON.
#[must_use]
pub fn is_json(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

/// Hex SHA-256.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The seed of a named thing (FNV-1a, Fowler, Noll and Vo).
#[must_use]
pub fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Pseudo-random numbers (xorshift64*, Vigna 2016).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).max(1))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// True once in `n` times on average.
    pub fn once_in(&mut self, n: u64) -> bool {
        (self.number() >> 32).is_multiple_of(n)
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_size_and_kind() {
        for size in [0, 1, 2, 3, 17, 4096] {
            assert_eq!(body(1, size).len(), size);
            let json = body(2, size);
            assert_eq!(json.len(), size);
            assert!(size == 0 || serde_json::from_slice::<serde_json::Value>(&json).is_ok(), "{size}");
        }
        assert_eq!(body(3, 100), body(3, 100));
        assert_ne!(body(3, 100), body(5, 100));
    }
}
