//! A stream from bodies to findings, on one thread.

use std::collections::HashMap;
use std::sync::Arc;

use pitot_drift::{Config, Evidence, Flows};
use pitot_findings::{Finding, Findings};
use pitot_observe::{Limits, Namer, Observer};
use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};

use crate::stream::{Sent, Stream};

const SECOND_NS: u64 = 1_000_000_000;

/// Observes messages and judges them.
pub struct Replay {
    observer: Observer,
    flows: Flows,
    findings: Findings,
    evidence: Vec<Evidence>,
    lines: HashMap<&'static str, Arc<RequestLine>>,
    client: Arc<str>,
    instances: Vec<Arc<str>>,
    second: u64,
    found: Vec<Finding>,
}

impl Replay {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(client: &str) -> Self {
        Self {
            observer: Observer::new(Limits::default(), Namer::default()),
            flows: Flows::new(Config::default()),
            findings: Findings::new(pitot_findings::Config::default()),
            evidence: Vec::new(),
            lines: HashMap::new(),
            client: client.into(),
            instances: (0..16).map(|i| format!("{client}-{i}").into()).collect(),
            second: 0,
            found: Vec::new(),
        }
    }

    /// Takes the next message.
    pub fn push(&mut self, sent: Sent) {
        self.tick(sent.moment.t_ns / SECOND_NS);
        let message = self.message(sent);
        if let Ok(observation) = self.observer.observe(&message) {
            self.flows.push(observation, &mut self.evidence);
        }
        self.report();
    }

    /// The stream ends: everything that was found.
    #[must_use]
    pub fn finish(mut self) -> Vec<Finding> {
        self.flows.finish(&mut self.evidence);
        self.report();
        self.findings.finish(&mut self.found);
        self.found
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
        let line = self.lines.entry(sent.route).or_insert_with(|| {
            Arc::new(RequestLine { method: "POST".into(), target: sent.route.into(), authority: None })
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
            instance: self.instances.get(sent.moment.instance as usize).cloned(),
        }
    }
}

/// So many messages of a stream: what was found, and when each message that the change touched was sent.
pub fn run(stream: &mut Stream, messages: u64) -> (Vec<Finding>, Vec<u64>) {
    let mut replay = Replay::new(stream.integration().name);
    let mut affected = Vec::new();
    for _ in 0..messages {
        let sent = stream.send();
        if sent.is_affected {
            affected.push(sent.moment.t_ns);
        }
        replay.push(sent);
    }
    (replay.finish(), affected)
}
