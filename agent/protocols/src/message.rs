//! A [`Message`]: one request or one response, however it was captured.

use std::sync::Arc;

use bytes::Bytes;
use pitot_common::user::{Endpoint, Process};
use serde::{Deserialize, Serialize};

use crate::Headers;

/// Every protocol's name, as in [`Message::protocol`].
pub const PROTOCOLS: [&str; 1] = ["http"];

/// Total order of messages, the same for any number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Order {
    /// Sequence number, in the source, of the event that released the message.
    pub seq: u64,
    /// Connection (0 for files): one event (a tick) may release messages of many.
    pub conn: u64,
    /// Counts the messages one event released on one connection.
    pub index: u32,
}

/// Request or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Sent by the client.
    Request,
    /// Sent by the server.
    Response,
}

/// What a request asked for. A response carries that of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// Method as sent.
    pub method: String,
    /// Request target as sent (`/v1/orders?dry=0`).
    pub target: String,
    /// Host or :authority as sent, where there was one.
    pub authority: Option<String>,
}

impl RequestLine {
    /// The authority is that of the target where it has one (absolute-form, or CONNECT's: RFC 9112, section 3.2), else the Host
    /// field.
    #[must_use]
    pub fn new(method: String, target: String, headers: &Headers) -> Self {
        let in_target = match target.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                rest.split(['/', '?', '#']).next().map(str::to_owned)
            }
            _ if method == "CONNECT" => Some(target.clone()),
            _ => None,
        };
        let host = || headers.get("host").map(str::to_owned);
        Self { authority: in_target.or_else(host), method, target }
    }
}

/// One end of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Named by a messages file.
    Named(Arc<str>),
    /// A process on this machine.
    Local(Arc<Process>),
    /// On this machine or not, its process is not known.
    Address(Endpoint),
    /// A server of which, beside the address, the authority (Host) in its connection's first request is known.
    Host {
        /// Where it was reached.
        address: Endpoint,
        /// As sent.
        authority: Arc<str>,
    },
}

/// Why a message is not complete (contract, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Incomplete {
    /// A gap between its first and last byte.
    Gap,
    /// Its start is not proven.
    UnprovenStart,
    /// Its end is not proven: the connection ended or was forgotten before.
    UnprovenEnd,
    /// FIN or RST in position before the declared end.
    Truncated,
    /// Its framing can be read in more than one way.
    AmbiguousFraming,
    /// The request that it answers was not seen.
    RequestNotSeen,
    /// Its body was longer than the cap.
    TooLarge,
    /// Its content encoding is not known, or damaged.
    Encoding,
    /// The file it was read from says so.
    Declared,
    /// Its body was given up because memory was short.
    Memory,
}

impl Incomplete {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Gap,
        Self::UnprovenStart,
        Self::UnprovenEnd,
        Self::Truncated,
        Self::AmbiguousFraming,
        Self::RequestNotSeen,
        Self::TooLarge,
        Self::Encoding,
        Self::Declared,
        Self::Memory,
    ];

    /// The reason with this name ([`Incomplete::as_str`]), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// The name used in ledgers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::UnprovenStart => "unproven_start",
            Self::UnprovenEnd => "unproven_end",
            Self::Truncated => "truncated",
            Self::AmbiguousFraming => "ambiguous_framing",
            Self::RequestNotSeen => "request_not_seen",
            Self::TooLarge => "too_large",
            Self::Encoding => "encoding",
            Self::Declared => "declared",
            Self::Memory => "memory",
        }
    }
}

/// One request or response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place among all messages.
    pub order: Order,
    /// When its last byte was captured, ns since the Unix epoch.
    pub t_ns: u64,
    /// Links a request and its response; unique within (client, server). 16 hex digits on live capture.
    pub exchange: Arc<str>,
    /// Which of the two.
    pub side: Side,
    /// `http`, ... (contract: `flow.protocol`).
    pub protocol: &'static str,
    /// Of a request its own, of a response that of its request, where that was seen.
    pub request: Option<Arc<RequestLine>>,
    /// Status of a response.
    pub status: Option<u16>,
    /// Names in lower case, in order; a value's bytes that are not UTF-8 are replaced.
    pub headers: Headers,
    /// Decoded body (transfer and content encodings undone).
    pub body: Bytes,
    /// `None`: complete.
    pub incomplete: Option<Incomplete>,
    /// Client end.
    pub client: Peer,
    /// Server end.
    pub server: Peer,
    /// The connection it was captured on; `None` from a file that does not say.
    pub transport: Option<Transport>,
    /// The sender's instance (container id, host:pid:start), where known.
    pub instance: Option<Arc<str>>,
}

/// Where on the wire a message was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// Connection identity, 16 hex digits.
    pub conn: Arc<str>,
    /// Client address: `ADDRESS:PORT`, `unix:PATH`, or `unix:NUMBER` of a socket without a name.
    pub client: Arc<str>,
    /// Server address, written like that too.
    pub server: Arc<str>,
}

impl Message {
    /// Whether it may be learned from.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_none()
    }

    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}
