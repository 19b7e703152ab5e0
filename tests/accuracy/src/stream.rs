//! A stream: the messages of one integration, one after the other, with at most one change from a hidden moment on.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::change::{Injection, Spread};
use crate::draw::{Moment, Random};
use crate::integrations::{Integration, integration};
use crate::json::Json;
use crate::load::Clock;
use crate::path;

/// One message.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Who and when.
    pub moment: Moment,
    /// Route of its request.
    pub route: Cow<'static, str>,
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
    /// How often each kind of message is sent.
    weights: Vec<f64>,
    /// Messages to be sent again, with when.
    again: VecDeque<(u64, Sent)>,
    change: Option<Planned>,
}

/// A change to come.
struct Planned {
    injection: Injection,
    /// Messages before it begins that hold what the field is a member of.
    clean: u64,
    /// Such messages so far.
    seen: u64,
    random: Random,
}

impl Stream {
    /// The stream of this integration and seed; `None` for an unknown name.
    #[must_use]
    pub fn new(name: &str, seed: u64) -> Option<Self> {
        let integration = integration(name, seed)?;
        Some(Self::of(integration, seed))
    }

    /// The same with its rate times `pace`.
    #[must_use]
    pub fn at_pace(name: &str, seed: u64, pace: f64) -> Option<Self> {
        let mut integration = integration(name, seed)?;
        integration.load.rate *= pace;
        Some(Self::of(integration, seed))
    }

    fn of(integration: Integration, seed: u64) -> Self {
        Self {
            clock: Clock::new(integration.load, seed),
            weights: integration.kinds.iter().map(|(weight, _)| *weight).collect(),
            integration,
            random: Random::new(seed, 3),
            again: VecDeque::new(),
            change: None,
        }
    }

    /// With a change after `clean` messages that hold what the field is a member of.
    #[must_use]
    pub fn with(mut self, injection: Injection, clean: u64, seed: u64) -> Self {
        self.change = Some(Planned { injection, clean, seen: 0, random: Random::new(seed, 4) });
        self
    }

    /// What the stream is of.
    #[must_use]
    pub fn integration(&self) -> &Integration {
        &self.integration
    }

    /// When the last message was sent, or the stream began.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Messages since the change began that hold what the field is a member of.
    #[must_use]
    pub fn since_change(&self) -> u64 {
        self.change.as_ref().map_or(0, |planned| planned.seen.saturating_sub(planned.clean))
    }

    /// Draws the next message, or one that is due to be sent again.
    pub fn send(&mut self) -> Sent {
        let moment = self.clock.tick();
        if self.again.front().is_some_and(|(due_ns, _)| *due_ns <= moment.t_ns)
            && let Some((_, sent)) = self.again.pop_front()
        {
            return Sent { moment, ..sent };
        }
        let (kind, mut json) = self.draw(&moment);
        let is_affected = self.change.as_mut().is_some_and(|planned| planned.apply(kind, &mut json, &moment));
        let mut body = String::with_capacity(1_024);
        json.write(&mut body);
        let route = self.integration.kinds.get(kind).map_or("", |(_, kind)| kind.route);
        let sent = Sent { moment, route: route.into(), body, is_affected };
        if self.random.chance(self.integration.load.retries) {
            let due_ns = moment.t_ns + (self.random.exponential() * 5e9) as u64;
            self.again.push_back((due_ns, sent.clone()));
        }
        sent
    }

    fn draw(&mut self, moment: &Moment) -> (usize, Json) {
        let chosen = if self.weights.len() == 1 { 0 } else { self.random.weighted(&self.weights) };
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

impl Planned {
    /// Changes a message of its kind, once it is time. Whether it did.
    fn apply(&mut self, kind: usize, json: &mut Json, moment: &Moment) -> bool {
        let path = self.injection.path;
        if kind != self.injection.kind || !path::in_parent(json, path, &mut |_, _| {}) {
            return false;
        }
        self.seen += 1;
        let Some(since) = self.seen.checked_sub(self.clean + 1) else { return false };
        self.injection.apply(json, moment, since, &mut self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_the_same_body_later() {
        let mut stream = Stream::new("orders", 1).expect("a known name");
        let sent: Vec<Sent> = (0..5_000).map(|_| stream.send()).collect();
        let bodies: std::collections::HashSet<&str> = sent.iter().map(|sent| &*sent.body).collect();
        let repeated = sent.len() - bodies.len();
        assert!((5..40).contains(&repeated), "{repeated}");
    }
}
