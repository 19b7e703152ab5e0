//! Which field of a broken relation is the one that changed, and how, where that shows in the exceptions themselves: one of
//! them is suddenly zero, negative or whole, or as much larger as the left side is off.

use serde::{Deserialize, Serialize};

use crate::evidence::Kind;

/// Messages whose values are looked at, of those that keep the relation and of exceptions.
const ENOUGH: u32 = 512;
/// Exceptions before anything is named.
const FEWEST: u32 = 8;
/// Share of exceptions that have a mark which names a cause, and share of other messages that may have it.
const NEARLY_ALL: f64 = 0.9;
const HARDLY_ANY: f64 = 0.1;
/// How probable it may be that all exceptions are whole numbers by chance.
const CHANCE: f64 = 1e-4;
/// Factors between units that a total and its parts may be in: cents, thousandths, minutes, hours.
const UNITS: [f64; 6] = [10.0, 100.0, 1_000.0, 1_000_000.0, 60.0, 3_600.0];

/// What the values of a column are like.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Marks {
    messages: u32,
    /// Messages with a zero, with a negative number, with whole numbers only.
    zero: u32,
    negative: u32,
    whole: u32,
    /// Messages with a number other than zero, and the sum over them of the mean logarithm of its size.
    sized: u32,
    size: f64,
}

/// A cause, and the place of its column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Culprit {
    pub(crate) place: usize,
    pub(crate) kind: Kind,
    pub(crate) factor: Option<f64>,
}

impl Marks {
    /// Takes the values of a message.
    #[inline]
    pub(crate) fn see(&mut self, cell: &[f64]) {
        if self.messages < ENOUGH {
            self.add(cell);
        }
    }

    fn add(&mut self, cell: &[f64]) {
        self.messages += 1;
        self.zero += u32::from(cell.contains(&0.0));
        self.negative += u32::from(cell.iter().any(|x| *x < 0.0));
        self.whole += u32::from(cell.iter().all(|x| x.fract() == 0.0));
        let (mut sized, mut size) = (0.0, 0.0);
        for x in cell.iter().filter(|x| **x != 0.0) {
            sized += 1.0;
            size += x.abs().ln();
        }
        if sized > 0.0 {
            self.sized += 1;
            self.size += size / sized;
        }
    }

    fn share(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.messages.max(1))
    }

    /// Mean logarithm of the size.
    fn mean(&self) -> f64 {
        self.size / f64::from(self.sized.max(1))
    }
}

/// The cause that the exceptions show: `usual` and `odd` of each column, the left side first; the factor by which the left
/// side is off in all exceptions, if there is one.
pub(crate) fn culprit(usual: &[Marks], odd: &[Marks], factor: Option<f64>) -> Option<Culprit> {
    let has = |marks: &[Marks]| marks.first().is_some_and(|marks| marks.messages >= FEWEST);
    if !has(usual) || !has(odd) {
        return None;
    }
    let both = || usual.iter().zip(odd).enumerate();
    let with = |is_marked: &dyn Fn(&Marks, &Marks) -> bool| {
        let mut places = both().filter(|(_, (usual, odd))| is_marked(usual, odd)).map(|(place, _)| place);
        places.next().filter(|_| places.next().is_none())
    };
    let comes = |before: f64, now: f64| before <= HARDLY_ANY && now >= NEARLY_ALL;
    let negative = |usual: &Marks, odd: &Marks| comes(usual.share(usual.negative), odd.share(odd.negative));
    let zero = |usual: &Marks, odd: &Marks| comes(usual.share(usual.zero), odd.share(odd.zero));
    let whole = |usual: &Marks, odd: &Marks| {
        odd.whole == odd.messages && f64::from(odd.messages) * usual.share(usual.whole).ln() <= CHANCE.ln()
    };
    let named = |kind: Kind| move |place: usize| Culprit { place, kind, factor: None };
    factor
        .and_then(|factor| unit(usual, odd, factor))
        .or_else(|| with(&negative).map(named(Kind::SignFlipped)))
        .or_else(|| with(&zero).map(named(Kind::DefaultSubstituted)))
        .or_else(|| with(&whole).map(named(Kind::PrecisionLost)))
}

/// The left side is off by the factor between two units: it is the column whose size changed by it, or by its inverse.
fn unit(usual: &[Marks], odd: &[Marks], factor: f64) -> Option<Culprit> {
    let is_unit = |unit: &f64| [*unit, 1.0 / unit].iter().any(|unit| (factor / unit - 1.0).abs() < 0.01);
    UNITS.iter().find(|unit| is_unit(unit))?;
    let off = factor.ln();
    let distance = |place: usize, usual: &Marks, odd: &Marks| {
        let expected = if place == 0 { off } else { -off };
        (odd.mean() - usual.mean() - expected).abs()
    };
    let all = usual.iter().zip(odd).enumerate().map(|(place, (u, o))| (place, distance(place, u, o)));
    let (place, distance) = all.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let factor = if place == 0 { factor } else { 1.0 / factor };
    (distance < off.abs() / 3.0).then_some(Culprit { place, kind: Kind::UnitChanged, factor: Some(factor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(cells: impl Iterator<Item = f64>) -> Marks {
        let mut marks = Marks::default();
        cells.for_each(|x| marks.see(&[x]));
        marks
    }

    /// Amounts with cents.
    fn amounts(factor: f64) -> Marks {
        marks((1..=40).map(|i| factor * (f64::from(i) + 0.25)))
    }

    #[test]
    fn marks_name_the_cause() {
        let usual = [amounts(3.0), amounts(1.0)];
        let check = |name: &str, odd: [Marks; 2], factor: Option<f64>, expected: Option<(usize, Kind)>| {
            let found = culprit(&usual, &odd, factor).map(|culprit| (culprit.place, culprit.kind));
            assert_eq!(found, expected, "{name}");
        };
        check("nothing to see", [amounts(3.0), amounts(1.0)], None, None);
        check("left in cents", [amounts(300.0), amounts(1.0)], Some(100.0), Some((0, Kind::UnitChanged)));
        check("parts in cents", [amounts(3.0), amounts(100.0)], Some(0.01), Some((1, Kind::UnitChanged)));
        check("no known unit", [amounts(3.6), amounts(1.0)], Some(1.19), None);
        check("negative", [amounts(3.0), amounts(-1.0)], Some(-1.0), Some((1, Kind::SignFlipped)));
        let zeros = marks((0..20).map(|_| 0.0));
        check("zeros", [zeros, amounts(1.0)], None, Some((0, Kind::DefaultSubstituted)));
        let whole = marks((1..=20).map(f64::from));
        check("whole", [amounts(3.0), whole], None, Some((1, Kind::PrecisionLost)));
        check("both whole", [whole, whole], None, None);
        let few = marks((0..4).map(|_| 0.0));
        check("too few", [few, amounts(1.0)], None, None);
    }
}
