//! A stream from bodies to findings, on one thread.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pitot_drift::{Config, Evidence, Flows};
use pitot_findings::{Finding, Findings};
use pitot_observe::shape::{Entry, ValueKind};
use pitot_observe::{Limits, Namer, Observation, Observer, Placement};
use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};

use crate::stream::{Sent, Stream};

const SECOND_NS: u64 = 1_000_000_000;

/// Observes messages and judges them.
pub struct Replay {
    observer: Observer,
    placement: Placement,
    flows: Flows,
    findings: Findings,
    evidence: Vec<Evidence>,
    lines: HashMap<Cow<'static, str>, Arc<RequestLine>>,
    client: Arc<str>,
    instances: HashMap<(u32, u32), Arc<str>>,
    /// Distinct leaves of each shape met.
    leaves_of: HashMap<u64, u64>,
    leaves: u64,
    second: u64,
    found: Vec<Finding>,
}

/// What came of a stream.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Everything found.
    pub findings: Vec<Finding>,
    /// When each message was sent that the change touched.
    pub affected: Vec<u64>,
    /// Leaves that messages carried, together: 604,800 of them are a field-week.
    pub leaves: u64,
}

impl Replay {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(client: &str) -> Self {
        Self {
            observer: Observer::new(Limits::default(), Namer::default()),
            placement: Placement::default(),
            flows: Flows::new(Config::default()),
            findings: Findings::new(pitot_findings::Config::default()),
            evidence: Vec::new(),
            lines: HashMap::new(),
            client: client.into(),
            instances: HashMap::new(),
            leaves_of: HashMap::new(),
            leaves: 0,
            second: 0,
            found: Vec::new(),
        }
    }

    /// Takes the next message.
    pub fn push(&mut self, sent: Sent) {
        self.tick(sent.moment.t_ns / SECOND_NS);
        let message = self.message(sent);
        if let Ok(mut observation) = self.observer.observe(&message) {
            self.placement.place(&mut observation);
            self.leaves += self.leaves_of(&observation);
            self.flows.push(observation, &mut self.evidence);
        }
        self.report();
    }

    /// The stream ends.
    #[must_use]
    pub fn finish(mut self) -> Replayed {
        self.flows.finish(&mut self.evidence);
        self.report();
        self.findings.finish(&mut self.found);
        Replayed { findings: self.found, affected: Vec::new(), leaves: self.leaves }
    }

    /// Paths of a body with a value that is no array and no object.
    fn leaves_of(&mut self, observation: &Observation) -> u64 {
        let Some(shape) = &observation.shape else { return 0 };
        *self.leaves_of.entry(shape.hash).or_insert_with(|| {
            let is_leaf = |entry: &&Entry| !matches!(entry.kind, ValueKind::Array | ValueKind::Object);
            let paths: HashSet<&str> =
                shape.entries.iter().filter(is_leaf).map(|entry| &*entry.path).collect();
            paths.len() as u64
        })
    }

    fn tick(&mut self, second: u64) {
        if std::mem::replace(&mut self.second, second) != second {
            let time_ns = second * SECOND_NS;
            self.flows.tick(time_ns, &mut self.evidence);
            self.report();
            self.findings.set_monitored(self.flows.monitored());
            self.findings.tick(time_ns, &mut self.found);
        }
    }

    fn report(&mut self) {
        for evidence in self.evidence.drain(..) {
            self.findings.push(evidence, &mut self.found);
        }
    }

    fn message(&mut self, sent: Sent) -> Message {
        let instance = self.instance(sent.moment.instance, sent.moment.generation);
        let line = self.lines.entry(sent.route).or_insert_with_key(|route| {
            Arc::new(RequestLine { method: "POST".into(), target: (&**route).into(), authority: None })
        });
        let number = sent.moment.number;
        Message {
            order: Order { seq: number, conn: 0, index: 0 },
            t_ns: sent.moment.t_ns,
            exchange: format!("{number:x}").into(),
            side: Side::Request,
            protocol: "http",
            request: Some(Arc::clone(line)),
            status: None,
            headers: [("content-type", "application/json")].into(),
            body: sent.body.into(),
            incomplete: None,
            client: Peer::Named(Arc::clone(&self.client)),
            server: Peer::Named("sink".into()),
            transport: None,
            instance: Some(instance),
        }
    }

    fn instance(&mut self, place: u32, generation: u32) -> Arc<str> {
        let name = || format!("{}-{place}-{generation}", self.client).into();
        Arc::clone(self.instances.entry((place, generation)).or_insert_with(name))
    }
}

/// The messages of a stream until `is_over`, which is asked before each with the number of those that the change touched;
/// and what came of them.
pub fn run(stream: &mut Stream, mut is_over: impl FnMut(&Stream, usize) -> bool) -> Replayed {
    let mut replay = Replay::new(stream.integration().name);
    let mut affected = Vec::new();
    while !is_over(stream, affected.len()) {
        let sent = stream.send();
        if sent.is_affected {
            affected.push(sent.moment.t_ns);
        }
        replay.push(sent);
    }
    Replayed { affected, ..replay.finish() }
}
