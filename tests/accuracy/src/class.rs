//! The rows of the table of bars (`docs/accuracy.md`), and what each demands.

use serde::{Deserialize, Serialize};

use crate::change::Change;

/// A row of the table of bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Fields, nulls and codes come and go.
    Structure,
    /// A field goes where it can be found again, or takes another type.
    Rename,
    /// Unit, time, sign, default, precision, text.
    Unit,
    /// Rescaling, meaning, relation, identifier.
    Meaning,
    /// Up by a standard deviation.
    Shift,
    /// Up by a quarter of one.
    SmallShift,
    /// Twice the variance.
    Variance,
    /// A hundred times as much, one in twenty.
    Outliers,
    /// Always the same.
    Frozen,
    /// Fewer different ones.
    Cardinality,
}

/// What a row demands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Share of changes that are found: for [`Class::Rename`] the F1 score.
    pub recall: f64,
    /// Share of changes whose cause is the right one: for [`Class::Rename`] the precision.
    pub cause: Option<f64>,
    /// Affected messages within which 95 % of what is found is found.
    pub delay: usize,
}

impl Class {
    /// Every row, in order.
    pub const ALL: [Self; 10] = [
        Self::Structure,
        Self::Rename,
        Self::Unit,
        Self::Meaning,
        Self::Shift,
        Self::SmallShift,
        Self::Variance,
        Self::Outliers,
        Self::Frozen,
        Self::Cardinality,
    ];

    /// Of a change.
    #[must_use]
    pub fn of(change: Change) -> Self {
        match change {
            Change::Added
            | Change::Removed
            | Change::Reformatted
            | Change::Null(_)
            | Change::Absent(_)
            | Change::NewCode(_) => Self::Structure,
            Change::Renamed | Change::Moved | Change::Retyped | Change::Wrapped => Self::Rename,
            Change::Unit(_)
            | Change::Shifted { .. }
            | Change::TimeUnit
            | Change::Defaulted(_)
            | Change::Rounded
            | Change::Negated
            | Change::Garbled
            | Change::Cut(_) => Self::Unit,
            Change::Rescaled(_) | Change::Permuted | Change::Unrelated(_) | Change::Rekeyed => Self::Meaning,
            Change::Up(deviations) if deviations < 1.0 => Self::SmallShift,
            Change::Up(_) => Self::Shift,
            Change::Wider(_) => Self::Variance,
            Change::Outliers(_) => Self::Outliers,
            Change::Frozen => Self::Frozen,
            Change::Pooled(_) => Self::Cardinality,
        }
    }

    /// Messages with the field's parent before the change, and messages it touches after.
    #[must_use]
    pub fn lengths(self) -> (u64, u64) {
        match self {
            Self::Structure | Self::Rename | Self::Unit => (1_000, 1_000),
            Self::Meaning | Self::SmallShift => (20_000, 5_000),
            Self::Shift | Self::Variance | Self::Frozen | Self::Cardinality => (20_000, 2_000),
            Self::Outliers => (20_000, 8_000),
        }
    }

    /// What it demands; `None` where nothing was set.
    #[must_use]
    pub fn bar(self) -> Option<Bar> {
        let (recall, cause, delay) = match self {
            Self::Structure => (0.995, None, 50),
            Self::Rename => (0.95, Some(0.98), 100),
            Self::Unit => (0.98, Some(0.90), 64),
            Self::Meaning => (0.95, Some(0.80), 2_500),
            Self::Shift => (0.99, None, 200),
            Self::SmallShift => (0.99, None, 2_500),
            Self::Variance => (0.99, None, 600),
            Self::Outliers => (0.99, None, 4_000),
            Self::Frozen | Self::Cardinality => return None,
        };
        Some(Bar { recall, cause, delay })
    }

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Rename => "rename, move, retype",
            Self::Unit => "unit, time, sign, default, precision, text",
            Self::Meaning => "rescale, meaning, relation, re-key",
            Self::Shift => "range: +1 sd",
            Self::SmallShift => "range: +0.25 sd",
            Self::Variance => "range: variance x2",
            Self::Outliers => "range: 5 % x100",
            Self::Frozen => "range: frozen",
            Self::Cardinality => "range: cardinality",
        }
    }
}
