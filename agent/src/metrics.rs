//! What a running agent says about itself with OpenTelemetry: metrics of a [`Pipeline`].

use pitot_export::{MetricsSettings, Reporter, Snapshot};

use crate::pipeline::{Held, Learning, Pipeline};

/// Sends metrics of a pipeline from time to time.
#[derive(Debug)]
pub struct Metrics {
    reporter: Reporter,
    /// What went wrong last: said once, not every minute.
    problem: Option<String>,
}

impl Metrics {
    /// As the `OTEL_*` variables say.
    ///
    /// # Errors
    /// When they say something that cannot be done.
    pub fn start() -> anyhow::Result<Self> {
        let settings = MetricsSettings::from_env()?;
        settings.settings.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        Ok(Self { reporter: Reporter::start(settings)?, problem: None })
    }

    /// Sends if it is time to.
    pub fn tell(&mut self, pipeline: &Pipeline) {
        if !self.reporter.is_due() {
            return;
        }
        let problem = self.reporter.report(snapshot(pipeline)).map(|problem| problem.to_string());
        if let Some(problem) = &problem
            && self.problem.as_ref() != Some(problem)
        {
            log::warn!("metrics: {problem}");
        }
        self.problem = problem;
    }

    /// Sends for the last time. That it fails is said, and costs nothing else.
    pub fn close(self, pipeline: &Pipeline) {
        if let Err(problem) = self.reporter.shutdown(snapshot(pipeline)) {
            log::warn!("metrics: {problem}");
        }
    }
}

fn snapshot(pipeline: &Pipeline) -> Snapshot {
    let settled = pipeline.ledger();
    let Learning { bytes: learned, left_out } = pipeline.learning();
    let Held { connections, reassembly, bodies } = pipeline.wire().held();
    Snapshot {
        kernel: settled.kernel_records().collect(),
        ledger: settled.ledger,
        connections,
        held: [("reassembly", reassembly), ("bodies", bodies), ("learned", learned)].into(),
        left_out,
        resident: resident(),
    }
}

/// Resident memory of this process, bytes (proc_pid_status(5), `VmRSS`).
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_resident() {
        assert!(resident().is_some_and(|bytes| bytes > 1 << 16));
    }
}
