//! The [`Observer`]: one per partition of connections.

use std::sync::Arc;

use pitot_protocols::message::Message;

use crate::fields::{Fields, HeaderNames};
use crate::flows::{Counted, Flows};
use crate::hash;
use crate::names::Names;
use crate::naming::Namer;
use crate::placement::Templates;
use crate::shape::Observation;
use crate::tape::{Parser, Refusal};
use crate::walk::{Overflow, Walker};

/// What an observer may hold. Every cap has a counter in [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nesting of a body; a deeper one is [`Unobserved::TooDeep`].
    pub depth: usize,
    /// Values and names in a body; more is [`Unobserved::TooManyNodes`].
    pub nodes: usize,
    /// Distinct (path, kind) entries of a body; more is [`Unobserved::TooManyPaths`].
    pub paths: usize,
    /// Distinct paths remembered of a flow; beyond, they are forgotten ([`Counters::forgotten_paths`]) and learned anew.
    pub flow_paths: usize,
    /// Shapes remembered of a flow; beyond, they are forgotten ([`Counters::forgotten_shapes`]) and built anew.
    pub flow_shapes: usize,
    /// Flows remembered; beyond, one not seen for long is forgotten ([`Counters::forgotten_flows`]).
    pub flows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            nodes: 4_000_000,
            paths: 4_096,
            flow_paths: 16_384,
            flow_shapes: 512,
            flows: 16_384,
        }
    }
}

/// Why a message cannot be observed. Such a message is never learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Unobserved {
    /// It was not captured whole.
    #[error("the message is incomplete")]
    Incomplete,
    /// A response whose request is not known: it has no flow.
    #[error("the request is not known")]
    NoRequest,
    /// Declared to be JSON, and is not.
    #[error("the body is not JSON")]
    InvalidJson,
    /// Nested deeper than [`Limits::depth`].
    #[error("the body is nested too deeply")]
    TooDeep,
    /// More values than [`Limits::nodes`].
    #[error("the body holds too many values")]
    TooManyNodes,
    /// More entries than [`Limits::paths`].
    #[error("the body holds too many distinct paths")]
    TooManyPaths,
    /// JSON that the parser refuses; no such text is known.
    #[error("the body is JSON that the parser refuses")]
    Unsupported,
}

impl Unobserved {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Incomplete,
        Self::NoRequest,
        Self::InvalidJson,
        Self::TooDeep,
        Self::TooManyNodes,
        Self::TooManyPaths,
        Self::Unsupported,
    ];

    /// The name used in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::NoRequest => "no_request",
            Self::InvalidJson => "invalid_json",
            Self::TooDeep => "too_deep",
            Self::TooManyNodes => "too_many_nodes",
            Self::TooManyPaths => "too_many_paths",
            Self::Unsupported => "unsupported",
        }
    }
}

impl From<Refusal> for Unobserved {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid => Self::InvalidJson,
            Refusal::TooDeep => Self::TooDeep,
            Refusal::Unsupported => Self::Unsupported,
        }
    }
}

impl From<Overflow> for Unobserved {
    fn from(overflow: Overflow) -> Self {
        match overflow {
            Overflow::Nodes => Self::TooManyNodes,
            Overflow::Paths => Self::TooManyPaths,
        }
    }
}

/// What an observer did, since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Observations with a body's shape.
    pub shaped: u64,
    /// Observations without: no body, or not JSON by its content type.
    pub shapeless: u64,
    /// Messages not observed, by the position of the reason in [`Unobserved::ALL`].
    pub unobserved: [u64; Unobserved::ALL.len()],
    /// Observed messages in which an object has a name twice. The last one was taken.
    pub duplicate_keys: u64,
    /// Parameters of queries beyond the 64th.
    pub refused_parameters: u64,
    /// Flows, paths and shapes that were forgotten because of a cap.
    pub forgotten_flows: u64,
    /// See [`Counters::forgotten_flows`].
    pub forgotten_paths: u64,
    /// See [`Counters::forgotten_flows`].
    pub forgotten_shapes: u64,
}

/// Turns messages into observations. Never fails on traffic; see the crate's documentation.
pub struct Observer {
    limits: Limits,
    headers: HeaderNames,
    names: Names,
    parser: Parser,
    walker: Walker,
    flows: Flows,
    counters: Counters,
}

