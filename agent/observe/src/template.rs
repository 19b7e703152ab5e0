//! A body that differs from those before in its values only, read without a parser.
//!
//! A program writes the same bytes around its values, again and again: names, colons, blanks. A template holds these; a
//! body that has them, too, is the same JSON with other values, which are read off where they stand. That is the
//! speculation of Mison (Y. Li et al., VLDB 2017), without an index. Whatever is not plain at first sight, an escape, an
//! exponent, a number beyond 18 digits, is left to the parser, so a template changes no result.

use crate::number::{self, Number};
use crate::text::Text;
use crate::value::{Leaf, Value, Values};

/// The longest body of which a template is made.
const LONGEST: usize = 1 << 20;
/// Bodies that are not tried after one that failed, and at most: doubled with each that fails.
const PAUSE: u32 = 1;
const LONGEST_PAUSE: u32 = 256;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its opening quote belongs to what is before it.
    Text,
    Number,
    Boolean,
}

/// A value, and what is before it.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Where what is before it ends among [`Template::around`].
    end: u32,
    entry: u32,
    kind: Kind,
}

/// The bytes around the values of a body.
#[derive(Debug, Default)]
pub(crate) struct Template {
    pieces: Box<[Piece]>,
    /// One after the other; after the last piece, the end of the body.
    around: Box<[u8]>,
    /// Bodies not to be tried, and after the next one that fails.
    pause: u32,
    next_pause: u32,
}

impl Template {
    /// Of a body, which is JSON, with its values; `None` where it is too long.
    pub(crate) fn of(body: &[u8], values: &[Leaf]) -> Option<Self> {
        let mut pieces = Vec::with_capacity(values.len());
        let mut around = Vec::new();
        let mut entries = values.iter().map(|leaf| leaf.entry);
        let mut at = 0;
        while let Some(byte) = body.get(at) {
            let rest = body.get(at..)?;
            let (kind, length) = match byte {
                b'"' => (Kind::Text, string_length(rest)?),
                b'-' | b'0'..=b'9' => (Kind::Number, number_length(rest)),
                b't' | b'f' => (Kind::Boolean, if *byte == b't' { 4 } else { 5 }),
                _ => {
                    around.push(*byte);
                    at += 1;
                    continue;
                }
            };
            at += length;
            if kind == Kind::Text && is_name(body.get(at..)?) {
                around.extend_from_slice(rest.get(..length)?);
                continue;
            }
            around.extend(byte.eq(&b'"').then_some(b'"'));
            pieces.push(Piece { end: around.len() as u32, entry: entries.next()?, kind });
        }
        let is_whole = entries.next().is_none() && body.len() <= LONGEST;
        is_whole.then(|| Self { pieces: pieces.into(), around: around.into(), pause: 0, next_pause: PAUSE })
    }

    /// The values of a body that has this template.
    pub(crate) fn values(&mut self, body: &[u8]) -> Option<Values> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let values = self.read(body);
        if values.is_some() {
            self.next_pause = PAUSE;
        } else {
            self.pause = self.next_pause;
            self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
        }
        values
    }

    fn read(&self, body: &[u8]) -> Option<Values> {
        let mut values = Values::with_capacity(self.pieces.len());
        let (mut rest, mut from) = (body, 0);
        for piece in &self.pieces {
            let end = piece.end as usize;
            rest = after(rest, self.around.get(from..end)?)?;
            from = end;
            let taken = match piece.kind {
                Kind::Text => {
                    let (text, length) = Text::quoted(rest)?;
                    values.leaves.push(Leaf { entry: piece.entry, value: Value::Text(text) });
                    length + 1
                }
                Kind::Number => {
                    let (number, length) = number::leading(rest)?;
                    match number {
                        Number::Integer(n) => values.push_integer(piece.entry, n),
                        Number::Decimal(x) => {
                            values.leaves.push(Leaf { entry: piece.entry, value: Value::Number(x) });
                        }
                    }
                    length
                }
                Kind::Boolean => {
                    let is = rest.starts_with(b"true");
                    if !is && !rest.starts_with(b"false") {
                        return None;
                    }
                    values.leaves.push(Leaf { entry: piece.entry, value: Value::Boolean(is) });
                    if is { 4 } else { 5 }
                }
            };
            rest = rest.get(taken..)?;
        }
        (Some(rest) == self.around.get(from..)).then_some(values)
    }
}

