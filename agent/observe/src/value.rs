//! What is kept of a value: numbers, lengths, classes and hashes. Never the text itself.

use simd_json::{Node, StaticNode};

use crate::hash;

/// A value at an entry of a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leaf {
    /// Index of the entry.
    pub entry: u32,
    /// What is there.
    pub value: Value,
}

/// What is kept of a value that is not null, no array and no object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `true`, `false`
    Boolean(bool),
    /// A number, rounded to a double where it has more digits.
    Number(f64),
    /// A string.
    Text(Text),
}

/// What is kept of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Of its bytes.
    pub hash: u64,
    /// Characters.
    pub length: u32,
    /// Of its characters that are neither ASCII letters nor digits, in order, a run of the same as one: what dashes,
    /// colons and blanks it has.
    pub skeleton: u32,
    /// Which classes of characters it has.
    pub classes: Classes,
    /// The moment it names, in ns since the Unix epoch, where it is a date or a time of RFC 3339 (without a zone: UTC).
    pub time_ns: Option<i64>,
}

/// Classes of characters, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u8);

impl Classes {
    /// ASCII digits.
    pub const DIGIT: Self = Self(1);
    /// ASCII small letters.
    pub const LOWER: Self = Self(2);
    /// ASCII capital letters.
    pub const UPPER: Self = Self(4);
    /// Blanks and controls.
    pub const SPACE: Self = Self(8);
    /// Other characters of ASCII.
    pub const PUNCTUATION: Self = Self(16);
    /// Beyond ASCII.
    pub const WIDE: Self = Self(32);
    /// What UTF-8 looks like that was read as Latin-1, or the replacement character.
    pub const DAMAGED: Self = Self(64);

    /// Whether it has all of these.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// As a number, below 128.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    fn of(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' => Self::DIGIT,
            b'a'..=b'z' => Self::LOWER,
            b'A'..=b'Z' => Self::UPPER,
            0..=b' ' | 0x7f => Self::SPACE,
            0x80.. => Self::WIDE,
            _ => Self::PUNCTUATION,
        }
    }
}

impl Value {
    /// Of a node of the tape; `None` for null, arrays and objects.
    #[inline]
    #[allow(clippy::cast_precision_loss, reason = "says so")]
    pub(crate) fn of(node: &Node<'_>) -> Option<Self> {
        Some(match node {
            Node::String(text) => Self::Text(Text::of(text)),
            Node::Static(StaticNode::Bool(b)) => Self::Boolean(*b),
            Node::Static(StaticNode::I64(n)) => Self::Number(*n as f64),
            Node::Static(StaticNode::U64(n)) => Self::Number(*n as f64),
            Node::Static(StaticNode::F64(x)) => Self::Number(*x),
            _ => return None,
        })
    }
}

impl Text {
    /// Of a string.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut classes, mut skeleton, mut last, mut wide) = (0_u8, 0_u32, 0_u8, 0_usize);
        for byte in bytes {
            let class = Classes::of(*byte).0;
            classes |= class;
            wide += usize::from(*byte & 0xc0 == 0x80);
            // Letters and digits part runs of the same.
            let sign = if class & 7 == 0 { *byte } else { 0 };
            if sign != last && sign != 0 {
                skeleton = (skeleton ^ u32::from(sign)).wrapping_mul(0x0100_0193).rotate_left(5);
            }
            last = sign;
        }
        if classes & Classes::WIDE.0 != 0 && is_damaged(text) {
            classes |= Classes::DAMAGED.0;
        }
        Self {
            hash: hash::fixed64(bytes),
            length: u32::try_from(bytes.len() - wide).unwrap_or(u32::MAX),
            skeleton,
            classes: Classes(classes),
            time_ns: time(bytes),
        }
    }
}

/// Whether a text holds what two-byte UTF-8 becomes when its bytes are read as Latin-1 or Windows-1252, or U+FFFD.
fn is_damaged(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|c| {
        let pair = matches!(before, 'Â'..='ß') && matches!(c, '\u{80}'..='¿' | '€' | '‚'..='„' | '†' | '‡' | '•' | '™' | 'Œ' | 'œ' | 'Š' | 'š' | 'Ÿ' | 'Ž' | 'ž' | '‹' | '›');
        before = c;
        pair || c == '\u{fffd}'
    })
}

