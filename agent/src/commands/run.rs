//! `pitot run`

use anyhow::anyhow;

use crate::cli::Run;
use crate::config;
use crate::exit::{Failure, Outcome};
use crate::live::{self, Privileges};
use crate::pipeline::Pipeline;
use crate::sinks::Sinks;
use crate::stop::Stop;
use crate::terminal;

pub(super) fn execute(arguments: &Run) -> Outcome {
    let config = config::load(arguments.config.file.as_deref())?;
    if arguments.findings.is_none() && !config.export.otlp.enabled {
        let fix = "findings would go nowhere: give --findings F, or set export.otlp.enabled to true";
        return Err(Failure::input(anyhow!(fix)));
    }
    let mut sinks = Sinks::default();
    if let Some(path) = &arguments.findings {
        sinks = sinks.lines(path)?;
    }
    let stop = Stop::on_signals()?;
    let mut live = live::open(&config, &arguments.kernel, Privileges::Drop)?;
    // Threads started from here on have no more privileges than this one.
    if config.export.otlp.enabled {
        sinks = sinks.otlp()?;
    }
    terminal::plain("ready");
    let mut pipeline = Pipeline::new(&config, 1)?;
    let mut findings = Vec::new();
    live::pump(&mut live, &stop, None, |events| {
        pipeline.capture(events, &mut findings);
        sinks.write(&mut findings)
    })?;
    pipeline.finish(&mut findings);
    terminal::plain(&pipeline.ledger().line());
    sinks.write(&mut findings)?;
    sinks.close()
}
