//! What can go wrong on the way to the collector, each as one line: where, what, and how to fix it.

use std::sync::Arc;
use std::time::Duration;

/// Errors of this crate. Text that came from the collector is escaped and cut.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The endpoint is no URL.
    #[error(
        "{variable}: `{endpoint}` is not an OTLP endpoint; write http://HOST:PORT, for example http://localhost:4318"
    )]
    Endpoint {
        /// Where it was read from.
        variable: &'static str,
        /// The value.
        endpoint: String,
    },
    /// The endpoint asks for TLS.
    #[error(
        "{variable}: `{endpoint}` asks for TLS, which this build does not speak; send to a collector on this machine or \
         network over http:// and let it speak TLS (over gRPC without a scheme, set OTEL_EXPORTER_OTLP_INSECURE=true)"
    )]
    Tls {
        /// Where it was read from.
        variable: &'static str,
        /// The value.
        endpoint: String,
    },
    /// A header that HTTP does not allow.
    #[error(
        "OTEL_EXPORTER_OTLP_HEADERS: `{name}` or its value is not a valid header; write NAME=VALUE,NAME=VALUE"
    )]
    Header {
        /// Its name.
        name: String,
    },
    /// The thread that sends could not be started.
    #[error(
        "cannot start the thread that exports to {endpoint}: {source}; raise the limit of threads or memory"
    )]
    Start {
        /// Where it would have sent to.
        endpoint: String,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// No connection, or it broke.
    #[error(
        "cannot reach the OTLP collector at {endpoint}: {cause}; start a collector there, or set \
         OTEL_EXPORTER_OTLP_ENDPOINT to one"
    )]
    Unreachable {
        /// Where to.
        endpoint: String,
        /// The chain of causes.
        cause: String,
    },
    /// No answer in time.
    #[error(
        "the OTLP collector at {endpoint} did not answer within {after:?}; look at its load, or raise \
         OTEL_EXPORTER_OTLP_TIMEOUT"
    )]
    TimedOut {
        /// Where to.
        endpoint: String,
        /// How long it was given.
        after: Duration,
    },
    /// It answered, and did not take what was sent.
    #[error("the OTLP collector at {endpoint} answered {answer}; {fix}")]
    Refused {
        /// Where to.
        endpoint: String,
        /// Status, and message where there was one.
        answer: String,
        /// What to do.
        fix: &'static str,
    },
    /// It took a part only (partial success); by the specification that part is not sent again.
    #[error(
        "the OTLP collector at {endpoint} rejected {rejected} of the findings sent: `{message}`; look at its log and its \
         limits"
    )]
    Rejected {
        /// Where to.
        endpoint: String,
        /// How many.
        rejected: u64,
        /// Its reason.
        message: String,
    },
    /// The queue was full when findings came.
    #[error("{dropped} findings were not exported to {endpoint}: the queue of {capacity} was full")]
    QueueFull {
        /// Where to.
        endpoint: String,
        /// How many.
        dropped: u64,
        /// Its size.
        capacity: usize,
    },
    /// The export ended with findings that the collector does not have.
    #[error("{failed} of {taken} findings were not exported: {cause}")]
    Incomplete {
        /// Findings given to the exporter.
        taken: u64,
        /// Those that the collector does not have.
        failed: u64,
        /// The last thing that went wrong.
        cause: Box<ExportError>,
    },
}

/// Text of others, fit for a log line: escaped, at most 200 characters.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

/// An error and what caused it, outermost first.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    quoted(&text)
}
