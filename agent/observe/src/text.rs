//! What is kept of a string, found sixteen bytes at a time.

use serde::{Deserialize, Serialize};

use crate::hash::{self, TextHash};
use crate::time;

/// What is kept of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Of its bytes.
    pub hash: u64,
    /// Characters.
    pub length: u32,
    /// Of the first eight of its characters that are ASCII and neither letters nor digits, in order, a run of the same as
    /// one: what dashes, colons and blanks it has. Those behind its 32nd byte do not count.
    pub skeleton: u32,
    /// Which classes of characters it has: those of ASCII in its first 32 bytes, the others anywhere.
    pub classes: Classes,
    /// The moment it names, in ns since the Unix epoch, where it is a date or a time of RFC 3339 (without a zone: UTC).
    pub time_ns: Option<i64>,
}

/// Classes of characters, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Classes(u8);

impl Classes {
    /// Of no character.
    pub const NONE: Self = Self(0);
    /// ASCII digits.
    pub const DIGIT: Self = Self(1);
    /// ASCII small letters.
    pub const LOWER: Self = Self(2);
    /// ASCII capital letters.
    pub const UPPER: Self = Self(4);
    /// Blanks and controls, but not DEL.
    pub const SPACE: Self = Self(8);
    /// Other characters of ASCII, and DEL.
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

    /// The classes that are this number ([`Classes::bits`]).
    #[must_use]
    pub fn of_bits(bits: u8) -> Self {
        Self(bits & 127)
    }

    /// As a number, below 128.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }
}

/// Bytes of a text whose classes are looked at, a multiple of sixteen.
const HEAD: usize = 32;
/// Signs of a skeleton.
const SIGNS: u32 = 8;
/// No sign.
const NONE: u8 = 0xff;

impl Text {
    /// Of a string.
    #[must_use]
    #[inline(always)]
    pub fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut looks = Looks::NONE;
        let mut hash = TextHash::new(bytes.len());
        let (chunks, rest) = bytes.as_chunks::<16>();
        for (i, chunk) in chunks.iter().enumerate() {
            let chunk = u128::from_le_bytes(*chunk);
            hash.add(chunk);
            if i < HEAD / 16 {
                looks.take(chunk, classify(&chunk.to_le_bytes()));
            }
        }
        if !rest.is_empty() {
            let chunk = hash::last_chunk(bytes);
            hash.add(chunk);
            if bytes.len() < HEAD {
                let valid = u128::MAX >> (8 * (16 - rest.len()));
                looks.take(chunk, classify(&chunk.to_le_bytes()) & valid);
            }
        }
        let mut classes = looks.classes();
        let mut length = bytes.len();
        let tail = bytes.get(HEAD..).unwrap_or_default();
        if classes & Classes::WIDE.0 != 0 || !tail.is_ascii() {
            classes |= Classes::WIDE.0;
            length = text.chars().count();
            if may_be_damaged(bytes) && is_damaged(text) {
                classes |= Classes::DAMAGED.0;
            }
        }
        Self {
            hash: hash.finish(),
            length: u32::try_from(length).unwrap_or(u32::MAX),
            skeleton: looks.skeleton.hash,
            classes: Classes(classes),
            time_ns: time::rfc3339(bytes),
        }
    }
}

