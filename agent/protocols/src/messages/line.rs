//! One line of the messages format.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::CaptureGap;
use crate::Headers;
use crate::message::{Incomplete, Message, Order, Peer, RequestLine, Side, Transport};

/// What is wrong with a line; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not JSON, or a member of another type than it must have.
    #[error("is not a message in JSON: {0}; write one JSON object a line")]
    Json(#[from] serde_json::Error),
    /// Not text.
    #[error("is not UTF-8; encode the file as UTF-8, and bodies that are not text as body_base64")]
    Utf8,
    /// Longer than a line may be.
    #[error("is longer than {0} bytes; leave its body out and mark it \"complete\":false")]
    TooLong(usize),
    /// A member is missing.
    #[error("has no \"{0}\"; add it")]
    Missing(&'static str),
    /// More than one body.
    #[error("has more than one of body, body_text, body_base64; keep one")]
    Bodies,
    /// Not base64.
    #[error("has a body_base64 that is not base64 ({0}); use the standard alphabet with padding")]
    Base64(#[from] base64::DecodeError),
}

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    Message(Box<Message>),
    Gap(CaptureGap),
}

#[derive(Deserialize)]
struct Raw<'a> {
    t_ns: Option<u64>,
    #[serde(borrow)]
    gap: Option<RawGap<'a>>,
    #[serde(borrow)]
    client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    server: Option<Cow<'a, str>>,
    #[serde(borrow)]
    exchange: Option<Cow<'a, str>>,
    side: Option<RawSide>,
    method: Option<String>,
    target: Option<String>,
    status: Option<u16>,
    #[serde(default)]
    headers: Fields,
    /// `null` is a body, too.
    #[serde(borrow, default, deserialize_with = "some")]
    body: Option<&'a RawValue>,
    body_text: Option<String>,
    #[serde(borrow)]
    body_base64: Option<Cow<'a, str>>,
    complete: Option<bool>,
    #[serde(borrow)]
    incomplete: Option<Cow<'a, str>>,
    #[serde(borrow)]
    instance: Option<Cow<'a, str>>,
    #[serde(borrow)]
    conn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client_addr: Option<Cow<'a, str>>,
    #[serde(borrow)]
    server_addr: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawGap<'a> {
    #[serde(borrow)]
    client: Cow<'a, str>,
    #[serde(borrow)]
    server: Cow<'a, str>,
    #[serde(borrow)]
    conn: Option<Cow<'a, str>>,
    until_ns: u64,
    lost_messages: Option<u64>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum RawSide {
    Request,
    Response,
}

fn some<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads one line. The request line of a response is the reader's to add.
pub(super) fn parse(line: &[u8]) -> Result<Line, Fault> {
    let text = std::str::from_utf8(line).map_err(|_| Fault::Utf8)?;
    let raw: Raw<'_> = serde_json::from_str(text)?;
    let t_ns = raw.t_ns.ok_or(Fault::Missing("t_ns"))?;
    if let Some(gap) = raw.gap {
        return Ok(Line::Gap(CaptureGap {
            t_ns,
            until_ns: gap.until_ns,
            client: gap.client.into(),
            server: gap.server.into(),
            conn: gap.conn.map(Into::into),
            lost_messages: gap.lost_messages,
        }));
    }
    let headers = raw.headers.0;
    let side = match raw.side.ok_or(Fault::Missing("side"))? {
        RawSide::Request => Side::Request,
        RawSide::Response => Side::Response,
    };
    let (request, status) = match side {
        Side::Request => {
            let method = raw.method.ok_or(Fault::Missing("method"))?;
            let target = raw.target.ok_or(Fault::Missing("target"))?;
            (Some(Arc::new(RequestLine::new(method, target, &headers))), None)
        }
        Side::Response => (None, Some(raw.status.ok_or(Fault::Missing("status"))?)),
    };
    let body = match (raw.body, raw.body_text, raw.body_base64) {
        (None, None, None) => Bytes::new(),
        (Some(json), None, None) => Bytes::copy_from_slice(json.get().as_bytes()),
        (None, Some(text), None) => text.into(),
        (None, None, Some(base64)) => STANDARD.decode(base64.as_bytes())?.into(),
        _ => return Err(Fault::Bodies),
    };
    let declared =
        || raw.incomplete.as_deref().and_then(Incomplete::from_name).unwrap_or(Incomplete::Declared);
    let transport = match (raw.conn, raw.client_addr, raw.server_addr) {
        (Some(conn), Some(client), Some(server)) => {
            Some(Transport { conn: conn.into(), client: client.into(), server: server.into() })
        }
        _ => None,
    };
    let named = |name: Option<Cow<'_, str>>, member| {
        name.map(|n| Peer::Named(n.into())).ok_or(Fault::Missing(member))
    };
    Ok(Line::Message(Box::new(Message {
        order: Order::default(),
        t_ns,
        exchange: raw.exchange.ok_or(Fault::Missing("exchange"))?.into(),
        side,
        protocol: "http",
        request,
        status,
        headers,
        body,
        incomplete: (raw.complete == Some(false)).then(declared),
        client: named(raw.client, "client")?,
        server: named(raw.server, "server")?,
        transport,
        instance: raw.instance.map(Into::into),
    })))
}

/// `{"name":"value","repeated":["a","b"]}`, in order; names in lower case.
#[derive(Default)]
struct Fields(Headers);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            One(String),
            Many(Vec<String>),
        }
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings and arrays of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Headers::default();
                while let Some(name) = map.next_key::<String>()? {
                    match map.next_value()? {
                        Value::One(value) => fields.push(&name, value.as_bytes()),
                        Value::Many(values) => {
                            values.iter().for_each(|value| fields.push(&name, value.as_bytes()));
                        }
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Names)
    }
}
