//! What a message says beside its body: parameters of its query, and headers that carry meaning.
//!
//! They are entries of its shape behind those of the body, `query.NAME` and `header.name`, strings all of them, below
//! `query` (of requests) and `header`, which every message has, so that it is known how often each is there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use pitot_protocols::message::{Message, Side};

use crate::hash;
use crate::identifier::looks_like_data;
use crate::path;
use crate::shape::{Counts, Entry, Shape, ValueKind};
use crate::text::Text;
use crate::value::{Leaf, Value, Values};

/// Parameters of a query that are read; what follows is not.
const MOST_PARAMETERS: usize = 64;
/// Headers that are never read, whatever is configured: they are secrets.
pub const SECRET_HEADERS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
/// Headers that are read where nothing else is configured: keys of idempotency and correlation, and versions.
pub const DEFAULT_HEADERS: [&str; 6] = [
    "idempotency-key",
    "x-idempotency-key",
    "x-request-id",
    "x-correlation-id",
    "api-version",
    "x-api-version",
];

/// Which headers are fields.
#[derive(Debug, Clone)]
pub struct HeaderNames {
    names: Vec<Box<str>>,
    /// The lengths they have, a bit each; those of 64 and more share the last.
    lengths: u64,
}

impl HeaderNames {
    /// Those of these names, in any case, that are no secrets ([`SECRET_HEADERS`]).
    #[must_use]
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut names: Vec<Box<str>> =
            names.into_iter().map(|name| name.as_ref().to_ascii_lowercase().into()).collect();
        names.retain(|name| !SECRET_HEADERS.contains(&&**name));
        names.sort_unstable();
        names.dedup();
        let lengths = names.iter().fold(0, |lengths, name| lengths | Self::bit(name));
        Self { names, lengths }
    }

    fn bit(name: &str) -> u64 {
        1 << name.len().min(63)
    }

    fn has(&self, name: &str) -> bool {
        self.lengths & Self::bit(name) != 0 && self.names.iter().any(|n| **n == *name)
    }
}

impl Default for HeaderNames {
    fn default() -> Self {
        Self::new(DEFAULT_HEADERS)
    }
}

/// Where a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Header,
    Query,
}

impl Part {
    fn path(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Query => "query",
        }
    }
}

/// A field of a message.
struct Field<'m> {
    part: Part,
    name: Cow<'m, str>,
    value: Cow<'m, str>,
}

/// The fields of a message, in its order.
pub(crate) struct Fields<'m> {
    list: Vec<Field<'m>>,
    has_query: bool,
    /// Parameters that were not read.
    pub(crate) refused: usize,
}

impl<'m> Fields<'m> {
    pub(crate) fn of(message: &'m Message, target: &'m str, headers: &HeaderNames) -> Self {
        let has_query = message.side == Side::Request;
        let mut fields = Self { list: Vec::new(), has_query, refused: 0 };
        for (name, value) in message.headers.iter().filter(|(name, _)| headers.has(name)) {
            fields.list.push(Field { part: Part::Header, name: name.into(), value: value.into() });
        }
        if has_query && let Some((_, query)) = target.split_once('?') {
            let query = query.split_once('#').map_or(query, |(query, _)| query);
            let mut parameters = query.split('&').filter(|parameter| !parameter.is_empty());
            for parameter in parameters.by_ref().take(MOST_PARAMETERS) {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                fields.list.push(Field { part: Part::Query, name: decoded(name), value: decoded(value) });
            }
            fields.refused = parameters.count();
        }
        fields
    }

    /// The same for fields of the same names in the same order.
    fn signature(&self) -> u64 {
        self.list.iter().fold(u64::from(self.has_query), |signature, field| {
            hash::mix(signature ^ hash::text64(field.name.as_bytes()).wrapping_add(field.part as u64))
        })
    }
}

/// A part of a query as it was meant (WHATWG URL, section 5.1): `+` is a blank, `%41` is `A`.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let (byte, taken) = match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => ((high << 4 | low) as u8, 3),
            (b'+', ..) => (b' ', 1),
            _ => (byte, 1),
        };
        bytes.push(byte);
        rest = rest.get(taken..).unwrap_or_default();
    }
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned().into(),
    }
}

/// The shapes of a flow's messages with their fields, so that a known one is shared instead of built.
#[derive(Debug)]
pub(crate) struct Whole {
    known: HashMap<u64, Known>,
    capacity: usize,
}

/// A shape of a body together with fields.
#[derive(Debug)]
struct Known {
    body: Option<Arc<Shape>>,
    names: Vec<(Part, Box<str>)>,
    has_query: bool,
    shape: Arc<Shape>,
    /// The entry of each field.
    entries: Vec<u32>,
    /// Of the entries behind those of the body.
    counts: Vec<u32>,
}

