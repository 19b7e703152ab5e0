//! Observations of one flow, from a seeded generator of bodies.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pitot_drift::{Config, Evidence, Flows};
use pitot_observe::hash::{fixed64, mix};
use pitot_observe::shape::{Entry, ValueKind};
use pitot_observe::value::{Leaf, Value};
use pitot_observe::{FlowKey, Observation, Shape};
use pitot_protocols::message::{Order, Side};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.next() < p
    }

    pub(crate) fn below(&mut self, n: u32) -> u32 {
        (self.next() * f64::from(n)) as u32
    }
}

/// A body: how often each path occurs with each kind, and the values of some.
#[derive(Default)]
pub(crate) struct Body(BTreeMap<(&'static str, ValueKind), u32>, BTreeMap<&'static str, Value>);

impl Body {
    pub(crate) fn add(&mut self, path: &'static str, kind: ValueKind) {
        *self.0.entry((path, kind)).or_default() += 1;
    }

    /// Adds a text or a number.
    pub(crate) fn set(&mut self, path: &'static str, value: Value) {
        let kind = if matches!(value, Value::Text(_)) { ValueKind::String } else { ValueKind::Number };
        self.add(path, kind);
        self.1.insert(path, value);
    }

    pub(crate) fn maybe(&mut self, is_there: bool, path: &'static str, kind: ValueKind) {
        if is_there {
            self.add(path, kind);
        }
    }

    /// Removes the path and what is below.
    pub(crate) fn remove(&mut self, path: &str) {
        self.0.retain(|(p, _), _| !p.starts_with(path));
        self.1.retain(|p, _| !p.starts_with(path));
    }

    pub(crate) fn replace(&mut self, path: &'static str, kind: ValueKind) {
        self.remove(path);
        self.add(path, kind);
    }

    pub(crate) fn count(&self, path: &'static str, kind: ValueKind) -> u32 {
        self.0.get(&(path, kind)).copied().unwrap_or(0)
    }
}

/// Makes observations of one flow.
pub(crate) struct Source {
    pub(crate) flow: Arc<FlowKey>,
    shapes: HashMap<Vec<(&'static str, ValueKind)>, Arc<Shape>>,
}

impl Source {
    pub(crate) fn new(route: &str) -> Self {
        let flow = FlowKey {
            client: "shop".into(),
            server: "billing".into(),
            protocol: "http",
            method: "POST".into(),
            route: route.into(),
            operation: None,
            side: Side::Request,
            status_class: None,
        };
        Self { flow: Arc::new(flow), shapes: HashMap::new() }
    }

    pub(crate) fn observe(&mut self, seq: u64, conn: u64, body: &Body) -> Observation {
        let key: Vec<(&'static str, ValueKind)> = body.0.keys().copied().collect();
        let leaf = |(entry, (path, _)): (u32, &(&'static str, ValueKind))| {
            body.1.get(path).map(|value| Leaf { entry, value: *value })
        };
        let values = (0..).zip(&key).filter_map(leaf).collect();
        let shape = self.shapes.entry(key).or_insert_with_key(|key| Arc::new(shape(key)));
        Observation {
            order: Order { seq, ..Order::default() },
            t_ns: seq * 1_000_000,
            exchange: format!("{seq}").into(),
            conn,
            instance: conn,
            flow: Arc::clone(&self.flow),
            flow_hash: self.flow.fixed_hash(),
            shape: Some(Arc::clone(shape)),
            counts: body.0.values().copied().collect(),
            values,
            exact: Vec::new(),
            body_bytes: 100,
        }
    }
}

fn shape(key: &[(&'static str, ValueKind)]) -> Shape {
    let parent = |path: &str| {
        let (parent, kind) = match path.strip_suffix("[*]") {
            Some(parent) => (parent, ValueKind::Array),
            None => (path.rsplit_once('.')?.0, ValueKind::Object),
        };
        key.iter().position(|entry| *entry == (parent, kind)).map(|i| i as u32)
    };
    let entries: Vec<Entry> = key
        .iter()
        .map(|(path, kind)| Entry { path: (*path).into(), kind: *kind, parent: parent(path) })
        .collect();
    assert!(entries.iter().all(|e| e.parent.is_some() || &*e.path == "$"), "{entries:?}");
    let hash = key.iter().fold(0_u64, |sum, (path, kind)| {
        sum.wrapping_add(mix(fixed64(path.as_bytes()) ^ (*kind as u64 + 1)))
    });
    Shape { hash, entries }
}

/// What a stream is made of: called with the number of the message, from 1.
pub(crate) type Generator = Box<dyn FnMut(&mut Random, u64, &mut Body)>;

/// The evidence that a flow of `messages` on `conns` connections gives.
pub(crate) fn run(seed: u64, messages: u64, conns: u64, mut generate: Generator) -> Vec<Evidence> {
    let mut random = Random(seed);
    let mut source = Source::new("/v1/charges");
    let mut flows = Flows::new(Config::default());
    let mut out = Vec::new();
    for seq in 1..=messages {
        let mut body = Body::default();
        body.add("$", ValueKind::Object);
        generate(&mut random, seq, &mut body);
        flows.push(source.observe(seq, 1 + seq % conns, &body), &mut out);
    }
    flows.finish(&mut out);
    out
}

/// `kind path [from old_path] [reverted]` of each.
pub(crate) fn lines(evidence: &[Evidence]) -> Vec<String> {
    let line = |e: &Evidence| {
        let old = e.old_path.as_ref().map(|old| format!(" from {old}")).unwrap_or_default();
        let reverted = if e.reverted { " reverted" } else { "" };
        format!("{:?} {}{old}{reverted}", e.kind, e.path)
    };
    evidence.iter().map(line).collect()
}

/// A name for field number `i`.
pub(crate) fn name(i: usize) -> &'static str {
    Box::leak(format!("$.optional_{i:04}").into_boxed_str())
}
