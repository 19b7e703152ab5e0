//! Moments as texts: dates and times of RFC 3339.

/// A date, or a date and time, of RFC 3339; a blank instead of `T` and a missing zone are taken, as many write them.
#[inline]
pub(crate) fn rfc3339(text: &[u8]) -> Option<i64> {
    // Most texts are none, and one look tells.
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') || !(10..=40).contains(&text.len()) {
        return None;
    }
    parsed(text)
}

#[inline(never)]
fn parsed(text: &[u8]) -> Option<i64> {
    const SECOND: i64 = 1_000_000_000;
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
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(rfc3339(text.as_bytes()), expected, "{text}");
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
}
