//! The flows of a server as an OpenAPI 3.1 document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Described, schema};

/// The methods that OpenAPI has words for.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What was seen of one method of one route, by whichever client.
#[derive(Default)]
struct Operation {
    clients: Vec<String>,
    messages: u64,
    parameters: BTreeMap<(&'static str, String), Parameter>,
    bodies: Vec<Value>,
    /// By status class.
    responses: BTreeMap<String, Vec<Value>>,
}

struct Parameter {
    is_required: bool,
    schemas: Vec<Value>,
}

/// The document, and the names of the flows that OpenAPI has no place for. `flows` are those of `server`.
#[must_use]
pub fn document(server: &str, flows: &[Described]) -> (Value, Vec<String>) {
    let mut operations: BTreeMap<(String, String), Operation> = BTreeMap::new();
    let mut left_out = Vec::new();
    for described in flows {
        let flow = &described.flow;
        let method = flow.method.to_ascii_lowercase();
        if !METHODS.contains(&method.as_str()) || !flow.route.starts_with('/') {
            left_out.push(described.name());
            continue;
        }
        operations.entry((flow.route.clone(), method)).or_default().add(described);
    }
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for ((route, method), operation) in operations {
        let (template, names) = template(&route);
        paths.entry(template).or_default().insert(method, operation.value(&names));
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": server,
            "version": "observed",
            "description": "Learned by Pitot from traffic: what was seen, not what is allowed.",
        },
        "jsonSchemaDialect": schema::DIALECT,
        "paths": paths,
    });
    (document, left_out)
}

impl Operation {
    fn add(&mut self, flow: &Described) {
        push(&mut self.clients, flow.flow.client.clone());
        let body = schema::body(flow);
        match &flow.flow.status_class {
            Some(class) => {
                let bodies = self.responses.entry(class.to_ascii_uppercase()).or_default();
                body.into_iter().for_each(|body| push(bodies, body));
            }
            None => {
                self.messages += flow.is.messages;
                body.into_iter().for_each(|body| push(&mut self.bodies, body));
                for place in ["query", "header"] {
                    for (name, is_required, schema) in schema::parameters(flow, place) {
                        let parameter = Parameter { is_required: true, schemas: Vec::new() };
                        let parameter = self.parameters.entry((place, name)).or_insert(parameter);
                        parameter.is_required &= is_required;
                        push(&mut parameter.schemas, schema);
                    }
                }
            }
        }
    }

    fn value(self, in_path: &[String]) -> Value {
        let mut parameters: Vec<Value> = (in_path.iter())
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        // OpenAPI ignores parameters of these names: they are said in other places.
        let is_told = |name: &str| ["accept", "content-type", "authorization"].contains(&name);
        let named =
            self.parameters.into_iter().filter(|((place, name), _)| *place == "query" || !is_told(name));
        parameters.extend(named.map(|((place, name), Parameter { is_required, schemas })| {
            json!({"name": name, "in": place, "required": is_required, "schema": any(schemas)})
        }));
        let mut operation = Map::new();
        let called = format!("Called by {}: {} requests.", self.clients.join(", "), self.messages);
        operation.insert("description".into(), json!(called));
        if !parameters.is_empty() {
            operation.insert("parameters".into(), json!(parameters));
        }
        if !self.bodies.is_empty() {
            operation.insert("requestBody".into(), content(self.bodies));
        }
        let responses: Map<_, _> = (self.responses.into_iter())
            .map(|(class, bodies)| {
                let mut response = if bodies.is_empty() { json!({}) } else { content(bodies) };
                response["description"] = json!(format!("{class} responses as observed."));
                (class, response)
            })
            .collect();
        if !responses.is_empty() {
            operation.insert("responses".into(), Value::Object(responses));
        }
        Value::Object(operation)
    }
}

fn content(schemas: Vec<Value>) -> Value {
    json!({"content": {"application/json": {"schema": any(schemas)}}})
}

/// One schema, or any of several.
fn any(mut schemas: Vec<Value>) -> Value {
    match schemas.len() {
        1 => schemas.remove(0),
        _ => json!({"anyOf": schemas}),
    }
}

/// Adds what is not there yet.
fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// A route with a name of its own for each of its parameters, and these names: `/a/{id}/b/{id}` is `/a/{id}/b/{id2}`.
fn template(route: &str) -> (String, Vec<String>) {
    let mut names = Vec::new();
    let segments: Vec<String> = (route.split('/'))
        .map(|segment| {
            if !segment.starts_with('{') || !segment.ends_with('}') {
                return segment.replace(['{', '}'], "");
            }
            let name = match names.len() {
                0 => "id".to_owned(),
                n => format!("id{}", n + 1),
            };
            names.push(name.clone());
            format!("{{{name}}}")
        })
        .collect();
    (segments.join("/"), names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_names_of_their_own() {
        let check = |route: &str, expected: &str, names: &[&str]| {
            assert_eq!(
                template(route),
                (expected.to_owned(), names.iter().map(|n| (*n).to_owned()).collect())
            );
        };
        check("/v1/orders", "/v1/orders", &[]);
        check("/v1/orders/{id}", "/v1/orders/{id}", &["id"]);
        check("/a/{id}/b/{id}/", "/a/{id}/b/{id2}/", &["id", "id2"]);
        check("/odd{x", "/oddx", &[]);
    }
}
