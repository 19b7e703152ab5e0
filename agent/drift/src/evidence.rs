//! [`Kind`] (the contract's closed list) and [`Evidence`]: what a detector hands on.

use std::borrow::Cow;
use std::sync::Arc;

use pitot_observe::shape::ValueKind;
use serde::{Deserialize, Serialize};

/// What changed. Grows with the detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A path that was never there.
    FieldAdded,
    /// A path that is gone.
    FieldRemoved,
    /// A path that is gone while another one took its place.
    FieldRenamed,
    /// Another JSON type.
    TypeChanged,
    /// Present or null at another rate.
    PresenceChanged,
    /// A path that is gone while another one, in another object, took its place.
    FieldMoved,
    /// One value where an array of them was, or the reverse.
    ArrayShapeChanged,
    /// A form of an object that was never there.
    VariantAdded,
    /// Another spelling of the same kind of value.
    FormatChanged,
    /// A code that was never there.
    EnumValueAdded,
    /// Times a factor between known units.
    UnitChanged,
    /// Times another factor.
    ValueRescaled,
    /// Times lie by a zone's offset from where they did.
    TimeShifted,
    /// Times are numbers in another unit.
    TimeUnitChanged,
    /// Amounts are in another currency.
    CurrencyChanged,
    /// What followed from other fields no longer does.
    RelationBroken,
    /// The same codes, for other things.
    MeaningChanged,
    /// Identifiers of another kind.
    IdentifierRekeyed,
    /// A default instead of values.
    DefaultSubstituted,
    /// Rounded.
    PrecisionLost,
    /// The other sign.
    SignFlipped,
    /// Wrongly decoded, or cut.
    TextDamaged,
    /// Values lie elsewhere.
    DistributionShifted,
    /// Some values lie far from all others.
    OutOfRange,
    /// Far more, or far fewer, distinct values.
    CardinalityChanged,
    /// Always the same value.
    ValueFrozen,
}

/// A reference to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Its exchange.
    pub exchange: Arc<str>,
    /// Its time, ns since the Unix epoch.
    pub t_ns: u64,
}

/// A relation between fields: `$.total = sum($.lines[*].price)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expression(pub Vec<Part>);

/// A part of an [`Expression`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// A field, by its path.
    Path(Arc<str>),
    /// What stands between.
    Text(Cow<'static, str>),
}

/// What a detector claims of one flow. Holds no payload value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The flow (the same Arc as in the observations).
    pub flow: Arc<pitot_observe::FlowKey>,
    /// What changed.
    pub kind: Kind,
    /// Where.
    pub path: Arc<str>,
    /// Where it was before, for a rename.
    pub old_path: Option<Arc<str>>,
    /// Order of the deciding message.
    pub order: pitot_protocols::message::Order,
    /// Time of the deciding message, ns since the Unix epoch.
    pub time_ns: u64,
    /// Estimated begin of the change, ns since the Unix epoch.
    pub onset_ns: u64,
    /// Probability that a flow without change would give this evidence, for this field alone.
    pub error: f64,
    /// Whether the field was present in every parent before (severity of a removal).
    pub was_required: bool,
    /// Rate of presence (or of null) before and after, where that is the change.
    pub rate: Option<(f64, f64)>,
    /// New over old, where a factor is the change.
    pub factor: Option<f64>,
    /// New less old in seconds, where that is the change.
    pub offset_s: Option<f64>,
    /// What no longer holds, where that is the change.
    pub relation: Option<Expression>,
    /// Types before and after, where that is the change.
    pub types: Option<(Vec<ValueKind>, Vec<ValueKind>)>,
    /// Instances of the sender that show the change since the onset, and all that sent then, where these are known and several.
    pub instances: Option<(u64, u64)>,
    /// Messages (distinct) since the onset that show the change, and messages since the onset that could have shown it.
    pub affected: (u64, u64),
    /// Up to 10 messages that show it.
    pub examples: Vec<Example>,
    /// The change named by `kind`, `path` and `old_path`, reported before, was undone: closes that finding, opens none.
    pub reverted: bool,
}