impl Whole {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { known: HashMap::new(), capacity }
    }

    /// Shape and counts of a body with the fields of its message, whose values are added. Also how many shapes were
    /// forgotten.
    pub(crate) fn of(
        &mut self,
        body: Option<Arc<Shape>>,
        counts: Counts,
        values: &mut Values,
        fields: &Fields<'_>,
    ) -> (Arc<Shape>, Counts, usize) {
        let hash = body.as_ref().map_or(0, |body| body.hash).wrapping_add(fields.signature());
        if let Some(known) = self.known.get(&hash)
            && known.is_of(body.as_ref(), fields)
        {
            return (Arc::clone(&known.shape), known.add(counts, values, fields), 0);
        }
        let known = Known::new(body, fields);
        let found = (Arc::clone(&known.shape), known.add(counts, values, fields));
        let mut forgotten = 0;
        if self.known.len() >= self.capacity {
            forgotten = self.known.len();
            self.known.clear();
        }
        self.known.insert(hash, known);
        (found.0, found.1, forgotten)
    }
}

impl Known {
    fn is_of(&self, body: Option<&Arc<Shape>>, fields: &Fields<'_>) -> bool {
        let is_same = match (&self.body, body) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        };
        let names = fields.list.iter().map(|field| (field.part, &*field.name));
        is_same
            && self.has_query == fields.has_query
            && self.names.iter().map(|(part, name)| (*part, &**name)).eq(names)
    }

    fn new(body: Option<Arc<Shape>>, fields: &Fields<'_>) -> Self {
        let paths: Vec<Box<str>> = fields.list.iter().map(path_of).collect();
        // In order, which has parents before what is below them.
        let mut found: BTreeMap<&str, (Option<&str>, u32)> = BTreeMap::new();
        found.insert(Part::Header.path(), (None, 1));
        if fields.has_query {
            found.insert(Part::Query.path(), (None, 1));
        }
        for (field, path) in fields.list.iter().zip(&paths) {
            found.entry(path).or_insert((Some(field.part.path()), 0)).1 += 1;
        }
        let mut entries = body.as_ref().map(|body| body.entries.clone()).unwrap_or_default();
        let mut hash = body.as_ref().map_or(0, |body| body.hash);
        let mut place: BTreeMap<&str, u32> = BTreeMap::new();
        for (path, (parent, _)) in &found {
            let kind = if parent.is_some() { ValueKind::String } else { ValueKind::Object };
            let parent = parent.and_then(|parent| place.get(parent).copied());
            place.insert(path, entries.len() as u32);
            hash = hash.wrapping_add(Entry::hash(path, kind));
            entries.push(Entry { path: (*path).into(), kind, parent });
        }
        Self {
            body,
            names: fields.list.iter().map(|field| (field.part, (*field.name).into())).collect(),
            has_query: fields.has_query,
            shape: Arc::new(Shape { hash, entries }),
            entries: paths.iter().filter_map(|path| place.get(&**path).copied()).collect(),
            counts: found.values().map(|(_, count)| *count).collect(),
        }
    }

    /// Adds the values of the fields to those of the body, and their counts.
    fn add(&self, body: Counts, values: &mut Values, fields: &Fields<'_>) -> Counts {
        for (field, entry) in fields.list.iter().zip(&self.entries) {
            values.leaves.push(Leaf { entry: *entry, value: Value::Text(Text::of(&field.value)) });
        }
        let of_body = self.shape.entries.len() - self.counts.len();
        if body == Counts::Once && self.counts.iter().all(|count| *count == 1) {
            return body;
        }
        (0..of_body as u32).map(|entry| body.get(entry)).chain(self.counts.iter().copied()).collect()
    }
}

fn path_of(field: &Field<'_>) -> Box<str> {
    let mut path = field.part.path().to_owned();
    match field.part {
        // A token (RFC 9110, section 5.1): nothing in it needs quotes.
        Part::Header => path.extend([".", &field.name]),
        Part::Query if looks_like_data(&field.name) => path::push_wildcard(&mut path),
        Part::Query => path::push_member(&mut path, &field.name),
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let check = |text: &str, expected: &str| assert_eq!(decoded(text), expected, "{text}");
        check("", "");
        check("plain", "plain");
        check("a+b", "a b");
        check("%41%c3%A4%2B", "Aä+");
        check("100%", "100%");
        check("%4", "%4");
        check("%zz%e4", "%zz\u{fffd}");
    }

    #[test]
    fn secrets_are_no_fields() {
        let names = HeaderNames::new(["Authorization", "X-Tenant", "cookie"]);
        assert!(names.has("x-tenant"));
        assert!(!names.has("authorization") && !names.has("cookie") && !names.has("x-tenan"));
    }
}
