//! From a request target to a route, and from a method as sent to one that may name a flow.

use crate::identifier::looks_like_data;

/// The longest route, in bytes, and the most segments; what follows is cut and shown as `{rest}`.
const LONGEST: usize = 256;
const MOST_SEGMENTS: usize = 24;
/// The longest method that names a flow.
const LONGEST_METHOD: usize = 16;

/// Appends the route of `target` (RFC 9112, section 3.2): its path without query, each segment that looks like data as
/// `{id}`, percent-escapes kept. A target without a path (`*`, or the authority of a CONNECT) gives `*`.
pub(crate) fn push_route(route: &mut String, target: &str) {
    let Some(path) = path_of(target) else {
        route.push('*');
        return;
    };
    let start = route.len();
    let mut rest = path.get(1..).unwrap_or_default();
    for i in 0.. {
        let (segment, is_plain) = first_segment(rest);
        if i >= MOST_SEGMENTS || route.len() - start + segment.len().min(64) >= LONGEST {
            route.push_str("/{rest}");
            return;
        }
        route.push('/');
        if is_plain {
            route.push_str(segment);
        } else if looks_like_data(segment) || segment.contains("%40") {
            route.push_str("{id}");
        } else {
            route.extend(segment.chars().filter(|c| !c.is_control()));
        }
        let Some(after) = rest.get(segment.len() + 1..) else { return };
        rest = after;
    }
}

/// What a byte is in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    /// Of a segment that stays as it is.
    Plain,
    Digit,
    Other,
    /// `/`
    End,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' => Class::Plain,
            b'0'..=b'9' => Class::Digit,
            b'/' => Class::End,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

/// The text before the first `/`, and whether one look at it shows that it stays as it is: a short name of ASCII with
/// few digits.
fn first_segment(text: &str) -> (&str, bool) {
    let (mut len, mut digits, mut is_plain) = (0, 0, true);
    for byte in text.bytes() {
        let class = CLASSES[usize::from(byte)];
        if class == Class::End {
            break;
        }
        len += 1;
        digits += usize::from(class == Class::Digit);
        is_plain &= class != Class::Other;
    }
    let is_name = if digits == 0 { len < 36 } else { len < 8 && digits < 4 && digits < len };
    (text.get(..len).unwrap_or_default(), is_plain && is_name)
}

/// The path of a target in origin or absolute form.
fn path_of(target: &str) -> Option<&str> {
    let path = if target.starts_with('/') {
        target
    } else {
        let (_scheme, rest) = target.split_once("://")?;
        rest.find(['/', '?', '#']).and_then(|i| rest.get(i..)).unwrap_or("/")
    };
    let end = path.bytes().position(|b| matches!(b, b'?' | b'#'));
    let path = end.and_then(|end| path.get(..end)).unwrap_or(path);
    Some(if path.is_empty() { "/" } else { path })
}

/// The method where it is an upper-case token (methods are case-sensitive, RFC 9110, section 9.1), else `_OTHER` as
/// OpenTelemetry's HTTP conventions have it: whoever sends nonsense makes one flow.
pub(crate) fn method(method: &str) -> &str {
    let is_token = method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
        && method.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
    if is_token && method.len() <= LONGEST_METHOD { method } else { "_OTHER" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn routes() {
        let check = |target: &str, expected: &str| {
            let mut route = String::new();
            push_route(&mut route, target);
            assert_eq!(route, expected, "{target}");
        };
        check("/", "/");
        check("/v1/orders?dry=0", "/v1/orders");
        check("/v1/orders/4711/lines/3#x", "/v1/orders/{id}/lines/{id}");
        check("/v1/orders/", "/v1/orders/");
        check("//x", "//x");
        check("/u/6f1c2e9a-7b1d-4c55-9a53-0b7a3d1f2c44", "/u/{id}");
        check("/commit/deadbee1", "/commit/{id}");
        check("/cafe/deadbeef", "/cafe/deadbeef");
        check("/mail/ann@example.org", "/mail/{id}");
        check("/mail/ann%40example.org", "/mail/{id}");
        check("/a%20b/c", "/a%20b/c");
        check("/123a/1234a/1a2b3c4d/a2b3c4de", "/123a/{id}/{id}/{id}");
        check("/caf\u{e9}\u{7}/x\u{85}y", "/caf\u{e9}/xy");
        check("/abcdefab-abcd-abcd-abcd-abcdefabcdef/abcdefab-abcd", "/{id}/abcdefab-abcd");
        check("http://shop.example/v2/x?y", "/v2/x");
        check("http://shop.example", "/");
        check("http://shop.example?y", "/");
        check("*", "*");
        check("shop.example:443", "*");
        check("", "*");
        check(&format!("/{}", "x".repeat(65)), "/{id}");
        check(&"/a".repeat(30), &format!("{}/{{rest}}", "/a".repeat(24)));
    }

    #[test]
    fn methods() {
        let check = |sent: &str, expected: &str| assert_eq!(method(sent), expected);
        check("GET", "GET");
        check("PROPFIND", "PROPFIND");
        check("VERSION-CONTROL", "VERSION-CONTROL");
        check("get", "_OTHER");
        check("", "_OTHER");
        check("-", "_OTHER");
        check("G T", "_OTHER");
        check("AAAAAAAAAAAAAAAAA", "_OTHER");
    }

    proptest! {
        /// The look at a segment that is plain spares no other look.
        #[test]
        fn segments_are_folded_by_the_gate(segments in proptest::collection::vec("[0-9a-f@%4-]{0,40}|[a-z0-9.é]{0,9}", 1..6)) {
            let folded = |segment: &String| match looks_like_data(segment) || segment.contains("%40") {
                true => "/{id}".to_owned(),
                false => format!("/{segment}"),
            };
            let expected: String = segments.iter().map(folded).collect();
            let mut route = String::new();
            push_route(&mut route, &format!("/{}", segments.join("/")));
            prop_assert_eq!(route, expected);
        }
    }
}
