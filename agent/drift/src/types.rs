//! Sets of JSON types.

use pitot_observe::shape::ValueKind;
use serde::{Deserialize, Serialize};

/// A set of types; null is not one of them (it is a matter of presence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Types(u8);

const TYPES: [ValueKind; 5] =
    [ValueKind::Boolean, ValueKind::Number, ValueKind::String, ValueKind::Array, ValueKind::Object];

impl Types {
    pub(crate) fn of(kind: ValueKind) -> Self {
        if kind == ValueKind::Null { Self(0) } else { Self(1 << kind as u8) }
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub(crate) fn to_vec(self) -> Vec<ValueKind> {
        TYPES.into_iter().filter(|kind| self.contains(Self::of(*kind))).collect()
    }
}
