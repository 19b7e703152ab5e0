//! A [`Relation`] between numbers of one message, and whether a message keeps it.

use serde::{Deserialize, Serialize};

/// Relative error of sums of doubles that is no difference.
const ROUNDING: f64 = 1e-9;
/// Part of a unit of the last decimal by which a rounded result may be off.
const HALF: f64 = 0.501;

/// Decimals of a constant that is taken to be meant so.
const DECIMALS: i32 = 6;

/// What a number follows from. `C` names a column: the values of one path in a message, in order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Form<C> {
    /// a = b
    Equal(C),
    /// a = b + c
    Sum(C, C),
    /// a = b * c
    Product(C, C),
    /// a = constant * b
    Scaled(C, Factor),
    /// a = sum(b\[*\])
    Total(C),
    /// a = sum(b\[*\] * c\[*\])
    TotalOfProducts(C, C),
    /// a <= b
    AtMost(C),
}

/// The values a constant may have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Factor {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Column `left` follows from others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Relation<C> {
    pub(crate) left: C,
    pub(crate) form: Form<C>,
    /// Unit of the last decimal of `left`; 0 where it has no certain number of decimals.
    pub(crate) unit: f64,
}

/// What a message says of a relation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trial {
    /// In all elements, where it is one between elements.
    pub(crate) holds: bool,
    /// Whether a simpler relation, or zeros, would not have said the same.
    pub(crate) informative: bool,
    /// The bits of what `left` should be: tells values that stay from values that change.
    pub(crate) expected: u64,
    /// The factors by which `left` differs, if it is one factor.
    pub(crate) factor: Factor,
}

impl Factor {
    /// Any factor.
    pub(crate) const ANY: Self = Self { low: f64::MIN, high: f64::MAX };

    /// The factors that give `left`, give or take `tolerance`, from `right`.
    pub(crate) fn between(left: f64, right: f64, tolerance: f64) -> Self {
        if right == 0.0 {
            return Self::ANY;
        }
        let (a, b) = ((left - tolerance) / right, (left + tolerance) / right);
        Self { low: a.min(b), high: a.max(b) }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// The factor with the fewest decimals that lies within, if one has six or fewer: a rate of tax, a number of cents.
    pub(crate) fn rounded(self) -> Self {
        let mut all = (0..=DECIMALS).map(|decimals| self.to(decimals));
        let short = all.find(|x| (self.low..=self.high).contains(x));
        short.map_or(self, |x| Self { low: x, high: x })
    }

    /// How many decimals it has; [`DECIMALS`] and one where it has more.
    pub(crate) fn decimals(self) -> i32 {
        (0..=DECIMALS).find(|decimals| self.to(*decimals) == self.low).unwrap_or(DECIMALS + 1)
    }

    fn to(self, decimals: i32) -> f64 {
        let power = 10_f64.powi(decimals);
        (f64::midpoint(self.low, self.high) * power).round() / power
    }

    /// The one factor, if there is one, known to a percent.
    pub(crate) fn value(self) -> Option<f64> {
        let middle = f64::midpoint(self.low, self.high);
        let is_one = self.low <= self.high && self.high - self.low <= 0.01 * middle.abs();
        is_one.then_some(middle)
    }
}

impl<C: Copy> Form<C> {
    /// What it needs.
    pub(crate) fn operands(&self) -> (C, Option<C>) {
        match *self {
            Self::Equal(b) | Self::Scaled(b, _) | Self::Total(b) | Self::AtMost(b) => (b, None),
            Self::Sum(b, c) | Self::Product(b, c) | Self::TotalOfProducts(b, c) => (b, Some(c)),
        }
    }

    /// Whether both are of one form, with whatever columns and constant.
    pub(crate) fn has_form_of(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether it says which comes first, not how much.
    pub(crate) fn is_order(&self) -> bool {
        matches!(self, Self::AtMost(_))
    }

    fn map<D>(&self, to: impl Fn(C) -> D) -> Form<D> {
        match *self {
            Self::Equal(b) => Form::Equal(to(b)),
            Self::Sum(b, c) => Form::Sum(to(b), to(c)),
            Self::Product(b, c) => Form::Product(to(b), to(c)),
            Self::Scaled(b, factor) => Form::Scaled(to(b), factor),
            Self::Total(b) => Form::Total(to(b)),
            Self::TotalOfProducts(b, c) => Form::TotalOfProducts(to(b), to(c)),
            Self::AtMost(b) => Form::AtMost(to(b)),
        }
    }

    /// What one instance of `left` should be of `b` and `c`; the size of the terms; whether that proves anything.
    fn one(&self, b: f64, c: f64) -> (f64, f64, bool) {
        let is_trivial = |x: f64| x == 0.0 || x == 1.0;
        match *self {
            Self::Sum(..) => (b + c, b.abs() + c.abs(), b != 0.0 && c != 0.0),
            Self::Product(..) | Self::TotalOfProducts(..) => {
                (b * c, (b * c).abs(), !is_trivial(b) && !is_trivial(c))
            }
            Self::Scaled(_, factor) => {
                let right = b * f64::midpoint(factor.low, factor.high);
                (right, right.abs(), b != 0.0)
            }
            Self::Equal(_) | Self::Total(_) | Self::AtMost(_) => (b, b.abs(), b != 0.0),
        }
    }
}

impl<C: Copy> Relation<C> {
    /// Its columns, `left` first.
    pub(crate) fn columns(&self) -> impl Iterator<Item = C> {
        let (b, c) = self.form.operands();
        [Some(self.left), Some(b), c].into_iter().flatten()
    }

