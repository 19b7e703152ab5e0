//! From a message to an [`Observation`]: which paths its JSON body holds, of which kinds, how often, in which flow.
//!
//! **In:** [`pitot_protocols::Message`]. **Out:** [`Observation`], without any payload value.
#![forbid(unsafe_code)]

pub mod flow;
pub mod shape;

pub use flow::FlowKey;
pub use shape::{Observation, Shape};
