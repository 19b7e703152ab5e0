//! The ABI between Pitot's kernel programs and its agent.
//!
//! **In:** nothing. **Out:** the `repr(C)` records that cross the ring buffer, the limits both sides
//! keep, the reasons for losing something, and, with feature `user`, the checked decoding of those
//! records into owned [`user::CaptureEvent`]s and the [`user::Source`] trait that live capture and
//! replay share.
//!
//! No dependencies, no `unsafe`; `no_std` without feature `user`.
#![cfg_attr(not(feature = "user"), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "user")]
pub mod user;
