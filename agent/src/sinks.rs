//! Where findings go: lines of JSON, text for people, OpenTelemetry.

use std::path::Path;

use pitot_common::user::Overload;
use pitot_export::{Exporter, Settings, overload_line};
use pitot_findings::Finding;

use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::terminal;

/// Everything findings are written to.
#[derive(Default)]
pub struct Sinks {
    lines: Option<Output>,
    people: Option<Output>,
    exporter: Option<Exporter>,
}

impl Sinks {
    /// Also as lines of JSON to `path`; `-` is standard output.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn lines(mut self, path: &Path) -> anyhow::Result<Self> {
        self.lines = Some(Output::open(path)?);
        Ok(self)
    }

    /// Also as text for people, to standard output.
    #[must_use]
    pub fn people(mut self) -> Self {
        self.people = Some(Output::stdout());
        self
    }

    /// Also with OpenTelemetry, as the `OTEL_*` variables say.
    ///
    /// # Errors
    /// When they say something that cannot be done.
    pub fn otlp(mut self) -> anyhow::Result<Self> {
        let settings = Settings::from_env()?;
        settings.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        self.exporter = Some(Exporter::start(settings)?);
        Ok(self)
    }

    /// Says that capture cannot keep up, or can again: on standard error, and with OpenTelemetry.
    pub fn overload(&self, overload: &Overload) {
        terminal::say(&overload_line(overload));
        if let Some(exporter) = &self.exporter {
            exporter.overload(overload);
        }
    }

    /// Writes `findings` and empties the list.
    ///
    /// # Errors
    /// When one of the places cannot be written.
    pub fn write(&mut self, findings: &mut Vec<Finding>) -> Outcome {
        for finding in findings.iter() {
            if let Some(exporter) = &self.exporter {
                exporter.export(finding);
            }
            if let Some(people) = &mut self.people {
                people.line(&finding.people())?;
            }
            if let Some(lines) = &mut self.lines {
                lines.line(&finding.to_line())?;
            }
        }
        if !findings.is_empty() {
            self.people.iter_mut().chain(&mut self.lines).try_for_each(Output::flush)?;
        }
        findings.clear();
        Ok(())
    }

    /// Delivers what is still under way.
    ///
    /// # Errors
    /// Class 1 when findings could not be exported.
    pub fn close(mut self) -> Outcome {
        self.lines.iter_mut().chain(&mut self.people).try_for_each(Output::flush)?;
        if let Some(exporter) = self.exporter {
            exporter.shutdown().map_err(Failure::findings)?;
        }
        Ok(())
    }
}
