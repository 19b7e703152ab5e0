//! The one place where [`Evidence`] becomes text.
//!
//! What leaves is names, types, counts, rates and references; [`Evidence`] holds no payload value to begin with, and
//! every name goes through [`crate::text`]. Nothing else in this crate reads a name of an [`Evidence`].

use std::collections::BTreeMap;

use pitot_drift::evidence::{Expression, Part};
use pitot_drift::{Evidence, Kind};
use pitot_observe::FlowKey;
use pitot_observe::shape::ValueKind;
use serde_json::{Map, Value, json};

use crate::clock::utc_time;
use crate::finding::Flow;
use crate::text;

/// References a finding carries at most.
const EXAMPLES: usize = 10;

/// An [`Evidence`], as it may be shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Disclosed {
    pub(crate) flow: Flow,
    pub(crate) path: String,
    pub(crate) old_path: Option<String>,
    /// Whether a part of a path was hidden: several paths of the flow may then look the same.
    pub(crate) hidden: bool,
    /// The contract's evidence names.
    pub(crate) evidence: Map<String, Value>,
    /// One sentence.
    pub(crate) summary: String,
}

/// Turns evidence into what may be shown of it.
pub(crate) fn disclose(evidence: &Evidence) -> Disclosed {
    let flow = flow(&evidence.flow);
    let path = text::path(&evidence.path);
    let old_path = evidence.old_path.as_deref().map(text::path);
    let hidden = *path != *evidence.path || old_path.as_deref() != evidence.old_path.as_deref();
    let summary = summary(evidence, &flow, &path, old_path.as_deref());
    Disclosed { flow, path, old_path, hidden, evidence: figures(evidence), summary }
}

/// A flow, as it may be shown.
#[must_use]
pub fn flow(key: &FlowKey) -> Flow {
    Flow {
        client: text::name(&key.client),
        server: text::name(&key.server),
        protocol: key.protocol.to_owned(),
        method: text::name(&key.method),
        route: text::route(&key.route),
        operation: key.operation.as_deref().map(text::name),
        // A flow of responses has a status class, a flow of requests none.
        side: if key.status_class.is_some() { "response" } else { "request" }.to_owned(),
        status_class: key.status_class.map(|class| format!("{class}xx")),
    }
}

