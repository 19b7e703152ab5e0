//! Byte streams to application messages.
//!
//! **In:** [`pitot_stream::StreamEvent`]s of many connections ([`Connections`]), the lines of a messages file
//! ([`messages::Reader`]), or the entries of an HTTP archive ([`har::read`]). **Out:** [`Message`]s, each emitted when it is complete or given up, with the
//! reason why it is not complete ([`message::Incomplete`]).
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use pitot_protocols::{Connections, Limits};
//! use pitot_stream::{ConnId, Connection, Direction, Kind, StreamEvent};
//!
//! let conn = Arc::new(Connection {
//!     id: ConnId(1),
//!     initiator: "127.0.0.1:40000".parse()?,
//!     responder: "127.0.0.1:80".parse()?,
//!     initiator_known: true,
//!     path: None,
//! });
//! let event = |kind| StreamEvent { seq: 1, time_ns: 1, conn: conn.clone(), kind };
//! let bytes = Bytes::from_static(b"GET /v1/orders HTTP/1.1\r\nHost: shop\r\n\r\n");
//!
//! let (mut connections, mut out) = (Connections::new(Limits::default()), Vec::new());
//! connections.push(event(Kind::Open { proven: [true, true] }), &mut out);
//! connections.push(event(Kind::Chunk { direction: Direction::FromInitiator, position: 0, bytes }), &mut out);
//! connections.finish(2, 2, &mut out);
//! assert!(out[0].is_complete());
//! assert_eq!(out[0].request.as_ref().unwrap().target, "/v1/orders");
//! # Ok::<(), pitot_common::user::InvalidEndpoint>(())
//! ```
#![forbid(unsafe_code)]

pub mod connections;
pub mod detect;
pub mod encoding;
pub mod har;
mod headers;
pub mod http1;
mod limits;
pub mod message;
pub mod messages;
pub mod parser;
mod release;

pub use connections::Connections;
pub use headers::Headers;
pub use limits::Limits;
pub use message::Message;
