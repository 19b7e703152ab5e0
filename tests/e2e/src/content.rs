//! Seeded files to serve and send, known by their hash.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Files named by their size, in a directory to be served.
#[derive(Debug)]
pub struct Content {
    /// The directory.
    pub dir: TempDir,
    hashes: HashMap<usize, String>,
}

impl Content {
    /// Writes a file of each size in bytes.
    ///
    /// # Panics
    /// When the temporary directory can't be written.
    #[must_use]
    pub fn new(sizes: &[usize]) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let hashes = sizes
            .iter()
            .map(|&size| {
                let bytes = bytes(size);
                fs::write(dir.path().join(size.to_string()), &bytes).expect("write content");
                (size, hash(&bytes))
            })
            .collect();
        Self { dir, hashes }
    }

    /// The file of this size.
    #[must_use]
    pub fn file(&self, size: usize) -> PathBuf {
        self.dir.path().join(size.to_string())
    }

    /// Whether a recorded message holds exactly one of these files.
    #[must_use]
    pub fn knows(&self, message: &Value) -> bool {
        let size = message["body_bytes"].as_u64().and_then(|n| usize::try_from(n).ok());
        let hash = size.and_then(|size| self.hashes.get(&size));
        hash.is_some_and(|hash| message["body_sha256"] == hash.as_str())
    }
}

/// Hex SHA-256.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `size` bytes that depend on the size alone (xorshift64*, Vigna 2016).
fn bytes(size: usize) -> Vec<u8> {
    let mut state = size as u64 ^ 0x9e37_79b9_7f4a_7c15;
    (0..size)
        .map(|_| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
        })
        .collect()
}
