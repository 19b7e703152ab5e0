//! The flows of one partition.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::HashMap;
use pitot_observe::{FlowKey, Observation};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::describe::FlowDescription;
use crate::evidence::Evidence;
use crate::flow::Flow;

/// What [`Flows`] did, since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Observations taken.
    pub messages: u64,
    /// Flows forgotten because of [`Config::flows`] or [`Config::memory`].
    pub forgotten_flows: u64,
    /// Times that flows were left as stubs because of [`Config::memory`].
    pub stubs: u64,
    /// Times a path was met that was not learned because of [`Config::paths`] or [`Config::memory`], in flows not forgotten.
    pub refused_paths: u64,
    /// Paths whose values are not watched because of [`Config::memory`], in flows not forgotten.
    pub unwatched_paths: u64,
}

/// A flow's key, hashed by [`FlowKey::fixed_hash`] (with the table's seed), which comes with each message. Traffic that
/// is made to collide in it is no worse than the same number of flows in one partition, which the same hash tells.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    key: Arc<FlowKey>,
    hash: u64,
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The flows of one partition: learns what they are like, and says what changed.
///
/// It is stored (serialized) as what was learned, after [`Flows::settle`]; what comes back must be completed by
/// [`Flows::restored`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Flows {
    #[serde(skip)]
    config: Config,
    #[serde(skip)]
    places: HashMap<Place, usize>,
    flows: Vec<Flow>,
    counters: Counters,
    /// Bytes that the flows take ([`Flow::reckoned`]), and steps of their plans.
    #[serde(skip)]
    memory: u64,
    #[serde(skip)]
    planned: usize,
}

/// Steps of plans that are kept for so many bytes of memory, an eighth of which they may take.
const BYTES_OF_STEP: u64 = 8 * 64;

impl Flows {
    /// That know nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// Counts what was put off: before this, what would be stored is not all that was learned.
    pub fn settle(&mut self) {
        self.flows.iter_mut().for_each(Flow::settle);
    }

    /// Completes what was stored.
    #[must_use]
    pub fn restored(self, config: Config) -> Self {
        let flows = self.flows.into_iter().map(Flow::restored).collect();
        let mut restored = Self { config, flows, ..self };
        restored.index();
        restored
    }

    /// What each flow is like, in the order in which they were met.
    pub fn describe(&self, config: &Config) -> impl Iterator<Item = FlowDescription> {
        self.flows.iter().map(|flow| flow.describe(config))
    }

    /// The keys of the flows, in the order in which they were met.
    pub fn keys(&self) -> impl Iterator<Item = &FlowKey> {
        self.flows.iter().map(|flow| &*flow.key)
    }

    /// What was reported of these paths of these flows is as it should be: what was before is not kept any longer, so a
    /// return to it is a change and undoes nothing.
    pub fn approve(&mut self, flow: impl Fn(&FlowKey) -> bool, path: impl Fn(&str) -> bool) {
        for approved in self.flows.iter_mut().filter(|known| flow(&known.key)) {
            approved.approve(&path);
        }
    }

    /// Forgets the flows whose key is `chosen`: they are learned anew.
    pub fn forget(&mut self, chosen: impl Fn(&FlowKey) -> bool) {
        self.flows.retain(|flow| !chosen(&flow.key));
        self.index();
    }

    fn index(&mut self) {
        let place =
            |(place, flow): (usize, &Flow)| (Place { key: Arc::clone(&flow.key), hash: flow.hash }, place);
        self.places = self.flows.iter().enumerate().map(place).collect();
        self.memory = self.flows.iter().map(Flow::reckoned).sum();
        self.planned = self.flows.iter().map(Flow::planned).sum();
    }

