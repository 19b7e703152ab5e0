//! Writes a capture file.

use std::io::Write;

use pitot_common::user::CaptureEvent;

use crate::encode;
use crate::error::Error;
use crate::format::{END, FRAME_HEAD, MAGIC, MAX_BODY, VERSION};

/// Writes events into `W`, each with one call. Give it a buffered writer.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    file: W,
    frame: Vec<u8>,
    records: u64,
}

impl<W: Write> Recorder<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new(mut file: W) -> Result<Self, Error> {
        file.write_all(&MAGIC).map_err(Error::Write)?;
        file.write_all(&VERSION.to_le_bytes()).map_err(Error::Write)?;
        Ok(Self { file, frame: Vec::new(), records: 0 })
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`Error::Write`]; [`Error::EventTooLarge`], after which the file can go on without that event.
    pub fn write(&mut self, event: &CaptureEvent) -> Result<(), Error> {
        self.record(|body| encode::event(event, body))
    }

    /// Says that the file is whole, flushes it, and gives the writer back. A file without this reads as cut off.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<W, Error> {
        let records = self.records;
        self.record(|body| {
            body.extend(records.to_le_bytes());
            END
        })?;
        self.file.flush().map_err(Error::Write)?;
        Ok(self.file)
    }

    fn record(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> u8) -> Result<(), Error> {
        self.frame.clear();
        self.frame.extend([0; FRAME_HEAD]);
        let kind = encode(&mut self.frame);
        let bytes = self.frame.len() - FRAME_HEAD;
        let length =
            u32::try_from(bytes).ok().filter(|_| bytes <= MAX_BODY).ok_or(Error::EventTooLarge { bytes })?;
        self.frame[..4].copy_from_slice(&length.to_le_bytes());
        self.frame[4] = kind;
        let checksum = crc32fast::hash(&self.frame);
        self.frame.extend(checksum.to_le_bytes());
        self.file.write_all(&self.frame).map_err(Error::Write)?;
        self.records += 1;
        Ok(())
    }
}
