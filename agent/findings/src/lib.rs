//! From evidence to ONE finding.
//!
//! **In:** [`pitot_drift::Evidence`] of all flows, in order. **Out:** [`Finding`]s, as the contract's section 2 has them.
#![forbid(unsafe_code)]

pub mod finding;

pub use finding::Finding;
