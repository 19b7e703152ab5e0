//! The calls that need `unsafe`, each behind a function that does not: the only such files of the suite are in this
//! folder.
#![allow(unsafe_code, reason = "system calls that rustix does not wrap, or cannot wrap safely")]

pub mod compat;
pub mod uring;

use std::io::{self, IoSliceMut};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

/// What a system call returned, as Rust has it.
fn checked(returned: libc::c_long) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}

/// Runs `child` in a forked process, which ends with it; gives the exit code of the child, 0 if `child` was true.
///
/// Call it while this process has one thread: the child has only the calling one.
///
/// # Errors
/// When the process could not be made, or did not exit by itself.
pub fn in_child(child: impl FnOnce() -> bool) -> io::Result<i32> {
    // SAFETY: this process has one thread, so no lock is held by another one in the child.
    match checked(libc::c_long::from(unsafe { libc::fork() }))? {
        0 => {
            let code = i32::from(!child());
            // SAFETY: always allowed; ends the child without running what belongs to the parent.
            unsafe { libc::_exit(code) }
        }
        pid => {
            let mut status = 0;
            let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
            // SAFETY: `status` outlives the call.
            checked(libc::c_long::from(unsafe { libc::waitpid(pid, &mut status, 0) }))?;
            if libc::WIFEXITED(status) {
                Ok(libc::WEXITSTATUS(status))
            } else {
                Err(io::Error::other(format!("forked child ended with status {status:#x}")))
            }
        }
    }
}

/// `recvmmsg` into two buffers, a message each; the bytes received.
///
/// # Errors
/// The call's.
pub fn recvmmsg(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let half = buffer.len().div_ceil(2);
    let (first, second) = buffer.split_at_mut(half);
    let mut slices = [IoSliceMut::new(first), IoSliceMut::new(second)];
    let count = if half == 0 || slices[1].is_empty() { 1 } else { 2 };
    // SAFETY: `mmsghdr` is plain data for which zero is valid.
    let mut messages: [libc::mmsghdr; 2] = unsafe { zeroed() };
    for (message, slice) in messages.iter_mut().zip(&mut slices) {
        message.msg_hdr.msg_iov = ptr::from_mut(slice).cast();
        message.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the headers point to slices (IoSliceMut has iovec's layout) that outlive the call.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            count,
            libc::MSG_WAITFORONE,
            ptr::null_mut(),
        )
    };
    let received = checked(libc::c_long::from(received))?;
    // A first message that is not full must be the only one that counts: bytes have to stay in order.
    let lengths: Vec<usize> = messages.iter().take(received).map(|m| m.msg_len as usize).collect();
    match lengths.as_slice() {
        [first, second] if *first == half => Ok(first + second),
        [first, second] if *second > 0 => {
            let (first, second) = (*first, *second);
            buffer.copy_within(half..half + second, first);
            Ok(first + second)
        }
        [first, ..] => Ok(*first),
        [] => Ok(0),
    }
}

/// Lets a socket take `MSG_ZEROCOPY`.
///
/// # Errors
/// The call's: the kernel or the kind of socket does not have it.
pub fn allow_zerocopy(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1)
}

/// Lets a listening socket take data with a SYN (TCP Fast Open), for so many connections that are not accepted yet.
///
/// # Errors
/// The call's.
pub fn accept_early_data(socket: BorrowedFd<'_>, waiting: i32) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, waiting)
}

/// Lets a socket that is not connected yet send what is written first with its SYN.
///
/// # Errors
/// The call's.
pub fn send_early_data(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1)
}

fn set(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int that outlives the call.
    let returned =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(&value).cast(), length) };
    checked(libc::c_long::from(returned)).map(drop)
}

/// Sends all of `bytes` with `MSG_ZEROCOPY`, and waits until the kernel says that it does not need them any more.
///
/// # Errors
/// A call's.
pub fn send_zerocopy(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let (mut sent, mut calls, mut done) = (0, 0, 0);
    while sent < bytes.len() {
        let rest = &bytes[sent..];
        // SAFETY: `rest` is valid for the call, and stays until the kernel has said that it is done, below.
        let returned = unsafe {
            let flags = libc::MSG_ZEROCOPY | libc::MSG_NOSIGNAL;
            libc::send(socket.as_raw_fd(), rest.as_ptr().cast(), rest.len(), flags)
        };
        match checked(returned as libc::c_long) {
            Ok(count) => (sent, calls) = (sent + count, calls + 1),
            // Too many notifications wait: take some.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => done += completions(socket)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    while done < calls {
        done += completions(socket)?;
    }
    Ok(())
}

/// Waits for a notification of `MSG_ZEROCOPY`; how many sends it is about.
fn completions(socket: BorrowedFd<'_>) -> io::Result<u32> {
    /// linux/errqueue.h
    const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
    let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    checked(libc::c_long::from(unsafe { libc::poll(&mut polled, 1, 10_000) }))?;
    let mut control = [0u64; 32];
    // SAFETY: `msghdr` is plain data for which zero is valid.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the header points to the control buffer, which outlives the call.
    let returned = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, libc::MSG_ERRQUEUE) };
    checked(returned as libc::c_long)?;
    // SAFETY: the kernel filled the header and the control buffer.
    let message = unsafe { libc::CMSG_FIRSTHDR(&header) };
    if message.is_null() {
        return Err(io::Error::other("a notification of MSG_ZEROCOPY without content"));
    }
    // SAFETY: a message of the error queue holds a sock_extended_err; the buffer is aligned to 8 bytes.
    let error = unsafe { libc::CMSG_DATA(message).cast::<libc::sock_extended_err>().read_unaligned() };
    if error.ee_origin != SO_EE_ORIGIN_ZEROCOPY {
        return Err(io::Error::other(format!("an error from {}: {}", error.ee_origin, error.ee_errno)));
    }
    Ok(error.ee_data - error.ee_info + 1)
}

