//! Paths as RFC 9535 writes them, in the contract's form.

use std::fmt::Write as _;

/// Appends the step from an object to its member `name`: `.name` where the name allows it, else `['…']`.
pub(crate) fn push_member(path: &mut String, name: &str) {
    if is_plain(name) {
        path.push('.');
        path.push_str(name);
        return;
    }
    path.push_str("['");
    for c in name.chars() {
        push_escaped(path, c);
    }
    path.push_str("']");
}

/// Appends the step from an object to any member of it.
pub(crate) fn push_wildcard(path: &mut String) {
    path.push_str(".*");
}

/// Appends the step from an array to any element of it.
pub(crate) fn push_elements(path: &mut String) {
    path.push_str("[*]");
}

fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// RFC 9535, section 2.3.1.1 (single-quoted) with the normalized form of section 2.7: only what must be escaped is.
fn push_escaped(path: &mut String, c: char) {
    match c {
        '\'' => path.push_str("\\'"),
        '\\' => path.push_str("\\\\"),
        '\u{8}' => path.push_str("\\b"),
        '\t' => path.push_str("\\t"),
        '\n' => path.push_str("\\n"),
        '\u{c}' => path.push_str("\\f"),
        '\r' => path.push_str("\\r"),
        c if c < ' ' => {
            // Writing to a String cannot fail.
            let _ = write!(path, "\\u{:04x}", u32::from(c));
        }
        c => path.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let check = |name: &str, expected: &str| {
            let mut path = String::from("$");
            push_member(&mut path, name);
            assert_eq!(path, expected);
        };
        check("amount", "$.amount");
        check("_a1", "$._a1");
        check("1a", "$['1a']");
        check("", "$['']");
        check("*", "$['*']");
        check("content-type", "$['content-type']");
        check("größe", "$['größe']");
        check("it's", r"$['it\'s']");
        check("a\\b", r"$['a\\b']");
        check("tab\tnul\0", r"$['tab\tnul\u0000']");
    }
}
