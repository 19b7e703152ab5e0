//! The ABI between Pitot's kernel programs and its agent.
//!
//! **In:** nothing. **Out:** the `repr(C)` records that cross the ring buffer ([`abi`]), what the kernel part decides by itself
//! ([`filter`], [`overload`]), here because it can be tested here, and, with feature `user`, the checked decoding of
//! those records ([`user::decode`]) into owned [`user::CaptureEvent`]s and the [`user::Source`] trait that
//! live capture and replay share.
//!
//! No dependencies, no `unsafe`; `no_std` without feature `user`.
//!
//! ```
//! // A record shorter than its own header is refused, whatever it holds.
//! # #[cfg(feature = "user")]
//! assert!(pitot_common::user::decode::decode(&[0; 7]).is_err());
//! ```
#![cfg_attr(not(any(feature = "user", test)), no_std)]
#![forbid(unsafe_code)]

pub mod abi;
pub mod filter;
pub mod overload;
#[cfg(feature = "user")]
pub mod user;
