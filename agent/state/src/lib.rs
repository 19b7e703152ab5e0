//! What was learned, on disk: one file format, written atomically, read with suspicion.
//!
//! **In:** any value that serde can store, or a file. **Out:** the file, or the value. Nothing here knows what a flow is.
//!
//! A file is a head of 52 bytes and a body:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `pitotst\n` |
//! | 8..12 | version of the format ([`VERSION`]), little endian |
//! | 12..20 | length of the body, little endian |
//! | 20..52 | SHA-256 of the 20 bytes before and the body |
//! | 52.. | the body: MessagePack, structures as maps of names |
//!
//! Equal values give equal bytes, as long as what is stored keeps its tables in an order. Any byte that is not as it was
//! written is noticed ([`Error`]); what cannot be used is moved aside ([`set_aside`]), never deleted.
//!
//! ```
//! let bytes = pitot_state::encode(&vec![1_u64, 2, 3])?;
//! assert_eq!(pitot_state::decode::<Vec<u64>>(&bytes)?, [1, 2, 3]);
//! assert!(pitot_state::decode::<Vec<u64>>(&bytes[..bytes.len() - 1]).is_err());
//! # Ok::<(), pitot_state::Error>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod file;
mod format;

pub use error::Error;
pub use file::{read, set_aside, write};
pub use format::{LONGEST, VERSION, decode, encode, frame};
