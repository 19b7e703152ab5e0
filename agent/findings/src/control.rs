//! False-alarm control over the whole list: the more fields are watched, the stronger each claim must be.
//!
//! [`pitot_drift::Evidence::error`] bounds the probability that one field of a flow *without* change ever gives such
//! evidence (for an e-value that is 1/e, by Ville's inequality, at any stopping time). By the union bound
//! (Bonferroni), the probability that *any* of `m` watched fields gives it is at most `m * error`. That needs no
//! independence between fields, which matters: the fields of one message move together. It is the e-d-Bonferroni of
//! arXiv 2501.04130 with equal weights.
//!
//! Assumptions: `error` holds for the life of the field, and `m` counts every field watched when the evidence is
//! judged. A finding's `confidence` is one minus that bound; evidence whose bound is over the budget is withheld
//! and counted, and opens as soon as the detector sends it again with a smaller error.

/// The bound over all `monitored` fields, 0 to 1. An `error` that is no number proves nothing: 1.
pub(crate) fn adjusted(error: f64, monitored: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)] // 2^53 fields are out of reach.
    let bound = error * monitored.max(1) as f64;
    if bound >= 0.0 { bound.min(1.0) } else { 1.0 }
}

/// `1 - bound`, rounded down to six decimals: never more certain than it is, and never 1.
pub(crate) fn confidence(bound: f64) -> f64 {
    ((1.0 - bound) * 1e6).floor().clamp(0.0, 999_999.0) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_grows_with_the_fields_and_rounds_against_us() {
        let check = |error, monitored, expected: f64| {
            let confidence = confidence(adjusted(error, monitored));
            assert!((confidence - expected).abs() < 1e-12, "{error} x {monitored}: {confidence}");
        };
        check(1e-6, 1, 0.999_999);
        check(1e-6, 3_000, 0.997);
        check(0.01, 0, 0.99);
        check(1e-12, 1, 0.999_999);
        check(0.0, 10, 0.999_999);
        check(0.5, 3, 0.0);
        check(-0.1, 1, 0.0);
        check(f64::NAN, 1, 0.0);
        check(f64::INFINITY, 1, 0.0);
        check(1.5e-6, 1, 0.999_998);
    }
}
