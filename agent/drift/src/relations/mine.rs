//! Looks for relations in a sample: tries every form on every combination of columns, and keeps what holds in all rows
//! and would not hold by chance.
//!
//! Chance is measured, not assumed: the left side of one row is held against the right side of another. What agrees then
//! in half of the rows says nothing about a relation (both are small numbers, or one lies far below the other).

use crate::relations::columns::{Column, Nature};
use crate::relations::form::{Factor, Form, Relation};
use crate::relations::sample::Series;

/// Rows in which a relation must hold, and those of them that are no coincidence of zeros and ones.
const ROWS: usize = 24;
const INFORMATIVE: usize = 12;
/// Share of rows in which it may hold for the right side of another row; an order holds in half of them anyhow.
const CHANCE: f64 = 0.5;
const CHANCE_OF_ORDER: f64 = 0.8;
/// Smallest relative spread of a column that another is proportional to.
const SPREAD: f64 = 0.2;
/// Decimals that a constant may have: rates of tax and numbers of cents have few, rates of exchange have more and do not stay.
const DECIMALS: i32 = 3;
/// Relations found in one sample.
const MOST: usize = 32;

const DAY_NS: f64 = 86_400e9;

type Candidate = Relation<usize>;

/// The relations of a sample, at most one for each left side, but for orders of times, and the simplest first.
pub(crate) fn mine(all: &[Series]) -> Vec<Relation<Column>> {
    let mut miner = Miner { all, found: Vec::new() };
    let mut groups: Vec<&str> = all.iter().filter_map(|series| series.group.as_deref()).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in &groups {
        miner.alike(group);
    }
    let arrays: Vec<&str> = groups.into_iter().filter(|group| !group.is_empty()).collect();
    miner.totals(&arrays);
    let column = |place: usize| all.get(place).map(|series| series.column);
    let nowhere = Column { slot: u32::MAX, nature: Nature::Number };
    miner.found.iter().map(|relation| relation.map(|place| column(place).unwrap_or(nowhere))).collect()
}

struct Miner<'a> {
    all: &'a [Series],
    found: Vec<Candidate>,
}

