//! The messages format: one message a line (contract, section 6).
//!
//! [`Reader`] gives the lines of a file in order of their time; [`Writer`] writes messages. What was
//! written and is read back gives the same messages: bodies byte for byte, except for header values that
//! must not be written.

use std::sync::Arc;

mod json;
mod line;
mod reader;
mod window;
mod writer;

pub use line::Fault;
pub use reader::{Counts, Item, LineError, Reader};
pub use writer::{HIDDEN, Writer};

/// A period in which messages may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureGap {
    /// Its begin, ns since the Unix epoch.
    pub t_ns: u64,
    /// Its end.
    pub until_ns: u64,
    /// Client workload.
    pub client: Arc<str>,
    /// Server workload.
    pub server: Arc<str>,
    /// The only connection concerned, if it is only one.
    pub conn: Option<Arc<str>>,
    /// How many, where that is known.
    pub lost_messages: Option<u64>,
}

/// What can end reading or writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read on.
    #[error("cannot read line {line} of the messages: {source}")]
    Read {
        /// Line number, from 1.
        line: u64,
        /// Why.
        source: std::io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write messages: {0}")]
    Write(#[source] std::io::Error),
}
