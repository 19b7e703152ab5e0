//! What the contract says of a kind: its names, its severity, and which of two that fit is the one.

use pitot_drift::Kind;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::finding::Severity;

/// The contract's words for a [`Kind`].
/// Stored by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    /// Event name.
    pub(crate) event: &'static str,
    /// Kind name.
    pub(crate) name: &'static str,
    /// Where several kinds fit one change, the lowest is reported.
    pub(crate) rank: u8,
    /// Whether everything below the path changes with it, and is no change of its own.
    pub(crate) takes_children: bool,
}

const SCHEMA: &str = "pitot.schema.drift";
const SEMANTIC: &str = "pitot.semantic.drift";
const RANGE: &str = "pitot.value_range.drift";
const EVENTS: [&str; 3] = [SCHEMA, SEMANTIC, RANGE];

/// `None` for a kind that this crate has not learned to report; the caller counts it.
pub(crate) fn traits(kind: Kind) -> Option<Traits> {
    Some(match kind {
        Kind::FieldRenamed => Traits { event: SCHEMA, name: "field_renamed", rank: 1, takes_children: true },
        Kind::FieldMoved => Traits { event: SCHEMA, name: "field_moved", rank: 1, takes_children: true },
        Kind::ArrayShapeChanged => {
            Traits { event: SCHEMA, name: "array_shape_changed", rank: 0, takes_children: true }
        }
        Kind::TypeChanged => Traits { event: SCHEMA, name: "type_changed", rank: 14, takes_children: true },
        Kind::FieldRemoved => Traits { event: SCHEMA, name: "field_removed", rank: 15, takes_children: true },
        Kind::FieldAdded => Traits { event: SCHEMA, name: "field_added", rank: 15, takes_children: true },
        Kind::PresenceChanged => {
            Traits { event: SCHEMA, name: "presence_changed", rank: 16, takes_children: false }
        }
        Kind::VariantAdded => Traits { event: SCHEMA, name: "variant_added", rank: 17, takes_children: true },
        Kind::FormatChanged => leaf(SCHEMA, "format_changed", 15),
        Kind::EnumValueAdded => leaf(SCHEMA, "enum_value_added", 17),
        Kind::UnitChanged => leaf(SEMANTIC, "unit_changed", 3),
        Kind::ValueRescaled => leaf(SEMANTIC, "value_rescaled", 13),
        Kind::TimeShifted => leaf(SEMANTIC, "time_shifted", 5),
        Kind::TimeUnitChanged => leaf(SEMANTIC, "time_unit_changed", 2),
        Kind::CurrencyChanged => leaf(SEMANTIC, "currency_changed", 4),
        Kind::RelationBroken => leaf(SEMANTIC, "relation_broken", 11),
        Kind::MeaningChanged => leaf(SEMANTIC, "meaning_changed", 12),
        Kind::IdentifierRekeyed => leaf(SEMANTIC, "identifier_rekeyed", 10),
        Kind::DefaultSubstituted => leaf(SEMANTIC, "default_substituted", 9),
        Kind::PrecisionLost => leaf(SEMANTIC, "precision_lost", 7),
        Kind::SignFlipped => leaf(SEMANTIC, "sign_flipped", 6),
        Kind::TextDamaged => leaf(SEMANTIC, "text_damaged", 8),
        Kind::DistributionShifted => leaf(RANGE, "distribution_shifted", 18),
        Kind::OutOfRange => leaf(RANGE, "out_of_range", 18),
        Kind::CardinalityChanged => leaf(RANGE, "cardinality_changed", 18),
        Kind::ValueFrozen => leaf(RANGE, "value_frozen", 18),
        _ => return None,
    })
}

impl Serialize for Traits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Traits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = Kind::deserialize(deserializer)?;
        traits(kind).ok_or_else(|| D::Error::custom("no finding is of this kind"))
    }
}

/// Reads the name of a kind that is known.
pub(crate) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    Traits::deserialize(deserializer).map(|traits| traits.name)
}

/// Reads the name of an event that is known.
pub(crate) fn event<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    let name = String::deserialize(deserializer)?;
    EVENTS.into_iter().find(|known| *known == name).ok_or_else(|| D::Error::unknown_variant(&name, &EVENTS))
}

fn leaf(event: &'static str, name: &'static str, rank: u8) -> Traits {
    Traits { event, name, rank, takes_children: false }
}

/// Error where something downstream breaks, info where it can be ignored, else warn.
pub(crate) fn severity(kind: Kind, was_required: bool) -> Severity {
    match kind {
        Kind::TypeChanged | Kind::UnitChanged | Kind::CurrencyChanged | Kind::SignFlipped => Severity::Error,
        Kind::FieldRemoved if was_required => Severity::Error,
        Kind::FieldAdded | Kind::EnumValueAdded | Kind::VariantAdded => Severity::Info,
        _ => Severity::Warn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_severities_are_the_contracts() {
        let check = |kind, was_required, name, expected| {
            assert_eq!(traits(kind).map(|t| t.name), Some(name));
            assert_eq!(severity(kind, was_required), expected, "{name}, was required: {was_required}");
        };
        check(Kind::FieldAdded, false, "field_added", Severity::Info);
        check(Kind::FieldRemoved, true, "field_removed", Severity::Error);
        check(Kind::FieldRemoved, false, "field_removed", Severity::Warn);
        check(Kind::FieldRenamed, true, "field_renamed", Severity::Warn);
        check(Kind::TypeChanged, false, "type_changed", Severity::Error);
        check(Kind::PresenceChanged, true, "presence_changed", Severity::Warn);
    }
}
