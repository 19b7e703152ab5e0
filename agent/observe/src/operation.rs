//! Which operation a request asks for, where one route serves many: GraphQL and JSON-RPC 2.0.

use simd_json::Node;

use crate::identifier::looks_like_data;

/// Members of the body that are looked at.
const MOST_MEMBERS: usize = 16;
/// The longest name of an operation, in bytes.
const LONGEST: usize = 128;

/// The operation of a request by its body:
/// - GraphQL over HTTP (a `query` that is a document): `operationName`, else the first operation's name, else its kind;
/// - JSON-RPC 2.0: `method`.
///
/// `None` for another body, and where the name looks like data.
pub(crate) fn of<'t>(tape: &'t [Node<'_>]) -> Option<&'t str> {
    let mut found = Members::default();
    for (name, value) in members(tape) {
        match (name, value) {
            ("query", Node::String(text)) => found.query = Some(text),
            ("operationName", Node::String(text)) => found.operation_name = Some(text),
            ("jsonrpc", Node::String("2.0")) => found.is_rpc = true,
            ("method", Node::String(text)) => found.method = Some(text),
            ("extensions", Node::Object { .. }) => found.has_extensions = true,
            _ => {}
        }
    }
    found.operation().filter(|name| is_name(name))
}

/// Whether a body with the names of this one, whatever its values, may ask for an operation.
pub(crate) fn may_be(tape: &[Node<'_>]) -> bool {
    members(tape).any(|(name, _)| matches!(name, "query" | "jsonrpc" | "extensions"))
}

#[derive(Default)]
struct Members<'t> {
    query: Option<&'t str>,
    operation_name: Option<&'t str>,
    /// Persisted queries: the document is known by its hash.
    has_extensions: bool,
    is_rpc: bool,
    method: Option<&'t str>,
}

impl<'t> Members<'t> {
    fn operation(self) -> Option<&'t str> {
        let name = self.operation_name.filter(|name| !name.is_empty());
        match (self.query, self.method) {
            (_, Some(method)) if self.is_rpc => Some(method),
            (Some(query), _) => first_operation(query).map(|first| name.unwrap_or(first)),
            (None, _) if self.has_extensions => name,
            _ => None,
        }
    }
}

/// The first members of the object that a tape begins with.
fn members<'t, 'v>(tape: &'t [Node<'v>]) -> impl Iterator<Item = (&'v str, &'t Node<'v>)> {
    let (length, mut rest) = match tape {
        [Node::Object { len, .. }, rest @ ..] => (*len, rest),
        _ => (0, tape),
    };
    (0..length.min(MOST_MEMBERS)).map_while(move |_| {
        let [Node::String(name), value, after @ ..] = rest else { return None };
        let below = match value {
            Node::Object { count, .. } | Node::Array { count, .. } => *count,
            _ => 0,
        };
        rest = after.get(below..)?;
        Some((*name, value))
    })
}

fn is_name(name: &str) -> bool {
    let is_fit = |b: u8| b.is_ascii_alphanumeric() || b"_./:$-".contains(&b);
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(is_fit) && !looks_like_data(name)
}

/// The name of the first operation of a GraphQL document (October 2021, section 2.3), or its kind where it has none;
/// `None` where the text is no such document.
fn first_operation(document: &str) -> Option<&str> {
    let mut rest = document;
    loop {
        let (token, after) = token(rest)?;
        rest = after;
        match token {
            "{" => return Some("query"),
            "query" | "mutation" | "subscription" => {
                let is_named = |(next, _): &(&str, &str)| next.starts_with(is_name_start);
                // Its selection must follow, or it is a sentence.
                return rest
                    .contains('{')
                    .then(|| self::token(rest).filter(is_named).map_or(token, |(name, _)| name));
            }
            "fragment" => rest = behind_braces(rest)?,
            _ => return None,
        }
    }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// The first name or punctuator of a document, and what follows it.
fn token(text: &str) -> Option<(&str, &str)> {
    let mut text = text;
    loop {
        text = text.trim_start_matches([' ', '\t', '\n', '\r', ',', '\u{feff}']);
        let Some(comment) = text.strip_prefix('#') else { break };
        text = comment.find(['\n', '\r']).and_then(|end| comment.get(end..))?;
    }
    let first = text.chars().next()?;
    let end = match is_name_start(first) {
        true => text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()),
        false => first.len_utf8(),
    };
    text.split_at_checked(end)
}

/// What follows the first `{...}` with all that is nested in it; strings may hold braces.
fn behind_braces(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut rest = text;
    loop {
        let (token, after) = token(rest)?;
        rest = after;
        match token {
            "\"" => rest = behind_string(rest)?,
            "{" => depth += 1,
            "}" if depth <= 1 => return Some(rest),
            "}" => depth -= 1,
            _ => {}
        }
    }
}

/// What follows a string whose first quote was taken.
fn behind_string(text: &str) -> Option<&str> {
    if let Some(block) = text.strip_prefix("\"\"") {
        return block.split_once("\"\"\"").map(|(_, rest)| rest);
    }
    let mut is_escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    text.get(end + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Parser;
    use proptest::prelude::*;

    #[test]
    fn operations() {
        let check = |body: &str, expected: Option<&str>| {
            let found = Parser::new(128).parse(body.as_bytes(), |tape| of(tape).map(str::to_owned));
            assert_eq!(found.unwrap().as_deref(), expected, "{body}");
        };
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{"a":[1,{}]}}"#,
            Some("eth_getBalance"),
        );
        check(r#"{"params":[[{"x":1}],2],"method":"a.b","jsonrpc":"2.0"}"#, Some("a.b"));
        check(r#"{"method":"a.b"}"#, None);
        check(r#"{"jsonrpc":"2.0","method":"user-12345678"}"#, None);
        check(r#"{"jsonrpc":"2.0","method":"two words"}"#, None);
        check(r#"{"jsonrpc":"2.0","result":{}}"#, None);
        check(r#"{"query":"query Orders($n: Int) { orders(n: $n) { id } }"}"#, Some("Orders"));
        check(r#"{"operationName":"B","query":"query A { a } query B { b }"}"#, Some("B"));
        check(r#"{"operationName":null,"query":"{ a }","variables":{"b":{"c":1}}}"#, Some("query"));
        check(r#"{"query":"mutation { a }"}"#, Some("mutation"));
        check(r#"{"query":"mutation($x: I){ a }"}"#, Some("mutation"));
        check(
            "{\"query\":\"# c{\\n fragment F on T { a(s: \\\"}\\\") { b } } ,query  Q{ ...F }\"}",
            Some("Q"),
        );
        check(r#"{"operationName":"P","extensions":{"persistedQuery":{"version":1}}}"#, Some("P"));
        check(r#"{"query":"red shoes"}"#, None);
        check(r#"{"query":"query planner jobs"}"#, None);
        check(r#"{"query":{"match":"x"}}"#, None);
        check(r#"{"query":""}"#, None);
        check("[1]", None);
        check("{}", None);
        check("3", None);
    }

    proptest! {
        #[test]
        fn any_document_is_taken(text in "(query|fragment|mutation|[{}()\"#\\\\ \n,]|[aé_9]){0,30}") {
            let _ = first_operation(&text);
        }
    }
}
