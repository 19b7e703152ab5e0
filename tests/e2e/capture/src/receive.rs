//! Every way to take bytes out of a socket.

use std::io::{self, IoSliceMut};
use std::os::fd::BorrowedFd;

use rustix::io::ReadWriteFlags;
use rustix::net::{RecvAncillaryBuffer, RecvFlags};
use rustix::pipe::{SpliceFlags, splice};
use serde::{Deserialize, Serialize};

use crate::raw::compat::Compat;
use crate::raw::uring::{ReceiveOperation, Uring};
use crate::raw::{self, Aio};

/// A way to receive, by the system call that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceivePath {
    /// `read`.
    Read,
    /// `readv` into three pieces.
    Readv,
    /// `preadv2` at offset -1.
    Preadv2,
    /// `recv`.
    Recv,
    /// `recvfrom`, which asks for the address.
    Recvfrom,
    /// `recvmsg` into three pieces.
    Recvmsg,
    /// `recvmmsg` into two messages.
    Recvmmsg,
    /// `recv` with `MSG_PEEK`, then `read` of the same bytes.
    PeekThenRead,
    /// `recv` with `MSG_WAITALL`.
    WaitAll,
    /// `recv` with `MSG_TRUNC`: TCP throws the bytes away, so the receiver cannot tell what they were.
    Trunc,
    /// `read` of one byte at a time.
    OneByte,
    /// `recv` with `MSG_OOB` for urgent data if there is any, which is thrown away, then `read`.
    UrgentThenRead,
    /// `splice` into a pipe.
    Splice,
    /// `read` as a 32-bit program calls it.
    Compat,
    /// `io_submit`.
    Aio,
    /// io_uring.
    Uring(ReceiveOperation),
    /// io_uring, submitted by a kernel thread.
    UringPolled(ReceiveOperation),
}

/// A way to receive, with what it needs.
#[derive(Debug)]
pub struct Receiver {
    path: ReceivePath,
    uring: Option<Uring>,
    aio: Option<Aio>,
    compat: Option<Compat>,
}

impl Receiver {
    /// Prepares it.
    ///
    /// # Errors
    /// When the kernel cannot.
    pub fn new(path: ReceivePath) -> io::Result<Self> {
        let uring = match path {
            ReceivePath::Uring(operation) => Some(Uring::receiver(operation, false)?),
            ReceivePath::UringPolled(operation) => Some(Uring::receiver(operation, true)?),
            _ => None,
        };
        let aio = (path == ReceivePath::Aio).then(Aio::new).transpose()?;
        let compat = (path == ReceivePath::Compat).then(Compat::new).transpose()?;
        Ok(Self { path, uring, aio, compat })
    }

    /// Fills the whole buffer, a head or a body. False when the connection ended before its first byte.
    ///
    /// # Errors
    /// A call's, or the end of the connection in the middle.
    pub fn fill(&mut self, socket: BorrowedFd<'_>, buffer: &mut [u8], part: Part) -> io::Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            match self.receive(socket, rest, part) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether this way leaves what it received for the receiver to read.
    #[must_use]
    pub fn keeps(&self, part: Part) -> bool {
        self.path != ReceivePath::Trunc || part == Part::Head
    }

    fn receive(&mut self, socket: BorrowedFd<'_>, buffer: &mut [u8], part: Part) -> io::Result<usize> {
        let recv = |buffer: &mut [u8], flags| Ok(rustix::net::recv(socket, buffer, flags)?.0);
        match self.path {
            ReceivePath::Read => Ok(rustix::io::read(socket, buffer)?),
            ReceivePath::Readv => Ok(rustix::io::readv(socket, &mut pieces(buffer))?),
            ReceivePath::Preadv2 => {
                Ok(rustix::io::preadv2(socket, &mut pieces(buffer), u64::MAX, ReadWriteFlags::empty())?)
            }
            ReceivePath::Recv => recv(buffer, RecvFlags::empty()),
            ReceivePath::Recvfrom => Ok(rustix::net::recvfrom(socket, buffer, RecvFlags::empty())?.0),
            ReceivePath::Recvmsg => {
                let mut control = RecvAncillaryBuffer::default();
                let mut pieces = pieces(buffer);
                Ok(rustix::net::recvmsg(socket, &mut pieces, &mut control, RecvFlags::empty())?.bytes)
            }
            ReceivePath::Recvmmsg => raw::recvmmsg(socket, buffer),
            ReceivePath::PeekThenRead => {
                let mut peeked = vec![0; buffer.len()];
                let count = recv(&mut peeked, RecvFlags::PEEK)?;
                let read = rustix::io::read(socket, &mut buffer[..count])?;
                if buffer[..read] != peeked[..read] {
                    return Err(io::Error::other("read other bytes than it had peeked at"));
                }
                Ok(read)
            }
            ReceivePath::WaitAll => recv(buffer, RecvFlags::WAITALL),
            ReceivePath::Trunc if part == Part::Body => recv(buffer, RecvFlags::TRUNC),
            ReceivePath::Trunc => recv(buffer, RecvFlags::empty()),
            ReceivePath::OneByte => Ok(rustix::io::read(socket, &mut buffer[..1])?),
            ReceivePath::UrgentThenRead => {
                // There may be none, or, of TCP, not yet.
                let _ = recv(&mut [0; 1], RecvFlags::OOB | RecvFlags::DONTWAIT);
                Ok(rustix::io::read(socket, buffer)?)
            }
            ReceivePath::Splice => spliced(socket, buffer),
            ReceivePath::Compat => {
                self.compat.as_mut().ok_or_else(|| io::Error::other("no buffer"))?.read(socket, buffer)
            }
            ReceivePath::Aio => {
                self.aio.as_ref().ok_or_else(|| io::Error::other("no context"))?.read(socket, buffer)
            }
            ReceivePath::Uring(operation) | ReceivePath::UringPolled(operation) => {
                let uring = self.uring.as_mut().ok_or_else(|| io::Error::other("no ring"))?;
                uring.receive(operation, socket, buffer)
            }
        }
    }
}

/// What is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A head, which the receiver must read.
    Head,
    /// A body.
    Body,
}

fn pieces(buffer: &mut [u8]) -> Vec<IoSliceMut<'_>> {
    buffer.chunks_mut(buffer.len().div_ceil(3).max(1)).map(IoSliceMut::new).collect()
}

/// Into a pipe, and from there.
fn spliced(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (from, to) = rustix::pipe::pipe()?;
    let moved = splice(socket, None, &to, None, buffer.len(), SpliceFlags::empty())?;
    let mut read = 0;
    while read < moved {
        read += rustix::io::read(&from, &mut buffer[read..moved])?;
    }
    Ok(read)
}
