//! From evidence to ONE finding: grouping, identity, lifecycle, false-alarm control, disclosure.
//!
//! **In:** [`pitot_drift::Evidence`] of all flows, in order. **Out:** [`Finding`]s, as the contract's section 2 has
//! them: a line of JSON ([`Finding::to_line`], described by [`SCHEMA`]), a few lines for people
//! ([`Finding::people`]), or an OpenTelemetry event (crate `pitot-export`). No IO, no clock, no threads.
//!
//! ```
//! use pitot_findings::{Config, Findings};
//!
//! # fn detector() -> Vec<pitot_drift::Evidence> { Vec::new() }
//! let mut findings = Findings::new(Config::default());
//! let mut out = Vec::new();
//! for evidence in detector() {
//!     findings.push(evidence, &mut out);
//! }
//! findings.finish(&mut out);
//! for finding in &out {
//!     println!("{}", finding.to_line());
//! }
//! ```
#![forbid(unsafe_code)]

mod clock;
mod control;
mod disclose;
pub mod finding;
mod id;
mod kind;
mod list;
mod people;
mod range;
mod text;

pub use disclose::flow;
pub use finding::Finding;
pub use list::{Config, Counts, Findings};
pub use range::outward;
pub use text::path;

/// JSON Schema (draft 2020-12) of a finding's line.
pub const SCHEMA: &str = include_str!("../schema/finding.schema.json");
