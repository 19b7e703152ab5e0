//! Whether a body can stand in a line as it is.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether `body` is JSON (RFC 8259) with unique keys that reads back from inside a line exactly as it is: on one line, and
/// without white space around it.
pub(super) fn fits_in_a_line(body: &[u8]) -> bool {
    let bare = body.first().is_some_and(|b| !b.is_ascii_whitespace())
        && body.last().is_some_and(|b| !b.is_ascii_whitespace())
        && !body.iter().any(|b| matches!(b, b'\n' | b'\r'));
    bare && std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<UniqueKeys>(text).is_ok())
}

/// Any JSON value, of which only the names are looked at.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with unique keys")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element_seed(Self)?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key twice"));
            }
            map.next_value_seed(Self)?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let check = |body: &str, expected| assert_eq!(fits_in_a_line(body.as_bytes()), expected, "{body:?}");
        for yes in [
            "{}",
            "null",
            "1.50",
            "\"\u{e9}\"",
            r#"{"a":1,"b":{"a":2}}"#,
            r#"[{"a":1},{"a":1}]"#,
            "{ \"a\" : 1 }",
        ] {
            check(yes, true);
        }
        for no in [
            "",
            " {}",
            "{}\n",
            "{\n}",
            "{}{}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            "NaN",
            "01",
            "1e999",
            r#""\ud800""#,
            "\u{feff}{}",
            "{'a':1}",
        ] {
            check(no, false);
        }
        assert!(!fits_in_a_line(b"\"\xff\""));
        check(&"[".repeat(200_000), false);
        check(&("[".repeat(500) + &"]".repeat(500)), false);
    }
}
