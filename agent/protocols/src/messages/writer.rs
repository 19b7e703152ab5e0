//! [`Message`]s to lines.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{CaptureGap, Error, json};
use crate::message::{Message, Peer, Side};

/// What is written instead of a value that must not be.
pub const HIDDEN: &str = "***";

/// Header fields whose values are never written.
const ALWAYS_HIDDEN: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Text that gets longer than this by its escapes is written as base64: a line must stay readable.
const TEXT_MAX: usize = 48 << 20;

/// Writes messages, one a line.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    /// Lower case.
    hidden: Vec<String>,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes to `output`, in many small pieces: let it be buffered. `hidden`: names of further header fields whose values are
    /// written as [`HIDDEN`].
    pub fn new(output: W, hidden: impl IntoIterator<Item = String>) -> Self {
        let hidden = hidden.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { output, hidden, buffer: Vec::new() }
    }

    /// Writes a message, whose ends have these workload names.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&mut self, message: &Message, client: &str, server: &str) -> Result<(), Error> {
        let (body, body_text, body_base64) = spell(&message.body);
        let request = message.request.as_deref().filter(|_| message.side == Side::Request);
        let transport = message.transport.as_ref();
        let line = MessageLine {
            t_ns: message.t_ns,
            client,
            server,
            exchange: &message.exchange,
            side: match message.side {
                Side::Request => "request",
                Side::Response => "response",
            },
            method: request.map(|line| line.method.as_str()),
            target: request.map(|line| line.target.as_str()),
            status: message.status.filter(|_| message.side == Side::Response),
            headers: Headers { fields: &message.headers, hidden: &self.hidden },
            body,
            body_text,
            body_base64,
            complete: message.incomplete.map(|_| false),
            incomplete: message.incomplete.map(|reason| reason.as_str()),
            instance: message.instance.as_deref(),
            live: transport.map(|transport| Live {
                conn: &transport.conn,
                client_addr: &transport.client,
                server_addr: &transport.server,
                client_pid: pid(&message.client),
                server_pid: pid(&message.server),
                tls: None,
            }),
            body_sha256: hex(&Sha256::digest(&message.body)),
            body_bytes: message.body.len(),
        };
        write_line(&mut self.output, &mut self.buffer, &line)
    }

    /// Writes a gap.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_gap(&mut self, gap: &CaptureGap) -> Result<(), Error> {
        let line = GapLine {
            t_ns: gap.t_ns,
            gap: Gap {
                client: &gap.client,
                server: &gap.server,
                conn: gap.conn.as_deref(),
                until_ns: gap.until_ns,
                lost_messages: gap.lost_messages,
            },
        };
        write_line(&mut self.output, &mut self.buffer, &line)
    }

    /// Hands on to the output's own flush.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.output.flush().map_err(Error::Write)
    }

    /// The output.
    pub fn into_inner(self) -> W {
        self.output
    }
}

/// Writes `line`, whole or, if that fails, in part by the output's doing only; `buffer` is reused.
fn write_line(output: &mut impl Write, buffer: &mut Vec<u8>, line: &impl Serialize) -> Result<(), Error> {
    buffer.clear();
    let serialized = serde_json::to_writer(&mut *buffer, line).map_err(std::io::Error::from);
    buffer.push(b'\n');
    let written = serialized.and_then(|()| output.write_all(buffer));
    // A large body must not stay allocated for ever.
    buffer.shrink_to(1 << 20);
    written.map_err(Error::Write)
}

fn pid(peer: &Peer) -> Option<u32> {
    match peer {
        Peer::Local(process) => Some(process.id.pid),
        Peer::Named(_) | Peer::Address(_) | Peer::Host { .. } => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|n| char::from_digit(n.into(), 16))
        .collect()
}

/// The three ways to write a body: as JSON, as text, as base64; none for an empty one.
fn spell(body: &[u8]) -> (Option<&RawValue>, Option<&str>, Option<String>) {
    if body.is_empty() {
        return (None, None, None);
    }
    match std::str::from_utf8(body) {
        Ok(text) if json::fits_in_a_line(body) => match serde_json::from_str(text) {
            Ok(raw) => (Some(raw), None, None),
            Err(_) => (None, Some(text), None),
        },
        Ok(text) if escaped_len(body) <= TEXT_MAX => (None, Some(text), None),
        _ => (None, None, Some(STANDARD.encode(body))),
    }
}

/// Length as a JSON string.
fn escaped_len(text: &[u8]) -> usize {
    text.iter()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
            0..0x20 => 6,
            _ => 1,
        })
        .sum()
}

#[derive(Serialize)]
struct MessageLine<'a> {
    t_ns: u64,
    client: &'a str,
    server: &'a str,
    exchange: &'a str,
    side: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    #[serde(flatten)]
    live: Option<Live<'a>>,
    body_sha256: String,
    body_bytes: usize,
}

/// What only a captured message has.
#[derive(Serialize)]
struct Live<'a> {
    conn: &'a str,
    client_addr: &'a str,
    server_addr: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_pid: Option<u32>,
    /// The library, once TLS is captured.
    tls: Option<&'static str>,
}

#[derive(Serialize)]
struct GapLine<'a> {
    t_ns: u64,
    gap: Gap<'a>,
}

#[derive(Serialize)]
struct Gap<'a> {
    client: &'a str,
    server: &'a str,
    conn: Option<&'a str>,
    until_ns: u64,
    lost_messages: Option<u64>,
}

/// Each name once, where it first stands.
struct Headers<'a> {
    fields: &'a crate::Headers,
    hidden: &'a [String],
}

impl Headers<'_> {
    fn shown<'v>(&self, name: &str, value: &'v str) -> &'v str {
        let hidden = ALWAYS_HIDDEN.contains(&name) || self.hidden.iter().any(|hidden| hidden == name);
        if hidden { HIDDEN } else { value }
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (at, (name, _)) in self.fields.iter().enumerate() {
            if self.fields.iter().take(at).any(|(earlier, _)| earlier == name) {
                continue;
            }
            let values: Vec<&str> = self.fields.all(name).map(|value| self.shown(name, value)).collect();
            match values.as_slice() {
                [value] => map.serialize_entry(name, value)?,
                values => map.serialize_entry(name, values)?,
            }
        }
        map.end()
    }
}
