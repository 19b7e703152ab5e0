//! One OTLP request and its answer, over gRPC or HTTP (OTLP specification 1.x).

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

use crate::error::{ExportError, chain, quoted};
use crate::settings::{Protocol, Settings};
use crate::signal::{ANSWER_BYTES, Signal};

const USER_AGENT: &str = concat!("pitot/", env!("CARGO_PKG_VERSION"));

/// Sends requests of one signal to one endpoint.
#[derive(Debug)]
pub(crate) struct Client<S: Signal> {
    transport: Transport<S>,
    headers: HeaderMap,
    endpoint: Uri,
    /// The endpoint without credentials.
    shown: String,
    timeout: Duration,
}

#[derive(Debug)]
enum Transport<S: Signal> {
    Http { client: HttpClient<HttpConnector, Full<Bytes>>, gzip: bool },
    Grpc(S::Stub),
}

/// What the collector did not take of a request that it answered with success.
#[derive(Debug)]
pub(crate) struct Partial {
    /// Log records, or data points.
    pub(crate) rejected: u64,
    pub(crate) error: ExportError,
}

/// A request that the collector did not take.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ExportError,
    /// Whether the same request may succeed later, and when at the earliest.
    pub(crate) retry: Option<Duration>,
}

impl<S: Signal> Client<S> {
    /// Must be called in the runtime that will send. Connects with the first request.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ExportError> {
        let endpoint = settings.endpoint.clone();
        let transport = match settings.protocol {
            Protocol::HttpProtobuf => {
                let client = HttpClient::builder(TokioExecutor::new()).build_http();
                Transport::Http { client, gzip: settings.gzip }
            }
            Protocol::Grpc => {
                let channel = Channel::builder(endpoint.clone())
                    .user_agent(USER_AGENT)
                    .map_err(|_| ExportError::Header { name: "user-agent".to_owned() })?
                    .connect_lazy();
                Transport::Grpc(S::stub(channel, settings.gzip))
            }
        };
        Ok(Self {
            transport,
            headers: headers(&settings.headers)?,
            endpoint,
            shown: settings.shown_endpoint(),
            timeout: settings.timeout,
        })
    }

    /// One attempt.
    pub(crate) async fn send(&self, request: S::Request) -> Result<Option<Partial>, Failure> {
        let attempt = async {
            match &self.transport {
                Transport::Http { client, gzip } => self.http(client, *gzip, &request).await,
                Transport::Grpc(client) => self.grpc(client.clone(), request).await,
            }
        };
        let answer = tokio::time::timeout(self.timeout, attempt).await.unwrap_or_else(|_| {
            let error = ExportError::TimedOut { endpoint: self.shown.clone(), after: self.timeout };
            Err(Failure { error, retry: Some(Duration::ZERO) })
        })?;
        Ok(S::rejected(answer).and_then(|(rejected, message)| {
            let rejected = u64::try_from(rejected).unwrap_or(0);
            // None rejected: a warning, and everything was taken.
            (rejected > 0).then(|| {
                let message = quoted(&message);
                Partial {
                    rejected,
                    error: ExportError::Rejected { endpoint: self.shown.clone(), rejected, message },
                }
            })
        }))
    }

    async fn http(
        &self,
        client: &HttpClient<HttpConnector, Full<Bytes>>,
        gzip: bool,
        message: &S::Request,
    ) -> Result<S::Answer, Failure> {
        let mut body = message.encode_to_vec();
        let mut headers = self.headers.clone();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if gzip && let Ok(compressed) = compress(&body) {
            body = compressed;
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = tonic::codegen::http::Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = headers;

        let response = client.request(request).await.map_err(|e| self.unreachable(chain(&e)))?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return Err(self.refused_by_http(head.status, &head.headers));
        }
        let body =
            Limited::new(body, ANSWER_BYTES).collect().await.map_err(|e| self.unreachable(chain(&*e)))?;
        S::Answer::decode(body.to_bytes()).map_err(|_| {
            self.refused("success, but not as an OTLP collector does".to_owned(), S::NOT_TAKEN, None)
        })
    }

    async fn grpc(&self, stub: S::Stub, message: S::Request) -> Result<S::Answer, Failure> {
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        match S::call(stub, request).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(self.refused_by_grpc(&status)),
        }
    }

    fn unreachable(&self, cause: String) -> Failure {
        let error = ExportError::Unreachable { endpoint: self.shown.clone(), cause };
        Failure { error, retry: Some(Duration::ZERO) }
    }

    fn refused(&self, answer: String, fix: &'static str, retry: Option<Duration>) -> Failure {
        Failure { error: ExportError::Refused { endpoint: self.shown.clone(), answer, fix }, retry }
    }

    /// OTLP/HTTP: 429, 502, 503 and 504 may be sent again, after `Retry-After`.
    fn refused_by_http(&self, status: StatusCode, headers: &HeaderMap) -> Failure {
        let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let (fix, retry) = match status.as_u16() {
            401 | 403 => ("set its credentials in OTEL_EXPORTER_OTLP_HEADERS", None),
            404 | 405 => (S::NOT_TAKEN, None),
            429 | 502 | 503 | 504 => (BUSY, Some(Duration::from_secs(after.unwrap_or(0)))),
            _ => ("look at its log", None),
        };
        self.refused(format!("HTTP {status}"), fix, retry)
    }

    /// OTLP/gRPC: the codes of its table may be sent again; RESOURCE_EXHAUSTED only with the details (RetryInfo)
    /// that say the collector will recover.
    fn refused_by_grpc(&self, status: &tonic::Status) -> Failure {
        use tonic::Code;
        if let Some(cause) = std::error::Error::source(status) {
            return self.unreachable(chain(cause));
        }
        let (fix, again) = match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => {
                ("set its credentials in OTEL_EXPORTER_OTLP_HEADERS", false)
            }
            Code::Unimplemented => (S::NOT_TAKEN, false),
            Code::ResourceExhausted => (BUSY, !status.details().is_empty()),
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => (BUSY, true),
            _ => ("look at its log", false),
        };
        let answer = format!("gRPC {:?}: `{}`", status.code(), quoted(status.message()));
        self.refused(answer, fix, again.then_some(Duration::ZERO))
    }
}

const BUSY: &str = "it is overloaded or starting: look at its log and its limits";

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, ExportError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let invalid = || ExportError::Header { name: quoted(name) };
        let key: HeaderName = name.parse().map_err(|_| invalid())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| invalid())?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
