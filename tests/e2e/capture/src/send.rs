//! Every way to put bytes into a socket.

use std::fs::File;
use std::io::{self, IoSlice, Seek as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::ReadWriteFlags;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags};
use rustix::pipe::{SpliceFlags, splice, tee};
use serde::{Deserialize, Serialize};

use crate::raw::compat::Compat;
use crate::raw::uring::{SendOperation, Uring};
use crate::raw::{self, Aio};

/// A way to send, by the system call that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendPath {
    /// `write`, as much as it takes.
    Write,
    /// `writev` of three pieces.
    Writev,
    /// `writev` of 1,000 pieces.
    WritevMany,
    /// `pwritev2` at offset -1: the file's position, which a socket does not have.
    Pwritev2,
    /// `send`.
    Send,
    /// `sendto` with the peer's address.
    Sendto,
    /// `sendmsg` of four pieces.
    Sendmsg,
    /// `sendmmsg` of three messages.
    Sendmmsg,
    /// `sendfile` from a file.
    Sendfile,
    /// `splice` from a file over a pipe.
    Splice,
    /// `splice`, of a copy in the pipe made by `tee`.
    Tee,
    /// `vmsplice` into a pipe, `splice` out of it.
    Vmsplice,
    /// `send` with `MSG_ZEROCOPY`.
    ZeroCopy,
    /// `send` with `MSG_MORE` but for the last piece.
    More,
    /// `write` of one byte at a time.
    OneByte,
    /// `write` on a non-blocking socket, as much as there is room for.
    NonBlocking,
    /// `send` with one byte of urgent data (`MSG_OOB`) before the last: the receiver's calls leave it out.
    Urgent,
    /// `write` as a 32-bit program calls it.
    Compat,
    /// `io_submit`.
    Aio,
    /// io_uring.
    Uring(SendOperation),
    /// io_uring, submitted by a kernel thread.
    UringPolled(SendOperation),
}

/// Calls with this many pieces must be possible (IOV_MAX is 1,024).
const MANY: usize = 1_000;

/// A way to send, with what it needs.
#[derive(Debug)]
pub struct Sender {
    path: SendPath,
    uring: Option<Uring>,
    aio: Option<Aio>,
    compat: Option<Compat>,
    /// Pages that are still in the socket after the call: they must not be written to until the peer has them.
    lent: Vec<Vec<u8>>,
}

