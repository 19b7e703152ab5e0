//! What goes over the socket: HTTP/1.1 messages whose heads all have the same length, so that a receiver can ask any
//! system call for exactly the bytes that come next.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::content;

/// Bytes of a head, start line and empty line included.
pub const HEAD: usize = 320;

/// Request or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Sent by the client.
    Request,
    /// Sent by the server.
    Response,
}

impl Side {
    /// As recordings have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// Names one message of one case's run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// Number of its connection, as the client counts.
    pub connection: u32,
    /// Number of its exchange on that connection.
    pub exchange: u32,
    /// Which message of that exchange.
    pub side: Side,
}

/// What a head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The run that this message belongs to: no other on the machine has it.
    pub run: String,
    /// The message's name.
    pub id: Id,
    /// Bytes of its body.
    pub body: usize,
    /// Bytes of the body that the response to it will have (of a response: its own).
    pub answer: usize,
    /// Whether it says how long its body is; else the end of the connection does.
    pub sized: bool,
}

impl Head {
    /// Seed of the body.
    #[must_use]
    pub fn seed(&self) -> u64 {
        // The exchange decides about JSON or not, for both sides.
        let name = format!("{} {:?}", self.id.connection, self.id.side);
        (content::seed(&name) & !0xffff_ffff) | u64::from(self.id.exchange)
    }

    /// The body.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        content::body(self.seed(), self.body)
    }

    /// The target of the exchange's request.
    #[must_use]
    pub fn target(&self) -> String {
        format!("/{}/{}/{}", self.run, self.id.connection, self.id.exchange)
    }

    /// The head as it is sent: [`HEAD`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = match self.id.side {
            Side::Request => format!("POST {} HTTP/1.1\r\nHost: suite.test\r\n", self.target()),
            Side::Response => "HTTP/1.1 200 OK\r\n".to_owned(),
        };
        let kind =
            if content::is_json(self.seed()) { "application/json" } else { "application/octet-stream" };
        if self.sized {
            let _ = write!(text, "Content-Length: {}\r\n", self.body);
        } else {
            text.push_str("Connection: close\r\n");
        }
        let _ = write!(
            text,
            "Content-Type: {kind}\r\nX-Run: {}\r\nX-Message: {}/{}\r\nX-Answer: {}\r\nX-Pad: ",
            self.run, self.id.connection, self.id.exchange, self.answer
        );
        let rest = HEAD.saturating_sub(text.len() + 4);
        text.extend(std::iter::repeat_n('p', rest));
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }

    /// Reads what [`Head::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let field =
            |name: &str| text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let (connection, exchange) = field("X-Message")?.split_once('/')?;
        let side = if text.starts_with("HTTP/") { Side::Response } else { Side::Request };
        let head = Self {
            run: field("X-Run")?.to_owned(),
            id: Id { connection: connection.parse().ok()?, exchange: exchange.parse().ok()?, side },
            body: field("Content-Length").or(field("X-Answer"))?.parse().ok()?,
            sized: field("Content-Length").is_some(),
            answer: field("X-Answer")?.parse().ok()?,
        };
        (head.encode() == bytes).then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_as_they_were_written() {
        for (side, sized) in [(Side::Request, true), (Side::Response, true), (Side::Response, false)] {
            let id = Id { connection: 1999, exchange: 9999, side };
            let head = Head { run: "s12345678-123".into(), id, body: 16 << 20, answer: 16 << 20, sized };
            let bytes = head.encode();
            assert_eq!(bytes.len(), HEAD);
            assert_eq!(Head::decode(&bytes), Some(head));
        }
        assert_eq!(Head::decode(b"GET / HTTP/1.1\r\n\r\n"), None);
    }
}
