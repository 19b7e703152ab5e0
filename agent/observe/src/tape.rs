//! From the bytes of a body to simd-json's tape.
//!
//! simd-json refuses texts that are JSON (RFC 8259): numbers beyond 64 bits, `1e999`, escapes of lone surrogates.
//! Whatever it refuses is decided by serde_json, which checks the grammar alone; what turns out to be JSON is parsed
//! again with the offending tokens replaced by harmless ones of the same kind; of a number, by its double.

use serde::de::IgnoredAny;
use simd_json::{Buffers, ErrorType, INPUT_PADDING, Tape};

/// Why there is no tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not JSON.
    Invalid,
    /// JSON, nested deeper than the cap.
    TooDeep,
    /// JSON, that simd-json refuses for another reason; none is known.
    Unsupported,
}

/// Reusable buffers: nothing is allocated once they have grown to the size of the traffic.
pub(crate) struct Parser {
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Parser {
    pub(crate) fn new(max_depth: usize) -> Self {
        Self { text: Vec::new(), buffers: Buffers::with_max_depth(4096, max_depth), tape: Tape(Vec::new()) }
    }

    /// Parses `body` and hands its tape to `read`.
    pub(crate) fn parse<R>(
        &mut self,
        body: &[u8],
        read: impl FnOnce(&[simd_json::Node<'_>]) -> R,
    ) -> Result<R, Refusal> {
        let Self { text, buffers, tape: stored } = self;
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body); // RFC 8259, section 8.1: may be ignored
        let mut tape = std::mem::replace(stored, Tape(Vec::new())).reset();

        pad(text, |text| text.extend_from_slice(body));
        let mut outcome = simd_json::fill_tape_padded(text, body.len(), buffers, &mut tape);
        if outcome.is_err() {
            tape = tape.reset();
            if !is_json(body) {
                *stored = tape.reset();
                return Err(Refusal::Invalid);
            }
            let len = pad(text, |text| replace_unsupported(body, text));
            outcome = simd_json::fill_tape_padded(text, len, buffers, &mut tape);
        }
        let result = match outcome {
            Ok(()) => Ok(read(&tape.0)),
            Err(error) if matches!(error.error(), ErrorType::DepthLimitExceeded) => Err(Refusal::TooDeep),
            Err(_) => Err(Refusal::Unsupported),
        };
        *stored = tape.reset();
        result
    }
}

/// Fills `text` anew, adds the padding, and returns the length without it.
fn pad(text: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) -> usize {
    text.clear();
    fill(text);
    let len = text.len();
    text.resize(len + INPUT_PADDING, b' ');
    len
}

/// Whether `text` follows the grammar of RFC 8259. Numbers of any size are fine.
fn is_json(text: &[u8]) -> bool {
    // serde_json skips values without recursion and without reading numbers, but also without checking UTF-8.
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Copies `json`, numbers that are no integers of 64 bits as doubles, and escapes of a lone surrogate as U+FFFD. `json`
/// must be JSON.
fn replace_unsupported(json: &[u8], out: &mut Vec<u8>) {
    let mut rest = json;
    let mut in_string = false;
    while let Some((&byte, tail)) = rest.split_first() {
        let taken = match byte {
            b'\\' => copy_escape(rest, out),
            b'-' | b'0'..=b'9' if !in_string => copy_number(rest, out),
            _ => {
                in_string ^= byte == b'"';
                out.push(byte);
                rest.len() - tail.len()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
}

/// Copies the number `rest` begins with, and returns its length. One that is too large for a double is the largest.
fn copy_number(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let length =
        rest.iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count();
    let number = rest.get(..length).and_then(|number| std::str::from_utf8(number).ok()).unwrap_or("0");
    if number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        out.extend_from_slice(number.as_bytes());
    } else {
        let double = number.parse::<f64>().unwrap_or_default().clamp(f64::MIN, f64::MAX);
        out.extend_from_slice(format!("{double:e}").as_bytes());
    }
    length
}

/// Copies the escape `rest` begins with, and returns its length.
fn copy_escape(rest: &[u8], out: &mut Vec<u8>) -> usize {
    const PAIR: usize = 12;
    let (copied, len): (&[u8], usize) = match code_unit(rest) {
        Some(0xd800..=0xdbff) if matches!(rest.get(6..).and_then(code_unit), Some(0xdc00..=0xdfff)) => {
            (rest.get(..PAIR).unwrap_or(rest), PAIR)
        }
        Some(0xd800..=0xdfff) => (br"\ufffd", 6),
        Some(_) => (rest.get(..6).unwrap_or(rest), 6),
        None => (rest.get(..2).unwrap_or(rest), 2),
    };
    out.extend_from_slice(copied);
    len
}

/// The code unit of the `\uXXXX` that `text` begins with.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outcome(text: &[u8]) -> Result<usize, Refusal> {
        Parser::new(128).parse(text, |tape| tape.len())
    }

    #[test]
    fn decides() {
        let check = |text: &[u8], expected: Result<usize, Refusal>| {
            assert_eq!(outcome(text), expected, "{}", String::from_utf8_lossy(text));
        };
        check(b"{}", Ok(1));
        check(b" 1 ", Ok(1));
        check(b"\xef\xbb\xbf[1]", Ok(2));
        check(b"1e999", Ok(1));
        check(br#"{"n":[123456789012345678901234567890,-1e-999,1E+400]}"#, Ok(6));
        check(br#"{"-1":"12345678901234567890123","x":1e999}"#, Ok(5));
        check(br#"["\ud800",1e999,"\ud83d\ude00 \\ud800 \" 5"]"#, Ok(4));
        check(b"", Err(Refusal::Invalid));
        check(b"01", Err(Refusal::Invalid));
        check(b"1e", Err(Refusal::Invalid));
        check(b"[1e999,]", Err(Refusal::Invalid));
        check(b"{\"a\":1e999", Err(Refusal::Invalid));
        check(b"[1]]", Err(Refusal::Invalid));
        check(b"\"\xff\"", Err(Refusal::Invalid));
        check(b"NaN", Err(Refusal::Invalid));
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes();
        check(&nested(128), Ok(128));
        check(&nested(129), Err(Refusal::TooDeep));
        check(&nested(100_000), Err(Refusal::TooDeep));
        check("[".repeat(100_000).as_bytes(), Err(Refusal::Invalid));
    }

    #[test]
    fn numbers_beyond_64_bits_are_doubles() {
        let check = |text: &str, expected: f64| {
            let number = |tape: &[simd_json::Node<'_>]| match tape {
                [_, simd_json::Node::Static(simd_json::StaticNode::F64(x)), _] => Some(*x),
                _ => None,
            };
            // The last element makes the whole text one that simd-json refuses.
            let text = format!("[{text},1e999]");
            assert_eq!(Parser::new(128).parse(text.as_bytes(), number), Ok(Some(expected)), "{text}");
        };
        check("123456789012345678901234567890", 123_456_789_012_345_678_901_234_567_890.0);
        check("-18446744073709551617", -18_446_744_073_709_551_617.0);
        check("1e999", f64::MAX);
        check("-1E+400", f64::MIN);
        check("1e-999", 0.0);
        check("12.50", 12.5);
        check("5e-324", 5e-324);
    }

    proptest! {
        /// Valid or not is exactly what the grammar says, however the text was damaged.
        #[test]
        fn agrees_with_the_grammar(picks in proptest::collection::vec(0..TOKENS.len(), 0..24)) {
            let text: Vec<u8> = picks.iter().flat_map(|i| TOKENS[*i].iter().copied()).collect();
            prop_assert_eq!(outcome(&text).is_ok(), is_json(&text), "{}", String::from_utf8_lossy(&text));
        }
    }

    const TOKENS: [&[u8]; 30] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\"",
        b"\"a\":",
        b"\"b\"",
        b"0",
        b"-",
        b"1",
        b".5",
        b"e9",
        b"e999",
        b"E+",
        b"99999999999999999999",
        b"true",
        b"false",
        b"null",
        b" ",
        b"\n",
        b"\\",
        b"\\u12",
        b"\"\\ud800\"",
        b"\\udc00",
        b"\"\\n\"",
        b"\x01",
        b"\xc3\xa4",
        b"\xff",
    ];
}