    pub(crate) fn map<D>(&self, to: impl Fn(C) -> D) -> Relation<D> {
        Relation { left: to(self.left), form: self.form.map(&to), unit: self.unit }
    }

    /// Tries it on a message, given the values of each column; `None` where one is not there, or not as often as the
    /// others.
    pub(crate) fn try_on<'a>(&self, cells: impl Fn(C) -> &'a [f64]) -> Option<Trial> {
        let left = cells(self.left);
        let (b, c) = self.form.operands();
        let b = cells(b);
        let c = c.map_or(b, &cells);
        if b.is_empty() || b.len() != c.len() {
            return None;
        }
        let mut trial = Trial { holds: true, informative: false, expected: 0, factor: Factor::ANY };
        if matches!(self.form, Form::Total(_) | Form::TotalOfProducts(..)) {
            let &[left] = left else { return None };
            let (mut sum, mut size, mut informative) = (0.0, 0.0, b.len() > 1);
            for (b, c) in b.iter().zip(c) {
                let (value, of_value, proves) = self.form.one(*b, *c);
                sum += value;
                size += of_value;
                informative |= proves && matches!(self.form, Form::TotalOfProducts(..));
            }
            self.compare(left, sum, size, &mut trial)?;
            trial.informative = informative && sum != 0.0;
            return Some(trial);
        }
        if left.len() != b.len() {
            return None;
        }
        for ((left, b), c) in left.iter().zip(b).zip(c) {
            let (right, size, informative) = self.form.one(*b, *c);
            self.compare(*left, right, size, &mut trial)?;
            trial.informative |= informative;
        }
        Some(trial)
    }

    /// Compares one instance; `None` where it is beyond what doubles hold.
    fn compare(&self, left: f64, right: f64, size: f64, trial: &mut Trial) -> Option<()> {
        let mut tolerance = HALF * self.unit + ROUNDING * (size + left.abs());
        if let Form::Scaled(_, Factor { low, high }) = self.form {
            tolerance += right.abs() * (high - low) / (high + low).abs();
        }
        if !tolerance.is_finite() {
            return None;
        }
        trial.holds &= match self.form {
            Form::AtMost(_) => left <= right,
            _ => (left - right).abs() <= tolerance,
        };
        trial.factor = trial.factor.and(Factor::between(left, right, tolerance));
        trial.expected = trial.expected.rotate_left(7) ^ right.to_bits();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: usize = 0;
    const B: usize = 1;
    const C: usize = 2;

    fn check(form: Form<usize>, cells: [&[f64]; 3], expected: Option<bool>) {
        let relation = Relation { left: A, form, unit: 0.01 };
        let holds = relation.try_on(|column| cells[column]).map(|trial| trial.holds);
        assert_eq!(holds, expected, "{form:?} {cells:?}");
    }

    #[test]
    fn relations_hold_or_not() {
        let factor = Factor { low: 1.19, high: 1.19 };
        check(Form::Equal(B), [&[3.0], &[3.0], &[]], Some(true));
        check(Form::Equal(B), [&[3.0], &[3.1], &[]], Some(false));
        check(Form::Sum(B, C), [&[0.3], &[0.1], &[0.2]], Some(true));
        check(Form::Sum(B, C), [&[0.31], &[0.1], &[0.2]], Some(false));
        check(Form::Product(B, C), [&[4.5, 2.0], &[1.5, 2.0], &[3.0, 1.0]], Some(true));
        check(Form::Product(B, C), [&[4.5, 2.1], &[1.5, 2.0], &[3.0, 1.0]], Some(false));
        check(Form::Scaled(B, factor), [&[1.48], &[1.24], &[]], Some(true));
        check(Form::Scaled(B, factor), [&[1.49], &[1.24], &[]], Some(false));
        check(Form::Total(B), [&[6.0], &[1.0, 2.0, 3.0], &[]], Some(true));
        check(Form::TotalOfProducts(B, C), [&[0.7], &[0.1, 0.3], &[1.0, 2.0]], Some(true));
        check(Form::TotalOfProducts(B, C), [&[0.8], &[0.1, 0.3], &[1.0, 2.0]], Some(false));
        check(Form::AtMost(B), [&[1.0], &[1.0], &[]], Some(true));
        check(Form::AtMost(B), [&[2.0], &[1.0], &[]], Some(false));
    }

    #[test]
    fn what_is_missing_says_nothing() {
        check(Form::Equal(B), [&[], &[3.0], &[]], None);
        check(Form::Sum(B, C), [&[3.0], &[3.0], &[]], None);
        check(Form::Total(B), [&[0.0], &[], &[]], None);
        check(Form::TotalOfProducts(B, C), [&[1.0], &[1.0, 2.0], &[1.0]], None);
        check(Form::Product(B, C), [&[1.0], &[1e300], &[1e300]], None);
    }

    #[test]
    fn one_factor_is_seen() {
        let factor = |cells: [&[f64]; 3]| {
            let relation = Relation { left: A, form: Form::Total(B), unit: 0.01 };
            relation.try_on(|column| cells[column]).and_then(|trial| trial.factor.value())
        };
        assert!(factor([&[600.0], &[1.0, 5.0], &[]]).is_some_and(|f| (f - 100.0).abs() < 0.01));
        assert_eq!(factor([&[600.0], &[0.0, 0.0], &[]]), None);
    }
}
