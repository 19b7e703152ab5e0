//! Opening both ends of a connection.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::net::{
    AddressFamily, Protocol, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt,
};

use crate::plan::Address;
use crate::raw;

/// Connections that wait to be accepted: all of the largest case.
const BACKLOG: i32 = 4_096;

/// A listening socket, and where it listens; with `early_data` it takes data with a SYN.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] when the kernel has no such socket.
pub fn listen(address: &Address, early_data: bool) -> io::Result<(OwnedFd, Address)> {
    let socket = open(address)?;
    let bound = match address {
        Address::Tcp(at) | Address::Mptcp(at) => {
            sockopt::set_socket_reuseaddr(&socket, true)?;
            if at.is_ipv6() {
                sockopt::set_ipv6_v6only(&socket, false)?;
            }
            rustix::net::bind(&socket, at)?;
            let at = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?;
            if matches!(address, Address::Tcp(_)) { Address::Tcp(at) } else { Address::Mptcp(at) }
        }
        Address::UnixPath(_) | Address::UnixAbstract(_) => {
            rustix::net::bind(&socket, &unix(address)?)?;
            address.clone()
        }
        Address::Inherited => return Err(io::ErrorKind::InvalidInput.into()),
    };
    if early_data {
        raw::accept_early_data(socket.as_fd(), BACKLOG)?;
    }
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket, bound))
}

/// The next connection.
///
/// # Errors
/// The call's.
pub fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(rustix::net::accept_with(listener, SocketFlags::CLOEXEC)?)
}

/// A connection to a listener.
///
/// # Errors
/// The calls'.
pub fn connect(address: &Address) -> io::Result<OwnedFd> {
    if *address == Address::Inherited {
        return inherited();
    }
    let socket = open(address)?;
    match address {
        Address::Tcp(at) | Address::Mptcp(at) => rustix::net::connect(&socket, at)?,
        _ => rustix::net::connect(&socket, &unix(address)?)?,
    }
    Ok(socket)
}

/// A connection whose SYN waits for what is written first.
///
/// # Errors
/// The calls'.
pub fn connect_early(address: &Address) -> io::Result<OwnedFd> {
    let socket = open(address)?;
    raw::send_early_data(socket.as_fd())?;
    let Address::Tcp(at) = address else { return Err(io::ErrorKind::InvalidInput.into()) };
    rustix::net::connect(&socket, at)?;
    Ok(socket)
}

/// A connection from `local`, which gets a port first if it has none.
///
/// # Errors
/// The calls'.
pub fn connect_from(local: &mut SocketAddr, address: &Address) -> io::Result<OwnedFd> {
    let socket = open(address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, local)?;
    *local = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?;
    let Address::Tcp(at) = address else { return Err(io::ErrorKind::InvalidInput.into()) };
    rustix::net::connect(&socket, at)?;
    Ok(socket)
}

/// The end of a `socketpair` that is this process's standard input.
///
/// # Errors
/// The call's.
pub fn inherited() -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3)?)
}

/// Small pieces leave at once, a packet each.
pub fn no_delay(socket: &OwnedFd) {
    // A Unix socket has no such option, and does not wait either.
    let _ = sockopt::set_tcp_nodelay(socket, true);
}

/// Closing this socket resets the connection.
///
/// # Errors
/// The call's.
pub fn reset_on_close(socket: &OwnedFd) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(std::time::Duration::ZERO))?)
}

/// Gives `passed` to whoever holds the other end of `over`.
///
/// # Errors
/// The call's.
pub fn pass(over: &OwnedFd, passed: &OwnedFd) -> io::Result<()> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [passed.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(over, &[io::IoSlice::new(b"x")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes what [`pass`] gave.
///
/// # Errors
/// The call's, or nothing was passed.
pub fn take_passed(over: &OwnedFd) -> io::Result<OwnedFd> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut slices = [io::IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(over, &mut slices, &mut control, RecvFlags::empty())?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message
            && let Some(fd) = fds.next()
        {
            return Ok(fd);
        }
    }
    Err(io::Error::other("no descriptor was passed"))
}

fn open(address: &Address) -> io::Result<OwnedFd> {
    let (family, protocol) = match address {
        Address::Tcp(at) => (family(at), Some(ipproto::TCP)),
        Address::Mptcp(at) => (family(at), Some(ipproto::MPTCP)),
        _ => (AddressFamily::UNIX, None::<Protocol>),
    };
    rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, protocol).map_err(|error| {
        let absent = [
            rustix::io::Errno::AFNOSUPPORT,
            rustix::io::Errno::PROTONOSUPPORT,
            rustix::io::Errno::NOPROTOOPT,
        ];
        if absent.contains(&error) {
            io::Error::new(io::ErrorKind::Unsupported, format!("this kernel has no {address:?} sockets"))
        } else {
            error.into()
        }
    })
}

fn family(at: &SocketAddr) -> AddressFamily {
    if at.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET }
}

fn unix(address: &Address) -> io::Result<SocketAddrUnix> {
    match address {
        Address::UnixPath(path) => Ok(SocketAddrUnix::new(path.as_str())?),
        Address::UnixAbstract(name) => Ok(SocketAddrUnix::new_abstract_name(name.as_bytes())?),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}