impl Text {
    /// Of what `bytes` begin with up to a quote, and how many bytes that is: a string of JSON as it is written. `None` where
    /// it has escapes, and where it is no such string.
    #[inline]
    pub(crate) fn quoted(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut looks = Looks::NONE;
        let mut head = [0; HEAD / 16];
        let mut end = 0;
        for kept in &mut head {
            let chunk = chunk_at(bytes, end);
            // Zeros behind the last byte are a break, too.
            let length = before_break(chunk);
            let valid = if length < 16 { (1_u128 << (8 * length)) - 1 } else { u128::MAX };
            *kept = chunk & valid;
            looks.take(*kept, classify(&chunk.to_le_bytes()) & valid);
            end += length as usize;
            if length < 16 {
                break;
            }
        }
        let mut is_wide = false;
        if end == HEAD {
            loop {
                let chunk = chunk_at(bytes, end);
                is_wide |= !chunk.to_le_bytes().is_ascii();
                let length = before_break(chunk);
                end += length as usize;
                if length < 16 {
                    break;
                }
            }
        }
        let text = bytes.get(..end).filter(|_| bytes.get(end) == Some(&b'"'))?;
        let classes = looks.classes();
        if is_wide || classes & Classes::WIDE.0 != 0 {
            return Some((Self::of(std::str::from_utf8(text).ok()?), end));
        }
        let hash = if end <= HEAD {
            let mut hash = TextHash::new(end);
            head.iter().take(end.div_ceil(16)).for_each(|chunk| hash.add(*chunk));
            hash.finish()
        } else {
            hash::text64(text)
        };
        let text = Self {
            hash,
            length: u32::try_from(end).unwrap_or(u32::MAX),
            skeleton: looks.skeleton.hash,
            classes: Classes(classes),
            time_ns: time::rfc3339(text),
        };
        Some((text, end))
    }
}

/// What the bytes of a text look like.
struct Looks {
    /// Classes met, anywhere in its sixteen bytes.
    classes: u128,
    skeleton: Skeleton,
}

impl Looks {
    const NONE: Self = Self { classes: 0, skeleton: Skeleton { hash: 0, signs: 0, last: NONE } };

    /// Takes the next sixteen bytes, of these classes; those that are not of the text have none.
    #[inline(always)]
    fn take(&mut self, chunk: u128, classes: u128) {
        self.classes |= classes;
        self.skeleton.add(chunk, classes);
    }

    fn classes(&self) -> u8 {
        let mut classes = (self.classes >> 64) as u64 | self.classes as u64;
        for shift in [32, 16, 8] {
            classes |= classes >> shift;
        }
        classes as u8
    }
}

/// The class of each byte, written so that a compiler takes all of them at once.
#[inline(always)]
fn classify(bytes: &[u8; 16]) -> u128 {
    let mut classes = [0; 16];
    for (class, byte) in classes.iter_mut().zip(*bytes) {
        let digit = if byte.wrapping_sub(b'0') < 10 { Classes::DIGIT.0 } else { 0 };
        // Small letters differ from capital ones by the bit 32.
        let case = Classes::UPPER.0 - ((byte & 32) >> 4);
        let letter = if (byte | 32).wrapping_sub(b'a') < 26 { case } else { 0 };
        let sign = if byte > b' ' { Classes::PUNCTUATION.0 } else { Classes::SPACE.0 };
        let other = if byte >= 0x80 { Classes::WIDE.0 } else { sign };
        *class = if digit | letter == 0 { other } else { digit | letter };
    }
    u128::from_le_bytes(classes)
}

/// How many bytes are before the first that ends or breaks what stands between the quotes of a string (A. Mycroft's test
/// for a byte, whose first hit is exact); 16 where there is none.
#[inline(always)]
fn before_break(chunk: u128) -> u32 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let hits = |word: u64| {
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let is_control = word.wrapping_sub(ONES * b' ' as u64) & !word;
        (is_zero(quote) | is_zero(backslash) | is_control) & (ONES << 7)
    };
    let (low, high) = (hits(chunk as u64), hits((chunk >> 64) as u64));
    if low != 0 { low.trailing_zeros() / 8 } else { 8 + high.trailing_zeros() / 8 }
}

/// The sixteen bytes from place `at` on, with zeros behind the last.
#[inline(always)]
fn chunk_at(bytes: &[u8], at: usize) -> u128 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => u128::from_le_bytes(*chunk),
        None => last_chunk_at(bytes, at),
    }
}

#[cold]
#[inline(never)]
fn last_chunk_at(bytes: &[u8], at: usize) -> u128 {
    hash::last_chunk(bytes.get(at..).unwrap_or_default())
}

/// See [`Text::skeleton`].
struct Skeleton {
    hash: u32,
    /// How many it is of.
    signs: u32,
    /// The sign just before, or [`NONE`].
    last: u8,
}

