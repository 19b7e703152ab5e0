//! A flow's bodies as JSON Schema (draft 2020-12).

use pitot_drift::describe::{Known, PathDescription, ValuesDescription};
use serde_json::{Map, Value, json};

use super::Described;

/// The dialect.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// One document: the schema of the only flow, or of several each under its name in `$defs`.
#[must_use]
pub fn document(flows: &[Described]) -> Value {
    if let [flow] = flows {
        return titled(flow, body(flow).unwrap_or(Value::Bool(true)));
    }
    let named = flows.iter().filter_map(|flow| Some((flow.name(), body(flow)?)));
    json!({"$schema": DIALECT, "$defs": named.collect::<Map<_, _>>()})
}

fn titled(flow: &Described, mut schema: Value) -> Value {
    if let Value::Object(keywords) = &mut schema {
        keywords.insert("$schema".into(), json!(DIALECT));
        keywords.insert("title".into(), json!(flow.name()));
    }
    schema
}

/// The schema of a flow's bodies; `None` where they are no JSON.
#[must_use]
pub fn body(flow: &Described) -> Option<Value> {
    root(flow, "$")
}

/// What lies directly below the root `query` or `header`: names, whether each is always there, and its schema.
pub(super) fn parameters(flow: &Described, of: &str) -> Vec<(String, bool, Value)> {
    let paths = &flow.is.paths;
    let Some(root) = paths.iter().position(|path| &*path.path == of) else { return Vec::new() };
    let children = children(paths, root);
    let named = children.filter_map(|(place, child)| match step(paths, root, child) {
        Step::Member(name) => Some((name, child.is_required, schema(paths, place))),
        Step::Elements | Step::Any => None,
    });
    named.collect()
}

fn root(flow: &Described, name: &str) -> Option<Value> {
    let place = flow.is.paths.iter().position(|path| &*path.path == name)?;
    Some(schema(&flow.is.paths, place))
}

fn schema(paths: &[PathDescription], place: usize) -> Value {
    let Some(path) = paths.get(place) else { return json!(true) };
    let mut keywords = Map::new();
    let mut types: Vec<&str> = path.types.iter().map(|kind| kind.as_str()).collect();
    if path.nulls > 0.0 {
        types.push("null");
    }
    match types.as_slice() {
        [] => {}
        [one] => drop(keywords.insert("type".into(), json!(one))),
        several => drop(keywords.insert("type".into(), json!(several))),
    }
    if let (["string"], Some(format)) = (types.as_slice(), path.values.as_ref().and_then(format)) {
        keywords.insert("format".into(), json!(format));
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (child_place, child) in children(paths, place) {
        let of_child = schema(paths, child_place);
        match step(paths, place, child) {
            Step::Elements => drop(keywords.insert("items".into(), of_child)),
            Step::Any => drop(keywords.insert("additionalProperties".into(), of_child)),
            Step::Member(name) => {
                if child.is_required {
                    required.push(name.clone());
                }
                properties.insert(name, of_child);
            }
        }
    }
    if !properties.is_empty() {
        keywords.insert("properties".into(), Value::Object(properties));
    }
    if !required.is_empty() {
        keywords.insert("required".into(), json!(required));
    }
    Value::Object(keywords)
}

/// The format of strings that are all moments, or all dates.
fn format(values: &ValuesDescription) -> Option<&'static str> {
    match values.known {
        Known::Times { .. } => Some("date-time"),
        Known::Days { .. } => Some("date"),
        _ => None,
    }
}

fn children(paths: &[PathDescription], parent: usize) -> impl Iterator<Item = (usize, &PathDescription)> {
    paths.iter().enumerate().filter(move |(_, path)| path.parent == Some(parent))
}

/// From what holds a path to it.
#[derive(Debug, PartialEq)]
enum Step {
    Member(String),
    Elements,
    Any,
}

fn step(paths: &[PathDescription], parent: usize, child: &PathDescription) -> Step {
    let parent = paths.get(parent).map_or("", |parent| &*parent.path);
    match child.path.strip_prefix(parent).unwrap_or(&child.path) {
        "[*]" => Step::Elements,
        ".*" => Step::Any,
        step => Step::Member(member(step)),
    }
}

/// The name that a step selects: `.name`, or in quotes `['…']` as RFC 9535 writes it in normalized paths.
fn member(step: &str) -> String {
    let Some(quoted) = step.strip_prefix("['").and_then(|rest| rest.strip_suffix("']")) else {
        return step.strip_prefix('.').unwrap_or(step).to_owned();
    };
    // JSON's escapes, but for the quotes.
    let text = format!("\"{}\"", quoted.replace("\\'", "'").replace('"', "\\\""));
    serde_json::from_str(&text).unwrap_or_else(|_| quoted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_members() {
        let check = |step: &str, expected: &str| assert_eq!(member(step), expected, "{step}");
        check(".amount", "amount");
        check("['a b']", "a b");
        check(r"['it\'s']", "it's");
        check(r#"['say "hi"']"#, r#"say "hi""#);
        check(r"['back\\slash']", r"back\slash");
        check(r"['tab\tnul\u0000']", "tab\tnul\0");
        check(".x-request-id", "x-request-id");
    }
}
