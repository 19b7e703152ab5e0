//! A [`Finding`], and its line of JSON (contract, section 2).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kind;

/// A word of the contract. Not spelled `&'static str` in [`Finding`], or serde would borrow it from what is read.
type Word = &'static str;

/// Lifecycle of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// First report.
    Open,
    /// Its counts doubled, or the input ended.
    Updated,
    /// The change was undone.
    Resolved,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something downstream breaks, or money is wrong.
    Error,
}

/// The flow, as disclosed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flow {
    /// Workload name of the client.
    pub client: String,
    /// Workload name of the server.
    pub server: String,
    /// `http`.
    pub protocol: String,
    /// Request method.
    pub method: String,
    /// Route template.
    pub route: String,
    /// GraphQL or JSON-RPC operation.
    pub operation: Option<String>,
    /// `request` or `response`.
    pub side: String,
    /// `2xx` to `5xx`, null on requests.
    pub status_class: Option<String>,
}

/// One change, reported. Serializes to the contract's line, keys in the contract's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable identity, 16 hex digits: of the SHA-256 of the compact JSON array `[event, kind, flow, path, old_path,
    /// upstream, segment, opened]`, a flow as an array of its fields in order, `opened` being how often this change
    /// was opened before (source: `id.rs`; worked example: `docs/semconv/README.md`).
    pub id: String,
    /// Lifecycle.
    pub state: State,
    /// `pitot.schema.drift`, ...
    #[serde(deserialize_with = "kind::event")]
    pub event: Word,
    /// `field_renamed`, ...
    #[serde(deserialize_with = "kind::name")]
    pub kind: Word,
    /// How much it matters.
    pub severity: Severity,
    /// Timestamp of the deciding message, ns since the Unix epoch.
    pub time_ns: u64,
    /// Estimated begin of the change.
    pub onset_ns: u64,
    /// Where.
    pub flow: Flow,
    /// Path concerned.
    pub path: String,
    /// Path before, for a rename or move.
    pub old_path: Option<String>,
    /// For a loss, the flow where the record was seen.
    pub upstream: Option<Flow>,
    /// 1 - the multiplicity-adjusted error bound.
    pub confidence: f64,
    /// The contract's evidence names, sorted, and `messages` (`{"affected":…,"all":…}`, distinct messages since the
    /// onset).
    pub evidence: serde_json::Map<String, serde_json::Value>,
    /// One sentence a person understands.
    pub summary: String,
}

impl fmt::Display for Flow {
    /// `shop -> billing POST /v1/charges request`, `shop -> billing POST /rpc (transfer) response 2xx`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, server, method, route, side, .. } = self;
        write!(f, "{client} -> {server} {method} {route}")?;
        if let Some(operation) = &self.operation {
            write!(f, " ({operation})")?;
        }
        write!(f, " {side}")?;
        self.status_class.as_ref().map_or(Ok(()), |class| write!(f, " {class}"))
    }
}

impl Severity {
    /// `info`, `warn` or `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl State {
    /// `open`, `updated` or `resolved`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Updated => "updated",
            Self::Resolved => "resolved",
        }
    }
}

impl Finding {
    /// The contract's line of JSON, without the newline. Numbers are written as the shortest text that reads back
    /// as the same number, so equal findings give equal bytes.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Strings, numbers and string-keyed maps only: serialization into memory has no way to fail.
        #[allow(clippy::expect_used)]
        serde_json::to_string(self).expect("a finding is plain data")
    }
}
