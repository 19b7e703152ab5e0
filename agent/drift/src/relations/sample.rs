//! Messages in which relations are looked for: few, all different, of every common shape.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use pitot_observe::Observation;
use pitot_observe::hash::mix;

use crate::plan::{Fields, Plan};
use crate::relations::columns::{Column, Nature, number};

/// Messages taken, and of one shape.
const ROWS: usize = 192;
const ROWS_OF_SHAPE: usize = 96;
/// Values kept: what bounds its memory.
const CELLS: usize = 8_192;
/// It is complete when so many messages in a row added nothing, or after so many in all.
const IDLE: u64 = 64;
const LONGEST: u64 = 2_048;
/// Columns that relations are looked for in.
const COLUMNS: usize = 40;

/// Values of some messages.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// Hash of the values of each row.
    rows: Vec<u64>,
    shapes: HashMap<u64, usize>,
    cells: Vec<(Column, u32, f64)>,
    seen: u64,
    /// Messages in a row that added nothing.
    idle: u64,
}

impl Sample {
    /// That it takes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.cells.capacity() * size_of::<(Column, u32, f64)>()) as u64
    }

    /// Looks at a message; whether the sample is complete.
    pub(crate) fn take(&mut self, message: &Observation, shape: u64, plan: &Plan, fields: &Fields) -> bool {
        self.seen += 1;
        self.idle += 1;
        let of_shape = self.shapes.get(&shape).copied().unwrap_or(0);
        if of_shape < ROWS_OF_SHAPE && self.add(message, plan, fields) {
            *self.shapes.entry(shape).or_default() += 1;
            self.idle = 0;
        }
        let is_full = self.rows.len() >= ROWS || self.cells.len() >= CELLS;
        is_full || self.idle >= IDLE || self.seen >= LONGEST
    }

    /// Adds a message with values that no other has.
    fn add(&mut self, message: &Observation, plan: &Plan, fields: &Fields) -> bool {
        let (row, first) = (self.rows.len() as u32, self.cells.len());
        for leaf in &message.values {
            let slot = plan.slot(leaf.entry);
            if let Some((nature, x)) = number(&leaf.value).filter(|_| slot != u32::MAX) {
                self.cells.push((Column { slot, nature }, row, x));
            }
        }
        for step in &plan.steps {
            if fields.get(step.slot).is_some_and(|field| field.path.ends_with("[*]")) {
                let column = Column { slot: step.slot, nature: Nature::Length };
                self.cells.push((column, row, f64::from(message.counts.sum(step.first..step.end))));
            }
        }
        let added = self.cells.get(first..).unwrap_or_default();
        let hash = added.iter().fold(1, |hash, (column, _, x)| {
            mix(hash ^ u64::from(column.slot) << 2 ^ column.nature as u64 ^ x.to_bits().rotate_left(17))
        });
        let is_new = !added.is_empty() && !self.rows.contains(&hash) && self.cells.len() <= CELLS;
        if is_new {
            self.rows.push(hash);
        } else {
            self.cells.truncate(first);
        }
        is_new
    }

    /// What was sampled, column by column: those that vary.
    pub(crate) fn series(self, fields: &Fields) -> Vec<Series> {
        let mut columns: BTreeMap<Column, Series> = BTreeMap::new();
        for (column, row, x) in self.cells {
            let Some(field) = fields.get(column.slot) else { continue };
            let series =
                columns.entry(column).or_insert_with(|| Series::new(column, &field.path, self.rows.len()));
            if let Some(cell) = series.cells.get_mut(row as usize) {
                cell.push(x);
            }
        }
        let mut all: Vec<Series> = columns.into_values().filter(Series::varies).collect();
        all.truncate(COLUMNS);
        all
    }
}

/// The values of a column, row by row.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) column: Column,
    /// The array whose elements hold it, `""` for none; `None` where it is in arrays of arrays, or under names that are
    /// data.
    pub(crate) group: Option<Arc<str>>,
    pub(crate) path: Arc<str>,
    pub(crate) cells: Vec<Vec<f64>>,
}

/// Share of its values that may be the same.
const CONSTANT: f64 = 0.95;

impl Series {
    fn new(column: Column, path: &Arc<str>, rows: usize) -> Self {
        let is_length = column.nature == Nature::Length;
        let holder = if is_length { path.strip_suffix("[*]").unwrap_or(path) } else { path };
        let group = match holder.find("[*]") {
            _ if holder.contains(".*") => None,
            None => Some("".into()),
            Some(at) if holder.rfind("[*]") == Some(at) => holder.get(..at + 3).map(Arc::from),
            Some(_) => None,
        };
        Self { column, group, path: Arc::clone(path), cells: vec![Vec::new(); rows] }
    }

    pub(crate) fn cell(&self, row: usize) -> &[f64] {
        self.cells.get(row).map_or(&[], Vec::as_slice)
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.cells.iter().flatten().copied()
    }

    /// Whether it has several values, none of which nearly all have.
    fn varies(&self) -> bool {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        self.values().for_each(|x| *counts.entry(x.to_bits()).or_default() += 1);
        let all: usize = counts.values().sum();
        let most = counts.values().max().copied().unwrap_or(0);
        counts.len() >= 3 && (most as f64) < CONSTANT * all as f64 && self.group.is_some()
    }

    /// The unit of the last decimal, up to six; 0 where there are more.
    pub(crate) fn unit(&self) -> f64 {
        let has_decimals = |decimals: i32| {
            let power = 10_f64.powi(decimals);
            self.values().all(|x| (x * power - (x * power).round()).abs() <= 1e-6)
        };
        (0..=6).find(|decimals| has_decimals(*decimals)).map_or(0.0, |decimals| 10_f64.powi(-decimals))
    }
}
