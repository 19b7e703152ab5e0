//! Times, as ages in seconds: zones, units, defaults, clocks that stand still.

use super::{Cause, share};
use crate::evidence::Kind;

const DAY_S: f64 = 86_400.0;
const QUARTER_S: f64 = 900.0;

/// What `recent` ages are to `past` ones; it is `now_s`, in seconds since the Unix epoch. `same`: how often a moment is that
/// of the message before.
pub(crate) fn of_ages(past: &[f64], recent: &[f64], now_s: f64, same: f32) -> Cause {
    if same > 0.9 {
        return Kind::ValueFrozen.into();
    }
    let quantile = |values: &[f64], share: f64| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get((share * sorted.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0)
    };
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
    let offset = quantile(past, 0.5) - quantile(&others, 0.5);
    let zone = (offset / QUARTER_S).round() * QUARTER_S;
    let is_zone = zone != 0.0 && zone.abs() <= 26.0 * 3_600.0 && (offset - zone).abs() < QUARTER_S / 3.0;
    if is_zone && width(&others) < 3.0 * width(past) + 5.0 {
        return Cause { offset_s: Some(zone), ..Kind::TimeShifted.into() };
    }
    Kind::DistributionShifted.into()
}
