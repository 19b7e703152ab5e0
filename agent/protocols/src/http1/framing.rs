//! Where a body ends: RFC 9112, section 6.3, as an observer must read it.
//!
//! An endpoint may resolve doubt by a rule; an observer cannot know by which. So what RFC 9112 lets a
//! recipient repair or refuse is [`Framing::Ambiguous`] here.

use crate::Headers;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// This many bytes; 0: no body.
    Length(u64),
    /// Chunked transfer coding; `coded`: other transfer codings lie below it.
    Chunked { coded: bool },
    /// All until the connection ends; `coded` as above.
    UntilClose { coded: bool },
    /// It can be read in more than one way.
    Ambiguous,
}

/// What the header fields say.
enum Declared {
    Nothing,
    Length(u64),
    /// `chunked` is the last coding; `coded`: it is not the only one.
    Chunked {
        coded: bool,
    },
    /// A transfer coding, and the last is not `chunked`.
    OtherCoding,
    Ambiguous,
}

/// Framing of a request's body.
pub(crate) fn of_request(headers: &Headers, minor: u8) -> Framing {
    match declared(headers, minor) {
        Declared::Nothing => Framing::Length(0),
        Declared::Length(length) => Framing::Length(length),
        Declared::Chunked { coded } => Framing::Chunked { coded },
        Declared::OtherCoding | Declared::Ambiguous => Framing::Ambiguous,
    }
}

/// Framing of a final response's body; `bodiless`: it answers HEAD.
pub(crate) fn of_response(headers: &Headers, minor: u8, status: u16, bodiless: bool) -> Framing {
    if bodiless || matches!(status, 100..=199 | 204 | 304) {
        return Framing::Length(0);
    }
    match declared(headers, minor) {
        Declared::Nothing => Framing::UntilClose { coded: false },
        Declared::Length(length) => Framing::Length(length),
        Declared::Chunked { coded } => Framing::Chunked { coded },
        Declared::OtherCoding => Framing::UntilClose { coded: true },
        Declared::Ambiguous => Framing::Ambiguous,
    }
}

fn declared(headers: &Headers, minor: u8) -> Declared {
    let values = |name| headers.all(name);
    let has_coding = values("transfer-encoding").next().is_some();
    let has_length = values("content-length").next().is_some();
    match (has_coding, has_length) {
        (false, false) => Declared::Nothing,
        (false, true) => {
            content_length(values("content-length")).map_or(Declared::Ambiguous, Declared::Length)
        }
        // "A server MAY reject a request that contains both": one reads the length, another the chunks.
        (true, true) => Declared::Ambiguous,
        // HTTP/1.0 has no transfer codings; "the framing is faulty" (section 6.1).
        (true, false) if minor == 0 => Declared::Ambiguous,
        (true, false) => transfer_coding(values("transfer-encoding")),
    }
}

/// One length; repeated ones must be the same, digit for digit.
fn content_length<'a>(values: impl Iterator<Item = &'a str>) -> Option<u64> {
    let mut lengths =
        values.flat_map(|value| value.split(',')).map(|length| length.trim_matches([' ', '\t']));
    let first = lengths.next()?;
    let digits = !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
    (digits && lengths.all(|other| other == first)).then(|| first.parse().ok())?
}

fn transfer_coding<'a>(values: impl Iterator<Item = &'a str>) -> Declared {
    let codings: Vec<_> =
        values.flat_map(|value| value.split(',')).map(|c| c.trim_matches([' ', '\t'])).collect();
    let known = |coding: &str| {
        ["gzip", "x-gzip", "compress", "x-compress", "deflate"].iter().any(|k| coding.eq_ignore_ascii_case(k))
    };
    let Some((last, below)) = codings.split_last() else { return Declared::Ambiguous };
    // Chunked twice, a parameter, `identity`, an empty element: recipients differ.
    if !below.iter().all(|coding| known(coding)) {
        Declared::Ambiguous
    } else if last.eq_ignore_ascii_case("chunked") {
        Declared::Chunked { coded: !below.is_empty() }
    } else if known(last) {
        Declared::OtherCoding
    } else {
        Declared::Ambiguous
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Headers {
        list.iter().copied().collect()
    }

    const CL: &str = "content-length";
    const TE: &str = "transfer-encoding";
    const PLAIN_CHUNKS: Framing = Framing::Chunked { coded: false };

    #[test]
    fn requests() {
        let check =
            |list: &[(&str, &str)], expected| assert_eq!(of_request(&headers(list), 1), expected, "{list:?}");
        check(&[], Framing::Length(0));
        check(&[(CL, "5")], Framing::Length(5));
        check(&[(CL, "5"), (CL, "5")], Framing::Length(5));
        check(&[(CL, "5, 5")], Framing::Length(5));
        check(&[(CL, "18446744073709551615")], Framing::Length(u64::MAX));
        check(&[(TE, "chunked")], PLAIN_CHUNKS);
        check(&[(TE, "Chunked")], PLAIN_CHUNKS);
        check(&[(TE, "gzip, chunked")], Framing::Chunked { coded: true });
        check(&[(TE, "gzip"), (TE, "chunked")], Framing::Chunked { coded: true });
        for ambiguous in [
            &[(CL, "5"), (CL, "6")][..],
            &[(CL, "5, 05")],
            &[(CL, "+5")],
            &[(CL, "-1")],
            &[(CL, "5 5")],
            &[(CL, "0x5")],
            &[(CL, "")],
            &[(CL, "5,")],
            &[(CL, "18446744073709551616")],
            &[(CL, "5"), (TE, "chunked")],
            &[(TE, "chunked"), (CL, "0")],
            &[(TE, "gzip")],
            &[(TE, "chunked, gzip")],
            &[(TE, "chunked, chunked")],
            &[(TE, "xchunked")],
            &[(TE, "chunked;q=1")],
            &[(TE, "identity")],
            &[(TE, "\u{b}chunked")],
            &[(TE, "")],
        ] {
            check(ambiguous, Framing::Ambiguous);
        }
        assert_eq!(of_request(&headers(&[(TE, "chunked")]), 0), Framing::Ambiguous);
    }

    #[test]
    fn responses() {
        let check = |list: &[(&str, &str)], status, bodiless, expected| {
            assert_eq!(
                of_response(&headers(list), 1, status, bodiless),
                expected,
                "{list:?} {status} {bodiless}"
            );
        };
        check(&[], 200, false, Framing::UntilClose { coded: false });
        check(&[(CL, "5")], 200, false, Framing::Length(5));
        check(&[(CL, "5")], 200, true, Framing::Length(0));
        check(&[(CL, "5")], 304, false, Framing::Length(0));
        check(&[(CL, "5")], 204, false, Framing::Length(0));
        check(&[], 101, false, Framing::Length(0));
        check(&[(TE, "chunked")], 200, false, PLAIN_CHUNKS);
        check(&[(TE, "gzip")], 200, false, Framing::UntilClose { coded: true });
        check(&[(TE, "chunked"), (CL, "5")], 200, false, Framing::Ambiguous);
        check(&[(CL, "5"), (CL, "6")], 502, false, Framing::Ambiguous);
    }
}
