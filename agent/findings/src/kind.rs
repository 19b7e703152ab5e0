//! What the contract says of a kind: its names, its severity, and which of two that fit is the one.

use pitot_drift::Kind;

use crate::finding::Severity;

/// The contract's words for a [`Kind`].
#[derive(Debug)]
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

/// `None` for a kind that this crate has not learned to report; the caller counts it.
pub(crate) fn traits(kind: Kind) -> Option<&'static Traits> {
    Some(match kind {
        Kind::FieldRenamed => &Traits { event: SCHEMA, name: "field_renamed", rank: 0, takes_children: true },
        Kind::TypeChanged => &Traits { event: SCHEMA, name: "type_changed", rank: 1, takes_children: true },
        Kind::FieldRemoved => &Traits { event: SCHEMA, name: "field_removed", rank: 2, takes_children: true },
        Kind::FieldAdded => &Traits { event: SCHEMA, name: "field_added", rank: 3, takes_children: true },
        Kind::PresenceChanged => {
            &Traits { event: SCHEMA, name: "presence_changed", rank: 4, takes_children: false }
        }
        _ => return None,
    })
}

/// Error where something downstream breaks, info where it can be ignored, else warn.
pub(crate) fn severity(kind: Kind, was_required: bool) -> Severity {
    match kind {
        Kind::TypeChanged => Severity::Error,
        Kind::FieldRemoved if was_required => Severity::Error,
        Kind::FieldAdded => Severity::Info,
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
