//! Places in a body: `$.lines[*].price`.

use crate::json::{Json, Name};

/// An object's members.
type Members = Vec<(Name, Json)>;

/// Calls `act` with every value at `path`, and says whether there was one.
pub fn at(body: &mut Json, path: &str, act: &mut dyn FnMut(&mut Json)) -> bool {
    walk(body, path.trim_start_matches('$'), act)
}

/// Calls `act` with the members of every object that can hold the last step of `path`, and the name of that step. Whether
/// there was one.
pub fn in_parent(body: &mut Json, path: &str, act: &mut dyn FnMut(&mut Members, &str)) -> bool {
    let Some((parent, name)) = path.rsplit_once('.') else { return false };
    at(body, parent, &mut |value| {
        if let Json::Object(members) = value {
            act(members, name);
        }
    })
}

fn walk(value: &mut Json, rest: &str, act: &mut dyn FnMut(&mut Json)) -> bool {
    if rest.is_empty() {
        act(value);
        return true;
    }
    if let Some(rest) = rest.strip_prefix("[*]") {
        let Json::Array(elements) = value else { return false };
        // Every element, not only up to the first that has it.
        return elements.iter_mut().fold(false, |any, element| walk(element, rest, act) | any);
    }
    let rest = rest.trim_start_matches('.');
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let Json::Object(members) = value else { return false };
    members.iter_mut().find(|(n, _)| n == name).is_some_and(|(_, value)| walk(value, rest, act))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Json {
        let line = |price| Json::Object(vec![("price".into(), Json::Int(price))]);
        let lines = Json::Array(vec![line(1), line(2), Json::Object(Vec::new())]);
        Json::Object(vec![("lines".into(), lines), ("id".into(), Json::Int(7))])
    }

    #[test]
    fn finds_values() {
        let check = |path: &str, expected: &[i64]| {
            let mut found = Vec::new();
            let any = at(&mut body(), path, &mut |value| found.extend(value.number().map(|n| n as i64)));
            assert_eq!((found.as_slice(), any), (expected, !expected.is_empty()), "{path}");
        };
        check("$.id", &[7]);
        check("$.lines[*].price", &[1, 2]);
        check("$.lines[*].cost", &[]);
        check("$.id.x", &[]);
    }

    #[test]
    fn finds_parents() {
        let mut changed = body();
        assert!(in_parent(&mut changed, "$.lines[*].price", &mut |members, name| members
            .retain(|(n, _)| n != name)));
        let mut any = false;
        at(&mut changed, "$.lines[*].price", &mut |_| any = true);
        assert!(!any);
    }
}
