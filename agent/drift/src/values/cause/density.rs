//! How probable values are under what a hypothesis makes of the values before: a kernel density estimate.

/// Values between which nothing is told: a share that may come from anywhere.
const ANYWHERE: f64 = 1e-3;

/// The density of a sample.
pub(crate) struct Density {
    sorted: Vec<f64>,
    width: f64,
}

impl Density {
    /// Of values in the coordinate that is used. Width after Silverman (1986), equation 3.31.
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| crate::values::quantile(&values, share);
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
        let quartiles = (at(0.75) - at(0.25)) / 1.34;
        let spread = if quartiles > 0.0 { deviation.min(quartiles) } else { deviation };
        let width = (0.9 * spread * n.powf(-0.2)).max(1e-4 * at(0.5).abs()).max(1e-9);
        Self { sorted: values, width }
    }

    /// The density at each value, as the others have it.
    pub(crate) fn leave_one_out(&self) -> impl Iterator<Item = f64> {
        let n = self.sorted.len().max(2) as f64;
        let peak = 1.0 / (self.width * std::f64::consts::TAU.sqrt());
        self.sorted.iter().map(move |x| (self.at(*x) * n - peak) / (n - 1.0))
    }

    pub(crate) fn at(&self, x: f64) -> f64 {
        let kernel = |y: &f64| (-0.5 * ((x - y) / self.width).powi(2)).exp();
        let sum: f64 = self.sorted.iter().map(kernel).sum();
        sum / (self.sorted.len().max(1) as f64 * self.width * std::f64::consts::TAU.sqrt())
    }
}

/// Log likelihood of values, a part of which comes from one density and the rest from another; for the best of some
/// parts, which is returned as well. `range` is how widely values may lie.
pub(crate) fn mixture(old: &[f64], new: &[f64], range: f64) -> (f64, f64) {
    const PARTS: [f64; 8] = [1.0, 0.85, 0.65, 0.45, 0.3, 0.2, 0.12, 0.06];
    let of = |part: f64| {
        let ln = |(old, new): (&f64, &f64)| {
            let p = (1.0 - part) * old + part * new;
            ((1.0 - ANYWHERE) * p + ANYWHERE / range).ln()
        };
        old.iter().zip(new).map(ln).sum::<f64>()
    };
    PARTS
        .into_iter()
        .map(|part| (of(part), part))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((f64::MIN, 0.0))
}
