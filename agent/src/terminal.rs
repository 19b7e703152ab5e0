//! Text for people on stderr: one line each, and nothing in it that a terminal would obey.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

/// Longest line shown, in characters: what traffic or files name must not fill a screen.
const LONGEST: usize = 2_000;

/// `text` on one line: control characters (line breaks, escape sequences) and those that reorder text are
/// spelled out, and what is too long is cut.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST && !text.chars().any(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for (shown, c) in text.chars().enumerate() {
        if shown == LONGEST {
            out.push('…');
            break;
        }
        if obeyed(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal does something with this character other than showing it.
fn obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line on stderr, by this program's name. That nobody reads stderr is no reason to stop.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "pitot: {}", escape(line));
}

/// One line on stderr as it is, for programs that wait for it.
pub fn plain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_obeys() {
        let check = |input: &str, expected: &str| assert_eq!(escape(input), expected, "{input:?}");
        check("plain, naïve, 日本", "plain, naïve, 日本");
        check("two\nlines", "two\\nlines");
        check("\u{1b}[31mred", "\\u{1b}[31mred");
        check("abc\u{202e}def", "abc\\u{202e}def");
        assert_eq!(escape(&"x".repeat(LONGEST + 1)).chars().count(), LONGEST + 1);
        assert!(escape(&"x".repeat(LONGEST + 1)).ends_with('…'));
    }
}
