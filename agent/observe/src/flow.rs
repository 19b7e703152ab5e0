//! What identifies a flow (contract, section 2).

use std::sync::Arc;

use pitot_protocols::message::Side;
use pitot_stream::PARTITIONS;

use crate::hash;

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

impl FlowKey {
    /// The partition, of [`PARTITIONS`], that holds this flow's state: the same in every run.
    #[must_use]
    pub fn partition(&self) -> usize {
        let side = match self.side {
            Side::Request => 0,
            Side::Response => 1,
        };
        let parts: [&[u8]; 7] = [
            self.client.as_bytes(),
            self.server.as_bytes(),
            self.protocol.as_bytes(),
            self.method.as_bytes(),
            self.route.as_bytes(),
            self.operation.as_deref().unwrap_or_default().as_bytes(),
            &[side, self.status_class.unwrap_or_default()],
        ];
        let hash = parts.iter().fold(0, |hash, part| hash::mix(hash ^ hash::fixed64(part)));
        (hash % PARTITIONS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn partitions_are_fixed_and_spread() {
        let key = |route: &str| FlowKey {
            client: "shop".into(),
            server: "billing".into(),
            protocol: "http",
            method: "POST".into(),
            route: route.into(),
            operation: None,
            side: Side::Request,
            status_class: None,
        };
        assert_eq!(key("/v1/charges").partition(), key("/v1/charges").partition());
        let used: BTreeSet<usize> = (0..1000).map(|i| key(&format!("/r{i}")).partition()).collect();
        assert_eq!(used.len(), PARTITIONS);
    }
}
