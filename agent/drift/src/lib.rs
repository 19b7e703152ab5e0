//! One flow over time: what changed, with which evidence.
//!
//! **In:** the complete [`pitot_observe::Observation`]s of many flows, those of each in order. **Out:** [`Evidence`]. No
//! IO, no clock, no threads; nothing depends on another flow.
//!
//! How a change is told from chance:
//! - What never happened before (a path, a missing member, a null, a type) raises a question, decided by an e-process.
//! - What sometimes happens and stops, or sometimes fails and no longer does, is decided by the lengths of earlier runs;
//!   what comes to happen at another rate, by how far earlier blocks of messages were apart.
//! - What vanishes in exactly those messages in which another thing appears has moved, if it keeps its types and members.
//! - What values are like (where numbers lie, how old times are, which codes come, what texts look like) is a set of rates;
//!   windows of 32 to 8,192 messages are compared with those before, in units of how far such windows differ by themselves.
//!   The values since then say what changed.
//! - Nothing is reported before a flow's first messages are learned, and a change is learned once it is reported.
//!
//! ```
//! use pitot_drift::{Config, Flows};
//!
//! let mut flows = Flows::new(Config::default());
//! let mut evidence = Vec::new();
//! // for each observation of a complete message: flows.push(observation, &mut evidence);
//! flows.finish(&mut evidence);
//! assert!(evidence.is_empty());
//! ```
#![forbid(unsafe_code)]

mod channel;
pub mod config;
pub mod describe;
pub mod evidence;
mod field;
mod flow;
mod flows;
mod gamma;
mod likeness;
mod novelty;
mod pairing;
mod plan;
mod rate;
mod relations;
mod report;
mod runs;
mod senders;
mod sweep;
mod types;
mod values;
mod variant;

pub use config::Config;
pub use describe::FlowDescription;
pub use evidence::{Evidence, Kind};
pub use flows::{Counters, Flows};
