//! Undoes content codings (RFC 9110, section 8.4), bounded in size and in ratio.
//!
//! `gzip` and `deflate` are undone; any other coding makes the message incomplete
//! ([`Incomplete::Encoding`]), never a guess.

use std::io::{BufRead, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::Headers;
use crate::message::Incomplete;

/// Output up to this size is allowed whatever the ratio: small and regular bodies compress far.
const FREE: usize = 1 << 20;
/// Beyond it, output per input byte. JSON reaches 10 to 50; deflate's own limit is 1,032.
const RATIO: usize = 128;

/// The body without the codings that `headers` name; `limit` caps the result, bytes.
///
/// # Errors
/// [`Incomplete::Encoding`]: unknown or damaged; [`Incomplete::TooLarge`]: beyond a cap.
pub fn decode(headers: &Headers, body: Bytes, limit: usize) -> Result<Bytes, Incomplete> {
    if body.is_empty() {
        return Ok(body);
    }
    let mut codings = headers
        .all("content-encoding")
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
    let Some(coding) = codings.next() else { return Ok(body) };
    if codings.next().is_some() {
        return Err(Incomplete::Encoding);
    }
    let cap = limit.min(FREE.max(body.len().saturating_mul(RATIO)));
    let is = |name: &str| coding.eq_ignore_ascii_case(name);
    if is("gzip") || is("x-gzip") {
        inflate(MultiGzDecoder::new(&body[..]), cap)
    } else if is("deflate") && is_zlib(&body) {
        let mut decoder = ZlibDecoder::new(&body[..]);
        let decoded = inflate(&mut decoder, cap)?;
        nothing_left(decoder.get_mut(), decoded)
    } else if is("deflate") {
        // RFC 9110 notes that some senders leave the zlib wrapper out; its check bits tell them apart.
        let mut decoder = DeflateDecoder::new(&body[..]);
        let decoded = inflate(&mut decoder, cap)?;
        nothing_left(decoder.get_mut(), decoded)
    } else {
        Err(Incomplete::Encoding)
    }
}

fn inflate(decoder: impl Read, cap: usize) -> Result<Bytes, Incomplete> {
    let mut decoded = Vec::new();
    decoder.take(cap as u64 + 1).read_to_end(&mut decoded).map_err(|_| Incomplete::Encoding)?;
    if decoded.len() > cap { Err(Incomplete::TooLarge) } else { Ok(decoded.into()) }
}

fn nothing_left(rest: &mut impl BufRead, decoded: Bytes) -> Result<Bytes, Incomplete> {
    match rest.fill_buf() {
        Ok([]) => Ok(decoded),
        _ => Err(Incomplete::Encoding),
    }
}

/// RFC 1950: compression method 8, and the first two bytes are a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [cmf, flg, ..] if cmf & 0x0f == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(plain: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn check(coding: &str, body: Vec<u8>, expected: Result<&[u8], Incomplete>) {
        let headers = Headers::from([("content-encoding", coding)]);
        let got = decode(&headers, body.into(), 4 << 20);
        assert!(got.as_deref() == expected.as_deref(), "{coding}: {:?}", got.map(|b| b.len()));
    }

    #[test]
    fn codings() {
        let plain = br#"{"amount":1,"amount_minor":100}"#;
        let damaged = Err(Incomplete::Encoding);
        check("gzip", gzip(plain), Ok(plain));
        check("GZip", gzip(plain), Ok(plain));
        check("identity, x-gzip", gzip(plain), Ok(plain));
        check("deflate", zlib(plain), Ok(plain));
        check("deflate", raw(plain), Ok(plain));
        check("identity", plain.to_vec(), Ok(plain));
        check("gzip", Vec::new(), Ok(b""));
        check("gzip", [gzip(plain), gzip(plain)].concat(), Ok(&[&plain[..], plain].concat()));
        check("br", plain.to_vec(), damaged);
        check("zstd", plain.to_vec(), damaged);
        check("gzip, gzip", gzip(&gzip(plain)), damaged);
        check("gzip", plain.to_vec(), damaged);
        check("gzip", gzip(plain)[..20].to_vec(), damaged);
        check("gzip", [gzip(plain), b"x".to_vec()].concat(), damaged);
        check("deflate", zlib(plain)[..12].to_vec(), damaged);
        check("deflate", [zlib(plain), b"x".to_vec()].concat(), damaged);
    }

    #[test]
    fn bombs() {
        // 1,000:1, beyond what is free of the ratio; then beyond the cap on bytes.
        check("gzip", gzip(&vec![b'0'; 3 << 20]), Err(Incomplete::TooLarge));
        check("deflate", zlib(&vec![b'0'; 40 << 20]), Err(Incomplete::TooLarge));
        check("gzip", gzip(&vec![b'0'; 1 << 20]), Ok(&vec![b'0'; 1 << 20]));
    }
}
