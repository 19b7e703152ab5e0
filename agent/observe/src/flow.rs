//! What identifies a flow (contract, section 2).

use std::sync::Arc;

use pitot_protocols::message::Side;

/// One flow: who talks to whom, about what, which way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// Workload name of the client.
    pub client: Arc<str>,
    /// Workload name of the server.
    pub server: Arc<str>,
    /// `http`.
    pub protocol: &'static str,
    /// Request method.
    pub method: Arc<str>,
    /// Route: the target's path with identifiers folded to `{id}`.
    pub route: Arc<str>,
    /// GraphQL or JSON-RPC operation.
    pub operation: Option<Arc<str>>,
    /// Request or response.
    pub side: Side,
    /// 2 to 5 for a response, `None` for a request.
    pub status_class: Option<u8>,
}
