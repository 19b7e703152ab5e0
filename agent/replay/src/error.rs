//! What can go wrong with a capture file, and what to do about it.

use std::io;

/// Why a capture file could not be written, or not be read further. Record numbers count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not begin like a capture file.
    #[error(
        "not a capture file (it does not begin with the capture mark): give a file written by `pitot record`, or say \
         what it is with --format"
    )]
    NotACapture,
    /// The file has another version of the format.
    #[error("capture format version {found}, this program reads version {VERSION}: replay it with the version of pitot that wrote it", VERSION = crate::VERSION)]
    Version {
        /// The file's version.
        found: u16,
    },
    /// The file ends before its last record, or inside of one.
    #[error(
        "cut off in record {record} at byte {offset}: the {} records before it were read; copy the file again, or let \
         the recording end by itself",
        record - 1
    )]
    Truncated {
        /// Where the record begins.
        offset: u64,
        /// Which record.
        record: u64,
    },
    /// A record is damaged.
    #[error("damaged in record {record} at byte {offset} ({fault}): the {} records before it were read; copy the file again", record - 1)]
    Corrupt {
        /// Where the record begins.
        offset: u64,
        /// Which record.
        record: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The file could not be read.
    #[error("cannot read at byte {offset}: {source}")]
    Read {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write the capture file: {0}")]
    Write(#[source] io::Error),
    /// An event does not fit into a record.
    #[error("an event of {bytes} bytes does not fit into a record of at most {max}", max = crate::MAX_BODY)]
    EventTooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Longer than any record may be.
    #[error("its length is given as {0} bytes")]
    Length(u32),
    /// The checksum differs.
    #[error("its checksum differs")]
    Checksum,
    /// The type is not one of this version.
    #[error("its type {0} is unknown")]
    Type(u8),
    /// The body ends before its last field, or goes on after it.
    #[error("its fields do not fit its length")]
    Fields,
    /// A text is not UTF-8.
    #[error("a text in it is not UTF-8")]
    Text,
    /// A number stands for nothing: an address family, a reason, or a bit.
    #[error("it contains the unknown code {0}")]
    Code(u8),
    /// A segment contains more than its packet.
    #[error("its payload does not fit into its packet")]
    Payload,
    /// The last record counts other records than there are.
    #[error("the end counts {0} records")]
    Count(u64),
    /// Something follows the last record.
    #[error("something follows the end")]
    AfterEnd,
}
