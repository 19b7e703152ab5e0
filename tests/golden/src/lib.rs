//! Inputs for golden replays, made by code: the same in every run and small to read.
//!
//! **In:** a [`Fault`] and a seed. **Out:** a messages file ([`messages()`]) or capture events ([`capture()`]) of two
//! integrations, `shop -> billing` and `billing -> ledger`; from exchange [`ONSET`] on, the fault is in the orders of
//! the first (or in every flow).
//!
//! ```
//! use pitot_golden::{Fault, messages};
//! assert_eq!(messages(Fault::Renamed, 1), messages(Fault::Renamed, 1));
//! ```
#![forbid(unsafe_code)]

mod capture;
mod messages;
mod order;
mod random;

pub use capture::capture;
pub use messages::messages;
pub use order::Fault;

/// Exchanges of each integration.
pub const EXCHANGES: u64 = 420;
/// The first exchange with the fault.
pub const ONSET: u64 = 300;
/// Time of the first exchange, ns since the Unix epoch.
const START_NS: u64 = 1_763_800_000_000_000_000;
/// From one exchange to the next, ns.
const PACE_NS: u64 = 40_000_000;
