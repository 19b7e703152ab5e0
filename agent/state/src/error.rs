//! What can be wrong with a file of state.

/// Why state cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not begin as such a file does.
    #[error("this is not a file of Pitot's state")]
    NotState,
    /// Written by another version of Pitot.
    #[error("it has format {found}, this version of Pitot reads format {known}")]
    Version {
        /// The version it has.
        found: u32,
        /// [`crate::VERSION`].
        known: u32,
    },
    /// Shorter than it says.
    #[error("it is cut off: {found} bytes of {expected}")]
    Truncated {
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// Longer than it says.
    #[error("{extra} bytes follow its end")]
    Trailing {
        /// Bytes too many.
        extra: u64,
    },
    /// Longer than [`crate::LONGEST`].
    #[error("it would be {length} bytes long, the most is {}", crate::LONGEST)]
    TooLong {
        /// Bytes.
        length: u64,
    },
    /// A byte is not as it was written.
    #[error("its checksum does not match: it was damaged")]
    Checksum,
    /// Undamaged, and not what this version stores.
    #[error("its content is not what this version of Pitot stores: {0}")]
    Content(#[source] rmp_serde::decode::Error),
    /// A value that cannot be stored.
    #[error("it cannot be stored: {0}")]
    Encode(#[source] rmp_serde::encode::Error),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Whether the file itself is of no use, as opposed to not being readable now.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        !matches!(self, Self::Io(_) | Self::Encode(_))
    }
}
