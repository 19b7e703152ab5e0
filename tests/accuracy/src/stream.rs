//! A stream: the messages of one integration, one after the other, with at most one change from a hidden moment on.

use crate::change::{Injection, Spread};
use crate::draw::{Moment, Random};
use crate::integrations::{Integration, integration};
use crate::json::Json;
use crate::load::Clock;
use crate::path;

/// One message.
#[derive(Debug)]
pub struct Sent {
    /// Who and when.
    pub moment: Moment,
    /// Route of its request.
    pub route: &'static str,
    /// Its body, as text.
    pub body: String,
    /// Whether the change, if it is on, touched it.
    pub is_affected: bool,
}

/// Draws messages.
pub struct Stream {
    integration: Integration,
    clock: Clock,
    random: Random,
    change: Option<Planned>,
}

/// A change to come.
struct Planned {
    injection: Injection,
    /// Messages of its kind before it begins.
    clean: u64,
    /// Messages of its kind so far.
    seen: u64,
    onset_ns: Option<u64>,
    random: Random,
}

impl Stream {
    /// The stream of this integration and seed; `None` for an unknown name.
    #[must_use]
    pub fn new(name: &str, seed: u64) -> Option<Self> {
        let integration = integration(name, seed)?;
        let clock = Clock::new(integration.load, seed);
        Some(Self { integration, clock, random: Random::new(seed, 3), change: None })
    }

    /// With a change after `clean` messages of its kind.
    #[must_use]
    pub fn with(mut self, injection: Injection, clean: u64, seed: u64) -> Self {
        self.change =
            Some(Planned { injection, clean, seen: 0, onset_ns: None, random: Random::new(seed, 4) });
        self
    }

    /// What the stream is of.
    #[must_use]
    pub fn integration(&self) -> &Integration {
        &self.integration
    }

    /// When the change began, once it has.
    #[must_use]
    pub fn onset_ns(&self) -> Option<u64> {
        self.change.as_ref().and_then(|change| change.onset_ns)
    }

    /// Draws the next message.
    pub fn send(&mut self) -> Sent {
        let moment = self.clock.tick();
        let (kind, mut json) = self.draw(&moment);
        let mut is_affected = false;
        if let Some(planned) = self.change.as_mut().filter(|planned| planned.injection.kind == kind) {
            planned.seen += 1;
            if planned.seen > planned.clean {
                let since = planned.seen - planned.clean - 1;
                is_affected = planned.injection.apply(&mut json, &moment, since, &mut planned.random);
                if is_affected && planned.onset_ns.is_none() {
                    planned.onset_ns = Some(moment.t_ns);
                }
            }
        }
        let mut body = String::with_capacity(512);
        json.write(&mut body);
        let route = self.integration.kinds.get(kind).map_or("", |(_, kind)| kind.route);
        Sent { moment, route, body, is_affected }
    }

    fn draw(&mut self, moment: &Moment) -> (usize, Json) {
        let weights: Vec<f64> = self.integration.kinds.iter().map(|(weight, _)| *weight).collect();
        let chosen = if weights.len() == 1 { 0 } else { self.random.weighted(&weights) };
        let Some((_, kind)) = self.integration.kinds.get_mut(chosen) else { return (chosen, Json::Null) };
        let mut json = kind.body.draw(moment, &mut self.random);
        (kind.derive)(&mut json);
        (chosen, json)
    }

    /// Mean and deviation of a field of one kind of message, from `messages` of a stream of its own.
    #[must_use]
    pub fn spread(name: &str, seed: u64, kind: usize, at: &str, messages: usize) -> Spread {
        let Some(mut stream) = Self::new(name, seed) else { return Spread::default() };
        let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for _ in 0..messages {
            let moment = stream.clock.tick();
            let (drawn, mut json) = stream.draw(&moment);
            if drawn == kind {
                path::at(&mut json, at, &mut |value| {
                    if let Some(x) = value.number() {
                        n += 1.0;
                        sum += x;
                        squares += x * x;
                    }
                });
            }
        }
        let mean = sum / f64::max(n, 1.0);
        Spread { mean, deviation: (squares / f64::max(n, 1.0) - mean * mean).max(0.0).sqrt() }
    }
}
