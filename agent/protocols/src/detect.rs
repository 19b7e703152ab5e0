//! Which protocol a connection speaks, from the first bytes of one direction.

use crate::http1::start_line::{self, Reading};
use crate::message::Side;

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// Not enough of them.
    NeedMore,
    /// HTTP/1, as far as can be seen.
    Http1,
    /// None that is read here; the name is the ledger's reason.
    NotOurs(&'static str),
}

/// Looks at the first bytes of a direction, not empty, that the client (`Side::Request`) or the server sent.
#[must_use]
pub fn first_bytes(input: &[u8], side: Side) -> Detection {
    /// RFC 9113, section 3.4.
    const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // RFC 8446, section 5.1: a handshake record of any TLS.
    match input {
        [0x16] => return Detection::NeedMore,
        [0x16, 0x03, ..] => return Detection::NotOurs("tls"),
        _ => {}
    }
    if side == Side::Request && input.starts_with(HTTP2_PREFACE) {
        return Detection::NotOurs("http2");
    }
    let start = match side {
        Side::Request => after_empty_lines(input),
        Side::Response => input,
    };
    match start_line::read(start, side) {
        // Half of an empty line.
        _ if side == Side::Request && start == b"\r" => Detection::NeedMore,
        Reading::Line { .. } => Detection::Http1,
        Reading::NeedMore if input.len() < ENOUGH => Detection::NeedMore,
        Reading::NeedMore => Detection::Http1,
        Reading::No if side == Side::Request && HTTP2_PREFACE.starts_with(input) => Detection::NeedMore,
        Reading::No => Detection::NotOurs("not_http"),
    }
}

/// So many bytes without a line end that still may be a start line are one.
const ENOUGH: usize = 1024;

/// Without the empty lines in front (RFC 9112, section 2.2).
fn after_empty_lines(mut input: &[u8]) -> &[u8] {
    while let Some(rest) = input.strip_prefix(b"\r\n") {
        input = rest;
    }
    input
}

/// A place where the protocol shows in the middle of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Bytes before it.
    pub skip: usize,
    /// Which side's message starts there.
    pub side: Side,
}

/// Looks for a message in a direction that is not seen from its start; `side`, where it is known whose it is.
///
/// # Errors
/// The number of bytes, from the front, that need not be shown again.
pub fn anywhere(input: &[u8], side: Option<Side>) -> Result<Sighting, usize> {
    start_line::find(input, side).map(|found| Sighting { skip: found.offset, side: found.side })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first() {
        let check = |input: &[u8], side, expected| {
            assert_eq!(first_bytes(input, side), expected, "{}", String::from_utf8_lossy(input));
        };
        let not = Detection::NotOurs("not_http");
        for (input, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Detection::Http1),
            (b"\r\nGET / HTTP/1.1\r\n", Detection::Http1),
            (b"G", Detection::NeedMore),
            (b"\r", Detection::NeedMore),
            (b"\r\n", Detection::NeedMore),
            (b"GET /", Detection::NeedMore),
            (b"GET /\r\n", not),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", Detection::NotOurs("http2")),
            (b"PRI * HTTP/2.0\r\n", Detection::NeedMore),
            (b"\x16\x03\x01\x02", Detection::NotOurs("tls")),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", not),
            (b"*1\r\n$4\r\nPING\r\n", not),
        ] {
            check(input, Side::Request, expected);
        }
        check(&[b"GET /".as_slice(), &[b'a'; ENOUGH]].concat(), Side::Request, Detection::Http1);
        check(b"HTTP/1.1 2", Side::Response, Detection::NeedMore);
        check(b"HTTP/1.1 200 OK\r\n", Side::Response, Detection::Http1);
        check(b"SSH-2.0-OpenSSH\r\n", Side::Response, not);
        check(b"+PONG\r\n", Side::Response, not);
    }
}
