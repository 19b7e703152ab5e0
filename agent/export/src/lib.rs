//! Findings as OpenTelemetry events, and what Pitot does as metrics, over OTLP.
//!
//! **In:** [`Finding`]s, and the `OTEL_*` variables ([`Settings`]). **Out:** log records with an event name at an
//! OTLP collector, over gRPC or HTTP/protobuf. The caller is synchronous and never waits: a bounded queue stands
//! between it and a thread with its own runtime. While the collector is away, findings wait in the queue and are
//! tried again; [`Exporter::shutdown`] sends what is left within a deadline and says what did not arrive. Nothing is
//! kept on disk. Metrics ([`Reporter`]) go their own way: only the latest are worth sending.
//!
//! No TLS: the collector is on this machine or in this network, and speaks TLS to the rest of the world.
//!
//! ```
//! use pitot_export::{Exporter, Settings};
//!
//! # fn findings() -> Vec<pitot_findings::Finding> { Vec::new() }
//! let settings = Settings::from_vars(|name| (name == "OTEL_SERVICE_NAME").then(|| "pitot-edge".to_owned()))?;
//! let exporter = Exporter::start(settings)?;
//! for finding in findings() {
//!     exporter.export(&finding);
//! }
//! let report = exporter.shutdown()?;
//! assert_eq!(report.exported, report.taken);
//! # Ok::<(), pitot_export::ExportError>(())
//! ```
#![forbid(unsafe_code)]

mod client;
mod error;
mod event;
mod metrics;
mod queue;
mod reporter;
mod settings;
mod signal;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry::logs::{Logger, LoggerProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use pitot_common::user::Overload;
use pitot_findings::Finding;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub use error::ExportError;
pub use event::overload_line;
pub use metrics::Snapshot;
pub use reporter::Reporter;
pub use settings::{MetricsSettings, Protocol, Settings, Warning};

use client::Client;
use queue::{Queue, Tally};
use signal::Logs;

/// What became of the findings given to [`Exporter::export`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// All of them.
    pub taken: u64,
    /// The collector has them.
    pub exported: u64,
    /// The collector refused them, for good.
    pub rejected: u64,
    /// They found the queue full.
    pub queue_full: u64,
    /// In the queue or on their way; after the shutdown, given up at the deadline.
    pub pending: u64,
    /// What went wrong last; `None` once a request has been taken whole.
    pub problem: Option<ExportError>,
}

/// Sends findings to a collector, from its own thread.
///
/// Dropped without [`Exporter::shutdown`], it forgets what is still in the queue.
#[derive(Debug)]
pub struct Exporter {
    /// `None`: disabled by `OTEL_SDK_DISABLED`.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    provider: SdkLoggerProvider,
    logger: SdkLogger,
    tally: Arc<Tally>,
    /// Tells the thread when to give up; dropped, at once.
    give_up: oneshot::Sender<Instant>,
    thread: JoinHandle<()>,
    endpoint: String,
    timeout: Duration,
}

