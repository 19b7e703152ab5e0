//! One entry: a request and its response.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Fault;
use crate::Headers;
use crate::message::{Incomplete, Message, Order, Peer, RequestLine, Side};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: String,
    /// Milliseconds.
    #[serde(default)]
    time: f64,
    request: Request,
    response: Response,
    #[serde(rename = "serverIPAddress")]
    server_ip_address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    post_data: Option<Text>,
    /// Bytes sent; -1 where not known.
    #[serde(default)]
    body_size: f64,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    content: Text,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// `postData` or `content`.
#[derive(Deserialize, Default)]
struct Text {
    text: Option<String>,
    encoding: Option<String>,
    /// Decoded bytes.
    #[serde(default)]
    size: f64,
}

/// The request and, unless none came (status 0), the response.
pub(super) fn messages(raw: &RawValue, client: &Arc<str>, index: usize) -> Result<Vec<Message>, Fault> {
    let Entry { started_date_time, time, request, response, server_ip_address } =
        serde_json::from_str(raw.get())?;
    let started = started_date_time.parse::<jiff::Timestamp>().map_err(|_| Fault::Time)?;
    let t_ns = u64::try_from(started.as_nanosecond()).map_err(|_| Fault::Time)?;
    let headers = fields(request.headers);
    let line = line(request.method, request.url, &headers);
    let server = server(line.authority.as_deref(), server_ip_address.as_deref());
    let sent = request.post_data.unwrap_or_default();
    let left_out = sent.text.is_none() && request.body_size > 0.0;
    let first = Message {
        order: Order::default(),
        t_ns,
        exchange: format!("{index:016x}").into(),
        side: Side::Request,
        protocol: "http",
        request: Some(Arc::new(line)),
        status: None,
        headers,
        body: sent.text.unwrap_or_default().into(),
        incomplete: left_out.then_some(Incomplete::Declared),
        client: Peer::Named(Arc::clone(client)),
        server,
        transport: None,
        instance: None,
    };
    if response.status == 0 {
        return Ok(vec![first]);
    }
    let content = response.content;
    let left_out = content.text.is_none() && content.size > 0.0;
    let second = Message {
        // A float to an integer saturates: a negative or absurd duration is no duration, or a very long one.
        t_ns: t_ns.saturating_add((time * 1e6) as u64),
        side: Side::Response,
        status: Some(response.status),
        headers: fields(response.headers),
        body: body(content)?,
        incomplete: left_out.then_some(Incomplete::Declared),
        ..first.clone()
    };
    Ok(vec![first, second])
}

fn body(content: Text) -> Result<Bytes, Fault> {
    let text = content.text.unwrap_or_default();
    match content.encoding.as_deref() {
        None | Some("") => Ok(text.into()),
        Some("base64") => STANDARD.decode(text).map(Bytes::from).map_err(|_| Fault::Encoding),
        Some(_) => Err(Fault::Encoding),
    }
}

/// An archive names the whole address where a request line has its origin-form (RFC 9112, section 3.2.1).
fn line(method: String, url: String, headers: &Headers) -> RequestLine {
    let line = RequestLine::new(method, url, headers);
    RequestLine { target: origin_form(&line.target).to_owned(), ..line }
}

fn origin_form(url: &str) -> &str {
    let url = url.split('#').next().unwrap_or_default();
    let Some((_, rest)) = url.split_once("://") else { return url };
    rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
}

fn server(authority: Option<&str>, address: Option<&str>) -> Peer {
    let ip = address.and_then(|text| text.trim_matches(['[', ']']).parse().ok());
    let address = SocketAddr::new(ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 0).into();
    match authority {
        Some(authority) => Peer::Host { address, authority: authority.into() },
        None => Peer::Address(address),
    }
}

fn fields(headers: Vec<Header>) -> Headers {
    headers.into_iter().map(|Header { name, value }| (name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |url: &str, expected: (Option<&str>, &str)| {
            let line = line("GET".into(), url.into(), &Headers::default());
            assert_eq!((line.authority.as_deref(), line.target.as_str()), expected, "{url}");
        };
        check("http://h/a?b#c", (Some("h"), "/a?b"));
        check("https://h:8443", (Some("h:8443"), "/"));
        check("https://h?q", (Some("h"), "?q"));
        check("/a", (None, "/a"));
    }
}
