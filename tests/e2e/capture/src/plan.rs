//! What two peers do, as the driver tells them, and what they tell the driver.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::receive::ReceivePath;
use crate::send::SendPath;
use crate::wire::{Head, Id, Side};

/// Where the two ends meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// TCP, either version.
    Tcp(SocketAddr),
    /// Multipath TCP.
    Mptcp(SocketAddr),
    /// A Unix stream socket in the file system.
    UnixPath(String),
    /// A Unix stream socket with an abstract name.
    UnixAbstract(String),
    /// Each end got its own of a `socketpair` as standard input.
    Inherited,
}

/// One exchange: bytes of the request's and the response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Of the request.
    pub request: usize,
    /// Of the response.
    pub response: usize,
}

/// How a client uses a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manner {
    /// Request, response, request, ...
    Plain,
    /// Requests alternately through the descriptor and a `dup` of it.
    Dup,
    /// Two threads take turns at whole exchanges.
    TwoThreads,
    /// A thread sends all requests, another receives all responses.
    Pipelined,
    /// A forked child sends each request (and, at the server, each response).
    Forked,
    /// The connection is passed to another process (`SCM_RIGHTS`).
    Passed,
    /// After its requests the client closes its direction.
    HalfClose,
    /// Each connection has the addresses and ports of the one before, which was reset when all had been said.
    SameAddresses,
    /// The first write of each connection leaves with its SYN (TCP Fast Open).
    EarlyData,
    /// A response has no length: it ends with the connection.
    UntilClose,
    /// The same, and the client resets the connection when it has all: nothing on the wire says that it was all.
    UntilReset,
    /// The last message of this side is sent by half, and the connection reset.
    Reset(Side),
    /// The last message of this side is sent by half, and the process killed.
    Killed(Side),
}

impl Manner {
    /// Whether a response ends with its connection.
    #[must_use]
    pub fn ends_by_close(self) -> bool {
        matches!(self, Self::UntilClose | Self::UntilReset)
    }

    /// Whose last message ends in the middle.
    #[must_use]
    pub fn cuts(self) -> Option<Side> {
        match self {
            Self::Reset(side) | Self::Killed(side) => Some(side),
            _ => None,
        }
    }
}

/// In which order connections are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// One after the other.
    OneByOne,
    /// All are opened, then used one after the other.
    AllOpen,
    /// So many threads, a share of the connections each.
    Threads(u32),
}

/// What both peers do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Name of this run, in each message.
    pub run: String,
    /// Command name that the peers take.
    pub comm: String,
    /// Where they meet; a server takes any port for 0, and says which.
    pub address: Address,
    /// How both send.
    pub send: SendPath,
    /// How both receive.
    pub receive: ReceivePath,
    /// The exchanges of each connection.
    pub exchanges: Vec<Exchange>,
    /// How many connections.
    pub connections: u32,
    /// In which order.
    pub order: Order,
    /// How each is used.
    pub manner: Manner,
    /// The client connects, says so, and waits for a line on standard input.
    pub wait: bool,
}

impl Plan {
    /// The message of this name.
    #[must_use]
    pub fn head(&self, connection: u32, exchange: u32, side: Side) -> Head {
        let sizes = self.exchanges.get(exchange as usize);
        let (request, response) = sizes.map_or((0, 0), |sizes| (sizes.request, sizes.response));
        let body = if side == Side::Request { request } else { response };
        let id = Id { connection, exchange, side };
        let sized = side == Side::Request || !self.manner.ends_by_close();
        Head { run: self.run.clone(), id, body, answer: response, sized }
    }
}

/// A line from a peer to the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The server listens.
    Listening {
        /// Where.
        address: Address,
    },
    /// The client's connections are open.
    Connected,
    /// A message is about to be sent.
    Begin {
        /// Its name.
        id: Id,
        /// Bytes of its body.
        body: usize,
        /// Their SHA-256, hex.
        sha256: String,
    },
    /// All of it has been taken by the socket.
    Sent {
        /// Its name.
        id: Id,
    },
    /// A message has arrived.
    Received {
        /// Its name.
        id: Id,
        /// SHA-256 of its body; none when the way of receiving throws it away.
        sha256: Option<String>,
    },
    /// What the case needs is not there.
    Unsupported {
        /// What.
        why: String,
    },
    /// The peer could not do its part.
    Failed {
        /// Why.
        why: String,
    },
}
