//! What a count is worth: intervals for a rate of rare events and for a share.

/// The upper end of the one-sided 95 % interval of a Poisson mean of which `events` were seen: the mean at which so few or
/// fewer have a probability of 0.05 (Garwood 1936).
#[must_use]
pub fn poisson_upper(events: usize) -> f64 {
    let at_most = |mean: f64| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=events {
            term *= mean / k as f64;
            sum += term;
        }
        sum
    };
    // Beyond 700, exp(-mean) is next to nothing in a double: a normal bound does there.
    let n = events as f64;
    if n > 600.0 {
        return n + 1.645 * n.sqrt() + 1.0;
    }
    bisect(0.0, 700.0, |mean| at_most(mean) > 0.05)
}

/// The two-sided 95 % interval of a share (Wilson 1927).
#[must_use]
pub fn wilson(hits: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (z, n, p) = (1.959_964_f64, of as f64, hits as f64 / of as f64);
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}

/// Where `is_below` turns false.
fn bisect(mut low: f64, mut high: f64, is_below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if is_below(middle) { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_bounds_of_the_tables() {
        let check = |events, expected: f64| {
            let bound = poisson_upper(events);
            assert!((bound - expected).abs() < 0.005, "{events}: {bound}");
        };
        check(0, 2.996);
        check(1, 4.744);
        check(2, 6.296);
        check(10, 16.962);
        check(100, 118.08);
    }

    #[test]
    fn wilson_intervals_of_the_tables() {
        let check = |hits, of, low: f64, high: f64| {
            let (a, b) = wilson(hits, of);
            assert!((a - low).abs() < 5e-4 && (b - high).abs() < 5e-4, "{hits} of {of}: {a} {b}");
        };
        check(0, 0, 0.0, 1.0);
        check(10, 10, 0.722_5, 1.0);
        check(81, 263, 0.255_3, 0.366_2);
    }
}
