//! From messages to findings: observe, drift, findings.

use std::collections::BTreeMap;

use pitot_drift::{Counters, Evidence, Flows};
use pitot_findings::{Finding, Findings};
use pitot_observe::{FlowKey, Observation, Observer, Placement};
use pitot_protocols::Message;
use pitot_protocols::message::Order;
use pitot_stream::PARTITIONS;

use super::learned::Learned;
use super::workers::Workers;
use super::{Batch, Tick};
use crate::config::Config;

/// Everything that knows flows.
pub(super) struct Detect {
    /// One for each worker, not for each partition: what an observer remembers is a cache, which changes no result, and
    /// 64 copies of it would fill memory and miss in the processor's.
    observers: Vec<Observer>,
    placement: Placement,
    flows: Vec<Flows>,
    findings: Findings,
    observed: u64,
}

/// What is learned takes so much memory, and so much was left out for want of it, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learning {
    /// Bytes, as they are reckoned.
    pub bytes: u64,
    /// `flow_stub`: times that of a flow only paths and types were kept; `flow_forgotten`: flows; `path_refused`: times that a path
    /// was met that is not learned; `values_unwatched`: paths.
    pub left_out: BTreeMap<&'static str, u64>,
}

/// What a partition of flows has to do, in order.
enum Work {
    Observation(Observation),
    Tick(Tick),
}

/// Evidence with the place of what brought it out: a message, or a tick, which may decide about messages
/// long past.
struct Released {
    at: Order,
    evidence: Evidence,
}

/// What a partition of flows gives: evidence, and after each tick how many fields it watches.
#[derive(Default)]
struct Judged {
    released: Vec<Released>,
    monitored: Vec<u64>,
}

impl Detect {
    pub(super) fn new(config: &Config, workers: usize) -> Self {
        let namer = config.namer();
        let limits = pitot_observe::Limits::default();
        let observer = || Observer::new(limits, namer.clone()).with_headers(config.headers());
        Self {
            observers: (0..workers.max(1)).map(|_| observer()).collect(),
            placement: Placement::default(),
            flows: (0..PARTITIONS).map(|_| Flows::new(config.drift())).collect(),
            findings: Findings::new(pitot_findings::Config::default()),
            observed: 0,
        }
    }

    /// What was learned, of which nothing is put off any more.
    pub(super) fn learned(&mut self, next_tick_ns: Option<u64>) -> Learned<&[Flows], &Findings, &Placement> {
        self.flows.iter_mut().for_each(Flows::settle);
        let Self { flows, findings, placement, .. } = self;
        Learned { next_tick_ns, flows, findings, placement }
    }

    /// Goes on from what was learned before.
    pub(super) fn resume(&mut self, config: &Config, learned: Learned) {
        let Learned { flows, findings, placement, .. } = learned;
        self.placement = placement;
        self.flows = flows.into_iter().map(|flows| flows.restored(config.drift())).collect();
        self.flows.resize_with(PARTITIONS, || Flows::new(config.drift()));
        self.findings = findings.restored(pitot_findings::Config::default());
    }

    pub(super) fn approve(&mut self, id: &str, out: &mut Vec<Finding>) -> Result<(), String> {
        let closed =
            self.findings.approve(id).ok_or_else(|| format!("no finding with the id {id} is open"))?;
        let is_shown = |path: &str| {
            let shown = pitot_findings::path(path);
            shown == closed.path || Some(&shown) == closed.old_path.as_ref()
        };
        for flows in &mut self.flows {
            flows.approve(|key| pitot_findings::flow(key) == closed.flow, is_shown);
        }
        out.push(closed);
        Ok(())
    }

    pub(super) fn forget(
        &mut self,
        text: &str,
        all: bool,
        out: &mut Vec<Finding>,
    ) -> Result<Vec<String>, String> {
        let name = |key: &FlowKey| pitot_findings::flow(key).to_string();
        let keys = self.flows.iter().flat_map(Flows::keys);
        let mut chosen: Vec<String> = keys.map(name).filter(|name| name.contains(text)).collect();
        chosen.sort();
        match chosen.as_slice() {
            [] => return Err(format!("no flow has `{text}` in its name")),
            [first, second, ..] if !all => {
                let count = chosen.len();
                let which =
                    format!("{count} flows have `{text}` in their names, such as `{first}` and `{second}`");
                return Err(format!("{which}; give more of the name, or --all"));
            }
            _ => {}
        }
        self.flows.iter_mut().for_each(|flows| flows.forget(|key| chosen.binary_search(&name(key)).is_ok()));
        self.findings.forget(|flow| chosen.binary_search(&flow.to_string()).is_ok(), out);
        Ok(chosen)
    }

    /// What is learned, in bytes and in what was left out.
    pub(super) fn learning(&self) -> Learning {
        let mut learning = Learning::default();
        for flows in &self.flows {
            let Counters { stubs, forgotten_flows, refused_paths, unwatched_paths, .. } = flows.counters();
            let counts = [
                ("flow_stub", stubs),
                ("flow_forgotten", forgotten_flows),
                ("path_refused", refused_paths),
                ("values_unwatched", unwatched_paths),
            ];
            for (reason, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                *learning.left_out.entry(reason).or_default() += count;
            }
            learning.bytes += flows.memory();
        }
        learning
    }