    /// Takes the observation of one complete message. Those of a flow must come in order. Appends what it decides.
    pub fn push(&mut self, mut observation: Observation, out: &mut Vec<Evidence>) {
        self.counters.messages += 1;
        let key = Place { key: Arc::clone(&observation.flow), hash: observation.flow_hash };
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => self.add(key),
        };
        let Some(flow) = self.flows.get_mut(place) else { return };
        flow.is_far = flow.seen + 1 != self.counters.messages;
        flow.seen = self.counters.messages;
        let (memory, planned) = (flow.reckoned(), flow.planned());
        flow.fold(&mut observation);
        flow.push(&observation, &self.config, out);
        flow.reckon();
        self.memory = self.memory - memory + flow.reckoned();
        self.planned = self.planned - planned + flow.planned();
        if self.memory > self.config.memory {
            self.relieve(place);
        }
        if self.planned as u64 > self.config.memory / BYTES_OF_STEP {
            self.flows.iter_mut().for_each(Flow::forget_plans);
            self.planned = 0;
        }
    }

    /// Makes room, until an eighth is free: leaves the flows that were seen least recently as stubs, all but the one at
    /// `place`; where that does not suffice, forgets them.
    #[cold]
    fn relieve(&mut self, place: usize) {
        let enough = self.config.memory - self.config.memory / 8;
        let mut oldest: Vec<(u64, usize)> = self
            .flows
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != place)
            .map(|(at, flow)| (flow.seen, at))
            .collect();
        oldest.sort_unstable();
        for (_, at) in &oldest {
            if self.memory <= enough {
                return;
            }
            if let Some(flow) = self.flows.get_mut(*at).filter(|flow| !flow.is_stub()) {
                let (memory, planned) = (flow.reckoned(), flow.planned());
                flow.shrink();
                self.counters.stubs += 1;
                self.memory = self.memory - memory + flow.reckoned();
                self.planned -= planned;
            }
        }
        let mut forgotten = Vec::new();
        for (_, at) in oldest {
            if self.memory <= enough {
                break;
            }
            self.memory -= self.flows.get(at).map_or(0, Flow::reckoned);
            forgotten.push(at);
        }
        self.counters.forgotten_flows += forgotten.len() as u64;
        forgotten.sort_unstable();
        let mut at = 0..;
        self.flows.retain(|_| at.next().is_none_or(|at| forgotten.binary_search(&at).is_err()));
        self.index();
    }

    /// A second of event time has gone by. What this lane decides, it decides by messages, not by time.
    pub fn tick(&mut self, _time_ns: u64, _out: &mut Vec<Evidence>) {}

    /// The input ends: appends what needs no further message.
    pub fn finish(&mut self, out: &mut Vec<Evidence>) {
        let mut order: Vec<usize> = (0..self.flows.len()).collect();
        order.sort_by(|a, b| self.flows.get(*a).map(|f| &f.key).cmp(&self.flows.get(*b).map(|f| &f.key)));
        for place in order {
            if let Some(flow) = self.flows.get_mut(place) {
                flow.finish(&self.config, out);
            }
        }
    }

    /// Fields watched now: paths of all flows. What a claim about one of them is worth depends on how many there are.
    #[must_use]
    pub fn monitored(&self) -> u64 {
        self.flows.iter().map(|flow| flow.paths() as u64).sum()
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let watched = self.config.watched();
        Counters {
            refused_paths: self.flows.iter().map(Flow::refused_paths).sum(),
            unwatched_paths: self.flows.iter().map(|flow| flow.paths().saturating_sub(watched) as u64).sum(),
            ..self.counters
        }
    }

    /// Whether a flow was forgotten or left as a stub.
    #[must_use]
    pub fn has_evicted(&self) -> bool {
        self.counters.forgotten_flows + self.counters.stubs > 0
    }

    /// Bytes that what was learned takes, as they are reckoned.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Adds a flow, in the place of the one seen least recently where there is no room.
    fn add(&mut self, key: Place) -> usize {
        let flow = Flow::new(Arc::clone(&key.key), key.hash);
        let place = if self.flows.len() < self.config.flows.max(1) {
            self.flows.push(flow);
            self.flows.len() - 1
        } else {
            let oldest = self.flows.iter_mut().enumerate().min_by_key(|(_, flow)| flow.seen);
            let Some((place, oldest)) = oldest else { return 0 };
            self.counters.forgotten_flows += 1;
            self.memory -= oldest.reckoned();
            self.planned -= oldest.planned();
            self.places.remove(&Place { key: Arc::clone(&oldest.key), hash: oldest.hash });
            *oldest = flow;
            place
        };
        self.places.insert(key, place);
        place
    }
}
