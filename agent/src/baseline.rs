//! What was learned, for people and other programs: [`show`], [`diff`], and documents made of it ([`schema`], [`openapi`]).

use std::path::Path;

use anyhow::Context as _;
use pitot_drift::FlowDescription;
use pitot_findings::finding::Flow;
use serde_json::{Value, json};

use crate::config::Config;
use crate::control::{self, Request};
use crate::pipeline::Learned;

pub mod diff;
pub mod openapi;
pub mod schema;
pub mod show;
pub mod values;

/// A flow, and what it is like.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Which, as it may be shown.
    pub flow: Flow,
    /// What it is like.
    pub is: FlowDescription,
}

impl Described {
    /// Its name: `shop -> billing POST /v1/charges request`.
    #[must_use]
    pub fn name(&self) -> String {
        self.flow.to_string()
    }

    /// The JSON kind of everything that is known of it.
    #[must_use]
    pub fn json(&self) -> Value {
        let paths = self.is.paths.iter().map(|path| {
            let channels =
                path.channels.iter().map(|channel| json!({"name": channel.name, "needs": channel.needs}));
            json!({
                "path": pitot_findings::path(&path.path),
                "types": path.types,
                "messages": path.messages,
                "presence": path.presence.map(rounded),
                "required": path.is_required,
                "nulls": rounded(path.nulls),
                "values": path.values.as_ref().map(values::json),
                "channels": channels.collect::<Vec<_>>(),
            })
        });
        json!({
            "flow": self.flow,
            "messages": self.is.messages,
            "needs": self.is.needs,
            "paths": paths.collect::<Vec<_>>(),
        })
    }
}

/// Every flow that `learned` knows and whose name holds `part`, by name.
#[must_use]
pub fn described(learned: &Learned, config: &Config, part: &str) -> Vec<Described> {
    let config = config.drift();
    let flows = learned.flows().iter().flat_map(|flows| flows.describe(&config));
    let described = flows.map(|is| Described { flow: pitot_findings::flow(&is.key), is });
    let mut described: Vec<_> = described.filter(|flow| flow.name().contains(part)).collect();
    described.sort_by(|a, b| (&a.flow, &a.is.key).cmp(&(&b.flow, &b.is.key)));
    described
}

/// What the agent whose state is in `directory` has learned until now.
///
/// # Errors
/// One line: no agent, or what it says.
pub fn of_agent(directory: &Path) -> anyhow::Result<Learned> {
    let bytes = control::ask(directory, &Request::Learned)?;
    pitot_state::decode(&bytes).with_context(|| {
        format!("{}: the agent is of another version of Pitot than this one", directory.display())
    })
}

/// Four decimals: more would be noise.
fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

/// `99.5 %`, `100 %`.
fn percent(share: f64) -> String {
    format!("{} %", (share * 1e3).round() / 10.0)
}
