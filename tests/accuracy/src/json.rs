//! A JSON value as the generator makes it: numbers exact, times still times, so that a change can act on what is meant.

use std::fmt::Write as _;

use jiff::Timestamp;

/// A name of a member. Names are few and known when the program is compiled, but for those a change invents.
pub type Name = std::borrow::Cow<'static, str>;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// `mantissa / 10^scale`, written with all `scale` decimals.
    Decimal {
        /// All digits.
        mantissa: i64,
        /// Digits after the point.
        scale: u8,
    },
    /// A number with as many digits as it takes.
    Float(f64),
    /// A string.
    Text(String),
    /// A time, and how it is written.
    Time(Time),
    /// `[...]`
    Array(Vec<Json>),
    /// `{...}`, in this order.
    Object(Vec<(Name, Json)>),
}

/// A time, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Nanoseconds since the Unix epoch.
    pub ns: i64,
    /// How it is written.
    pub written: Written,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// `2025-11-22T10:11:12.345Z`
    Iso,
    /// `2025-11-22`
    Date,
    /// `2025-11-22T11:11:12`: the clock on a wall in Berlin, without a word about its zone.
    Local,
    /// Whole seconds since the epoch, a number.
    Seconds,
    /// Milliseconds since the epoch, a number.
    Milliseconds,
}

const NS: i64 = 1_000_000_000;

impl Json {
    /// A number of cents as euros: `12.30`.
    #[must_use]
    pub fn cents(mantissa: i64) -> Self {
        Self::Decimal { mantissa, scale: 2 }
    }

    /// A number's value; `None` for anything else.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "numbers of the generator are far below 2^53")]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Decimal { mantissa, scale } => Some(*mantissa as f64 / 10_f64.powi(i32::from(*scale))),
            Self::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// The member of this name, if this is an object that has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The same, to change.
    pub fn member_mut(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Object(members) => members.iter_mut().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether it is this text.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        matches!(self, Self::Text(own) if own == text)
    }

    /// Appends its text.
    pub fn write(&self, out: &mut String) {
        // Writing to a String does not fail.
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Int(n) => drop(write!(out, "{n}")),
            Self::Decimal { mantissa, scale } => write_decimal(out, *mantissa, *scale),
            Self::Float(x) => drop(write!(out, "{x}")),
            Self::Text(text) => write_text(out, text),
            Self::Time(time) => time.write(out),
            Self::Array(values) => {
                out.push('[');
                for (i, value) in values.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    value.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    write_text(out, name);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl Time {
    fn write(self, out: &mut String) {
        match self.written {
            Written::Iso => drop(write!(out, "\"{:.3}\"", stamp(self.ns))),
            Written::Date => drop(write!(out, "\"{}\"", stamp(self.ns).strftime("%Y-%m-%d"))),
            Written::Local => {
                let local = stamp(self.ns + berlin_offset(self.ns));
                let _ = write!(out, "\"{}\"", local.strftime("%Y-%m-%dT%H:%M:%S"));
            }
            Written::Seconds => drop(write!(out, "{}", self.ns.div_euclid(NS))),
            Written::Milliseconds => drop(write!(out, "{}", self.ns.div_euclid(NS / 1000))),
        }
    }
}

fn stamp(ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What a clock in Berlin is ahead of UTC in 2025, in ns: clocks go forward on 30 March and back on 26 October, 01:00 UTC.
fn berlin_offset(ns: i64) -> i64 {
    const SUMMER: std::ops::Range<i64> = 1_743_296_400..1_761_440_400;
    if SUMMER.contains(&ns.div_euclid(NS)) { 7_200 * NS } else { 3_600 * NS }
}

fn write_decimal(out: &mut String, mantissa: i64, scale: u8) {
    let power = 10_u64.pow(u32::from(scale));
    let (whole, part) = (mantissa.unsigned_abs() / power, mantissa.unsigned_abs() % power);
    out.push_str(if mantissa < 0 { "-" } else { "" });
    let _ = write!(out, "{whole}");
    if scale > 0 {
        let _ = write!(out, ".{part:0width$}", width = usize::from(scale));
    }
}

/// RFC 8259, section 7. What needs no escape goes over in one piece.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let (plain, escaped) = rest.split_at(at);
        out.push_str(plain);
        match escaped.as_bytes()[0] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            control => drop(write!(out, "\\u{control:04x}")),
        }
        rest = &escaped[1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_json() {
        let check = |value: Json, expected: &str| {
            let mut text = String::new();
            value.write(&mut text);
            assert_eq!(text, expected);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        };
        let time = |written| Json::Time(Time { ns: 1_700_000_000_123_000_000, written });
        check(Json::Null, "null");
        check(Json::cents(-1230), "-12.30");
        check(Json::cents(5), "0.05");
        check(Json::Decimal { mantissa: 7, scale: 0 }, "7");
        check(Json::Float(0.1), "0.1");
        check(Json::Text("a\"\\\n\u{1}ä".into()), r#""a\"\\\n\u0001ä""#);
        check(time(Written::Iso), r#""2023-11-14T22:13:20.123Z""#);
        check(time(Written::Date), r#""2023-11-14""#);
        check(time(Written::Seconds), "1700000000");
        let local = |s: i64| Json::Time(Time { ns: s * NS, written: Written::Local });
        check(local(1_743_296_399), r#""2025-03-30T01:59:59""#);
        check(local(1_743_296_400), r#""2025-03-30T03:00:00""#);
        check(time(Written::Milliseconds), "1700000000123");
        let object = Json::Object(vec![("a".into(), Json::Array(vec![Json::Int(1), Json::Bool(true)]))]);
        check(object, r#"{"a":[1,true]}"#);
    }
}
