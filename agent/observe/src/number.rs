//! The number that a text begins with, as simd-json reads it.

/// Digits of which every number fits into 64 bits.
const MOST_DIGITS: usize = 18;
/// Up to here, every integer is a double.
const SAFE: u64 = 1 << 53;
/// Powers of ten that are doubles exactly, as many as there may be decimals.
const POWERS: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// A number without an exponent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Decimal(f64),
}

/// The number (RFC 8259, section 6) that `text` begins with, and its length; `None` where there is none, and where it has
/// an exponent, more than 18 digits, or is `-0`.
#[inline]
pub(crate) fn leading(text: &[u8]) -> Option<(Number, usize)> {
    let is_negative = text.first() == Some(&b'-');
    let from = usize::from(is_negative);
    let (whole, mut at) = digits(text, from, 0);
    let is_padded = at > from + 1 && text.get(from) == Some(&b'0');
    if at == from || is_padded {
        return None;
    }
    let (mut mantissa, mut decimals) = (whole, 0);
    if text.get(at) == Some(&b'.') {
        let point = at + 1;
        (mantissa, at) = digits(text, point, whole);
        decimals = at - point;
        if decimals == 0 {
            return None;
        }
    }
    if at - from > MOST_DIGITS + usize::from(decimals > 0) || matches!(text.get(at), Some(b'e' | b'E')) {
        return None;
    }
    if decimals == 0 {
        let integer = mantissa as i64; // 18 digits at most
        return (integer != 0 || !is_negative)
            .then_some((Number::Integer(if is_negative { -integer } else { integer }), at));
    }
    let size = if mantissa <= SAFE {
        // Both are exact, and the quotient is rounded once (W. D. Clinger, "How to read floating point numbers accurately").
        mantissa as f64 / POWERS.get(decimals)?
    } else {
        std::str::from_utf8(text.get(from..at)?).ok()?.parse().ok()?
    };
    Some((Number::Decimal(if is_negative { -size } else { size }), at))
}

/// `before` with the digits from place `at` on behind it, and the place after them.
#[inline]
fn digits(text: &[u8], mut at: usize, before: u64) -> (u64, usize) {
    let mut number = before;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (number, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        let check = |text: &str, expected: Option<(Number, usize)>| {
            assert_eq!(leading(text.as_bytes()), expected, "{text}");
        };
        check("0", Some((Number::Integer(0), 1)));
        check("-17,", Some((Number::Integer(-17), 3)));
        check("0.5}", Some((Number::Decimal(0.5), 3)));
        check("-12.50]", Some((Number::Decimal(-12.5), 6)));
        check("123456789012345678", Some((Number::Integer(123_456_789_012_345_678), 18)));
        check("1234567890123456789", None);
        check("0.12345678901234567", Some((Number::Decimal(0.123_456_789_012_345_67), 19)));
        check("01", None);
        check("-0", None);
        check("-", None);
        check("1.", None);
        check(".5", None);
        check("1e5", None);
        check("1.5E5", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn are_read_as_others_do(text in "-?(0|[1-9][0-9]{0,16})(\\.[0-9]{1,10})?") {
            if let Some((number, length)) = leading(text.as_bytes()) {
                prop_assert_eq!(length, text.len());
                match number {
                    Number::Integer(n) => prop_assert_eq!(n, text.parse::<i64>().unwrap()),
                    Number::Decimal(x) => prop_assert_eq!(x.to_bits(), text.parse::<f64>().unwrap().to_bits()),
                }
            }
        }
    }
}
