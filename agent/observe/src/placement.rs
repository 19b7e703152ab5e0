//! Which flow a message belongs to, as far as that depends on the messages before it.
//!
//! Observers see messages in no order. What needs one is here, between them and the partitions of flows: routes are
//! learned ([`crate::routes`]), responses get the operation of their request, and of a route's operations so many are told
//! apart. One [`Placement`] takes all observations in their order, so that the result depends on the input only.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use pitot_protocols::message::Side;
use serde::{Deserialize, Serialize};

use crate::flow::FlowKey;
use crate::hash;
use crate::routes::Routes;
use crate::shape::Observation;

/// Segments of routes that are remembered.
const SEGMENTS: usize = 65_536;
/// Operations of a route that are told apart; the others are [`OTHER`], as OpenTelemetry names what is not known.
const OPERATIONS: usize = 256;
const OTHER: &str = "_OTHER";
/// Routes of which operations are told apart.
const ROUTES: usize = 4_096;
/// Requests with an operation whose response may come.
const PENDING: usize = 65_536;
/// Flows whose place is remembered.
const KNOWN: usize = 65_536;

/// Client and server.
type Ends = (Arc<str>, Arc<str>);

/// What a [`Placement`] did, since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Placed {
    /// Route templates learned.
    pub templates: u64,
    /// Requests whose route had a segment for which there was no room.
    pub refused_routes: u64,
    /// Requests whose operation was one too many for its route.
    pub refused_operations: u64,
    /// Requests with an operation that were forgotten before a response came.
    pub forgotten_requests: u64,
}

/// Puts observations in their flows. What is stored of it is all that it knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct Placement {
    routes: BTreeMap<Ends, Routes>,
    /// How many more segments may be remembered.
    room: usize,
    /// By route (a key without operation): its operations.
    operations: BTreeMap<FlowKey, BTreeSet<Arc<str>>>,
    pending: Pending,
    /// Whether [`Placement::templates`] gave all that was learned.
    #[serde(skip)]
    is_told: bool,
    /// A cache of the above.
    #[serde(skip)]
    known: HashMap<Observed, Place>,
    placed: Placed,
}

/// What was learned about routes, for observers: they need not tell apart what is one flow
/// ([`crate::Observer::follow`]).
#[derive(Debug, Clone, Default)]
pub struct Templates(Arc<BTreeMap<Ends, Routes>>);

impl Templates {
    /// Writes the template of a route, if something was learned about those of a client and a server.
    pub(crate) fn write(&self, client: Arc<str>, server: Arc<str>, route: &str, template: &mut String) {
        match self.0.get(&(client, server)) {
            Some(routes) => routes.write(route, template),
            None => template.push_str(route),
        }
    }
}

/// A flow as observed, hashed by what comes with each message.
#[derive(Debug, PartialEq, Eq)]
struct Observed {
    key: Arc<FlowKey>,
    hash: u64,
}

impl Hash for Observed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Where the observations of a flow belong.
#[derive(Debug)]
struct Place {
    key: Arc<FlowKey>,
    hash: u64,
    /// Whether its requests may still teach something about routes.
    is_learning: bool,
    /// Whether operations of its route are told apart; then also where those of each belong, of responses.
    has_operations: bool,
    of_operation: HashMap<Arc<str>, (Arc<FlowKey>, u64)>,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            routes: BTreeMap::new(),
            room: SEGMENTS,
            operations: BTreeMap::new(),
            pending: Pending::default(),
            is_told: false,
            known: HashMap::new(),
            placed: Placed::default(),
        }
    }
}

impl Placement {
    /// What was done so far.
    #[must_use]
    pub fn placed(&self) -> Placed {
        Placed { forgotten_requests: self.pending.forgotten, ..self.placed }
    }

    /// What was learned about routes, if that is more than the last time.
    pub fn templates(&mut self) -> Option<Templates> {
        if self.is_told {
            return None;
        }
        self.is_told = true;
        let learned = self.routes.iter().filter(|(_, routes)| routes.has_templates());
        Some(Templates(Arc::new(learned.map(|(ends, routes)| (ends.clone(), routes.clone())).collect())))
    }

    /// Puts an observation in its flow. All of them must come in their order.
    pub fn place(&mut self, observation: &mut Observation) {
        let observed = Observed { key: Arc::clone(&observation.flow), hash: observation.flow_hash };
        if let Some(place) = self.known.get_mut(&observed)
            && !place.is_learning
        {
            return place.put(observation, &mut self.pending);
        }
        let mut place = self.learn(&observed);
        place.put(observation, &mut self.pending);
        if self.known.len() >= KNOWN {
            self.known.clear(); // A place is found again.
        }
        self.known.insert(observed, place);
    }