/// What follows `start` in `text`, where it begins with it. Most such starts are short: two loads that may overlap tell,
/// without a call.
#[inline(always)]
fn after<'t>(text: &'t [u8], start: &[u8]) -> Option<&'t [u8]> {
    let (found, rest) = text.split_at_checked(start.len())?;
    let is_same = match start.len() {
        8..=16 => {
            found.first_chunk::<8>() == start.first_chunk() && found.last_chunk::<8>() == start.last_chunk()
        }
        17..=32 => {
            found.first_chunk::<16>() == start.first_chunk() && found.last_chunk::<16>() == start.last_chunk()
        }
        _ => found == start,
    };
    is_same.then_some(rest)
}

/// The length of the string that `text` begins with, its quotes included.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn number_length(text: &[u8]) -> usize {
    text.iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count()
}

/// Whether the string before `rest` is a name.
fn is_name(rest: &[u8]) -> bool {
    rest.trim_ascii_start().first() == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expected::tests::tape_values;
    use proptest::prelude::*;

    /// Whether a body with the template of another one has exactly the values that the parser finds.
    fn reads(of: &str, body: &str) -> bool {
        let mut template = Template::of(of.as_bytes(), &tape_values(of).leaves).unwrap();
        let Some(values) = template.values(body.as_bytes()) else { return false };
        let parsed = tape_values(body);
        assert_eq!(format!("{:?}", values.leaves), format!("{:?}", parsed.leaves), "{body}");
        assert_eq!(values.exact, parsed.exact, "{body}");
        true
    }

    #[test]
    fn bodies_that_differ_in_values() {
        let check = |of: &str, body: &str, expected: bool| assert_eq!(reads(of, body), expected, "{body}");
        let of = r#"{"a":"x","b":[1,-2.5],"c":true,"d":null}"#;
        check(of, of, true);
        check(of, r#"{"a":"","b":[9007199254740993,0.1],"c":false,"d":null}"#, true);
        check(of, r#"{"a":"größe, 2026-11-22T10:00:00Z","b":[0,0.0],"c":true,"d":null}"#, true);
        check(of, r#"{"a":"2026-11-22T10:00:00Z","b":[0,0.0],"c":true,"d":null}"#, true);
        check(of, r#"{"a":"a \" b","b":[1,2],"c":true,"d":null}"#, false);
        check(of, r#"{"a":"x","b":[1,2],"c":true,"d":1}"#, false);
        check(of, r#"{"a":"x","b":[1],"c":true,"d":null}"#, false);
        check(of, r#"{"a":"x","b":[1,2,3],"c":true,"d":null}"#, false);
        check(of, r#"{"a":"x","b":[1e3,2],"c":true,"d":null}"#, false);
        check(of, r#"{"a":"x","b":[01,2],"c":true,"d":null}"#, false);
        check(of, r#"{"a":"x","b":[-0,2],"c":true,"d":null}"#, false);
        check(of, r#"{"a":5,"b":[1,2],"c":true,"d":null}"#, false);
        check(of, "{\"a\":\"x\ny\",\"b\":[1,2],\"c\":true,\"d\":null}", false);
        check(of, r#"{"a":"x","b":[1,2],"c":true,"d":null} "#, false);
        check(of, r#"{"a":"x","b":[1,2],"c":true,"d":null"#, false);
        check(of, r#"{"a":"x"#, false);
        check("{ \"a\" : 1,\n \"b\\\"\" : \"y\" }\n", "{ \"a\" : 200,\n \"b\\\"\" : \"\" }\n", true);
        check("7", "-12.25", true);
        check("\"\"", "\"0123456789abcdef\"", true);
    }

    #[test]
    fn invalid_bytes_are_left_to_the_parser() {
        let of = r#"{"a":"x"}"#;
        let mut template = Template::of(of.as_bytes(), &tape_values(of).leaves).unwrap();
        assert!(template.values(b"{\"a\":\"\xff\"}").is_none());
        assert!(template.values(of.as_bytes()).is_none(), "a pause");
        assert!(template.values(of.as_bytes()).is_some());
    }

    proptest! {
        #[test]
        fn agrees_with_the_parser(
            texts in proptest::collection::vec("[a-zA-Z0-9 _:-]{0,70}|[ -~&&[^\"\\\\]]{0,40}|\\PC{0,20}", 4),
            numbers in proptest::collection::vec("-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,18})?([eE][+-]?[0-9])?", 4),
        ) {
            let body = |texts: &[String], numbers: &[String]| {
                let text = |text: &String| serde_json::to_string(text).unwrap();
                format!(r#"{{"a":{},"n":{},"in":[{},{}],"m":{}}}"#, text(&texts[0]), numbers[0], text(&texts[1]), numbers[1], numbers[1])
            };
            reads(&body(&texts[..2], &numbers[..2]), &body(&texts[2..], &numbers[2..]));
        }
    }
}
