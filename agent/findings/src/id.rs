//! The identity of a finding: the same change has the same one after a restart, on any machine.
//!
//! **Canonical bytes.** The compact JSON text (no whitespace, UTF-8, RFC 8259 escapes as short as they can be, and
//! `\u00xx` in lower case for other controls) of one array:
//!
//! ```text
//! [event, kind, FLOW, path, old_path, UPSTREAM, SEGMENT, opened]
//! ```
//!
//! FLOW and UPSTREAM are `[client, server, protocol, method, route, operation, side, status_class]` (UPSTREAM may be
//! `null`), SEGMENT is `[path, value]` or `null`, what is absent is `null`, and `opened` is how often this change was
//! opened before (0 the first time). JSON strings delimit themselves, so two different changes never share bytes.
//! The id is the first 8 bytes of their SHA-256, as 16 lower-case hexadecimal digits.
//!
//! The texts are those of the finding, that is after disclosure: a reader can recompute the id from the line, and a
//! name that was hidden cannot be guessed by hashing candidates.

use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::finding::Flow;

/// What makes a change this change.
pub(crate) struct Identity<'a> {
    pub(crate) event: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) flow: &'a Flow,
    pub(crate) path: &'a str,
    pub(crate) old_path: Option<&'a str>,
}

impl Identity<'_> {
    /// 16 hexadecimal digits, for the time after `opened` openings.
    pub(crate) fn id(&self, opened: usize) -> String {
        let digest = Sha256::digest(self.canonical(opened).to_string());
        digest.iter().take(8).fold(String::with_capacity(16), |mut id, byte| {
            // Writing to a String cannot fail.
            let _ = write!(id, "{byte:02x}");
            id
        })
    }

    /// UPSTREAM and SEGMENT are `null` for every kind of schema drift.
    fn canonical(&self, opened: usize) -> Value {
        let f = self.flow;
        let flow =
            json!([f.client, f.server, f.protocol, f.method, f.route, f.operation, f.side, f.status_class]);
        json!([self.event, self.kind, flow, self.path, self.old_path, null, null, opened])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow {
            client: "shop".into(),
            server: "billing".into(),
            protocol: "http".into(),
            method: "POST".into(),
            route: "/v1/charges".into(),
            operation: None,
            side: "request".into(),
            status_class: None,
        }
    }

    fn identity<'a>(flow: &'a Flow, path: &'a str, old_path: Option<&'a str>) -> Identity<'a> {
        Identity { event: "pitot.schema.drift", kind: "field_renamed", flow, path, old_path }
    }

    /// Pinned with another implementation: `printf '%s' TEXT | sha256sum | cut -c1-16`.
    #[test]
    fn the_encoding_is_fixed() {
        let flow = flow();
        let identity = identity(&flow, "$.amount_minor", Some("$.amount"));
        assert_eq!(
            identity.canonical(0).to_string(),
            r#"["pitot.schema.drift","field_renamed",["shop","billing","http","POST","/v1/charges",null,"request",null],"$.amount_minor","$.amount",null,null,0]"#
        );
        assert_eq!(identity.id(0), "85ba1388f33441bf");
    }

    #[test]
    fn every_part_counts() {
        let one = flow();
        let other = Flow { status_class: Some("2xx".into()), ..flow() };
        let ids = [
            identity(&one, "$.a", None).id(0),
            identity(&one, "$.a", None).id(1),
            identity(&one, "$.b", None).id(0),
            identity(&one, "$.a", Some("$.b")).id(0),
            identity(&other, "$.a", None).id(0),
            Identity { kind: "field_added", ..identity(&one, "$.a", None) }.id(0),
            // A name cannot imitate the delimiters.
            identity(&one, "$.a\",\"$.b", None).id(0),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert!(ids.iter().all(|id| id.len() == 16));
    }
}