/// `vmsplice` into a pipe, and `drain` out of it; the bytes taken. What leaves the pipe for a socket is still the
/// caller's memory: written to before the peer has read it, it is sent changed.
///
/// # Errors
/// The calls'.
pub fn vmsplice_through(
    pipe: BorrowedFd<'_>,
    bytes: &[u8],
    drain: impl FnOnce(usize) -> io::Result<()>,
) -> io::Result<usize> {
    let slice = io::IoSlice::new(bytes);
    // SAFETY: one iovec over `bytes`; without SPLICE_F_GIFT the pages stay this process's, and `bytes` is
    // borrowed until `drain` has emptied the pipe.
    let returned = unsafe { libc::vmsplice(pipe.as_raw_fd(), ptr::from_ref(&slice).cast(), 1, 0) };
    let count = checked(returned as libc::c_long)?;
    drain(count)?;
    Ok(count)
}

/// `struct iocb` of the kernel's asynchronous IO (linux/aio_abi.h), little-endian.
#[repr(C)]
#[derive(Default)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: i32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}

/// What an asynchronous IO does.
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
enum AioOperation {
    Read = 0,
    Write = 1,
}

/// A context of the kernel's asynchronous IO (`io_setup`).
#[derive(Debug)]
pub struct Aio(libc::c_ulong);

impl Aio {
    /// Makes one.
    ///
    /// # Errors
    /// When the kernel has none.
    pub fn new() -> io::Result<Self> {
        let mut context: libc::c_ulong = 0;
        // SAFETY: `context` is zero, as the call wants it, and outlives it.
        checked(unsafe { libc::syscall(libc::SYS_io_setup, 4, ptr::from_mut(&mut context)) })?;
        Ok(Self(context))
    }

    /// Writes; the bytes taken.
    ///
    /// # Errors
    /// The operation's.
    pub fn write(&self, socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: `bytes` is readable until `run` returns.
        unsafe { self.run(socket, AioOperation::Write, bytes.as_ptr() as u64, bytes.len()) }
    }

    /// Reads; the bytes received.
    ///
    /// # Errors
    /// The operation's.
    pub fn read(&self, socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: `buffer` is writable until `run` returns.
        unsafe { self.run(socket, AioOperation::Read, buffer.as_mut_ptr() as u64, buffer.len()) }
    }

    /// Submits one operation and waits for it.
    ///
    /// # Safety
    /// `length` bytes at `buffer` are valid for the operation until this returns.
    unsafe fn run(
        &self,
        socket: BorrowedFd<'_>,
        operation: AioOperation,
        buffer: u64,
        length: usize,
    ) -> io::Result<usize> {
        let fd = socket.as_raw_fd() as u32;
        let mut iocb =
            Iocb { opcode: operation as u16, fd, buffer, length: length as u64, ..Iocb::default() };
        let mut list = [ptr::from_mut(&mut iocb)];
        // SAFETY: one control block that outlives the call; what it points to, the caller vouches for.
        checked(unsafe { libc::syscall(libc::SYS_io_submit, self.0, 1, list.as_mut_ptr()) })?;
        let mut event = [0i64; 4];
        loop {
            // SAFETY: room for one io_event of 32 bytes.
            let got = unsafe {
                let timeout = ptr::null::<libc::timespec>();
                libc::syscall(libc::SYS_io_getevents, self.0, 1, 1, event.as_mut_ptr(), timeout)
            };
            match checked(got) {
                Ok(1) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The operation may still be using the buffer: nothing that goes on is safe.
                Err(_) => std::process::abort(),
            }
        }
        let result = event[2];
        usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-(result as i32)))
    }
}

impl Drop for Aio {
    fn drop(&mut self) {
        // SAFETY: a context of this value, destroyed once; nothing is in flight.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.0) };
    }
}

/// Makes a TUN device of this name in the calling thread's network namespace. Packets without a prefix are read from
/// and written to it.
///
/// # Errors
/// When /dev/net/tun is missing or refuses.
pub fn tun(name: &str) -> io::Result<OwnedFd> {
    const IFF_TUN: libc::c_short = 0x0001;
    const IFF_NO_PI: libc::c_short = 0x1000;
    const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
    // SAFETY: a NUL-terminated path; the descriptor is owned from here.
    let fd = unsafe {
        let fd = libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        checked(libc::c_long::from(fd))?;
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: `ifreq` is plain data for which zero is valid.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = IFF_TUN | IFF_NO_PI;
    // SAFETY: the request is an ifreq that outlives the call.
    checked(libc::c_long::from(unsafe { libc::ioctl(fd.as_raw_fd(), TUNSETIFF, &mut request) }))?;
    Ok(fd)
}
