//! The bounded queue between the logger and the wire: a log processor that never waits, and the task that sends.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogProcessor, SdkLogRecord};
use tokio::sync::mpsc;

use crate::client::Client;
use crate::error::ExportError;
use crate::signal::Logs;

/// Findings that wait while the collector is away. Findings are rare; at 4 KB each this is 16 MB.
pub(crate) const CAPACITY: usize = 4_096;
/// Findings in one request: with a thousand lost keys each they stay below gRPC's 4 MiB.
const BATCH: usize = 64;
/// Between two attempts: from the first to the last, doubling, less up to a half at random.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What became of the findings. `taken` = `exported` + `rejected` + `queue_full` + those in the queue.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) taken: AtomicU64,
    pub(crate) exported: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) queue_full: AtomicU64,
    problem: Mutex<Option<ExportError>>,
}

impl Tally {
    /// What went wrong last, unless a request has been taken whole since.
    pub(crate) fn problem(&self) -> Option<ExportError> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_problem(&self, problem: Option<ExportError>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// Puts records into the queue; what does not fit is counted.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: Mutex<Option<mpsc::Sender<SdkLogRecord>>>,
    tally: Arc<Tally>,
}

impl Queue {
    pub(crate) fn new(tally: Arc<Tally>) -> (Self, mpsc::Receiver<SdkLogRecord>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self { sender: Mutex::new(Some(sender)), tally }, receiver)
    }
}

impl LogProcessor for Queue {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        self.tally.taken.fetch_add(1, Relaxed);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.as_ref().is_none_or(|sender| sender.try_send(record.clone()).is_err()) {
            self.tally.queue_full.fetch_add(1, Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// Closes the queue; the task ends when it is empty.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

/// Sends what the queue holds until it is closed and empty. A batch that may succeed later is tried until it does;
/// whoever cannot wait drops the future.
pub(crate) async fn drain(
    mut queue: mpsc::Receiver<SdkLogRecord>,
    client: Client<Logs>,
    resource: ResourceAttributesWithSchema,
    scope: InstrumentationScope,
    tally: Arc<Tally>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        send(&client, &request(&batch, &resource, &scope), batch.len() as u64, &tally).await;
        batch.clear();
    }
}

fn request(
    records: &[SdkLogRecord],
    resource: &ResourceAttributesWithSchema,
    scope: &InstrumentationScope,
) -> ExportLogsServiceRequest {
    let records: Vec<_> = records.iter().map(|record| (record, scope)).collect();
    ExportLogsServiceRequest {
        resource_logs: group_logs_by_resource_and_scope(&LogBatch::new(&records), resource),
    }
}

async fn send(client: &Client<Logs>, request: &ExportLogsServiceRequest, records: u64, tally: &Tally) {
    let mut pause = BACKOFF.0;
    loop {
        match client.send(request.clone()).await {
            Ok(None) => {
                tally.exported.fetch_add(records, Relaxed);
                tally.set_problem(None);
                return;
            }
            Ok(Some(partial)) => {
                let rejected = partial.rejected.min(records);
                tally.rejected.fetch_add(rejected, Relaxed);
                tally.exported.fetch_add(records - rejected, Relaxed);
                tally.set_problem(Some(partial.error));
                return;
            }
            Err(failure) => {
                tally.set_problem(Some(failure.error));
                let Some(after) = failure.retry else {
                    tally.rejected.fetch_add(records, Relaxed);
                    return;
                };
                tokio::time::sleep(after.min(BACKOFF.1).max(jitter(pause))).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
}

/// Half to all of `pause`: the agents of a cluster do not come back all at once.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1_000;
    pause / 2 + pause / 2 * u32::try_from(random).unwrap_or(0) / 1_000
}
