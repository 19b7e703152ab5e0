//! What two baselines differ in.

use std::collections::BTreeMap;

use pitot_drift::describe::PathDescription;
use serde_json::{Value, json};

use super::{Described, percent, rounded, show, values};

/// A share must move this far to be a difference.
const MOVED: f64 = 0.05;

/// One difference of one flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The flow's name.
    pub flow: String,
    /// `flow_added`, `flow_removed`, `path_added`, `path_removed`, `types`, `required`, `presence`, `nulls`, `values`.
    pub what: &'static str,
    /// Where, unless it is the flow itself.
    pub path: Option<String>,
    /// Figures, as [`Value`]s and as text.
    pub before: Side,
    /// See [`Difference::before`].
    pub after: Side,
}

/// One side of a difference.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Side {
    /// For programs.
    pub value: Value,
    /// For people.
    pub text: String,
}

impl Difference {
    /// One line for people: `+ $.trace object`, `~ $.total types: number -> string`.
    #[must_use]
    pub fn line(&self) -> String {
        let path = self.path.as_deref().unwrap_or_default();
        match self.what {
            "flow_added" => format!("+ {}", self.flow),
            "flow_removed" => format!("- {}", self.flow),
            "path_added" => format!("~ {}: + {path} {}", self.flow, self.after.text),
            "path_removed" => format!("~ {}: - {path} {}", self.flow, self.before.text),
            what => format!("~ {}: {path} {what}: {} -> {}", self.flow, self.before.text, self.after.text),
        }
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "flow": self.flow,
            "difference": self.what,
            "path": self.path,
            "before": self.before.value,
            "after": self.after.value,
        })
    }
}

/// What `after` differs in from `before`, by flow and path.
#[must_use]
pub fn differences(before: &[Described], after: &[Described]) -> Vec<Difference> {
    let by_name = |flows: &[Described]| -> BTreeMap<String, usize> {
        flows.iter().enumerate().map(|(place, flow)| (flow.name(), place)).collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let mut differences = Vec::new();
    for name in names {
        let of = |places: &BTreeMap<String, usize>, flows: &'_ [Described]| {
            places.get(name).and_then(|place| flows.get(*place)).cloned()
        };
        match (of(&old, before), of(&new, after)) {
            (Some(old), Some(new)) => paths(name, &old, &new, &mut differences),
            (old, _) => differences.push(Difference {
                flow: name.clone(),
                what: if old.is_some() { "flow_removed" } else { "flow_added" },
                path: None,
                before: Side::default(),
                after: Side::default(),
            }),
        }
    }
    differences
}

fn paths(flow: &str, before: &Described, after: &Described, out: &mut Vec<Difference>) {
    let by_path = |described: &'_ Described| -> BTreeMap<String, PathDescription> {
        let paths = described.is.paths.iter();
        paths.map(|path| (pitot_findings::path(&path.path), path.clone())).collect()
    };
    let (old, new) = (by_path(before), by_path(after));
    let mut all: Vec<&String> = old.keys().chain(new.keys()).collect();
    all.sort();
    all.dedup();
    for path in all {
        let mut add = |what, before, after| {
            out.push(Difference { flow: flow.to_owned(), what, path: Some(path.clone()), before, after });
        };
        match (old.get(path), new.get(path)) {
            (Some(old), Some(new)) => path_differences(old, new, &mut add),
            (Some(old), None) => add("path_removed", types(old), Side::default()),
            (None, Some(new)) => add("path_added", Side::default(), types(new)),
            (None, None) => {}
        }
    }
}

fn path_differences(
    old: &PathDescription,
    new: &PathDescription,
    add: &mut impl FnMut(&'static str, Side, Side),
) {
    if old.types != new.types {
        add("types", types(old), types(new));
    }
    if old.is_required != new.is_required {
        add("required", required(old), required(new));
    }
    if let (Some(before), Some(after)) = (old.presence, new.presence)
        && (before - after).abs() >= MOVED
    {
        add("presence", share(before), share(after));
    }
    if (old.nulls - new.nulls).abs() >= MOVED {
        add("nulls", share(old.nulls), share(new.nulls));
    }
    // What values of another type are like says nothing more.
    if let (Some(before), Some(after)) = (&old.values, &new.values)
        && old.types == new.types
        && !values::are_alike(before, after)
    {
        let side = |of| Side { value: values::json(of), text: values::text(of) };
        add("values", side(before), side(after));
    }
}

fn types(path: &PathDescription) -> Side {
    Side { value: json!(path.types), text: show::types(&path.types) }
}

fn required(path: &PathDescription) -> Side {
    let text = if path.is_required { "required" } else { "optional" };
    Side { value: json!(path.is_required), text: text.to_owned() }
}

fn share(share: f64) -> Side {
    Side { value: json!(rounded(share)), text: percent(share) }
}