impl Sender {
    /// Prepares it.
    ///
    /// # Errors
    /// When the kernel cannot.
    pub fn new(path: SendPath) -> io::Result<Self> {
        let uring = match path {
            SendPath::Uring(operation) => Some(Uring::sender(operation, false)?),
            SendPath::UringPolled(operation) => Some(Uring::sender(operation, true)?),
            _ => None,
        };
        let aio = (path == SendPath::Aio).then(Aio::new).transpose()?;
        let compat = (path == SendPath::Compat).then(Compat::new).transpose()?;
        Ok(Self { path, uring, aio, compat, lent: Vec::new() })
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// The first call that failed.
    pub fn send(&mut self, socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
        match self.path {
            SendPath::Write => all(bytes, |rest| Ok(rustix::io::write(socket, rest)?)),
            SendPath::Writev => all(bytes, |rest| Ok(rustix::io::writev(socket, &pieces(rest, 3))?)),
            SendPath::WritevMany => all(bytes, |rest| Ok(rustix::io::writev(socket, &pieces(rest, MANY))?)),
            SendPath::Pwritev2 => all(bytes, |rest| {
                Ok(rustix::io::pwritev2(socket, &pieces(rest, 2), u64::MAX, ReadWriteFlags::empty())?)
            }),
            SendPath::Send => all(bytes, |rest| Ok(rustix::net::send(socket, rest, SendFlags::NOSIGNAL)?)),
            SendPath::Sendto => {
                let peer = rustix::net::getpeername(socket)?.ok_or(io::ErrorKind::NotConnected)?;
                all(bytes, |rest| Ok(rustix::net::sendto(socket, rest, SendFlags::NOSIGNAL, &peer)?))
            }
            SendPath::Sendmsg => all(bytes, |rest| {
                let mut control = SendAncillaryBuffer::default();
                let pieces = pieces(rest, 4);
                Ok(rustix::net::sendmsg(socket, &pieces, &mut control, SendFlags::NOSIGNAL)?)
            }),
            SendPath::Sendmmsg => all(bytes, |rest| sendmmsg(socket, rest)),
            SendPath::Sendfile => sendfile(socket, bytes),
            SendPath::Splice => spliced(socket, bytes),
            SendPath::Tee => teed(socket, bytes),
            SendPath::Vmsplice => {
                self.lent.push(bytes.to_vec());
                vmspliced(socket, self.lent.last().map_or(bytes, |lent| lent))
            }
            SendPath::ZeroCopy => {
                raw::allow_zerocopy(socket)?;
                raw::send_zerocopy(socket, bytes)
            }
            SendPath::More => more(socket, bytes),
            SendPath::OneByte => {
                all(bytes, |rest| Ok(rustix::io::write(socket, &rest[..rest.len().min(1)])?))
            }
            SendPath::NonBlocking => non_blocking(socket, bytes),
            SendPath::Urgent => urgent(socket, bytes),
            SendPath::Compat => {
                let compat = self.compat.as_mut().ok_or_else(|| io::Error::other("no buffer"))?;
                all(bytes, |rest| compat.write(socket, rest))
            }
            SendPath::Aio => {
                let aio = self.aio.as_ref().ok_or_else(|| io::Error::other("no context"))?;
                all(bytes, |rest| aio.write(socket, rest))
            }
            SendPath::Uring(operation) | SendPath::UringPolled(operation) => {
                let uring = self.uring.as_mut().ok_or_else(|| io::Error::other("no ring"))?;
                all(bytes, |rest| uring.send(operation, socket, rest))
            }
        }
    }
}

/// Calls `call` with what is left until nothing is.
fn all(bytes: &[u8], mut call: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match call(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `bytes` in at most `count` pieces.
fn pieces(bytes: &[u8], count: usize) -> Vec<IoSlice<'_>> {
    bytes.chunks(bytes.len().div_ceil(count).max(1)).map(IoSlice::new).collect()
}

/// A blocking socket takes each message whole.
fn sendmmsg(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let parts: Vec<Vec<IoSlice<'_>>> = pieces(bytes, 3).into_iter().map(|part| vec![part]).collect();
    let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
        parts.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<MMsgHdr<'_>> =
        parts.iter().zip(&mut controls).map(|(part, control)| MMsgHdr::new(part, control)).collect();
    let count = rustix::net::sendmmsg(socket, &mut messages, SendFlags::NOSIGNAL)?;
    Ok(messages.iter().take(count).map(MMsgHdr::bytes_sent).sum())
}

/// An unlinked file that holds `bytes`, at its beginning.
fn file(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

fn sendfile(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let file = file(bytes)?;
    all(bytes, |rest| Ok(rustix::fs::sendfile(socket, &file, None, rest.len())?))
}

/// Moves `count` bytes from the pipe into the socket.
fn drain(pipe: &OwnedFd, socket: BorrowedFd<'_>, mut count: usize) -> io::Result<()> {
    while count > 0 {
        match splice(pipe, None, socket, None, count, SpliceFlags::empty())? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            moved => count -= moved,
        }
    }
    Ok(())
}

fn spliced(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let file = file(bytes)?;
    let (from, to) = rustix::pipe::pipe()?;
    all(bytes, |rest| {
        let count = splice(&file, None, &to, None, rest.len(), SpliceFlags::empty())?;
        drain(&from, socket, count)?;
        Ok(count)
    })
}

fn teed(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let file = file(bytes)?;
    let (from, to) = rustix::pipe::pipe()?;
    let (copy_from, copy_to) = rustix::pipe::pipe()?;
    let null = File::options().write(true).open("/dev/null")?;
    all(bytes, |rest| {
        let count = splice(&file, None, &to, None, rest.len(), SpliceFlags::empty())?;
        let copied = tee(&from, &copy_to, count, SpliceFlags::empty())?;
        if copied != count {
            return Err(io::Error::other("tee copied less than the pipe held"));
        }
        drain(&copy_from, socket, copied)?;
        drain(&from, null.as_fd(), count)?;
        Ok(count)
    })
}

fn vmspliced(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let (from, to) = rustix::pipe::pipe()?;
    all(bytes, |rest| raw::vmsplice_through(to.as_fd(), rest, |count| drain(&from, socket, count)))
}

fn more(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let parts: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(5).max(1)).collect();
    for (index, part) in parts.iter().enumerate() {
        let mut flags = SendFlags::NOSIGNAL;
        flags.set(SendFlags::MORE, index + 1 < parts.len());
        all(part, |rest| Ok(rustix::net::send(socket, rest, flags)?))?;
    }
    Ok(())
}

fn urgent(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let (most, last) = bytes.split_at(bytes.len().saturating_sub(1));
    all(most, |rest| Ok(rustix::net::send(socket, rest, SendFlags::NOSIGNAL)?))?;
    all(b"!", |byte| Ok(rustix::net::send(socket, byte, SendFlags::NOSIGNAL | SendFlags::OOB)?))?;
    all(last, |rest| Ok(rustix::net::send(socket, rest, SendFlags::NOSIGNAL)?))
}

fn non_blocking(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let flags = fcntl_getfl(socket)?;
    fcntl_setfl(socket, flags | OFlags::NONBLOCK)?;
    let sent = all(bytes, |rest| {
        loop {
            match rustix::io::write(socket, rest) {
                Err(rustix::io::Errno::AGAIN) => {
                    poll(&mut [PollFd::new(&socket, PollFlags::OUT)], None)?;
                }
                other => return Ok(other?),
            }
        }
    });
    fcntl_setfl(socket, flags)?;
    sent
}