    /// Where a flow belongs, by all that was learned; a request is learned from.
    fn learn(&mut self, observed: &Observed) -> Place {
        let key = &observed.key;
        let (route, is_learning) = self.route(key);
        let of_route = FlowKey {
            route: route.unwrap_or_else(|| Arc::clone(&key.route)),
            operation: None,
            side: Side::Request,
            status_class: None,
            ..FlowKey::clone(key)
        };
        let operation = key.operation.as_ref().and_then(|operation| self.operation(&of_route, operation));
        let has_operations = self.operations.contains_key(&of_route);
        let is_same = operation == key.operation && of_route.route == key.route;
        let (key, hash) = if is_same {
            (Arc::clone(key), observed.hash)
        } else {
            hashed(FlowKey { route: of_route.route, operation, ..FlowKey::clone(key) })
        };
        Place { key, hash, is_learning, has_operations, of_operation: HashMap::new() }
    }

    /// The template of a flow's route, where that is another, and whether a request of it may teach more.
    fn route(&mut self, key: &FlowKey) -> (Option<Arc<str>>, bool) {
        let ends = (Arc::clone(&key.client), Arc::clone(&key.server));
        if self.room == 0 && !self.routes.contains_key(&ends) {
            self.placed.refused_routes += 1;
            return (None, false);
        }
        let routes = self.routes.entry(ends).or_default();
        let mut is_learning = false;
        if key.side == Side::Request {
            let lesson = routes.learn(&key.route, &mut self.room);
            is_learning = lesson.is_more;
            self.placed.refused_routes += u64::from(lesson.is_refused);
            if lesson.templates > 0 {
                self.placed.templates += lesson.templates;
                self.is_told = false;
                self.known.clear();
            }
        }
        let mut template = String::with_capacity(key.route.len());
        routes.write(&key.route, &mut template);
        ((*template != *key.route).then(|| template.into()), is_learning)
    }

    /// What an operation of a route is called; nothing where there are too many routes with operations.
    fn operation(&mut self, of_route: &FlowKey, operation: &Arc<str>) -> Option<Arc<str>> {
        if !self.operations.contains_key(of_route) {
            if self.operations.len() >= ROUTES {
                self.placed.refused_operations += 1;
                return None;
            }
            self.operations.insert(of_route.clone(), BTreeSet::new());
            self.known.clear(); // Its responses have operations from now on.
        }
        let known = self.operations.get_mut(of_route)?;
        if known.contains(operation) {
            return Some(Arc::clone(operation));
        }
        if known.len() >= OPERATIONS {
            self.placed.refused_operations += 1;
            return Some(OTHER.into());
        }
        known.insert(Arc::clone(operation));
        Some(Arc::clone(operation))
    }
}

impl Place {
    fn put(&mut self, observation: &mut Observation, pending: &mut Pending) {
        let mut place = (&self.key, self.hash);
        if self.has_operations {
            match (self.key.side, &self.key.operation) {
                (Side::Request, Some(operation)) => pending.add(exchange(observation), operation),
                (Side::Response, None) => {
                    if let Some(operation) = pending.take(exchange(observation)) {
                        let of_operation =
                            self.of_operation.entry(Arc::clone(&operation)).or_insert_with(|| {
                                hashed(FlowKey { operation: Some(operation), ..FlowKey::clone(&self.key) })
                            });
                        place = (&of_operation.0, of_operation.1);
                    }
                }
                _ => {}
            }
        }
        observation.flow = Arc::clone(place.0);
        observation.flow_hash = place.1;
    }
}

fn hashed(key: FlowKey) -> (Arc<FlowKey>, u64) {
    let hash = key.fixed_hash();
    (Arc::new(key), hash)
}

/// The exchange of a message, of its client and server.
fn exchange(observation: &Observation) -> u64 {
    let FlowKey { client, server, .. } = &*observation.flow;
    [client, server, &observation.exchange]
        .into_iter()
        .fold(0, |hash, part| hash::mix(hash ^ hash::text64(part.as_bytes())))
}

/// The operations of requests whose response did not come yet.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pending {
    operations: BTreeMap<u64, Arc<str>>,
    /// In the order they came; those whose response came may be among them.
    order: VecDeque<u64>,
    forgotten: u64,
}

impl Pending {
    fn add(&mut self, exchange: u64, operation: &Arc<str>) {
        self.operations.insert(exchange, Arc::clone(operation));
        self.order.push_back(exchange);
        if self.order.len() > PENDING
            && let Some(oldest) = self.order.pop_front()
        {
            self.forgotten += u64::from(self.operations.remove(&oldest).is_some());
        }
    }

    fn take(&mut self, exchange: u64) -> Option<Arc<str>> {
        self.operations.remove(&exchange)
    }
}
