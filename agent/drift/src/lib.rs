//! One flow over time: what changed, with which evidence.
//!
//! **In:** the complete [`pitot_observe::Observation`]s of one flow, in order. **Out:** [`Evidence`]. No IO, no
//! clock, no threads.
#![forbid(unsafe_code)]

pub mod evidence;

pub use evidence::{Evidence, Kind};
