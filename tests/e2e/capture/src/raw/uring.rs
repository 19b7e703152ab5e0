//! io_uring, one operation at a time: submitted, and waited for until the kernel is done with its buffer.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use io_uring::types::Fd;
use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use serde::{Deserialize, Serialize};

/// Operations that send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named like io_uring's")]
pub enum SendOperation {
    Send,
    Write,
    Writev,
    SendMsg,
    SendZc,
    SendMsgZc,
}

/// Operations that receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named like io_uring's")]
pub enum ReceiveOperation {
    Recv,
    Read,
    Readv,
    RecvMsg,
}

impl SendOperation {
    fn code(self) -> u8 {
        match self {
            Self::Send => opcode::Send::CODE,
            Self::Write => opcode::Write::CODE,
            Self::Writev => opcode::Writev::CODE,
            Self::SendMsg => opcode::SendMsg::CODE,
            Self::SendZc => opcode::SendZc::CODE,
            Self::SendMsgZc => opcode::SendMsgZc::CODE,
        }
    }
}

impl ReceiveOperation {
    fn code(self) -> u8 {
        match self {
            Self::Recv => opcode::Recv::CODE,
            Self::Read => opcode::Read::CODE,
            Self::Readv => opcode::Readv::CODE,
            Self::RecvMsg => opcode::RecvMsg::CODE,
        }
    }
}

/// A ring.
pub struct Uring(IoUring);

impl std::fmt::Debug for Uring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Uring")
    }
}

impl Uring {
    /// A ring for this operation; with `polled`, a kernel thread takes the submissions (SQPOLL).
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] when the kernel has no such operation; else why there is no ring.
    pub fn sender(operation: SendOperation, polled: bool) -> io::Result<Self> {
        Self::new(operation.code(), polled)
    }

    /// The same for receiving.
    ///
    /// # Errors
    /// As [`Uring::sender`].
    pub fn receiver(operation: ReceiveOperation, polled: bool) -> io::Result<Self> {
        Self::new(operation.code(), polled)
    }

    fn new(code: u8, polled: bool) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        if polled {
            builder.setup_sqpoll(50);
        }
        let ring = builder.build(8)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(code) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this kernel's io_uring has no such operation",
            ));
        }
        Ok(Self(ring))
    }

    /// Sends the beginning of `bytes`; how much.
    ///
    /// # Errors
    /// The operation's.
    pub fn send(
        &mut self,
        operation: SendOperation,
        socket: BorrowedFd<'_>,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let fd = Fd(socket.as_raw_fd());
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // Two pieces, so that the vectored operations have something to gather.
        let (first, second) = bytes.split_at(bytes.len() / 3);
        let pieces = [io::IoSlice::new(first), io::IoSlice::new(second)];
        // SAFETY: `msghdr` is plain data for which zero is valid.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = pieces.as_ptr().cast_mut().cast();
        header.msg_iovlen = 2;
        let header = ptr::from_ref(&header);
        let entry = match operation {
            SendOperation::Send => {
                opcode::Send::new(fd, bytes.as_ptr(), length).flags(libc::MSG_NOSIGNAL).build()
            }
            SendOperation::Write => opcode::Write::new(fd, bytes.as_ptr(), length).build(),
            SendOperation::Writev => opcode::Writev::new(fd, pieces.as_ptr().cast(), 2).build(),
            SendOperation::SendMsg => opcode::SendMsg::new(fd, header).build(),
            SendOperation::SendZc => opcode::SendZc::new(fd, bytes.as_ptr(), length).build(),
            SendOperation::SendMsgZc => opcode::SendMsgZc::new(fd, header).build(),
        };
        // SAFETY: bytes, pieces and header live until `run` returns.
        unsafe { self.run(&entry) }
    }

    /// Receives into the beginning of `buffer`; how much.
    ///
    /// # Errors
    /// The operation's.
    pub fn receive(
        &mut self,
        operation: ReceiveOperation,
        socket: BorrowedFd<'_>,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let fd = Fd(socket.as_raw_fd());
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let start = buffer.as_mut_ptr();
        let (first, second) = buffer.split_at_mut(buffer.len() / 3);
        let mut pieces = [io::IoSliceMut::new(first), io::IoSliceMut::new(second)];
        // SAFETY: `msghdr` is plain data for which zero is valid.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = pieces.as_mut_ptr().cast();
        header.msg_iovlen = 2;
        let entry = match operation {
            ReceiveOperation::Recv => opcode::Recv::new(fd, start, length).build(),
            ReceiveOperation::Read => opcode::Read::new(fd, start, length).build(),
            ReceiveOperation::Readv => opcode::Readv::new(fd, pieces.as_ptr().cast(), 2).build(),
            ReceiveOperation::RecvMsg => opcode::RecvMsg::new(fd, &mut header).build(),
        };
        // SAFETY: buffer, pieces and header live until `run` returns.
        unsafe { self.run(&entry) }
    }

    /// Submits an operation and waits for all of its completions.
    ///
    /// # Safety
    /// What the entry points to stays valid until this returns.
    unsafe fn run(&mut self, entry: &squeue::Entry) -> io::Result<usize> {
        // SAFETY: the caller's promise. The queue is empty: every run waits for its own entry.
        if unsafe { self.0.submission().push(entry) }.is_err() {
            return Err(io::Error::other("the submission queue is full"));
        }
        let mut result = None;
        loop {
            match self.0.submit_and_wait(1) {
                Ok(_) => {}
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY)) => {}
                // The kernel may still use the buffers: nothing that goes on is safe.
                Err(_) => std::process::abort(),
            }
            for completion in self.0.completion() {
                if !cqueue::notif(completion.flags()) {
                    result = Some(completion.result());
                }
                // A zero-copy send completes twice: when it is queued, and when its bytes are not needed any more.
                if !cqueue::more(completion.flags()) {
                    let result = result.unwrap_or(0);
                    return usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
                }
            }
        }
    }
}
