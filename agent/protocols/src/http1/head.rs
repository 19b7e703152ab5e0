//! The head of a message: start line and header fields.

use std::mem::MaybeUninit;

use memchr::memchr_iter;

use super::start_line::StartLine;
use crate::Headers;
use crate::message::{Incomplete, RequestLine};

/// Header fields of one message beyond which it is given up.
const FIELDS_MAX: usize = 128;

/// Where the head at the front of `input` ends; only ends at or after `from` are looked for. An end without CR is one
/// too: [`fields`] calls it ambiguous.
pub(crate) fn end(input: &[u8], from: usize) -> Option<usize> {
    // Three bytes of the end may lie before.
    let from = from.saturating_sub(3);
    memchr_iter(b'\n', input.get(from..)?)
        .map(|lf| from + lf + 1)
        .find(|next| {
            let rest = input.get(*next..).unwrap_or_default();
            rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
        })
        .map(|next| next + if input.get(next) == Some(&b'\n') { 1 } else { 2 })
}

/// Reads the header fields of a whole head whose start line is `line`.
pub(crate) fn fields(head: &[u8], line: &StartLine<'_>) -> Result<Headers, Incomplete> {
    if has_bare_line_ends(head) {
        return Err(Incomplete::AmbiguousFraming);
    }
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let mut response = httparse::Response::new(&mut []);
    let (outcome, fields) = match line {
        StartLine::Request { .. } => {
            let outcome = request.parse_with_uninit_headers(head, &mut slots);
            (outcome, &*request.headers)
        }
        StartLine::Status { .. } => {
            let config = httparse::ParserConfig::default();
            let outcome = config.parse_response_with_uninit_headers(&mut response, head, &mut slots);
            (outcome, &*response.headers)
        }
    };
    match outcome {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {
            let mut headers = Headers::with_capacity(fields.len(), head.len());
            fields.iter().for_each(|field| headers.push(field.name, field.value));
            Ok(headers)
        }
        Err(httparse::Error::TooManyHeaders) => Err(Incomplete::TooLarge),
        // Folded lines, white space before the colon, control characters: recipients repair, drop or refuse.
        _ => Err(Incomplete::AmbiguousFraming),
    }
}

/// A CR or LF that is not part of a CRLF.
fn has_bare_line_ends(head: &[u8]) -> bool {
    let mut lines = 0;
    let crlf = memchr_iter(b'\n', head).all(|lf| {
        lines += 1;
        lf.checked_sub(1).and_then(|before| head.get(before)) == Some(&b'\r')
    });
    !crlf || memchr_iter(b'\r', head).count() != lines
}

/// What a request asked for.
pub(crate) fn request_line(method: &[u8], target: &[u8], headers: &Headers) -> RequestLine {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    RequestLine::new(text(method), text(target), headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::start_line::{self, Reading};
    use crate::message::Side;

    fn check(head: &str, expected: Result<&[(&str, &str)], Incomplete>) {
        let side = if head.starts_with("HTTP/") { Side::Response } else { Side::Request };
        let Reading::Line { line, .. } = start_line::read(head.as_bytes(), side) else { panic!("{head}") };
        assert_eq!(end(head.as_bytes(), 0), Some(head.len()), "{head:?}");
        let got = fields(head.as_bytes(), &line);
        let got = got.as_ref().map(|h| h.iter().collect::<Vec<_>>());
        assert_eq!(got.map_err(|e| *e), expected.map(<[_]>::to_vec), "{head:?}");
    }

    #[test]
    fn heads() {
        let ambiguous = Err(Incomplete::AmbiguousFraming);
        check("GET / HTTP/1.1\r\n\r\n", Ok(&[]));
        check("GET / HTTP/1.1\r\nHost: A\r\nX-B:c \r\n\r\n", Ok(&[("host", "A"), ("x-b", "c")]));
        check("HTTP/1.1 200\r\nA: b\r\n\r\n", Ok(&[("a", "b")]));
        check("HTTP/1.1 200 OK\r\nA:\r\n\r\n", Ok(&[("a", "")]));
        check("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", ambiguous);
        check("HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n", ambiguous);
        check("GET / HTTP/1.1\r\nA : b\r\n\r\n", ambiguous);
        check("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", ambiguous);
        check("GET / HTTP/1.1\r\n A: b\r\n\r\n", ambiguous);
        check("GET / HTTP/1.1\r\nA b\r\n\r\n", ambiguous);
        check("GET / HTTP/1.1\r\n: b\r\n\r\n", ambiguous);
        check("GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", ambiguous);
        check("GET / HTTP/1.1\nA: b\n\n", ambiguous);
        check("GET / HTTP/1.1\r\nA: b\r\n\n", ambiguous);
        check("GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", ambiguous);
        check("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", ambiguous);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1));
        check(&many, Err(Incomplete::TooLarge));
        let just = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX));
        check(&just, Ok(&[("a", "b"); FIELDS_MAX]));
    }

    #[test]
    fn the_end_is_found_wherever_the_search_resumes() {
        let head = b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody";
        for from in 0..=head.len() - 4 {
            assert_eq!(end(head, from), Some(head.len() - 4), "{from}");
        }
        assert_eq!(end(&head[..head.len() - 5], 0), None);
    }
}
