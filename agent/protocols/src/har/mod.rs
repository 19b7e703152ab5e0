//! HTTP archives (HAR 1.2, as browsers and proxies export them): one JSON document, an entry an exchange.
//!
//! An archive holds what a program says it sent and received, not what was captured: bodies are decoded already, and
//! one that was left out of the archive makes its message incomplete.

mod entry;

use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::message::{Message, Order};

/// Longest archive, bytes: it is one document and is held as a whole.
const ARCHIVE_MAX: u64 = 512 << 20;

/// Why an archive can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file can't be read on.
    #[error("cannot read the archive: {0}")]
    Read(#[from] std::io::Error),
    /// Longer than what is held.
    #[error("the archive is longer than {ARCHIVE_MAX} bytes: export fewer entries")]
    TooLong,
    /// Not an archive.
    #[error("not an HTTP archive: {0}; export HAR 1.2")]
    NotAnArchive(#[from] serde_json::Error),
}

/// An entry that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("entry {entry}: {fault}; it is skipped")]
pub struct EntryError {
    /// Its number, from 1.
    pub entry: usize,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A member is missing or of another type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// `startedDateTime` is no time of ISO 8601 with an offset, or lies before 1970.
    #[error("startedDateTime is no time with an offset since 1970")]
    Time,
    /// `encoding` is not base64, or the text is not.
    #[error("the response's content is not in the encoding it names")]
    Encoding,
}

/// What an archive holds.
#[derive(Debug, Default)]
pub struct Archive {
    /// Requests and responses, in the order of their time.
    pub messages: Vec<Message>,
    /// Entries that were skipped.
    pub errors: Vec<EntryError>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    log: Log<'a>,
}

#[derive(Deserialize)]
struct Log<'a> {
    browser: Option<Program>,
    creator: Option<Program>,
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Program {
    name: String,
}

/// Reads an archive. The client is named after the browser, else the program that made the archive; a server after its host.
///
/// ```
/// let archive = r#"{"log":{"browser":{"name":"Firefox"},"entries":[{"startedDateTime":"2026-11-22T15:00:00.000+01:00","time":12,
///   "request":{"method":"GET","url":"http://pay.example/v1/n?q=1","headers":[]},
///   "response":{"status":200,"headers":[],"content":{"size":7,"mimeType":"application/json","text":"{\"n\":1}"}}}]}}"#;
/// let read = pitot_protocols::har::read(archive.as_bytes())?;
/// assert_eq!(read.messages.len(), 2);
/// assert_eq!(&read.messages[1].body[..], br#"{"n":1}"#);
/// # Ok::<(), pitot_protocols::har::Error>(())
/// ```
///
/// # Errors
/// When it is no archive as a whole; single bad entries are in [`Archive::errors`].
pub fn read(input: impl Read) -> Result<Archive, Error> {
    let mut text = Vec::new();
    input.take(ARCHIVE_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > ARCHIVE_MAX {
        return Err(Error::TooLong);
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let Document { log } = serde_json::from_slice(text)?;
    let client = log.browser.or(log.creator).map_or_else(|| "external".into(), |program| program.name.into());
    let mut archive = Archive::default();
    for (index, raw) in log.entries.iter().enumerate() {
        match entry::messages(raw, &client, index) {
            Ok(messages) => archive.messages.extend(messages),
            Err(fault) => archive.errors.push(EntryError { entry: index + 1, fault }),
        }
    }
    // Stable: a request stays before a response of the same time.
    archive.messages.sort_by_key(|message| message.t_ns);
    for (seq, message) in (0..).zip(&mut archive.messages) {
        message.order = Order { seq, conn: 0, index: 0 };
    }
    Ok(archive)
}