impl Observer {
    /// An observer that knows nothing yet.
    #[must_use]
    pub fn new(limits: Limits, namer: Namer) -> Self {
        Self {
            limits,
            headers: HeaderNames::default(),
            names: Names::new(namer),
            parser: Parser::new(limits.depth),
            walker: Walker::default(),
            flows: Flows::default(),
            counters: Counters::default(),
        }
    }

    /// Reads these headers.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderNames) -> Self {
        self.headers = headers;
        self
    }

    /// Uses what a [`crate::Placement`] learned about routes from now on. That changes where no observation is placed, only
    /// what it costs.
    pub fn follow(&mut self, templates: Templates) {
        self.flows.follow(templates);
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Observes one message.
    ///
    /// # Errors
    /// The reason why it cannot be observed, which is also counted.
    pub fn observe(&mut self, message: &Message) -> Result<Observation, Unobserved> {
        let observed = self.try_observe(message);
        match &observed {
            Ok(_) => {}
            Err(reason) => {
                let at = Unobserved::ALL.iter().position(|r| r == reason);
                if let Some(count) = at.and_then(|at| self.counters.unobserved.get_mut(at)) {
                    *count += 1;
                }
            }
        }
        observed
    }

    fn try_observe(&mut self, message: &Message) -> Result<Observation, Unobserved> {
        if !message.is_complete() {
            return Err(Unobserved::Incomplete);
        }
        let request = message.request.as_deref().ok_or(Unobserved::NoRequest)?;
        let Self { limits, headers, names, parser, walker, flows, counters } = self;
        let Some(flow) = flows.of(message, request, names, *limits, counters) else {
            return Err(Unobserved::NoRequest);
        };
        let counted = match json_body(message) {
            Body::None => flow.without_body(),
            Body::Declared(body) => flow.count(body, parser, walker, counters, *limits)?,
            Body::Guessed(body) => match flow.count(body, parser, walker, counters, *limits) {
                Err(Unobserved::InvalidJson) => flow.without_body(),
                counted => counted?,
            },
        };
        let Counted { shape: body, counts, mut values, key, hash } = counted;
        match &body {
            Some(_) => counters.shaped += 1,
            None => counters.shapeless += 1,
        }
        let fields = Fields::of(message, &request.target, headers);
        counters.refused_parameters += fields.refused as u64;
        let (shape, counts, forgotten) = flow.whole.of(body, counts, &mut values, &fields);
        counters.forgotten_shapes += forgotten as u64;
        Ok(Observation {
            order: message.order,
            t_ns: message.t_ns,
            exchange: Arc::clone(&message.exchange),
            conn: connection(message),
            instance: message.instance.as_ref().map_or(0, |instance| hash::fixed64(instance.as_bytes())),
            flow: key,
            flow_hash: hash,
            shape: Some(shape),
            counts,
            values: values.leaves,
            exact: values.exact,
            body_bytes: u32::try_from(message.body.len()).unwrap_or(u32::MAX),
        })
    }
}

/// What is known of a body before it is parsed.
enum Body<'a> {
    /// Empty, or of another content type.
    None,
    /// JSON by its content type.
    Declared(&'a [u8]),
    /// Without a content type, and beginning like an object or array: RFC 9110, section 8.3, lets the recipient look.
    Guessed(&'a [u8]),
}

fn json_body(message: &Message) -> Body<'_> {
    let body = &message.body[..];
    match (message.header("content-type"), body.trim_ascii_start().first()) {
        (Some(content_type), Some(_)) if is_json_type(content_type) => Body::Declared(body),
        (None, Some(b'{' | b'[')) => Body::Guessed(body),
        _ => Body::None,
    }
}

/// `application/json`, `text/json`, or a type with the suffix `+json` (RFC 6839).
fn is_json_type(content_type: &str) -> bool {
    if content_type == "application/json" {
        return true;
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let ends_with = |end: &str| {
        essence
            .len()
            .checked_sub(end.len())
            .and_then(|at| essence.get(at..))
            .is_some_and(|e| e.eq_ignore_ascii_case(end))
    };
    essence.eq_ignore_ascii_case("application/json")
        || essence.eq_ignore_ascii_case("text/json")
        || ends_with("+json")
}

/// What tells senders apart: the connection, else the instance, else 0.
fn connection(message: &Message) -> u64 {
    match (&message.transport, &message.instance) {
        (Some(transport), _) => u64::from_str_radix(&transport.conn, 16)
            .unwrap_or_else(|_| hash::fixed64(transport.conn.as_bytes())),
        (None, Some(instance)) => hash::fixed64(instance.as_bytes()),
        (None, None) => message.order.conn,
    }
}
