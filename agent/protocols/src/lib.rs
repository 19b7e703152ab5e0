//! Byte streams to application messages.
//!
//! **In:** [`pitot_stream::StreamEvent`]s of many connections, or the lines of a messages file. **Out:**
//! [`Message`]s, each emitted when it is complete or given up.
#![forbid(unsafe_code)]

pub mod message;

pub use message::Message;
