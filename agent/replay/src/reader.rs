//! Reads a capture file.

use std::io::{BufRead, Read};

use pitot_common::user::{CaptureEvent, Progress, Source};

use crate::decode;
use crate::error::{Error, Fault};
use crate::format::{END, FRAME_HEAD, MAGIC, MAX_BODY, VERSION};

/// Events and bytes after which a batch is handed on.
const BATCH_EVENTS: usize = 1_024;
const BATCH_BYTES: u64 = 1 << 20;

/// A [`Source`] that reads from `R`.
///
/// After damage or a cut it gives the one error, and then [`Progress::End`].
#[derive(Debug)]
pub struct Reader<R: BufRead> {
    file: R,
    /// Bytes read so far; where the record at hand begins, and its number.
    offset: u64,
    record_at: u64,
    record: u64,
    frame: Vec<u8>,
    done: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::NotACapture`], [`Error::Version`], [`Error::Truncated`] inside the header, [`Error::Read`].
    pub fn new(file: R) -> Result<Self, Error> {
        let mut reader = Self { file, offset: 0, record_at: 0, record: 1, frame: Vec::new(), done: false };
        let magic = reader.read(MAGIC.len())?.to_vec();
        if magic.is_empty() || !MAGIC.starts_with(&magic) {
            return Err(Error::NotACapture);
        }
        let version = reader.read(2)?;
        let &[low, high] = version else { return Err(reader.truncated()) };
        match u16::from_le_bytes([low, high]) {
            VERSION => Ok(reader),
            found => Err(Error::Version { found }),
        }
    }

    /// The next event; none after the last.
    fn next_event(&mut self) -> Result<Option<CaptureEvent>, Error> {
        self.record_at = self.offset;
        let head = self.read(FRAME_HEAD)?;
        let &[a, b, c, d, kind] = head else { return Err(self.truncated()) };
        let length = u32::from_le_bytes([a, b, c, d]);
        let Some(body_len) = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY) else {
            return Err(self.corrupt(Fault::Length(length)));
        };
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(head);
        let rest = self.read(body_len + 4)?;
        let Some((body, stored)) = rest.split_last_chunk::<4>().filter(|(body, _)| body.len() == body_len)
        else {
            return Err(self.truncated());
        };
        checksum.update(body);
        if checksum.finalize() != u32::from_le_bytes(*stored) {
            return Err(self.corrupt(Fault::Checksum));
        }
        if kind == END {
            let counted = decode::end(body);
            return self.finish(counted).map(|()| None);
        }
        let event = decode::event(kind, body).map_err(|fault| self.corrupt(fault))?;
        self.record += 1;
        Ok(Some(event))
    }

    fn finish(&mut self, counted: Result<u64, Fault>) -> Result<(), Error> {
        let counted = counted.map_err(|fault| self.corrupt(fault))?;
        if counted != self.record - 1 {
            return Err(self.corrupt(Fault::Count(counted)));
        }
        if !self.read(1)?.is_empty() {
            return Err(self.corrupt(Fault::AfterEnd));
        }
        Ok(())
    }

    /// Up to `len` bytes: fewer only at the end of the file. Allocates as the bytes come, not as they are promised.
    fn read(&mut self, len: usize) -> Result<&[u8], Error> {
        self.frame.clear();
        let (file, offset) = (&mut self.file, self.offset);
        let read = file.take(len as u64).read_to_end(&mut self.frame);
        self.offset += self.frame.len() as u64;
        read.map_err(|source| Error::Read { offset, source })?;
        Ok(&self.frame)
    }

    fn truncated(&self) -> Error {
        Error::Truncated { offset: self.record_at, record: self.record }
    }

    fn corrupt(&self, fault: Fault) -> Error {
        Error::Corrupt { offset: self.record_at, record: self.record, fault }
    }
}

impl<R: BufRead> Source for Reader<R> {
    type Error = Error;

    fn next_batch(&mut self, out: &mut Vec<CaptureEvent>) -> Result<Progress, Error> {
        let start = self.offset;
        for _ in 0..BATCH_EVENTS {
            if self.done {
                return Ok(Progress::End);
            }
            match self.next_event() {
                Ok(Some(event)) => out.push(event),
                Ok(None) => self.done = true,
                Err(error) => {
                    self.done = true;
                    return Err(error);
                }
            }
            if self.offset - start >= BATCH_BYTES {
                break;
            }
        }
        Ok(Progress::More)
    }
}
