//! The numbers of a message, column by column.

use pitot_observe::{Observation, Value};
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// Columns gathered at a time: their places fit into a byte.
pub(crate) const COLUMNS: usize = 255;

/// What is taken for a number at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Nature {
    /// A JSON number.
    Number,
    /// The moment that a text names, ns since the Unix epoch.
    Time,
    /// How many elements of an array there are; the path is that of the elements.
    Length,
}

/// A path and what is taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) slot: u32,
    pub(crate) nature: Nature,
}

/// The number that a value is or names.
pub(crate) fn number(value: &Value) -> Option<(Nature, f64)> {
    match value {
        Value::Number(x) => Some((Nature::Number, *x)),
        Value::Text(text) => Some((Nature::Time, text.time_ns? as f64)),
        Value::Boolean(_) => None,
    }
}

/// How many elements of an array the message has: instances of the path of its elements.
fn length(slot: u32, message: &Observation, plan: &Plan) -> Option<f64> {
    let step = plan.steps.iter().find(|step| step.slot == slot)?;
    Some(f64::from(message.counts.sum(step.first..step.end)))
}

/// The values of some columns in one message. A path is one column, or one and its length.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    list: Vec<Column>,
    /// By slot: the place of its column in `list`, plus 1.
    places: Vec<u8>,
    cells: Vec<Vec<f64>>,
}

impl Columns {
    /// No value yet.
    pub(crate) fn new(columns: impl Iterator<Item = Column>) -> Self {
        let mut list: Vec<Column> = columns.collect();
        list.sort_unstable();
        list.dedup();
        list.truncate(COLUMNS);
        let slots = list.iter().map(|column| column.slot as usize + 1).max().unwrap_or(0);
        let mut places = vec![0; slots];
        for (place, column) in (1..).zip(&list) {
            if column.nature != Nature::Length
                && let Some(at) = places.get_mut(column.slot as usize)
            {
                *at = place;
            }
        }
        let cells = vec![Vec::new(); list.len()];
        Self { list, places, cells }
    }

    /// Takes the values of a message.
    pub(crate) fn gather(&mut self, message: &Observation, plan: &Plan) {
        let Self { list, places, cells } = self;
        cells.iter_mut().for_each(Vec::clear);
        for leaf in &message.values {
            let slot = plan.slot(leaf.entry) as usize;
            let Some(place) = places.get(slot).and_then(|place| usize::from(*place).checked_sub(1)) else {
                continue;
            };
            if let (Some(column), Some(cell)) = (list.get(place), cells.get_mut(place))
                && let Some((nature, x)) = number(&leaf.value)
                && column.nature == nature
            {
                cell.push(x);
            }
        }
        let lengths = list.iter().zip(cells).filter(|(column, _)| column.nature == Nature::Length);
        for (column, cell) in lengths {
            cell.extend(length(column.slot, message, plan));
        }
    }

    /// The values of a column, in their order; none where it is not gathered.
    pub(crate) fn get(&self, column: Column) -> &[f64] {
        let place = match column.nature {
            Nature::Length => self.list.binary_search(&column).ok(),
            _ => self.places.get(column.slot as usize).and_then(|place| usize::from(*place).checked_sub(1)),
        };
        let place = place.filter(|place| self.list.get(*place) == Some(&column));
        place.and_then(|place| self.cells.get(place)).map_or(&[], Vec::as_slice)
    }
}