impl Exporter {
    /// Starts the thread that sends. Does not wait for the collector: use [`probe`] to know that it is there.
    ///
    /// # Errors
    /// [`ExportError::Header`], [`ExportError::Start`].
    pub fn start(settings: Settings) -> Result<Self, ExportError> {
        if settings.disabled {
            return Ok(Self { running: None });
        }
        let (runtime, client) = runtime_and_client(&settings)?;
        let tally = Arc::new(Tally::default());
        let (queue, receiver) = Queue::new(Arc::clone(&tally));
        let resource = resource(&settings);
        let scope = scope();
        let provider =
            SdkLoggerProvider::builder().with_log_processor(queue).with_resource(resource.clone()).build();
        let logger = provider.logger_with_scope(scope.clone());

        let (give_up, deadline) = oneshot::channel();
        let sending = queue::drain(receiver, client, (&resource).into(), scope, Arc::clone(&tally));
        let endpoint = settings.shown_endpoint();
        let thread = std::thread::Builder::new()
            .name("pitot-export".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = sending => {}
                        () = until(deadline) => {}
                    }
                });
                // A name look-up that hangs must not hold the caller.
                runtime.shutdown_background();
            })
            .map_err(|source| ExportError::Start { endpoint: endpoint.clone(), source: Arc::new(source) })?;
        let timeout = settings.timeout;
        Ok(Self { running: Some(Running { provider, logger, tally, give_up, thread, endpoint, timeout }) })
    }

    /// Puts a finding into the queue; never waits, never fails. What does not fit is counted.
    pub fn export(&self, finding: &Finding) {
        if let Some(Running { logger, .. }) = &self.running {
            let mut record = logger.create_log_record();
            event::describe(finding, &mut record);
            logger.emit(record);
        }
    }

    /// Puts the begin or end of an overload into the queue, as [`Exporter::export`] does a finding; it is counted with them.
    pub fn overload(&self, overload: &Overload) {
        if let Some(Running { logger, .. }) = &self.running {
            let mut record = logger.create_log_record();
            event::describe_overload(overload, &mut record);
            logger.emit(record);
        }
    }

    /// What became of the findings so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.running.as_ref().map(|running| report(&running.tally)).unwrap_or_default()
    }

    /// Sends what is left, for at most the timeout of one request (`OTEL_EXPORTER_OTLP_TIMEOUT`).
    ///
    /// # Errors
    /// [`ExportError::Incomplete`], with the counts and the cause, if the collector does not have every finding.
    pub fn shutdown(self) -> Result<Report, ExportError> {
        let Some(Running { provider, tally, give_up, thread, endpoint, timeout, .. }) = self.running else {
            return Ok(Report::default());
        };
        // Neither can fail in a way that changes the counts: the thread may have ended already.
        let _ = give_up.send(Instant::now() + timeout);
        let _ = provider.shutdown();
        let _ = thread.join();

        let report = report(&tally);
        let failed = report.taken - report.exported;
        if failed == 0 {
            return Ok(report);
        }
        let cause = match (&report.problem, report.queue_full) {
            (Some(problem), _) => problem.clone(),
            (None, dropped @ 1..) => ExportError::QueueFull { endpoint, dropped, capacity: queue::CAPACITY },
            (None, 0) => ExportError::TimedOut { endpoint, after: timeout },
        };
        Err(ExportError::Incomplete { taken: report.taken, failed, cause: Box::new(cause) })
    }
}

/// Whether a collector is there and takes what would be sent: one request without findings, as the specification
/// allows, waiting for the answer at most `OTEL_EXPORTER_OTLP_TIMEOUT`. For `doctor`.
///
/// # Errors
/// What [`Exporter`] would run into.
pub fn probe(settings: &Settings) -> Result<(), ExportError> {
    let (runtime, client) = runtime_and_client(settings)?;
    let answer = runtime.block_on(client.send(ExportLogsServiceRequest::default()));
    runtime.shutdown_background();
    match answer {
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.error),
    }
}

fn runtime_and_client(settings: &Settings) -> Result<(Runtime, Client<Logs>), ExportError> {
    let runtime = runtime(settings)?;
    let client = {
        let _in_runtime = runtime.enter();
        Client::new(settings)?
    };
    Ok((runtime, client))
}

fn runtime(settings: &Settings) -> Result<Runtime, ExportError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|source| ExportError::Start {
        endpoint: settings.shown_endpoint(),
        source: Arc::new(source),
    })
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("pitot").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// Ends at the deadline, or when no deadline will come any more.
async fn until(deadline: oneshot::Receiver<Instant>) {
    if let Ok(deadline) = deadline.await {
        tokio::time::sleep_until(deadline).await;
    }
}

fn resource(settings: &Settings) -> Resource {
    let own = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let given = settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(own)
        .with_attributes(given)
        .build()
}

fn report(tally: &Tally) -> Report {
    // Outcomes first: a finding counted as taken only after them would make the rest negative.
    let exported = tally.exported.load(Relaxed);
    let rejected = tally.rejected.load(Relaxed);
    let queue_full = tally.queue_full.load(Relaxed);
    let taken = tally.taken.load(Relaxed);
    let pending = taken.saturating_sub(exported + rejected + queue_full);
    Report { taken, exported, rejected, queue_full, pending, problem: tally.problem() }
}
