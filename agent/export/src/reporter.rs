//! [`Reporter`]: sends metrics from its own thread, the latest ones only.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use tokio::sync::watch;

use crate::client::Client;
use crate::metrics::{Snapshot, request};
use crate::signal::Metrics;
use crate::{ExportError, MetricsSettings, resource, runtime, scope};

/// Sends snapshots to a collector. A snapshot that cannot be sent is not tried again: the next one says everything it did.
#[derive(Debug)]
pub struct Reporter {
    /// `None`: disabled.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    sender: watch::Sender<Option<Snapshot>>,
    interval: Duration,
    last: Instant,
    problem: Problem,
    thread: JoinHandle<()>,
}

/// What went wrong, until it is asked for.
type Problem = Arc<Mutex<Option<ExportError>>>;

impl Reporter {
    /// Starts the thread that sends.
    ///
    /// # Errors
    /// [`ExportError::Header`], [`ExportError::Start`].
    pub fn start(settings: MetricsSettings) -> Result<Self, ExportError> {
        let MetricsSettings { settings, interval } = settings;
        if settings.disabled {
            return Ok(Self { running: None });
        }
        let runtime = runtime(&settings)?;
        let client = {
            let _in_runtime = runtime.enter();
            Client::new(&settings)?
        };
        let (sender, receiver) = watch::channel(None);
        let problem = Problem::default();
        let sending = send(receiver, client, resource(&settings), scope(), Arc::clone(&problem));
        let endpoint = settings.shown_endpoint();
        let thread = std::thread::Builder::new()
            .name("pitot-metrics".to_owned())
            .spawn(move || {
                runtime.block_on(sending);
                runtime.shutdown_background();
            })
            .map_err(|source| ExportError::Start { endpoint, source: Arc::new(source) })?;
        Ok(Self { running: Some(Running { sender, interval, last: Instant::now(), problem, thread }) })
    }

    /// Whether the next snapshot is due.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.last.elapsed() >= running.interval)
    }

    /// Hands a snapshot over; never waits. What went wrong with an earlier one since this was last called.
    pub fn report(&mut self, snapshot: Snapshot) -> Option<ExportError> {
        let running = self.running.as_mut()?;
        running.last = Instant::now();
        // Nobody receives only when the thread has ended.
        let _ = running.sender.send(Some(snapshot));
        running.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sends `last`, for at most the timeout of one request.
    ///
    /// # Errors
    /// Why the last snapshot did not arrive.
    pub fn shutdown(mut self, last: Snapshot) -> Result<(), ExportError> {
        // What went wrong with those before is history.
        self.report(last);
        let Some(Running { sender, problem, thread, .. }) = self.running else { return Ok(()) };
        drop(sender);
        let _ = thread.join();
        match problem.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }
}

async fn send(
    mut snapshots: watch::Receiver<Option<Snapshot>>,
    client: Client<Metrics>,
    resource: Resource,
    scope: InstrumentationScope,
    problem: Problem,
) {
    let start = SystemTime::now();
    // A value that was set before the sender went is still seen.
    while snapshots.changed().await.is_ok() {
        let Some(snapshot) = snapshots.borrow_and_update().clone() else { continue };
        let outcome = match client.send(request(&snapshot, &resource, &scope, start)).await {
            Ok(None) => None,
            Ok(Some(partial)) => Some(partial.error),
            Err(failure) => Some(failure.error),
        };
        *problem.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }
}