fn figures(evidence: &Evidence) -> Map<String, Value> {
    let (affected, eligible) = evidence.affected;
    let mut figures = BTreeMap::from([("messages", json!({"affected": affected, "all": eligible}))]);
    if let Some(share) = share(evidence.affected) {
        figures.insert("share", json!(share));
    }
    if let Some((affected, all)) = evidence.instances {
        figures.insert("instances", json!({"affected": affected, "all": all}));
    }
    if let Some((before, after)) = change(evidence) {
        figures.insert("before", before);
        figures.insert("after", after);
    }
    if let Some(factor) = evidence.factor {
        figures.insert("factor", json!(round(factor)));
    }
    if let Some(offset) = evidence.offset_s {
        figures.insert("offset_s", json!(offset));
    }
    if let Some(relation) = &evidence.relation {
        figures.insert("relation", json!(expression(relation)));
    }
    let examples: Vec<Value> = (evidence.examples.iter().take(EXAMPLES))
        .map(|e| json!({"exchange": text::reference(&e.exchange), "t_ns": e.t_ns}))
        .collect();
    if !examples.is_empty() {
        figures.insert("examples", Value::Array(examples));
    }
    figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A relation as text; what its paths show is what any path shows.
fn expression(Expression(parts): &Expression) -> String {
    let part = |part: &Part| match part {
        Part::Path(path) => text::path(path),
        Part::Text(between) => between.to_string(),
    };
    parts.iter().map(part).collect()
}

/// The figure that changed: types where they did, else the rate.
fn change(evidence: &Evidence) -> Option<(Value, Value)> {
    let types = evidence.types.as_ref().map(|(before, after)| (json!(names(before)), json!(names(after))));
    types.or_else(|| evidence.rate.map(|(before, after)| (json!(round(before)), json!(round(after)))))
}

#[allow(clippy::cast_precision_loss)] // Six decimals are kept.
fn share((affected, eligible): (u64, u64)) -> Option<f64> {
    (eligible > 0).then(|| round(affected as f64 / eligible as f64))
}

/// Six decimals: more would be noise, and would differ between ways to compute the same rate.
fn round(rate: f64) -> f64 {
    (rate * 1e6).round() / 1e6
}

fn names(kinds: &[ValueKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.as_str()).collect()
}

fn summary(evidence: &Evidence, flow: &Flow, path: &str, old_path: Option<&str>) -> String {
    let place = place(flow);
    if evidence.reverted {
        return format!(
            "`{path}` is again as it was before in {place}, decided {}",
            utc_time(evidence.time_ns)
        );
    }
    let what = match evidence.kind {
        Kind::FieldAdded => format!("`{path}` is new in {place}"),
        Kind::FieldRemoved => format!("`{path}` is gone from {place}"),
        Kind::FieldRenamed => format!("`{path}` took the place of `{}` in {place}", old_path.unwrap_or("*")),
        Kind::FieldMoved => format!("`{}` has moved to `{path}` in {place}", old_path.unwrap_or("*")),
        Kind::ArrayShapeChanged => match &evidence.types {
            Some((_, after)) if after.contains(&ValueKind::Array) => {
                format!("`{path}` is an array of what it was in {place}")
            }
            _ => format!("`{path}` is one of what it was an array of in {place}"),
        },
        Kind::VariantAdded => format!("`{path}` comes in a new form in {place}"),
        Kind::TypeChanged => match &evidence.types {
            Some((before, after)) => {
                format!("`{path}` changed from {} to {} in {place}", either(before), either(after))
            }
            None => format!("`{path}` changed its type in {place}"),
        },
        Kind::PresenceChanged => match evidence.rate {
            Some((before, after)) => {
                let (before, after) = (percent(before), percent(after));
                format!(
                    "the rate at which `{path}` is present (or null) went from {before} to {after} in {place}"
                )
            }
            None => format!("`{path}` is present or null at another rate in {place}"),
        },
        Kind::RelationBroken => match &evidence.relation {
            Some(relation) => format!("`{}` no longer holds in {place}", expression(relation)),
            None => format!("what `{path}` follows from no longer holds in {place}"),
        },
        kind => format!("`{path}` {} in {place}", of_values(kind, evidence)),
    };
    let (affected, eligible) = evidence.affected;
    let senders = match evidence.instances {
        Some((with, all)) if with < all => format!(" of {with} of {all} instances"),
        _ => String::new(),
    };
    format!("{what}: {affected} of {eligible} messages{senders} since {}", utc_time(evidence.onset_ns))
}

/// What became of the values of a path.
fn of_values(kind: Kind, evidence: &Evidence) -> String {
    let what = match kind {
        Kind::UnitChanged | Kind::ValueRescaled => match evidence.factor {
            Some(factor) => return format!("is {} times what it was", round(factor)),
            None => "is in another unit",
        },
        Kind::TimeShifted => match evidence.offset_s {
            Some(offset) => {
                let way = if offset < 0.0 { "earlier" } else { "later" };
                return format!("lies {} h {way} than it did", round(offset.abs() / 3_600.0));
            }
            None => "lies at other times",
        },
        Kind::TimeUnitChanged => "gives moments in another unit or notation",
        Kind::CurrencyChanged => "is in another currency",
        Kind::MeaningChanged => "has the same values for other things",
        Kind::IdentifierRekeyed => "holds identifiers of another kind",
        Kind::DefaultSubstituted => "holds a default where it held values",
        Kind::PrecisionLost => "is rounded",
        Kind::SignFlipped => "has the other sign",
        Kind::TextDamaged => "holds texts that are cut or wrongly decoded",
        Kind::FormatChanged => "is spelled in another way",
        Kind::EnumValueAdded => "has a value that it never had",
        Kind::DistributionShifted => "has other values than before",
        Kind::OutOfRange => "has values far from all before",
        Kind::CardinalityChanged => "has far more or far fewer distinct values",
        Kind::ValueFrozen => "keeps the same value",
        _ => "changed",
    };
    what.to_owned()
}

/// `requests of shop to billing POST /v1/charges`
fn place(flow: &Flow) -> String {
    let Flow { client, server, method, route, .. } = flow;
    let operation = flow.operation.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    match &flow.status_class {
        None => format!("requests of {client} to {server} {method} {route}{operation}"),
        Some(class) => format!("{class} responses of {server} to {client} {method} {route}{operation}"),
    }
}

/// `number or null`; a type set is small.
fn either(kinds: &[ValueKind]) -> String {
    if kinds.is_empty() { "nothing".to_owned() } else { names(kinds).join(" or ") }
}

/// `99.5 %`, `100 %`.
fn percent(rate: f64) -> String {
    format!("{} %", (rate * 1e3).round() / 10.0)
}
