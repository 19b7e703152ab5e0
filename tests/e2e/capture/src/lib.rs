//! The capture suite: every way to move bytes over a socket as a small real program, while Pitot records.
//!
//! **In:** a machine with root, a kernel, and the program `pitot`. **Out:** for each case a [`Row`](compare::Row): how
//! many messages were sent, and how many of them Pitot reported exactly, declared incomplete, declared lost, kept
//! silent about (missing), or reported otherwise than they were sent (wrong). The last two must be 0.
//!
//! Sender and receiver are two processes, this program again as `peer`. They exchange HTTP/1.1 messages with seeded
//! bodies in the way under test and tell the driver the hash of each; the driver compares with the recording.
//!
//! ```sh
//! pitot-capture-suite list
//! pitot-capture-suite run --filter send/ --pitot target/release/pitot
//! ```
#![deny(unsafe_code)]

pub mod case;
pub mod cases;
pub mod command;
pub mod compare;
pub mod content;
pub mod driver;
pub mod harness;
mod kernel;
pub mod link;
pub mod peer;
pub mod plan;
pub mod raw;
pub mod receive;
pub mod recording;
pub mod send;
pub mod socket;
pub mod table;
pub mod wire;

/// Why a case could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What it needs is not on this machine.
    #[error("{0}")]
    Unsupported(String),
    /// A file or process of the suite's own.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// A peer said so.
    #[error("{0}")]
    Peer(String),
    /// The recording failed.
    #[error("pitot record: {0}")]
    Pitot(String),
    /// It took too long.
    #[error("took longer than {0:?}")]
    Deadline(std::time::Duration),
}

impl Error {
    /// For `map_err`: an error about `what`.
    pub fn io(what: impl ToString) -> impl Fn(std::io::Error) -> Self {
        let what = what.to_string();
        move |source| match source.kind() {
            std::io::ErrorKind::Unsupported => Self::Unsupported(source.to_string()),
            _ => Self::Io { what: what.clone(), source },
        }
    }
}
