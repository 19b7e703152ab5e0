//! Collects a body: one slice where it came in one piece, else one buffer.

use bytes::{Bytes, BytesMut};

use crate::Limits;
use crate::message::Incomplete;

/// A body as far as it has come.
#[derive(Debug)]
pub(crate) enum Body {
    /// At most one piece, a slice of what was captured.
    Slice(Bytes),
    /// Several pieces, copied together.
    Joined(BytesMut),
    /// Given up; nothing is collected any more, what was collected before a gap is kept.
    Closed(Bytes),
}

impl Body {
    pub(crate) fn new() -> Self {
        Self::Slice(Bytes::new())
    }

    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Slice(bytes) | Self::Closed(bytes) => bytes.len(),
            Self::Joined(bytes) => bytes.len(),
        }
    }

    /// Adds a piece, keeping `buffered` in step.
    ///
    /// # Errors
    /// Where it goes beyond a cap: then the body is dropped.
    pub(crate) fn push(
        &mut self,
        piece: Bytes,
        limits: &Limits,
        buffered: &mut usize,
    ) -> Result<(), Incomplete> {
        if matches!(self, Self::Closed(_)) || piece.is_empty() {
            return Ok(());
        }
        if self.len() + piece.len() > limits.body {
            self.give_up(buffered);
            return Err(Incomplete::TooLarge);
        }
        if *buffered + piece.len() > limits.buffered {
            self.give_up(buffered);
            return Err(Incomplete::Memory);
        }
        *buffered += piece.len();
        match self {
            Self::Slice(first) if first.is_empty() => *self = Self::Slice(piece),
            Self::Slice(first) => {
                let mut joined = BytesMut::with_capacity((first.len() + piece.len()).next_power_of_two());
                joined.extend_from_slice(first);
                joined.extend_from_slice(&piece);
                *self = Self::Joined(joined);
            }
            Self::Joined(joined) => joined.extend_from_slice(&piece),
            Self::Closed(_) => {}
        }
        Ok(())
    }

    /// Drops what was collected.
    pub(crate) fn give_up(&mut self, buffered: &mut usize) {
        *buffered = buffered.saturating_sub(self.len());
        *self = Self::Closed(Bytes::new());
    }

    /// Nothing more is collected: what follows is not connected to what is there.
    pub(crate) fn close(&mut self) {
        let body = std::mem::replace(self, Self::new());
        *self = Self::Closed(body.into_bytes());
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Slice(bytes) | Self::Closed(bytes) => bytes,
            Self::Joined(bytes) => bytes.freeze(),
        }
    }
}
