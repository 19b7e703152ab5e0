//! Names from the wire made fit to be shown: what looks like data is hidden, what could harm a terminal or a page
//! is escaped, and everything has an end.
//!
//! Only [`crate::disclose`] calls this.

use std::fmt::Write;
use std::net::IpAddr;

/// Longest name shown; a longer one counts as data (contract, section 2).
const NAME_CHARS: usize = 64;
/// Longest route or path shown; the rest becomes `…`. A body may nest 128 levels of 64 characters each.
const TEXT_CHARS: usize = 512;
/// From so many digits on, a name that is mostly digits is a number, not a word like `x509` or `iso8601`.
const DIGITS: usize = 5;

/// Whether a name looks like a payload value: it contains `@`, has over 64 characters, or is mostly digits.
fn looks_like_data(name: &str) -> bool {
    let chars = name.chars().count();
    let digits = name.chars().filter(|c| c.is_numeric()).count();
    name.contains('@')
        || chars > NAME_CHARS
        || (chars > 0 && digits == chars)
        || (digits >= DIGITS && 2 * digits > chars)
}

/// A workload, method or operation name. An IP address is a name, however many digits it has.
pub(crate) fn name(raw: &str) -> String {
    if raw.parse::<IpAddr>().is_err() && looks_like_data(raw) { "*".to_owned() } else { escape(raw) }
}

/// A reference to an exchange: hexadecimal on live capture, the file's own words otherwise. Shown, never hidden.
pub(crate) fn reference(raw: &str) -> String {
    cap(&escape(raw), NAME_CHARS)
}

/// A route template: `/v1/orders/12345` is shown as `/v1/orders/{id}`.
pub(crate) fn route(raw: &str) -> String {
    let shown: Vec<String> =
        raw.split('/').map(|s| if looks_like_data(s) { "{id}".to_owned() } else { escape(s) }).collect();
    cap(&shown.join("/"), TEXT_CHARS)
}

/// An RFC 9535 path: `$['a@b.c'].total` is shown as `$.*.total`.
#[must_use]
pub fn path(raw: &str) -> String {
    let mut shown = String::with_capacity(raw.len());
    for segment in segments(raw) {
        if looks_like_data(&segment.name) {
            shown.push_str(".*")
        } else {
            shown.push_str(&escape(segment.raw))
        }
    }
    cap(&shown, TEXT_CHARS)
}

/// How many segments a path has; deeper paths have more.
pub(crate) fn depth(path: &str) -> usize {
    segments(path).count()
}

/// Whether `inner` lies inside `outer` (and is not the same).
pub(crate) fn is_inside(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// One step of a path: as written, and the member name it selects.
struct Segment<'a> {
    raw: &'a str,
    name: String,
}

/// Splits `$.a['b.c'][*].*` into `$`, `.a`, `['b.c']`, `[*]`, `.*`. Never fails: what is no path is one segment.
fn segments(path: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = path;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = if rest.starts_with("['") { quoted_end(rest) } else { plain_end(rest) };
        let (raw, after) = rest.split_at(end);
        rest = after;
        Some(Segment { raw, name: member_name(raw) })
    })
}

/// End of `['…']`, with `\'` and `\\` inside; the end of the text where it is not closed.
fn quoted_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(2) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return if text[at..].starts_with("']") { at + 2 } else { text.len() },
            _ => {}
        }
    }
    text.len()
}

/// End of `$`, `.name`, `[*]`, or of a bare name.
fn plain_end(text: &str) -> usize {
    text.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '[')).map_or(text.len(), |(at, _)| at)
}

fn member_name(raw: &str) -> String {
    if let Some(quoted) = raw.strip_prefix("['") {
        let inner = quoted.strip_suffix("']").unwrap_or(quoted);
        let mut escaped = false;
        return inner
            .chars()
            .filter(|&c| {
                let keep = escaped || c != '\\';
                escaped = !keep;
                keep
            })
            .collect();
    }
    raw.strip_prefix('.').unwrap_or(raw).to_owned()
}

