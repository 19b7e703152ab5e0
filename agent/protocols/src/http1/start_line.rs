//! Start lines (RFC 9112, sections 3 and 4): read strictly, and found again after a gap.

use memchr::{memchr, memmem, memrchr};

use crate::message::Side;

/// A start line, as ranges of the input it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartLine<'a> {
    /// `method SP request-target SP HTTP-version`
    Request { method: &'a [u8], target: &'a [u8], minor: u8 },
    /// `HTTP-version SP status-code [SP reason]`
    Status { code: u16, minor: u8 },
}

impl StartLine<'_> {
    /// Whether it can prove that a message starts here where that is not known: not with any token as its method, for
    /// the end of a body may be one.
    pub(crate) fn is_proof(&self) -> bool {
        match self {
            Self::Request { method, .. } => KNOWN_METHODS.contains(method),
            Self::Status { .. } => true,
        }
    }
}

/// What stands at the front of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading<'a> {
    /// So far a start line, not all of it.
    NeedMore,
    /// A start line; `strict`: its line ends in CRLF.
    Line { line: StartLine<'a>, strict: bool },
    /// Something else.
    No,
}

/// Longest method and longest request target that resynchronising believes.
const METHOD_MAX: usize = 32;
const TARGET_MAX: usize = 8 << 10;

/// Reads the front of `input` as a start line of `side`.
pub(crate) fn read(input: &[u8], side: Side) -> Reading<'_> {
    let Some(end) = memchr(b'\n', input) else {
        return if may_begin(input, side) { Reading::NeedMore } else { Reading::No };
    };
    let (line, strict) = match input.get(..end) {
        Some([line @ .., b'\r']) => (line, true),
        Some(line) => (line, false),
        None => return Reading::No,
    };
    let line = match side {
        Side::Request => request_line(line),
        Side::Response => status_line(line),
    };
    line.map_or(Reading::No, |line| Reading::Line { line, strict })
}

/// Whether `input`, without a line end yet, may become a start line.
fn may_begin(input: &[u8], side: Side) -> bool {
    match side {
        Side::Request => {
            let method = input.iter().take_while(|b| is_tchar(**b)).count();
            match input.get(method) {
                None => method <= METHOD_MAX,
                Some(b' ') => method > 0 && method <= METHOD_MAX && input.get(method + 1) != Some(&b' '),
                Some(_) => false,
            }
        }
        Side::Response => {
            input.iter().zip(b"HTTP/1.").all(|(a, b)| a == b)
                && input.get(7).is_none_or(|b| matches!(b, b'0' | b'1'))
                && input.get(8).is_none_or(|b| *b == b' ')
                && input.iter().skip(9).take(3).all(u8::is_ascii_digit)
        }
    }
}

fn request_line(line: &[u8]) -> Option<StartLine<'_>> {
    let method_end = memchr(b' ', line)?;
    let target_end = memrchr(b' ', line)?;
    let method = line.get(..method_end)?;
    let target = line.get(method_end + 1..target_end)?;
    let minor = version(line.get(target_end + 1..)?)?;
    let well_formed = !method.is_empty()
        && method.len() <= METHOD_MAX
        && method.iter().all(|b| is_tchar(*b))
        && !target.is_empty()
        && target.iter().all(|b| is_target(*b));
    well_formed.then_some(StartLine::Request { method, target, minor })
}

fn status_line(line: &[u8]) -> Option<StartLine<'_>> {
    let minor = version(line.get(..8)?)?;
    let digits = line.get(9..12)?;
    let ends = line.get(12).is_none_or(|b| *b == b' ');
    if line.get(8) != Some(&b' ') || !ends || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    (100..=599).contains(&code).then_some(StartLine::Status { code, minor })
}

