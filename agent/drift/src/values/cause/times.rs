//! Times, as ages in seconds: zones, units, defaults, clocks that stand still.

use super::{Cause, mode, quantile, share};
use crate::evidence::Kind;

/// Whether among `moments`, of the ages `recent`, there is one that comes again and again while time goes on.
pub(crate) fn stands_still(past: &[f64], recent: &[f64], moments: &[f64]) -> bool {
    /// A share of values, and how many, that are no coincidence.
    const SHARE: f64 = 0.08;
    const FEWEST: usize = 6;
    let Some((moment, often)) = mode(moments, f64::total_cmp) else { return false };
    let ages = || recent.iter().zip(moments).filter(|(_, at)| **at == moment).map(|(age, _)| *age);
    let (least, most) =
        ages().fold((f64::MAX, f64::MIN), |(least, most), age| (least.min(age), most.max(age)));
    let width = quantile(past, 0.9) - quantile(past, 0.1);
    often > SHARE && ages().count() >= FEWEST && most - least > width
}

/// Whether moments only lie a little nearer or farther than before: a mix of senders whose clocks are off, or a queue.
pub(crate) fn is_delay(past: &[f64], recent: &[f64]) -> bool {
    const SHORT_S: f64 = 30.0;
    [0.1, 0.5, 0.9].into_iter().all(|at| (quantile(recent, at) - quantile(past, at)).abs() < SHORT_S)
}

/// Whether times moved by an hour when clocks are put forward or back somewhere: local times, as they should be. That is
/// on a Sunday (or, seen from UTC, the day before): the last of March and October in Europe, the second of March and the
/// first of November in North America, the first of April and October and the last of September in the south.
pub(crate) fn is_clock_change(cause: &Cause, at_ns: u64) -> bool {
    const DAY_NS: i64 = 86_400_000_000_000;
    // Of several zones that change, or do not, no one offset is found.
    let is_hour = match cause.offset_s {
        Some(offset) => (offset.abs() - 3_600.0).abs() < 1.0,
        None => cause.kind == Kind::DistributionShifted,
    };
    // Found some time after, or in a window that began before.
    let day = at_ns as i64 / DAY_NS;
    is_hour && (day - 1..=day + 1).any(|day| (day + 4).rem_euclid(7) == 0 && is_change_month(day))
}

/// Whether a Sunday, in days since the Unix epoch, is one on which clocks change.
fn is_change_month(day: i64) -> bool {
    let (month, of_month) = month_and_day(day);
    match month {
        3 => of_month > 24 || (8..=14).contains(&of_month),
        4 | 11 => of_month <= 7,
        9 => of_month > 23,
        10 => of_month > 24 || of_month <= 7,
        _ => false,
    }
}

/// Month and day of the month (H. Hinnant, "chrono-compatible low-level date algorithms").
fn month_and_day(day: i64) -> (i64, i64) {
    let of_era = (day + 719_468).rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted + 2) / 5 + 1;
    (if shifted < 10 { shifted + 3 } else { shifted - 9 }, of_month)
}

const DAY_S: f64 = 86_400.0;
const QUARTER_S: f64 = 900.0;
/// Ages in a row of which each is greater than the one before: that of a moment that stays grows with the time of day. By
/// chance, one row in 40,000 does.
const ROW: usize = 8;

/// What `recent` ages are to `past` ones; it is `now_s`, in seconds since the Unix epoch. `same`: how often a moment is that
/// of the message before.
pub(crate) fn of_ages(past: &[f64], recent: &[f64], now_s: f64, same: f32) -> Cause {
    if same > 0.9 {
        return Kind::ValueFrozen.into();
    }
    let width = |values: &[f64]| quantile(values, 0.9) - quantile(values, 0.1);
    // Only those that are unlike any before say what happened.
    let room = 2.0 * width(past) + 60.0;
    let (low, high) = (quantile(past, 0.0) - room, quantile(past, 1.0) + room);
    let others: Vec<f64> = recent.iter().filter(|age| **age < low || **age > high).copied().collect();
    if others.len() * 20 < recent.len() || others.len() < 3 {
        return Kind::DistributionShifted.into();
    }
    // A moment near 1970, or the day before year 1: none was given.
    let is_default = |age: &f64| (now_s - age).abs() < 2.0 * DAY_S || now_s - age < -1e10;
    let ratio = (now_s - quantile(&others, 0.5)) / now_s;
    let power = ratio.abs().log10();
    if share(&others, is_default) > 0.8 && !(power < -2.5 && others.len() * 10 > recent.len() * 9) {
        return Kind::DefaultSubstituted.into();
    }
    if power.abs() > 2.5 && (power / 3.0 - (power / 3.0).round()).abs() < 0.1 {
        let factor = 10_f64.powf((power / 3.0).round() * 3.0);
        return Cause { factor: Some(factor), ..Kind::TimeUnitChanged.into() };
    }
    // Ages that grow: of a moment that stays, unless it was a default, or one read in another unit.
    if others.len() >= ROW && others.is_sorted_by(|a, b| a < b) {
        return Kind::ValueFrozen.into();
    }
    let offset = quantile(past, 0.5) - quantile(&others, 0.5);
    let zone = (offset / QUARTER_S).round() * QUARTER_S;
    let is_zone = zone != 0.0 && zone.abs() <= 26.0 * 3_600.0 && (offset - zone).abs() < QUARTER_S / 3.0;
    if is_zone && width(&others) < 3.0 * width(past) + 5.0 {
        return Cause { offset_s: Some(zone), ..Kind::TimeShifted.into() };
    }
    Kind::DistributionShifted.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_change_on_some_sundays() {
        let check = |date: (i64, i64, i64), offset: f64, expected: bool| {
            let (days_since_2025, month, of_month) = date;
            let day = 20_089 + days_since_2025;
            assert_eq!(month_and_day(day), (month, of_month));
            let cause = Cause { offset_s: Some(offset), ..Kind::TimeShifted.into() };
            assert_eq!(is_clock_change(&cause, day as u64 * 86_400_000_000_000), expected, "{date:?}");
        };
        check((88, 3, 30), 3_600.0, true);
        check((88, 3, 30), 7_200.0, false);
        check((67, 3, 9), 3_600.0, true);
        check((298, 10, 26), -3_600.0, true);
        check((305, 11, 2), -3_600.0, true);
        check((9, 1, 10), 3_600.0, false);
        check((10, 1, 11), 3_600.0, false);
        check((165, 6, 15), -3_600.0, false);
    }
}