impl Miner<'_> {
    /// Relations between columns of the same object.
    fn alike(&mut self, group: &str) {
        let numbers = self.places(group, |nature| nature != Nature::Time);
        let lefts = self.places(group, |nature| nature == Nature::Number);
        for a in &lefts {
            let firsts = numbers.iter().filter(|b| self.is_named_first(**b, *a));
            let equals: Vec<_> = firsts.map(|b| (*a, Form::Equal(*b))).collect();
            self.first_of(equals.into_iter());
        }
        // What equals another column follows from it already.
        let numbers: Vec<usize> = lefts.iter().copied().filter(|a| !self.is_explained(*a)).collect();
        for a in &numbers {
            let others: Vec<usize> = numbers.iter().copied().filter(|b| b != a).collect();
            let pairs = || {
                others.iter().enumerate().flat_map(|(i, b)| others.iter().skip(i + 1).map(move |c| (*b, *c)))
            };
            self.first_of(pairs().map(|(b, c)| (*a, Form::Sum(b, c))));
            self.scaled(*a, &others);
            self.first_of(pairs().map(|(b, c)| (*a, Form::Product(b, c))));
        }
        let times = self.places(group, |nature| nature == Nature::Time);
        for a in &times {
            for b in &times {
                if a != b && self.is_as_fine(*a, *b) {
                    self.keep(*a, Form::AtMost(*b));
                }
            }
        }
    }

    /// Columns of the body that are sums over an array.
    fn totals(&mut self, arrays: &[&str]) {
        let lefts = self.places("", |nature| nature == Nature::Number);
        for array in arrays {
            let parts = self.places(array, |nature| nature == Nature::Number);
            for a in &lefts {
                self.first_of(parts.iter().map(|b| (*a, Form::Total(*b))));
                let pairs = parts.iter().enumerate();
                let pairs = pairs.flat_map(|(i, b)| parts.iter().skip(i + 1).map(move |c| (*b, *c)));
                self.first_of(pairs.map(|(b, c)| (*a, Form::TotalOfProducts(b, c))));
            }
        }
    }

    fn places(&self, group: &str, is_of: impl Fn(Nature) -> bool) -> Vec<usize> {
        let series = self.all.iter().enumerate();
        let fits = |s: &Series| s.group.as_deref() == Some(group) && is_of(s.column.nature);
        series.filter(|(_, s)| fits(s)).map(|(place, _)| place).collect()
    }

    fn is_explained(&self, left: usize) -> bool {
        self.found.iter().any(|relation| relation.left == left && !relation.form.is_order())
    }

    /// Of two columns that may be equal, the one that the other is taken to follow from: the deeper one, then the first.
    fn is_named_first(&self, b: usize, a: usize) -> bool {
        let key = |place: usize| {
            self.all.get(place).map(|series| {
                let depth = series.path.matches(['.', '[']).count();
                (series.column.nature != Nature::Length, std::cmp::Reverse(depth), place)
            })
        };
        key(b) < key(a)
    }

    /// Whether both columns hold days, or both hold times of day: a day is before and after the times it holds.
    fn is_as_fine(&self, a: usize, b: usize) -> bool {
        let is_day = |place: usize| {
            let series = self.all.get(place);
            series.is_some_and(|series| series.cells.iter().flatten().all(|ns| ns % DAY_NS == 0.0))
        };
        is_day(a) == is_day(b)
    }

    fn first_of(&mut self, forms: impl Iterator<Item = (usize, Form<usize>)>) {
        for (left, form) in forms {
            if self.is_explained(left) || self.keep(left, form) {
                return;
            }
        }
    }

    /// Keeps a relation that the sample supports.
    fn keep(&mut self, left: usize, form: Form<usize>) -> bool {
        let relation = self.relation(left, form);
        let is_kept = self.found.len() < MOST && self.is_supported(&relation);
        if is_kept {
            self.found.push(relation);
        }
        is_kept
    }

    fn relation(&self, left: usize, form: Form<usize>) -> Candidate {
        let unit = self.all.get(left).map_or(0.0, Series::unit);
        Relation { left, form, unit }
    }

    fn cell(&self, place: usize, row: usize) -> &[f64] {
        self.all.get(place).map_or(&[], |series| series.cell(row))
    }

    fn rows(&self) -> usize {
        self.all.first().map_or(0, |series| series.cells.len())
    }

    fn is_supported(&self, relation: &Candidate) -> bool {
        let mut rows = Vec::new();
        for row in 0..self.rows() {
            match relation.try_on(|place| self.cell(place, row)) {
                Some(trial) if !trial.holds => return false,
                Some(trial) if trial.informative => rows.push(row),
                _ => {}
            }
        }
        let tried = || (0..self.rows()).filter_map(|row| relation.try_on(|place| self.cell(place, row)));
        let chance = if relation.form.is_order() { CHANCE_OF_ORDER } else { CHANCE };
        rows.len() >= INFORMATIVE && tried().count() >= ROWS && self.by_chance(relation, &rows) <= chance
    }

    /// How often it holds where the left side is that of another row.
    fn by_chance(&self, relation: &Candidate, rows: &[usize]) -> f64 {
        let (mut tried, mut held) = (0_u32, 0_u32);
        for step in [1, rows.len() / 3 + 1, rows.len() / 2 + 1] {
            for (i, row) in rows.iter().enumerate() {
                let Some(other) = rows.get((i + step) % rows.len()) else { continue };
                let cell = |place| self.cell(place, if place == relation.left { *other } else { *row });
                if let Some(trial) = relation.try_on(cell) {
                    tried += 1;
                    held += u32::from(trial.holds);
                }
            }
        }
        f64::from(held) / f64::from(tried.max(1))
    }

    /// Whether `a` is a constant times another column: the one with the shortest constant. Where tax is 0.19 of net, some
    /// longer constant gives it nearly of gross.
    fn scaled(&mut self, a: usize, others: &[usize]) {
        let of = |b: &usize| self.factor(a, *b).map(|factor| (*b, factor));
        let mut factors: Vec<(usize, Factor)> = others.iter().filter_map(of).collect();
        // 1.19 is looked for from net to gross, not 1/1.19 back: rounding the larger one is the finer test.
        factors.retain(|(b, factor)| {
            factor.decimals() <= DECIMALS && (factor.low.abs() >= 1.0 || self.factor(*b, a).is_none())
        });
        factors.sort_by_key(|(_, factor)| factor.decimals());
        self.first_of(factors.into_iter().map(|(b, factor)| (a, Form::Scaled(b, factor))));
    }

    fn factor(&self, a: usize, b: usize) -> Option<Factor> {
        let tolerance = 0.5 * self.all.get(a).map_or(0.0, Series::unit);
        let mut factor = Factor::ANY;
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        for row in 0..self.rows() {
            let (left, right) = (self.cell(a, row), self.cell(b, row));
            if left.len() != right.len() {
                continue;
            }
            for (left, right) in left.iter().zip(right) {
                factor = factor.and(Factor::between(*left, *right, tolerance + 1e-9 * left.abs()));
                least = least.min(right.abs());
                most = most.max(right.abs());
            }
            if factor.low > factor.high {
                return None;
            }
        }
        factor.value()?;
        (most - least >= SPREAD * most).then_some(factor.rounded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A pseudo-random number below `n`.
    fn draw(seed: u64, n: u64) -> f64 {
        (pitot_observe::hash::mix(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % n) as f64
    }

    fn series(slot: u32, group: &str, cells: impl Fn(u64) -> Vec<f64>) -> Series {
        let nature = Nature::Number;
        let path: Arc<str> = format!("$.{slot}").into();
        let cells = (0..64).map(cells).collect();
        Series { column: Column { slot, nature }, group: Some(group.into()), path, cells }
    }

    fn scalar(slot: u32, value: impl Fn(u64) -> f64) -> Series {
        series(slot, "", |row| vec![value(row)])
    }

    fn check(name: &str, all: &[Series], expected: &[(u32, &str)]) {
        let found: Vec<(u32, String)> =
            mine(all).iter().map(|r| (r.left.slot, format!("{:?}", r.map(|c| c.slot).form))).collect();
        let found: Vec<(u32, &str)> = found.iter().map(|(left, form)| (*left, form.as_str())).collect();
        assert_eq!(found, expected, "{name}");
    }

    fn net(row: u64) -> f64 {
        draw(row, 100_000) / 100.0
    }

    fn shipping(row: u64) -> f64 {
        draw(row + 1_000, 2_000) / 100.0
    }

    fn cents(x: f64) -> f64 {
        (x * 100.0).round() / 100.0
    }

    #[test]
    fn relations_are_found() {
        check("equal", &[scalar(0, net), scalar(1, net)], &[(1, "Equal(0)")]);
        let sum = |row| cents(net(row) + shipping(row));
        check("sum", &[scalar(0, net), scalar(1, shipping), scalar(2, sum)], &[(2, "Sum(0, 1)")]);
        let tax = |row| cents(0.19 * net(row));
        check(
            "tax",
            &[scalar(0, net), scalar(1, tax)],
            &[(1, "Scaled(0, Factor { low: 0.19, high: 0.19 })")],
        );
        let gross = |row| cents(1.19 * net(row));
        let expected = [(1, "Scaled(0, Factor { low: 1.19, high: 1.19 })")];
        check("gross", &[scalar(0, net), scalar(1, gross)], &expected);
        let quantity = |row| 1.0 + draw(row + 7, 5);
        let product = |row| cents(quantity(row) * net(row));
        let all = [scalar(0, net), scalar(1, quantity), scalar(2, product)];
        check("product", &all, &[(2, "Product(0, 1)")]);
        let count = |row: u64| 1 + draw(row + 3, 4) as u64;
        let prices = |row: u64| (0..count(row)).map(|i| net(row * 8 + i)).collect::<Vec<f64>>();
        let quantities =
            |row: u64| (0..count(row)).map(|i| 1.0 + draw(row * 8 + i + 9, 3)).collect::<Vec<f64>>();
        let total = |row| cents(prices(row).iter().sum());
        let all = [scalar(0, total), series(1, "$.l[*]", prices), series(2, "$.l[*]", quantities)];
        check("total", &all, &[(0, "Total(1)")]);
        let total = |row| cents(prices(row).iter().zip(quantities(row)).map(|(p, q)| p * q).sum());
        let all = [scalar(0, total), series(1, "$.l[*]", prices), series(2, "$.l[*]", quantities)];
        check("total of products", &all, &[(0, "TotalOfProducts(1, 2)")]);
    }

    #[test]
    fn chance_is_no_relation() {
        let small = |seed: u64| move |row| draw(row * 31 + seed, 3);
        check("independent", &[scalar(0, net), scalar(1, shipping)], &[]);
        check("small numbers", &[scalar(0, small(1)), scalar(1, small(2)), scalar(2, small(3))], &[]);
        let rare = |row: u64| if row.is_multiple_of(16) { net(row) } else { 0.0 };
        check("mostly zeros", &[scalar(0, rare), scalar(1, rare)], &[]);
    }
}
