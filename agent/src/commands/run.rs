//! `pitot run`

use anyhow::anyhow;
use pitot_common::user::CaptureEvent;
use pitot_findings::Finding;

use crate::cli::Run;
use crate::config::{self, Config};
use crate::control::{Asked, Request};
use crate::exit::{Failure, Outcome};
use crate::live::{self, Capture, Privileges};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::reload::Reload;
use crate::sinks::Sinks;
use crate::state::Keeper;
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
    let (stop, reload) = (Stop::on_signals()?, Reload::on_signal()?);
    let mut live = live::open(&config, &arguments.kernel, Privileges::Drop)?;
    // Threads started from here on have no more privileges than this one.
    let mut metrics = None;
    if config.export.otlp.enabled {
        sinks = sinks.otlp()?;
        metrics = Some(Metrics::start()?);
    }
    let keeper = Keeper::open(&config.state)?;
    let mut pipeline = Pipeline::new(&config, 1)?;
    if let Some(learned) = keeper.as_ref().and_then(Keeper::load) {
        pipeline = pipeline.resumed(&config, learned);
    }
    let mut agent =
        Agent { config, pipeline, keeper, sinks, metrics, findings: Vec::new(), is_short_of_memory: false };
    terminal::plain("ready");
    live::pump(&mut live, &stop, None, |live, events| {
        if reload.take() {
            agent.reload(arguments, live);
        }
        agent.take(live, events)
    })?;
    agent.finish()
}

/// Everything behind capture.
struct Agent {
    config: Config,
    pipeline: Pipeline,
    keeper: Option<Keeper>,
    sinks: Sinks,
    metrics: Option<Metrics>,
    findings: Vec<Finding>,
    /// Whether it was said that memory for what is learned does not suffice.
    is_short_of_memory: bool,
}

impl Agent {
    fn take(&mut self, live: &Capture, events: &mut Vec<CaptureEvent>) -> Outcome {
        self.pipeline.capture(events, &mut self.findings);
        let wire = self.pipeline.wire();
        live.refuse(wire.refusals());
        wire.overloads().iter().for_each(|overload| self.sinks.overload(overload));
        if let Some(metrics) = &mut self.metrics {
            metrics.tell(&self.pipeline);
        }
        if !self.is_short_of_memory && self.pipeline.has_evicted() {
            self.is_short_of_memory = true;
            terminal::say(
                "there is not memory enough to learn every flow; let limits.learned_bytes be more (the metric \
                 pitot.learning.left_out counts what is left out)",
            );
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(&mut self.pipeline, &mut self.findings);
            while let Some(asked) = keeper.asked() {
                answer(asked, &mut self.pipeline, &mut self.findings);
            }
        }
        self.sinks.write(&mut self.findings)
    }

    /// Reads the configuration again. What is wrong in it is said, and the old one stays.
    fn reload(&mut self, arguments: &Run, live: &Capture) {
        let config = match config::load(arguments.config.file.as_deref()) {
            Ok(config) => config,
            Err(error) => return terminal::say(&format!("{error:#}; the configuration stays as it was")),
        };
        let filter = config.capture.filter.filter();
        if let Err(error) = live.set_filter(&filter) {
            return terminal::say(&format!("{error}; the configuration stays as it was"));
        }
        self.pipeline.set_filter(filter);
        self.config.capture.filter = config.capture.filter.clone();
        if self.config != config {
            terminal::say(
                "only capture.filter can change while the agent runs; for the rest, start it again",
            );
        }
        terminal::plain("reloaded");
    }

    fn finish(mut self) -> Outcome {
        self.pipeline.finish(&mut self.findings);
        if let Some(keeper) = self.keeper {
            keeper.close(&mut self.pipeline, &mut self.findings);
        }
        if let Some(metrics) = self.metrics {
            metrics.close(&self.pipeline);
        }
        terminal::plain(&self.pipeline.ledger().line());
        self.sinks.write(&mut self.findings)?;
        self.sinks.close()
    }
}

/// Does what a command asks.
fn answer(asked: Asked, pipeline: &mut Pipeline, findings: &mut Vec<Finding>) {
    let answer = match &asked.request {
        Request::Learned => pipeline.learned(findings).map_err(|error| error.to_string()),
        Request::Approve { id } => pipeline.approve(id, findings).map(|()| Vec::new()),
        Request::Reset { flow, all } => {
            pipeline.forget(flow, *all, findings).map(|names| names.join("\n").into_bytes())
        }
    };
    asked.answer(answer);
}