    pub(super) fn has_evicted(&self) -> bool {
        self.flows.iter().any(Flows::has_evicted)
    }

    pub(super) fn observed(&self) -> u64 {
        self.observed
    }

    /// Takes the next batch; findings come in an order that depends on the input only.
    pub(super) fn push(&mut self, workers: &Workers, batch: Batch, out: &mut Vec<Finding>) {
        let Batch { messages, ticks } = batch;
        if let Some(templates) = self.placement.templates() {
            self.observers.iter_mut().for_each(|observer| observer.follow(templates.clone()));
        }
        let shares = shares(messages, self.observers.len());
        let observations = workers.map(&mut self.observers, shares, |observer, share| {
            let messages = share.iter().flatten();
            messages.filter_map(|message| observer.observe(message).ok()).collect::<Vec<_>>()
        });
        let mut observations = joined(observations);
        observations.sort_unstable_by_key(|observation| observation.order);
        observations.iter_mut().for_each(|observation| self.placement.place(observation));
        self.observed += observations.len() as u64;
        let results = workers.map(&mut self.flows, queues(observations, &ticks), judge);
        self.report(results, &ticks, out);
    }

    /// The input has ended.
    pub(super) fn finish(&mut self, out: &mut Vec<Finding>) {
        let mut evidence = Vec::new();
        for flows in &mut self.flows {
            flows.finish(&mut evidence);
        }
        evidence.sort_by(|a, b| place(a).cmp(&place(b)));
        self.findings.set_monitored(self.flows.iter().map(Flows::monitored).sum());
        for evidence in evidence {
            self.findings.push(evidence, out);
        }
        self.findings.finish(out);
    }

    /// Hands the evidence of all partitions on in one order, with the ticks between.
    fn report(&mut self, results: Vec<Judged>, ticks: &[Tick], out: &mut Vec<Finding>) {
        let monitored = |tick: usize| results.iter().filter_map(|result| result.monitored.get(tick)).sum();
        let monitored: Vec<u64> = (0..ticks.len()).map(monitored).collect();
        let mut released: Vec<_> = results.into_iter().flat_map(|result| result.released).collect();
        released.sort_by(|a, b| (a.at, place(&a.evidence)).cmp(&(b.at, place(&b.evidence))));
        let mut released = released.into_iter().peekable();
        for (tick, monitored) in ticks.iter().zip(monitored) {
            while let Some(next) = released.next_if(|next| next.at.seq <= tick.seq) {
                self.findings.push(next.evidence, out);
            }
            self.findings.set_monitored(monitored);
            self.findings.tick(tick.time_ns, out);
        }
        released.for_each(|next| self.findings.push(next.evidence, out));
    }
}

/// The lists one after the other: those of one worker stay where they are.
fn joined<T>(lists: Vec<Vec<T>>) -> Vec<T> {
    let mut lists = lists.into_iter();
    let mut all = lists.next().unwrap_or_default();
    lists.for_each(|mut list| all.append(&mut list));
    all
}

/// Deals the partitions' messages out to so many observers.
fn shares(messages: Vec<Vec<Message>>, observers: usize) -> Vec<Vec<Vec<Message>>> {
    let mut shares: Vec<Vec<Vec<Message>>> = (0..observers).map(|_| Vec::new()).collect();
    for (partition, messages) in messages.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(partition % observers) {
            share.push(messages);
        }
    }
    shares
}

/// Sorts observations and ticks into the queues of the partitions of flows.
fn queues(observations: Vec<Observation>, ticks: &[Tick]) -> Vec<Vec<Work>> {
    let mut queues: Vec<Vec<Work>> = (0..PARTITIONS).map(|_| Vec::new()).collect();
    let mut observations = observations.into_iter().peekable();
    let add = |queues: &mut Vec<Vec<Work>>, observation: Observation| {
        if let Some(queue) = queues.get_mut(observation.partition()) {
            queue.push(Work::Observation(observation));
        }
    };
    for tick in ticks {
        while let Some(observation) = observations.next_if(|next| next.order.seq <= tick.seq) {
            add(&mut queues, observation);
        }
        queues.iter_mut().for_each(|queue| queue.push(Work::Tick(*tick)));
    }
    observations.for_each(|observation| add(&mut queues, observation));
    queues
}

/// One partition's share of a batch.
fn judge(flows: &mut Flows, queue: Vec<Work>) -> Judged {
    let mut result = Judged::default();
    let mut evidence = Vec::new();
    for work in queue {
        let at = match work {
            Work::Observation(observation) => {
                let at = observation.order;
                flows.push(observation, &mut evidence);
                at
            }
            Work::Tick(tick) => {
                flows.tick(tick.time_ns, &mut evidence);
                result.monitored.push(flows.monitored());
                Order { seq: tick.seq, conn: u64::MAX, index: u32::MAX }
            }
        };
        result.released.extend(evidence.drain(..).map(|evidence| Released { at, evidence }));
    }
    result
}

/// The order of evidence that came out together.
fn place(evidence: &Evidence) -> impl Ord + '_ {
    (evidence.order, &evidence.flow, &evidence.path, &evidence.old_path, evidence.kind)
}