impl Skeleton {
    /// Takes the next bytes, of these classes.
    #[inline(always)]
    fn add(&mut self, bytes: u128, classes: u128) {
        const IS_SIGN: u64 = (Classes::SPACE.0 | Classes::PUNCTUATION.0) as u64 * 0x0101_0101_0101_0101;
        for half in [0, 64] {
            let (bytes, mut signs) = ((bytes >> half) as u64, (classes >> half) as u64 & IS_SIGN);
            let mut after = 0; // the byte behind the sign before
            while signs != 0 && self.signs < SIGNS {
                let at = signs.trailing_zeros() / 8;
                let sign = (bytes >> (8 * at)) as u8;
                if at != after || sign != self.last {
                    self.hash = (self.hash ^ u32::from(sign)).wrapping_mul(0x0100_0193).rotate_left(5);
                    self.signs += 1;
                }
                self.last = sign;
                after = at + 1;
                signs &= signs - 1;
            }
            if after != 8 {
                self.last = NONE;
            }
        }
    }
}

/// Whether a text has a byte that begins the characters from U+00C0 to U+00FF, or those around U+FFFD.
fn may_be_damaged(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | (*byte == 0xc3) | (*byte == 0xef))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        let same = |a: &str, b: &str| Text::of(a).skeleton == Text::of(b).skeleton;
        assert!(same("AB-1234", "XY-9"));
        assert!(same("a b", "long  words"));
        assert!(same("Jürgen Weiß", "Jan Klaas"));
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
        assert_eq!(classes("").bits(), 0);
    }

    /// The same, a character at a time.
    fn plain(text: &str) -> (u32, u32, u8) {
        let (mut classes, mut skeleton, mut signs, mut last) = (0, 0_u32, 0, None);
        for (at, byte) in text.bytes().enumerate() {
            let class = match byte {
                b'0'..=b'9' => Classes::DIGIT,
                b'a'..=b'z' => Classes::LOWER,
                b'A'..=b'Z' => Classes::UPPER,
                0..=b' ' => Classes::SPACE,
                0x80.. => Classes::WIDE,
                _ => Classes::PUNCTUATION,
            };
            if at < HEAD || class == Classes::WIDE {
                classes |= class.0;
            }
            let sign = (class.0 & (Classes::SPACE.0 | Classes::PUNCTUATION.0) != 0).then_some(byte);
            if let Some(sign) = sign.filter(|_| at < HEAD && sign != last && signs < SIGNS) {
                signs += 1;
                skeleton = (skeleton ^ u32::from(sign)).wrapping_mul(0x0100_0193).rotate_left(5);
            }
            last = sign;
        }
        if is_damaged(text) {
            classes |= Classes::DAMAGED.0;
        }
        (text.chars().count() as u32, skeleton, classes)
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_pass(text in "[a-zA-Z0-9 -]{0,80}|[ -~]{0,80}|\\PC{0,40}|[\0-\u{ff}]{0,40}|[aÃ¼ü\u{fffd}é ]{0,20}") {
            let found = Text::of(&text);
            prop_assert_eq!((found.length, found.skeleton, found.classes.bits()), plain(&text));
        }

        #[test]
        fn quoted_ones_are_the_same(text in "[a-zA-Z0-9 -]{0,80}|[ -~&&[^\"\\\\]]{0,80}|[^\"\\\\\0-\u{1f}]{0,40}", more in "[ -~]{0,40}") {
            let written = format!("{text}\"{more}");
            prop_assert_eq!(Text::quoted(written.as_bytes()), Some((Text::of(&text), text.len())));
            prop_assert_eq!(Text::quoted(text.as_bytes()), None);
            prop_assert_eq!(Text::quoted(format!("{text}\\\"{more}").as_bytes()), None);
        }

        #[test]
        fn every_byte_is_in_the_hash(text in "[ -~]{1,40}", at in any::<usize>()) {
            let mut other = text.clone().into_bytes();
            let at = at % other.len();
            other[at] ^= 1;
            let other = String::from_utf8(other).unwrap();
            prop_assert_ne!(Text::of(&text).hash, Text::of(&other).hash);
            prop_assert_ne!(Text::of(&text).hash, Text::of(&text[..at]).hash);
            prop_assert_ne!(Text::of(&text).hash, Text::of(&(text.clone() + "\0")).hash);
        }
    }
}