/// A date, or a date and time, of RFC 3339; a blank instead of `T` and a missing zone are taken, as many write them.
fn time(text: &[u8]) -> Option<i64> {
    const SECOND: i64 = 1_000_000_000;
    if !(10..=40).contains(&text.len()) || text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') {
        return None;
    }
    let days = days(number(text, 0..4)?, number(text, 5..7)?, number(text, 8..10)?)?;
    let midnight = days.checked_mul(86_400 * SECOND)?;
    let rest = match text.get(10) {
        None => return Some(midnight),
        Some(b'T' | b't' | b' ') => text.get(11..)?,
        Some(_) => return None,
    };
    if rest.get(2) != Some(&b':') {
        return None;
    }
    let (hour, minute) = (number(rest, 0..2)?, number(rest, 3..5)?);
    let (second, mut rest) = match rest.get(5) {
        Some(b':') => (number(rest, 6..8)?, rest.get(8..)?),
        _ => (0, rest.get(5..)?),
    };
    let mut ns = 0;
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, after) = fraction.split_at_checked(digits)?;
        let scale = |ns: i64, place: usize| ns * 10 + digits.get(place).map_or(0, |d| i64::from(d - b'0'));
        ns = (0..9).fold(0, scale);
        rest = after;
    }
    let offset = offset(rest)?;
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    midnight.checked_add((hour * 3600 + minute * 60 + second - offset) * SECOND)?.checked_add(ns)
}

/// Seconds east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    let sign = match zone.first() {
        None | Some(b'Z' | b'z') => return (zone.len() < 2).then_some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let minutes = match zone.len() {
        3 => 0,
        5 => number(zone, 3..5)?,
        6 => number(zone, 4..6)?,
        _ => return None,
    };
    Some(sign * (number(zone, 1..3)? * 3600 + minutes * 60))
}

fn number(text: &[u8], at: std::ops::Range<usize>) -> Option<i64> {
    text.get(at)?.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(time(text.as_bytes()), expected, "{text}");
        const S: i64 = 1_000_000_000;
        check("1970-01-01", Some(0));
        check("1970-01-01T00:00:01Z", Some(S));
        check("2023-11-14T22:13:20.123Z", Some(1_700_000_000 * S + 123_000_000));
        check("2023-11-14 22:13:20", Some(1_700_000_000 * S));
        check("2023-11-15T00:13:20+02:00", Some(1_700_000_000 * S));
        check("2023-11-15T00:13:20+0200", Some(1_700_000_000 * S));
        check("2000-02-29", Some(951_782_400 * S));
        check("1969-12-31T23:59:59Z", Some(-S));
        check("2023-13-01", None);
        check("2023-11-14T22", None);
        check("RE-2025-999", None);
        check("2023-11-14T22:13:20X", None);
        check("", None);
    }

    #[test]
    fn texts() {
        let same = |a: &str, b: &str| Text::of(a).skeleton == Text::of(b).skeleton;
        assert!(same("AB-1234", "XY-9"));
        assert!(same("a b", "long  words"));
        assert!(!same("AB-1234", "AB1234"));
        assert!(!same("a-b", "a_b"));
        assert!(!same("a-b-c", "a-b"));
        assert_eq!(Text::of("äöü").length, 3);
        let classes = |text: &str| Text::of(text).classes;
        assert!(classes("Jürgen").contains(Classes::WIDE));
        assert!(!classes("Jürgen Weiß, Håkan, Chloé, Nguyễn").contains(Classes::DAMAGED));
        assert!(classes("JÃ¼rgen").contains(Classes::DAMAGED));
        assert!(classes("Nguyá»\u{85}n \u{fffd}").contains(Classes::DAMAGED));
        assert_eq!(classes("aB1 -").bits(), 31);
    }
}
