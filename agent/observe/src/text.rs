//! What is kept of a string, found in one pass, eight bytes at a time.

use crate::hash;
use crate::time;

/// What is kept of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Of its bytes.
    pub hash: u64,
    /// Characters.
    pub length: u32,
    /// Of those of its first 64 bytes that are ASCII and neither letters nor digits, in order, a run of the same as one:
    /// what dashes, colons and blanks it has.
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
}

/// Bytes of a text whose signs are in its skeleton.
const SKELETON: usize = 64;
/// No sign.
const NONE: u8 = 0xff;
/// The lowest and the highest bit of each byte.
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

impl Text {
    /// Of a string.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut scan = Scan::new(bytes.len());
        let (words, _) = bytes.as_chunks::<8>();
        for (i, word) in words.iter().enumerate() {
            scan.word(u64::from_le_bytes(*word), HIGH, i * 8 < SKELETON);
        }
        let rest = bytes.len() % 8;
        if rest > 0 {
            let valid = HIGH >> (8 * (8 - rest));
            scan.word(last_word(bytes, rest), valid, bytes.len() <= SKELETON);
        }
        let mut classes = scan.classes();
        if scan.may_be_damaged && is_damaged(text) {
            classes |= Classes::DAMAGED.0;
        }
        Self {
            hash: scan.hash.finish(),
            length: u32::try_from(bytes.len() - scan.continuations).unwrap_or(u32::MAX),
            skeleton: scan.skeleton,
            classes: Classes(classes),
            time_ns: time::rfc3339(bytes),
        }
    }
}

/// The last `rest` bytes, 1 to 7, as a word with zeros behind them.
#[inline]
fn last_word(bytes: &[u8], rest: usize) -> u64 {
    if let Some(last) = bytes.last_chunk::<8>() {
        return u64::from_le_bytes(*last) >> (8 * (8 - rest));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first))
            | u64::from(u32::from_le_bytes(*last)) << (8 * (rest - 4));
    }
    let at = |i: usize| u64::from(bytes.get(i).copied().unwrap_or_default()) << (8 * i);
    at(0) | at(1) | at(2)
}

/// A pass over a text. Masks have the highest bit of each byte that is meant (H. Warren, "Hacker's Delight", section 6-1).
struct Scan {
    hash: hash::Words,
    digit: u64,
    lower: u64,
    upper: u64,
    space: u64,
    punctuation: u64,
    wide: u64,
    skeleton: u32,
    /// The sign just before, or [`NONE`].
    last: u8,
    /// Bytes of characters beyond ASCII that are not their first.
    continuations: usize,
    may_be_damaged: bool,
}

impl Scan {
    fn new(length: usize) -> Self {
        Self {
            hash: hash::Words::new(length),
            digit: 0,
            lower: 0,
            upper: 0,
            space: 0,
            punctuation: 0,
            wide: 0,
            skeleton: 0,
            last: NONE,
            continuations: 0,
            may_be_damaged: false,
        }
    }

    /// Takes eight bytes, of which those in `valid` are of the text and the others zero.
    #[inline(always)]
    fn word(&mut self, word: u64, valid: u64, in_skeleton: bool) {
        self.hash.add(word);
        let seven = word & !HIGH;
        // Whether each byte, without its highest bit, is at least `c`: no sum is over 0xff.
        let from = |c: u8| seven + LOW * u64::from(0x80 - c);
        let wide = word & valid;
        let ascii = !word & valid;
        let digit = from(b'0') & !from(b'9' + 1) & ascii;
        let upper = from(b'A') & !from(b'Z' + 1) & ascii;
        let lower = from(b'a') & !from(b'z' + 1) & ascii;
        let space = (!from(b' ' + 1) | from(0x7f)) & ascii;
        let signs = ascii & !(digit | upper | lower);
        self.digit |= digit;
        self.upper |= upper;
        self.lower |= lower;
        self.space |= space;
        self.punctuation |= signs & !space;
        self.wide |= wide;
        if wide != 0 {
            self.beyond_ascii(word, wide);
        }
        if in_skeleton {
            self.signs(word, signs);
        }
    }

    #[inline(always)]
    fn signs(&mut self, word: u64, mut signs: u64) {
        let mut after = 0; // the bit behind the sign before
        while signs != 0 {
            let bit = signs.trailing_zeros();
            let sign = (word >> (bit - 7)) as u8;
            if bit - 7 != after || sign != self.last {
                self.skeleton = (self.skeleton ^ u32::from(sign)).wrapping_mul(0x0100_0193).rotate_left(5);
            }
            self.last = sign;
            after = bit + 1;
            signs &= signs - 1;
        }
        if after != 64 {
            self.last = NONE;
        }
    }

    #[inline(never)]
    fn beyond_ascii(&mut self, word: u64, wide: u64) {
        self.continuations += (wide & !(word << 1)).count_ones() as usize;
        // 0xc3 begins the characters from U+00C0 to U+00FF, 0xef those around U+FFFD.
        let has = |byte: u8| {
            let zero = word ^ (LOW * u64::from(byte));
            zero.wrapping_sub(LOW) & !zero & HIGH != 0
        };
        self.may_be_damaged |= has(0xc3) || has(0xef);
    }

    fn classes(&self) -> u8 {
        let bit = |mask: u64, class: Classes| if mask == 0 { 0 } else { class.0 };
        bit(self.digit, Classes::DIGIT)
            | bit(self.lower, Classes::LOWER)
            | bit(self.upper, Classes::UPPER)
            | bit(self.space, Classes::SPACE)
            | bit(self.punctuation, Classes::PUNCTUATION)
            | bit(self.wide, Classes::WIDE)
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
        let (mut classes, mut skeleton, mut last) = (0, 0_u32, None);
        for (at, byte) in text.bytes().enumerate() {
            let class = match byte {
                b'0'..=b'9' => Classes::DIGIT,
                b'a'..=b'z' => Classes::LOWER,
                b'A'..=b'Z' => Classes::UPPER,
                0..=b' ' | 0x7f => Classes::SPACE,
                0x80.. => Classes::WIDE,
                _ => Classes::PUNCTUATION,
            };
            classes |= class.0;
            let sign = (class.0 & (Classes::SPACE.0 | Classes::PUNCTUATION.0) != 0).then_some(byte);
            if let Some(sign) = sign.filter(|_| at < SKELETON && sign != last) {
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
