//! From a message to an [`Observation`]: which paths its JSON body holds, of which kinds, how often, with which
//! values, which parameters and headers come with it, in which flow.
//!
//! **In:** [`pitot_protocols::Message`]. **Out:** [`Observation`], with numbers, hashes and the looks of texts, never a
//! text; or the reason, counted, why
//! a message cannot be observed ([`Unobserved`]).
//!
//! An observation depends on its message and the configuration only, never on what came before: everything an
//! [`Observer`] remembers is a cache. What depends on the messages before, which flow a message belongs to, is decided
//! after that, by one [`Placement`].
//!
//! ```
//! # use std::sync::Arc;
//! # use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};
//! use pitot_observe::{Limits, Namer, Observer};
//!
//! let message = Message {
//!     side: Side::Request,
//!     headers: [("content-type", "application/json")].into(),
//!     body: br#"{"lines":[{"price":1},{"price":2}]}"#.as_slice().into(),
//!     client: Peer::Named("shop".into()),
//!     server: Peer::Named("billing".into()),
//!     request: Some(Arc::new(RequestLine {
//!         method: "POST".into(),
//!         target: "/v1/orders/4711?dry=1".into(),
//!         authority: None,
//!     })),
//! #   order: Order::default(),
//! #   t_ns: 1,
//! #   exchange: "a1".into(),
//! #   protocol: "http",
//! #   status: None,
//! #   incomplete: None,
//! #   transport: None,
//! #   instance: None,
//! };
//! let mut observer = Observer::new(Limits::default(), Namer::default());
//! let observation = observer.observe(&message).unwrap();
//! assert_eq!(&*observation.flow.route, "/v1/orders/{id}");
//! let shape = observation.shape.unwrap();
//! let paths: Vec<&str> = shape.entries.iter().map(|entry| &*entry.path).collect();
//! assert_eq!(paths, ["$", "$.lines", "$.lines[*]", "$.lines[*].price", "header", "query", "query.dry"]);
//! let counts: Vec<u32> = (0..4).map(|entry| observation.counts.get(entry)).collect();
//! assert_eq!(counts, [1, 1, 2, 2]);
//! ```
#![forbid(unsafe_code)]

mod cardinality;
mod expected;
pub mod fields;
pub mod flow;
mod flows;
pub mod hash;
pub mod identifier;
pub mod members;
mod names;
pub mod naming;
mod number;
mod observer;
mod operation;
mod path;
pub mod placement;
mod route;
mod routes;
pub mod shape;
mod shapes;
mod tape;
mod template;
mod text;
mod time;
mod trie;
pub mod value;
mod walk;

pub use fields::HeaderNames;
pub use flow::FlowKey;
pub use members::Members;
pub use naming::Namer;
pub use observer::{Counters, Limits, Observer, Unobserved};
pub use placement::Placement;
pub use shape::{Counts, Observation, Shape};
pub use value::{Exact, Leaf, Value};
