//! Chunked transfer coding (RFC 9112, section 7.1), one step at a time.

use memchr::memchr;

/// Where in the coding the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunked {
    /// At a chunk-size line.
    Size,
    /// In a chunk's data, with this many bytes to come; at least 1.
    Data(u64),
    /// At the CRLF after a chunk's data.
    DataEnd,
    /// In the trailer section, of which this many bytes have passed.
    Trailers(usize),
}

/// What the front of the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Framing of this length.
    Framing(usize),
    /// Body bytes of this length.
    Data(usize),
    /// Framing of this length, and the body has ended.
    Last(usize),
    /// Not enough to tell.
    NeedMore,
    /// Not the coding: endpoints may read it differently.
    Bad,
}

impl Chunked {
    /// Reads one piece; `limit` is the longest line, and the longest trailer section, that is believed.
    pub(crate) fn read(&mut self, input: &[u8], limit: usize) -> Piece {
        if input.is_empty() {
            return Piece::NeedMore;
        }
        match *self {
            Self::Data(left) => {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                self.pass(take as u64);
                Piece::Data(take)
            }
            Self::DataEnd => match input {
                [b'\r', b'\n', ..] => {
                    *self = Self::Size;
                    Piece::Framing(2)
                }
                [b'\r'] => Piece::NeedMore,
                _ => Piece::Bad,
            },
            Self::Size => match line(input, limit) {
                Ok(Some(line)) => match size(line) {
                    Some(0) => {
                        *self = Self::Trailers(0);
                        Piece::Framing(line.len() + 2)
                    }
                    Some(size) => {
                        *self = Self::Data(size);
                        Piece::Framing(line.len() + 2)
                    }
                    None => Piece::Bad,
                },
                Ok(None) => Piece::NeedMore,
                Err(()) => Piece::Bad,
            },
            Self::Trailers(passed) => match line(input, limit.saturating_sub(passed)) {
                Ok(Some([])) => Piece::Last(2),
                Ok(Some(line)) if is_field(line) => {
                    *self = Self::Trailers(passed + line.len() + 2);
                    Piece::Framing(line.len() + 2)
                }
                Ok(Some(_)) | Err(()) => Piece::Bad,
                Ok(None) => Piece::NeedMore,
            },
        }
    }

    /// `bytes` of a chunk's data went by, seen or not; `false` where that is more than the chunk has left, or this is
    /// not in a chunk's data.
    pub(crate) fn pass(&mut self, bytes: u64) -> bool {
        let Self::Data(left) = *self else { return false };
        match left.checked_sub(bytes) {
            Some(0) => *self = Self::DataEnd,
            Some(left) => *self = Self::Data(left),
            None => return false,
        }
        true
    }
}

/// The line at the front, without its CRLF; `None`: it has not ended; error: a bare CR or LF, or too long.
fn line(input: &[u8], limit: usize) -> Result<Option<&[u8]>, ()> {
    match memchr(b'\n', input) {
        Some(lf) => match input.get(..lf) {
            Some([line @ .., b'\r']) if lf <= limit && !line.contains(&b'\r') => Ok(Some(line)),
            _ => Err(()),
        },
        None if input.len() > limit => Err(()),
        None => Ok(None),
    }
}

/// `chunk-size [ chunk-ext ]`: digits, then nothing, or `;` and no control character.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (number, extension) = line.split_at_checked(digits)?;
    let extension = extension.trim_ascii_start();
    // White space is only allowed in front of an extension.
    let well_formed = match extension {
        [] => number.len() == line.len(),
        [b';', rest @ ..] => rest.iter().all(|b| *b >= b' ' || *b == b'\t'),
        _ => false,
    };
    if !well_formed || number.is_empty() || number.len() > 16 {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()
}

/// `field-name ":"` and no white space around the name: neither folding nor smuggling.
fn is_field(line: &[u8]) -> bool {
    let name = line.iter().take_while(|b| super::start_line::is_tchar(**b)).count();
    name > 0 && line.get(name) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, or `None` where the coding is bad; whole at once and byte by byte.
    fn decode(stream: &[u8], at_a_time: usize) -> Option<(Vec<u8>, usize)> {
        let (mut state, mut body, mut from, mut upto) = (Chunked::Size, Vec::new(), 0, 0);
        loop {
            match state.read(&stream[from..upto], 64) {
                Piece::Framing(n) => from += n,
                Piece::Data(n) => {
                    body.extend_from_slice(&stream[from..from + n]);
                    from += n;
                }
                Piece::Last(n) => return Some((body, from + n)),
                Piece::NeedMore if upto == stream.len() => return Some((body, usize::MAX)),
                Piece::NeedMore => upto = (upto + at_a_time).min(stream.len()),
                Piece::Bad => return None,
            }
        }
    }

    #[test]
    fn streams() {
        let check = |stream: &[u8], expected: Option<(&[u8], usize)>| {
            for at_a_time in [1, 2, 3, usize::MAX / 2] {
                let got = decode(stream, at_a_time);
                let got = got.as_ref().map(|(body, end)| (body.as_slice(), *end));
                assert_eq!(got, expected, "{} by {at_a_time}", String::from_utf8_lossy(stream));
            }
        };
        const OPEN: usize = usize::MAX;
        check(b"0\r\n\r\n", Some((b"", 5)));
        check(b"3\r\nabc\r\n0\r\n\r\nGET", Some((b"abc", 13)));
        check(b"3;a=b;c=\"d\"\r\nabc\r\n000\r\n\r\n", Some((b"abc", 25)));
        check(b"3 ;a\r\nabc\r\n0\r\n\r\n", Some((b"abc", 16)));
        check(b"A\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", Some((b"0123456789", 34)));
        check(b"3\r\nab", Some((b"ab", OPEN)));
        check(b"", Some((b"", OPEN)));
        for bad in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"0x3\r\nabc\r\n",
            b"3 \r\nabc\r\n",
            b" 3\r\nabc\r\n",
            b"3\nabc\r\n",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n0\r\n\r\n",
            b"11111111111111111\r\n",
            b"3;a\rb\r\nabc",
            b"3;\x01\r\nabc",
            b"0\r\n\n",
            b"0\r\n folded\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\nspace : x\r\n\r\n",
        ] {
            check(bad, None);
        }
        let long = [b"1;".as_slice(), &[b'a'; 80], b"\r\nx"].concat();
        check(&long, None);
    }
}