fn cap(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Writes what a terminal would obey, or a reader would not see, as `\uXXXX` (RFC 9535's escape).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls (C0, DEL, C1), and the format characters that reorder or hide text: bidirectional marks, embeddings,
/// overrides and isolates (Unicode TR 9), zero-width characters, line separators, tags, interlinear annotation.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_data_are_hidden() {
        let check = |raw: &str, expected: &str| assert_eq!(name(raw), expected, "{raw:?}");
        for shown in
            ["shop", "x509", "iso8601", "order_123", "v1", "10.0.0.12", "fd00::1234:5678:9abc", "", "総額"]
        {
            check(shown, shown);
        }
        for data in
            ["bob@example.com", "7", "4111111111111111", "2024-01-01", "A12345", "+49 30 123456", "٣٤٥"]
        {
            check(data, "*");
        }
        check(&"a".repeat(64), &"a".repeat(64));
        check(&"a".repeat(65), "*");
    }

    #[test]
    fn paths_hide_only_the_segment_that_looks_like_data() {
        let check = |raw: &str, expected: &str| assert_eq!(path(raw), expected, "{raw:?}");
        for shown in [
            "$",
            "$.amount_minor",
            "$.lines[*].price",
            "$.labels.*",
            "$['a b'].c",
            "query.dry",
            r"$['it\'s']",
        ] {
            check(shown, shown);
        }
        check("$.users['bob@example.com'].age", "$.users.*.age");
        check("$['4111111111111111']", "$.*");
        check(r"$['a\'].b@c'].d", "$.*.d");
        check("query.20240101", "query.*");
        check(&format!("$['{}'][*].x", "z".repeat(65)), "$.*[*].x");
        check("$['open", "$['open");
        check("$['open@", "$.*");
        check("$['a'b@c", "$.*");
        check(&"$.ab".repeat(400), &format!("{}…", &"$.ab".repeat(400)[..512]));
    }

    #[test]
    fn routes_hide_segments_as_id() {
        let check = |raw: &str, expected: &str| assert_eq!(route(raw), expected, "{raw:?}");
        check("/v1/charges", "/v1/charges");
        check("/v1/orders/{id}/lines", "/v1/orders/{id}/lines");
        check("/v1/orders/12345/lines", "/v1/orders/{id}/lines");
        check("/users/bob@example.com", "/users/{id}");
        check("/", "/");
        check("", "");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_survives() {
        let check = |raw: &str, expected: &str| assert_eq!(name(raw), expected, "{raw:?}");
        check("a\x1b[31mred", r"a\u001b[31mred");
        check("a\nb\r\0\u{7f}\u{9b}", r"a\u000ab\u000d\u0000\u007f\u009b");
        check("user\u{202e}nimda", r"user\u202enimda");
        check("a\u{200b}b\u{feff}\u{2066}\u{2028}", r"a\u200bb\ufeff\u2066\u2028");
        check("tag\u{e0041}", r"tag\udb40\udc41");
        check("<b>é 日本</b>", "<b>é 日本</b>");
    }

    #[test]
    fn depth_and_inside() {
        assert_eq!(depth("$"), 1);
        assert_eq!(depth("$.lines[*]['a.b'].c"), 5);
        assert!(is_inside("$.a", "$.a.b") && is_inside("$.a", "$.a[*]") && is_inside("$", "$.a"));
        assert!(!is_inside("$.a", "$.ab") && !is_inside("$.a", "$.a") && !is_inside("$.a.b", "$.a"));
    }

    proptest::proptest! {
        /// Whatever a name holds: no control or bidirectional character leaves, the length is bounded, and the
        /// segments are the path.
        #[test]
        fn any_text_is_safe(raw in ".{0,200}|\\PC{0,80}|(\\$|\\.|\\[|'|\\]|\\\\|a|1|\u{1b}|\u{202e}){0,60}") {
            for shown in [name(&raw), route(&raw), path(&raw)] {
                proptest::prop_assert!(!shown.chars().any(is_unsafe), "{shown:?}");
                proptest::prop_assert!(shown.chars().count() <= TEXT_CHARS + 1);
            }
            let joined: String = segments(&raw).map(|s| s.raw).collect();
            proptest::prop_assert_eq!(joined, raw);
        }
    }
}
