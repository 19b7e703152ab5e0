//! Which names are data: the syntactic gate of the contract, "What may leave".

/// The longest name, in bytes, that is shown.
const LONGEST_NAME: usize = 64;

/// Whether a text is an identifier by its form: all digits, a UUID, or 8 or more hex digits of which one is `0` to `9`.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if bytes.is_empty() || digits == 0 {
        return is_uuid(bytes);
    }
    digits == bytes.len() || (bytes.len() >= 8 && bytes.iter().all(u8::is_ascii_hexdigit)) || is_uuid(bytes)
}

/// Whether a member's name or a path segment looks like data and must be folded: an identifier, or longer than 64
/// bytes, or with an `@`, or mostly digits (more than half of it, and at least 4: `p99` and `h264` are names).
#[must_use]
pub fn looks_like_data(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() > LONGEST_NAME {
        return true;
    }
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|b| is(b)).count();
    let digits = count(u8::is_ascii_digit);
    let is_mostly_digits = digits >= 4 && digits * 2 > bytes.len();
    is_mostly_digits
        || count(|b| *b == b'@') > 0
        || ((digits > 0 || bytes.len() == 36) && is_identifier(text))
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        let check = |text: &str, expected: bool| assert_eq!(is_identifier(text), expected, "{text:?}");
        check("", false);
        check("0", true);
        check("4711", true);
        check("v1", false);
        check("deadbeef", false);
        check("deadbee1", true);
        check("DEADBEE1", true);
        check("deadbe1", false);
        check("6f1c2e9a-7b1d-4c55-9a53-0b7a3d1f2c44", true);
        check("abcdefab-abcd-abcd-abcd-abcdefabcdef", true);
        check("6f1c2e9a-7b1d-4c55-9a53-0b7a3d1f2c4", false);
    }

    #[test]
    fn data() {
        let check = |text: &str, expected: bool| assert_eq!(looks_like_data(text), expected, "{text:?}");
        check("", false);
        check("amount_minor", false);
        check("p99", false);
        check("line1", false);
        check("sha256", false);
        check("2024", true);
        check("2024-11-22", true);
        check("ann@example.org", true);
        check("order-1234567890", true);
        check(&"x".repeat(64), false);
        check(&"x".repeat(65), true);
        check("größe", false);
    }
}
