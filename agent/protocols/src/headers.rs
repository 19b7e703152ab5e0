//! The header fields of one message.

use std::fmt;

/// Header fields in order, names in lower case.
///
/// All of them share one text: with two strings for each field, header fields took half of all allocations that a
/// message causes.
///
/// ```
/// use pitot_protocols::Headers;
///
/// let headers = Headers::from([("Content-Type", "application/json"), ("X-A", "1"), ("X-A", "2")]);
/// assert_eq!(headers.get("content-type"), Some("application/json"));
/// assert_eq!(headers.all("x-a").collect::<Vec<_>>(), ["1", "2"]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Name, value, name, value, ...
    text: String,
    /// Where in it each name and its value end.
    ends: Vec<[usize; 2]>,
}

impl Headers {
    /// None yet, with room for so many, of so many bytes in all.
    #[must_use]
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(fields) }
    }

    /// Adds a field. Bytes of its value that are not UTF-8 are replaced (U+FFFD).
    pub fn push(&mut self, name: &str, value: &[u8]) {
        let start = self.text.len();
        self.text.push_str(name);
        let name_end = self.text.len();
        if let Some(name) = self.text.get_mut(start..) {
            name.make_ascii_lowercase();
        }
        // As a rule it is text, which takes one look.
        match std::str::from_utf8(value) {
            Ok(value) => self.text.push_str(value),
            Err(_) => self.text.push_str(&String::from_utf8_lossy(value)),
        }
        self.ends.push([name_end, self.text.len()]);
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&[name_end, end]| {
            let text = |range| self.text.get(range).unwrap_or_default();
            let field = (text(start..name_end), text(name_end..end));
            start = end;
            field
        })
    }

    /// The values of every field of this name (lower case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The value of the first field of this name (lower case).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Self::default();
        fields.into_iter().for_each(|(name, value)| headers.push(name.as_ref(), value.as_ref().as_bytes()));
        headers
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Headers {
    fn from(fields: [(&str, &str); N]) -> Self {
        fields.into_iter().collect()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_utf8_are_replaced_as_the_standard_library_does() {
        let check = |value: &[u8]| {
            let mut headers = Headers::default();
            headers.push("A\u{c4}", value);
            headers.push("b", b"");
            let expected = String::from_utf8_lossy(value);
            assert_eq!(headers.iter().collect::<Vec<_>>(), [("a\u{c4}", &*expected), ("b", "")]);
        };
        check(b"");
        check("caf\u{e9}".as_bytes());
        check(b"caf\xe9");
        check(b"\xff\xfe a \xe2\x82");
    }
}
