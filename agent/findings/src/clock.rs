//! Times as people read them.

/// `10:31:04 UTC`, of ns since the Unix epoch.
pub(crate) fn utc_time(ns: u64) -> String {
    let s = ns / 1_000_000_000 % 86_400;
    format!("{:02}:{:02}:{:02} UTC", s / 3_600, s / 60 % 60, s % 60)
}

/// `2026-11-22 10:31:04 UTC`, of ns since the Unix epoch.
///
/// Civil from days, as in H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2021: years begin in March, so
/// that the leap day is the last.
pub(crate) fn utc_date_time(ns: u64) -> String {
    let days = ns / 86_400_000_000_000 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {}", utc_time(ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from `date -u -d @SECONDS`.
    #[test]
    fn dates() {
        let check =
            |seconds: u64, expected: &str| assert_eq!(utc_date_time(seconds * 1_000_000_000), expected);
        check(0, "1970-01-01 00:00:00 UTC");
        check(951_782_399, "2000-02-28 23:59:59 UTC");
        check(951_782_400, "2000-02-29 00:00:00 UTC");
        check(1_763_800_264, "2025-11-22 08:31:04 UTC");
        check(4_107_542_399, "2100-02-28 23:59:59 UTC");
        check(4_107_542_400, "2100-03-01 00:00:00 UTC");
        check(u64::MAX / 1_000_000_000, "2554-07-21 23:34:33 UTC");
    }
}