/// `HTTP/1.0` or `HTTP/1.1`; gives the minor version.
fn version(bytes: &[u8]) -> Option<u8> {
    match bytes {
        b"HTTP/1.0" => Some(0),
        b"HTTP/1.1" => Some(1),
        _ => None,
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
pub(crate) fn is_tchar(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// No space and no control character; what is sent unescaped above ASCII is let through.
fn is_target(b: u8) -> bool {
    b > b' ' && b != 0x7f
}

/// Methods that resynchronising believes: those of RFC 9110 and RFC 5789, the ones `WebDAV` adds, and QUERY.
const KNOWN_METHODS: [&[u8]; 19] = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"QUERY",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
];

/// A start line found in the middle of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Offset of its first byte.
    pub(crate) offset: usize,
    /// What it starts.
    pub(crate) side: Side,
}

/// The first strict start line in `input`, of `wanted` or of either side: a known method, a target and a version that end in CRLF, or a version and
/// three digits. `Err(n)`: there is none, and none begins in the first `n` bytes. What is found
/// does not depend on how the stream was cut.
pub(crate) fn find(input: &[u8], wanted: Option<Side>) -> Result<Found, usize> {
    // Every start line has it, and it tells where the rest must be.
    const ANCHOR: &[u8] = b"HTTP/1.";
    for anchor in memmem::find_iter(input, ANCHOR) {
        match around(input, anchor) {
            Around::Start(found) if wanted.is_none_or(|side| side == found.side) => return Ok(found),
            Around::Start(_) => {}
            // It may also be part of a target that began before.
            Around::NeedMore(from) => return Err(from.min(hopeless(input))),
            Around::Nothing => {}
        }
    }
    Err(hopeless(input))
}

/// How many bytes in front of `input`, which has no start line, none can begin in: a request line has no LF, so it cannot
/// begin before the last one; nor further back than it is long.
fn hopeless(input: &[u8]) -> usize {
    let after_line = memrchr(b'\n', input).map_or(0, |lf| lf + 1);
    let longest = METHOD_MAX + TARGET_MAX + b" HTTP/1.1\r\n".len();
    after_line.max(input.len().saturating_sub(longest))
}

enum Around {
    Start(Found),
    NeedMore(usize),
    Nothing,
}

/// Whether the version at `anchor` belongs to a start line.
fn around(input: &[u8], anchor: usize) -> Around {
    let tail = input.get(anchor + 7..).unwrap_or_default();
    let status_like = |tail: &[u8]| {
        tail.iter().zip(0..6).all(|(b, i)| match i {
            0 => matches!(b, b'0' | b'1'),
            1 => *b == b' ',
            2 => (b'1'..=b'5').contains(b),
            3 | 4 => b.is_ascii_digit(),
            _ => matches!(b, b' ' | b'\r'),
        })
    };
    if status_like(tail) {
        if tail.len() >= 6 {
            return Around::Start(Found { offset: anchor, side: Side::Response });
        }
        if tail.len() >= 2 {
            return Around::NeedMore(anchor);
        }
    }
    let request_like = tail.iter().zip(0..3).all(|(b, i)| match i {
        0 => matches!(b, b'0' | b'1'),
        1 => *b == b'\r',
        _ => *b == b'\n',
    });
    if !request_like {
        return Around::Nothing;
    }
    match request_before(input, anchor) {
        Some(offset) if tail.len() >= 3 => Around::Start(Found { offset, side: Side::Request }),
        Some(offset) => Around::NeedMore(offset),
        None if tail.len() < 2 => Around::NeedMore(anchor),
        None => Around::Nothing,
    }
}

/// Where the request line begins whose version stands at `anchor`.
fn request_before(input: &[u8], anchor: usize) -> Option<usize> {
    let before = input.get(..anchor)?.strip_suffix(b" ")?;
    let window = before.get(before.len().saturating_sub(TARGET_MAX + 1)..)?;
    let space = memrchr(b' ', window)? + before.len() - window.len();
    let target = before.get(space + 1..)?;
    if target.is_empty() || !target.iter().all(|b| is_target(*b)) {
        return None;
    }
    // What stands before the method may be anything (the end of a body), so the method is a suffix.
    let upto = before.get(..space)?;
    let longest =
        KNOWN_METHODS.iter().filter(|method| upto.ends_with(method)).map(|method| method.len()).max()?;
    Some(space - longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strictly() {
        let check = |input: &[u8], side, expected: &str| {
            let got = match read(input, side) {
                Reading::NeedMore => "more",
                Reading::Line { strict: true, .. } => "strict",
                Reading::Line { strict: false, .. } => "loose",
                Reading::No => "no",
            };
            assert_eq!(got, expected, "{}", String::from_utf8_lossy(input));
        };
        for (input, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], "strict"),
            (b"GET / HTTP/1.0\r\nHost", "strict"),
            (b"GET / HTTP/1.1\n", "loose"),
            (b"GET http://a/b?c=d HTTP/1.1\r\n", "strict"),
            (b"M-SEARCH * HTTP/1.1\r\n", "strict"),
            (b"GET", "more"),
            (b"GET /a", "more"),
            (b"", "more"),
            (b"GET  / HTTP/1.1\r\n", "no"),
            (b"GET /  HTTP/1.1\r\n", "no"),
            (b"GET /a b HTTP/1.1\r\n", "no"),
            (b" GET / HTTP/1.1\r\n", "no"),
            (b"GET / HTTP/1.1 \r\n", "no"),
            (b"GET / HTTP/2.0\r\n", "no"),
            (b"GET / http/1.1\r\n", "no"),
            (b"GET /\r\n", "no"),
            (b"\x16\x03\x01", "no"),
            (b"{\"a\"", "no"),
            (b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ", "no"),
        ] {
            check(input, Side::Request, expected);
        }
        for (input, expected) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], "strict"),
            (b"HTTP/1.1 200\r\n", "strict"),
            (b"HTTP/1.1 200 \r\n", "strict"),
            (b"HTTP/1.0 404 Not Found\n", "loose"),
            (b"HTTP/1.1 2", "more"),
            (b"HTT", "more"),
            (b"HTTP/1.1 2x", "no"),
            (b"HTTP/1.1  200 OK\r\n", "no"),
            (b"HTTP/1.1 2000 OK\r\n", "no"),
            (b"HTTP/1.1 000 OK\r\n", "no"),
            (b"HTTP/2 200\r\n", "no"),
            (b"SSH-2.0", "no"),
        ] {
            check(input, Side::Response, expected);
        }
    }

    #[test]
    fn finds_again() {
        let check = |input: &[u8], expected: Result<(usize, Side), usize>| {
            assert_eq!(
                find(input, None).map(|f| (f.offset, f.side)),
                expected,
                "{}",
                String::from_utf8_lossy(input)
            );
        };
        check(b"GET / HTTP/1.1\r\n", Ok((0, Side::Request)));
        check(b"}GET / HTTP/1.1\r\n", Ok((1, Side::Request)));
        check(b"}\r\nHTTP/1.1 200 OK\r\n", Ok((3, Side::Response)));
        check(b"HTTP/1.1 20", Err(0));
        check(b"x\nHTTP/1.1 20", Err(2));
        check(b"a\nGET /x", Err(2));
        check(b"GET / HTTP/1.1\r", Err(0));
        check(b"POST /b?HTTP/1.", Err(0));
        check(b"FOO / HTTP/1.1\r\nPUT /x HTTP/1.0\r\n", Ok((16, Side::Request)));
        check(b"see HTTP/1.1 for GET /a HTTP/1.1\r\n", Ok((17, Side::Request)));
        check(b"HTTP/1.1 999 HTTP/1.1 204 ", Ok((13, Side::Response)));
        check(b"nothing here\n", Err(13));
    }

    #[test]
    fn finding_does_not_depend_on_cuts() {
        let stream = b"HTTP/1.1 9 garbage HTTP/1. GET /a\nXPOST /b?HTTP/1.1 HTTP/1.1\r\nHost: a\r\n";
        let whole = find(stream, None);
        for cut in 0..stream.len() {
            let mut from = 0;
            let first = find(&stream[..cut], None);
            let got = match first {
                Ok(found) => Ok(found),
                Err(skip) => {
                    from = skip;
                    find(&stream[from..], None)
                }
            };
            assert_eq!(
                got.map(|f| (f.offset + from, f.side)).ok(),
                whole.map(|f| (f.offset, f.side)).ok(),
                "{cut}"
            );
        }
    }
}
