//! What identifies a flow (contract, section 2).

use std::sync::Arc;

use pitot_protocols::message::{PROTOCOLS, Side};
use serde::{Deserialize, Deserializer, Serialize};

use crate::hash;

/// A protocol's name. Not spelled `&'static str` in [`FlowKey`], or serde would borrow it from what is read.
type Protocol = &'static str;

/// One flow: who talks to whom, about what, which way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowKey {
    /// Workload name of the client.
    pub client: Arc<str>,
    /// Workload name of the server.
    pub server: Arc<str>,
    /// `http`.
    #[serde(deserialize_with = "protocol")]
    pub protocol: Protocol,
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
    /// A hash that is the same in every run.
    #[must_use]
    pub fn fixed_hash(&self) -> u64 {
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
        parts.iter().fold(0, |hash, part| hash::mix(hash ^ hash::fixed64(part)))
    }
}

/// A protocol's name, which must be one that there is.
fn protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Protocol, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = PROTOCOLS.into_iter().find(|known| *known == name);
    known.ok_or_else(|| serde::de::Error::unknown_variant(&name, &PROTOCOLS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn hashes_are_fixed_and_spread() {
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
        assert_eq!(key("/v1/charges").fixed_hash(), key("/v1/charges").fixed_hash());
        let used: BTreeSet<u64> = (0..1000).map(|i| key(&format!("/r{i}")).fixed_hash() % 64).collect();
        assert_eq!(used.len(), 64);
    }
}
