//! What an observer remembers of each flow, and how it finds the flow of a message.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use pitot_protocols::message::{Message, RequestLine, Side};

use crate::expected::Expected;
use crate::fields::Whole;
use crate::flow::FlowKey;
use crate::names::Names;
use crate::observer::{Counters, Limits, Unobserved};
use crate::operation;
use crate::placement::Templates;
use crate::route;
use crate::shape::{Counts, Shape};
use crate::shapes::Shapes;
use crate::tape::Parser;
use crate::trie::Trie;
use crate::value::Values;
use crate::walk::{Caps, Walker};

/// Flows of which the one seen least recently is forgotten, where there is no room for another.
const CANDIDATES: usize = 16;

/// Operations of a flow whose keys are remembered.
const OPERATIONS: usize = 256;

/// What a body holds.
pub(crate) struct Counted {
    /// If it is JSON.
    pub(crate) shape: Option<Arc<Shape>>,
    /// How often each entry occurs.
    pub(crate) counts: Counts,
    pub(crate) values: Values,
    /// The flow's key, with the operation that the body names, and its hash.
    pub(crate) key: Arc<FlowKey>,
    pub(crate) hash: u64,
}

/// What is remembered of a flow.
pub(crate) struct Flow {
    /// Its key in [`Flows::places`].
    name: Box<[u8]>,
    key: Arc<FlowKey>,
    /// [`FlowKey::fixed_hash`].
    hash: u64,
    trie: Trie,
    shapes: Shapes,
    expected: Expected,
    pub(crate) whole: Whole,
    /// The keys of its operations, and their hashes.
    operations: HashMap<Box<str>, (Arc<FlowKey>, u64)>,
    /// Number of the last message.
    last: u64,
}

impl Flow {
    fn new(key: FlowKey, name: &[u8], limits: Limits) -> Self {
        Self {
            name: name.into(),
            hash: key.fixed_hash(),
            key: Arc::new(key),
            trie: Trie::new(),
            shapes: Shapes::new(limits.flow_shapes),
            expected: Expected::default(),
            whole: Whole::new(limits.flow_shapes),
            operations: HashMap::new(),
            last: 0,
        }
    }

    /// Counts a body.
    pub(crate) fn count(
        &mut self,
        body: &[u8],
        parser: &mut Parser,
        walker: &mut Walker,
        counters: &mut Counters,
        limits: Limits,
    ) -> Result<Counted, Unobserved> {
        let Self { trie, shapes, expected, key, hash, operations, .. } = self;
        if let Some((shape, counts, values)) = expected.read(body) {
            return Ok(Counted { shape: Some(shape), counts, values, key: Arc::clone(key), hash: *hash });
        }
        parser.parse(body, |tape| {
            let operation = (key.side == Side::Request).then(|| operation::of(tape)).flatten();
            let (key, hash) = match operation {
                Some(operation) => with_operation(operations, key, operation),
                None => (Arc::clone(key), *hash),
            };
            if let Some((shape, counts, values)) = expected.find(tape) {
                return Ok(Counted { shape: Some(shape), counts, values, key, hash });
            }
            if trie.len() > limits.flow_paths || trie.is_exhausted() {
                counters.forgotten_paths += trie.len() as u64;
                trie.clear();
                shapes.clear();
            }
            let caps = Caps { nodes: limits.nodes, paths: limits.paths };
            let replaced = walker.walk(tape, trie, caps)?;
            counters.duplicate_keys += u64::from(replaced > 0);
            let (shape, counts, values, forgotten) = shapes.of(trie, walker.values());
            counters.forgotten_shapes += forgotten as u64;
            if replaced == 0 {
                expected.learn(body, tape, &shape, &counts, &values.leaves);
            }
            Ok(Counted { shape: Some(shape), counts, values, key, hash })
        })?
    }

    /// Of a message without a body that can be counted.
    pub(crate) fn without_body(&self) -> Counted {
        let (key, hash) = (Arc::clone(&self.key), self.hash);
        Counted { shape: None, counts: Counts::Once, values: Values::default(), key, hash }
    }
}

fn with_operation(
    known: &mut HashMap<Box<str>, (Arc<FlowKey>, u64)>,
    key: &FlowKey,
    operation: &str,
) -> (Arc<FlowKey>, u64) {
    if let Some((key, hash)) = known.get(operation) {
        return (Arc::clone(key), *hash);
    }
    if known.len() >= OPERATIONS {
        known.clear(); // A key is made again.
    }
    let key = FlowKey { operation: Some(operation.into()), ..key.clone() };
    let made = (key.fixed_hash(), Arc::new(key));
    known.insert(operation.into(), (Arc::clone(&made.1), made.0));
    (made.1, made.0)
}

