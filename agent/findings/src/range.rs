//! Ranges of values, as they may be shown.

/// Significant digits of a bound.
const DIGITS: i32 = 2;

/// A range rounded outward to two significant digits: 1,234 to 5,678 is 1,200 to 5,700.
#[must_use]
pub fn outward((low, high): (f64, f64)) -> (f64, f64) {
    (rounded(low, f64::floor), rounded(high, f64::ceil))
}

fn rounded(x: f64, to_whole: fn(f64) -> f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let place = x.abs().log10().floor() as i32 - (DIGITS - 1);
    // Powers of ten with a negative exponent are no doubles: dividing by their inverse rounds once.
    let scale = 10_f64.powi(place.abs());
    if place >= 0 { to_whole(x / scale) * scale } else { to_whole(x * scale) / scale }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_digits_outward() {
        let check = |range: (f64, f64), expected: (f64, f64)| {
            assert_eq!(outward(range), expected, "{range:?}");
            assert_eq!(outward(expected), expected, "a rounded range stays");
        };
        check((1_234.0, 5_678.0), (1_200.0, 5_700.0));
        check((-1_234.0, -5.678), (-1_300.0, -5.6));
        check((0.0, 0.001_234), (0.0, 0.001_3));
        check((4_711.0, 4_711.0), (4_700.0, 4_800.0));
        check((7.0, 42.0), (7.0, 42.0));
        check((99.5, 101.0), (99.0, 110.0));
    }

    proptest! {
        #[test]
        fn a_range_holds_what_it_was(low in -1e300_f64..1e300, high in -1e300_f64..1e300, scale in -300_i32..1) {
            let (low, high) = (low * 10_f64.powi(scale), high * 10_f64.powi(scale));
            let (below, above) = outward((low, high));
            prop_assert!(below <= low && high <= above, "{low} {high}: {below} {above}");
        }
    }
}
