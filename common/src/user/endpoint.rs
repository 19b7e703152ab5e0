//! One end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// An internet address, or a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// TCP.
    Inet(SocketAddr),
    /// A Unix stream socket: a number that no other socket has while the machine is up. 0: not known which.
    Unix(u64),
}

impl Endpoint {
    /// The internet address.
    #[must_use]
    pub fn inet(self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(address),
            Self::Unix(_) => None,
        }
    }

    /// The IP address.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        self.inet().map(|address| address.ip())
    }

    /// The port.
    #[must_use]
    pub fn port(self) -> Option<u16> {
        self.inet().map(|address| address.port())
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Endpoint {
    fn from(address: (I, u16)) -> Self {
        Self::Inet(address.into())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(socket) => write!(f, "unix:{socket}"),
        }
    }
}

/// A text that is no end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEndpoint;

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither ADDRESS:PORT nor unix:NUMBER")
    }
}

impl std::error::Error for InvalidEndpoint {}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        match text.strip_prefix("unix:") {
            Some(socket) => socket.parse().map(Self::Unix).map_err(|_| InvalidEndpoint),
            None => text.parse().map(Self::Inet).map_err(|_| InvalidEndpoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let check = |text: &str| {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()), Ok(text.to_owned()));
        };
        check("127.0.0.1:80");
        check("[::1]:80");
        check("unix:7");
        for bad in ["", "unix:", "unix:x", "127.0.0.1", "host:80"] {
            assert_eq!(bad.parse::<Endpoint>(), Err(InvalidEndpoint), "{bad}");
        }
    }
}