/// The flows of an observer.
#[derive(Default)]
pub(crate) struct Flows {
    places: HashMap<Box<[u8]>, usize>,
    flows: Vec<Flow>,
    messages: u64,
    /// Where the next flow to be forgotten is looked for.
    hand: usize,
    /// The route of the message at hand, and the key of its flow.
    route: String,
    name: Vec<u8>,
    templates: Templates,
    /// The template of a route.
    template: String,
}

impl Flows {
    /// The flow of a message, found without allocating where it is known.
    pub(crate) fn of(
        &mut self,
        message: &Message,
        request: &RequestLine,
        names: &mut Names,
        limits: Limits,
        counters: &mut Counters,
    ) -> Option<&mut Flow> {
        let method = route::method(&request.method);
        let status_class = status_class(message);
        self.route.clear();
        route::push_route(&mut self.route, &request.target);
        write_name(&mut self.name, &self.route, method, status_class, message, names);
        let mut known = self.places.get(&*self.name).copied();
        if known.is_none() && self.fold(message, names) {
            write_name(&mut self.name, &self.route, method, status_class, message, names);
            known = self.places.get(&*self.name).copied();
        }
        let place = match known {
            Some(place) => place,
            None => {
                let key = FlowKey {
                    client: names.with(&message.client, Arc::clone),
                    server: names.with(&message.server, Arc::clone),
                    protocol: message.protocol,
                    method: method.into(),
                    route: self.route.as_str().into(),
                    operation: None,
                    side: message.side,
                    status_class,
                };
                self.add(Flow::new(key, &self.name, limits), limits, counters)
            }
        };
        self.messages += 1;
        let flow = self.flows.get_mut(place)?;
        flow.last = self.messages;
        Some(flow)
    }

    /// Uses what was learned about routes from now on. Flows are remembered anew: many of them may be one.
    pub(crate) fn follow(&mut self, templates: Templates) {
        self.templates = templates;
        self.places.clear();
        self.flows.clear();
        self.hand = 0;
    }

    /// Turns the route at hand into its template, if it has another.
    fn fold(&mut self, message: &Message, names: &mut Names) -> bool {
        let client = names.with(&message.client, Arc::clone);
        let server = names.with(&message.server, Arc::clone);
        self.template.clear();
        self.templates.write(client, server, &self.route, &mut self.template);
        std::mem::swap(&mut self.route, &mut self.template);
        self.route != self.template
    }

    /// Adds a flow, where there is no room in the place of one that was not seen for long.
    fn add(&mut self, flow: Flow, limits: Limits, counters: &mut Counters) -> usize {
        let place = if self.flows.len() < limits.flows.max(1) {
            self.flows.push(flow);
            self.flows.len() - 1
        } else {
            let candidates = (0..CANDIDATES).map(|i| (self.hand + i) % self.flows.len());
            let last = |place: &usize| self.flows.get(*place).map(|flow| flow.last);
            let place = candidates.min_by_key(last).unwrap_or(0);
            self.hand = (self.hand + CANDIDATES) % self.flows.len();
            if let Some(old) = self.flows.get_mut(place) {
                counters.forgotten_flows += 1;
                self.places.remove(&old.name);
                *old = flow;
            }
            place
        };
        self.places.insert(self.name.as_slice().into(), place);
        place
    }
}

/// The parts of a flow's key one after the other, then their lengths, which make that unambiguous.
fn write_name(
    name: &mut Vec<u8>,
    route: &str,
    method: &str,
    status_class: Option<u8>,
    message: &Message,
    names: &mut Names,
) {
    name.clear();
    let mut lengths = [0; 4];
    let mut push = |part: &str, length: &mut usize| {
        name.extend_from_slice(part.as_bytes());
        *length = part.len();
    };
    let [client, server, of_route, of_method] = &mut lengths;
    names.with(&message.client, |part| push(part, client));
    names.with(&message.server, |part| push(part, server));
    push(route, of_route);
    push(method, of_method);
    push(message.protocol, &mut 0);
    name.extend(lengths.map(|length| (length as u32).to_le_bytes()).as_flattened());
    name.extend([u8::from(message.side == Side::Request), status_class.unwrap_or(0)]);
}

fn status_class(message: &Message) -> Option<u8> {
    let status = message.status.filter(|_| message.side == Side::Response)?;
    u8::try_from(status / 100).ok().filter(|class| (1..=9).contains(class))
}
