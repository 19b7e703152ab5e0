//! What differs between the two things that are exported: their messages, their service, their names.

use std::fmt::Debug;
use std::future::Future;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// An answer is a few bytes; a longer one is not from a collector.
pub(crate) const ANSWER_BYTES: usize = 64 * 1024;

/// One signal of OTLP.
pub(crate) trait Signal: Debug + Send + Sync + 'static {
    /// Whoever takes none of it is told this.
    const NOT_TAKEN: &'static str;
    type Request: Message + Clone + Default + 'static;
    type Answer: Message + Default;
    type Stub: Debug + Clone + Send + Sync;

    fn stub(channel: Channel, gzip: bool) -> Self::Stub;

    fn call(
        stub: Self::Stub,
        request: Request<Self::Request>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;

    /// How much was rejected of a request that was answered with success, and why.
    fn rejected(answer: Self::Answer) -> Option<(i64, String)>;
}

/// Events: log records.
#[derive(Debug)]
pub(crate) struct Logs;

impl Signal for Logs {
    const NOT_TAKEN: &'static str = "it takes no OTLP logs there: check port and path (gRPC on 4317 with \
                                     OTEL_EXPORTER_OTLP_PROTOCOL=grpc; HTTP on 4318, path /v1/logs)";
    type Request = ExportLogsServiceRequest;
    type Answer = ExportLogsServiceResponse;
    type Stub = LogsServiceClient<Channel>;

    fn stub(channel: Channel, gzip: bool) -> Self::Stub {
        let stub = LogsServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
        if gzip { stub.send_compressed(CompressionEncoding::Gzip) } else { stub }
    }

    async fn call(
        mut stub: Self::Stub,
        request: Request<Self::Request>,
    ) -> Result<Response<Self::Answer>, Status> {
        stub.export(request).await
    }

    fn rejected(answer: Self::Answer) -> Option<(i64, String)> {
        answer.partial_success.map(|partial| (partial.rejected_log_records, partial.error_message))
    }
}

/// Metrics.
#[derive(Debug)]
pub(crate) struct Metrics;

impl Signal for Metrics {
    const NOT_TAKEN: &'static str = "it takes no OTLP metrics there: check port and path (gRPC on 4317 with \
                                     OTEL_EXPORTER_OTLP_PROTOCOL=grpc; HTTP on 4318, path /v1/metrics), or set \
                                     OTEL_METRICS_EXPORTER=none";
    type Request = ExportMetricsServiceRequest;
    type Answer = ExportMetricsServiceResponse;
    type Stub = MetricsServiceClient<Channel>;

    fn stub(channel: Channel, gzip: bool) -> Self::Stub {
        let stub = MetricsServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
        if gzip { stub.send_compressed(CompressionEncoding::Gzip) } else { stub }
    }

    async fn call(
        mut stub: Self::Stub,
        request: Request<Self::Request>,
    ) -> Result<Response<Self::Answer>, Status> {
        stub.export(request).await
    }

    fn rejected(answer: Self::Answer) -> Option<(i64, String)> {
        answer.partial_success.map(|partial| (partial.rejected_data_points, partial.error_message))
    }
}
