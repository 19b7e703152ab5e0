//! The logarithms of the gamma function and of the beta function.

/// ln Γ(x) for x > 0, to about 1e-10: Stirling's series (Abramowitz and Stegun 6.1.41) above 10, and the recurrence
/// Γ(x) = Γ(x + 1) / x below.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let mut x = x;
    let mut shift = 0.0;
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    shift + (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

/// ln B(a, b), the beta function.
pub(crate) fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let check =
            |x: f64, expected: f64| assert!((ln_gamma(x) - expected).abs() < 1e-9, "{x}: {}", ln_gamma(x));
        check(1.0, 0.0);
        check(2.0, 0.0);
        check(0.5, std::f64::consts::PI.sqrt().ln());
        check(5.0, 24_f64.ln());
        check(11.0, 3_628_800_f64.ln());
        check(171.0, (1..=170).map(|i| f64::from(i).ln()).sum());
    }
}
