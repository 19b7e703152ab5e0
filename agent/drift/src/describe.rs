//! What a flow is like, in words for people and documents.

use std::sync::Arc;

use pitot_observe::FlowKey;
use pitot_observe::shape::ValueKind;

use crate::channel::Channel;
use crate::config::{Config, HISTORY};
use crate::field::Field;
use crate::flow::Flow;
use crate::plan::Fields;
use crate::values;

/// A flow.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowDescription {
    /// Which.
    pub key: Arc<FlowKey>,
    /// Complete messages it has had.
    pub messages: u64,
    /// Messages it still needs before anything of it is reported.
    pub needs: u64,
    /// Its paths, in order, so that what holds a path comes before it.
    pub paths: Vec<PathDescription>,
}

/// A path of a flow.
#[derive(Debug, Clone, PartialEq)]
pub struct PathDescription {
    /// RFC 9535, as in [`pitot_observe::shape::Entry`].
    pub path: Arc<str>,
    /// Place, in [`FlowDescription::paths`], of the object or array that holds it; `None` for a root.
    pub parent: Option<usize>,
    /// Types it has, without null.
    pub types: Vec<ValueKind>,
    /// Messages that hold it.
    pub messages: u64,
    /// Share of the messages with its object that hold it; `None` where that means nothing (a root, elements of an array).
    pub presence: Option<f64>,
    /// Whether it is in every instance of its object.
    pub is_required: bool,
    /// Share of the messages that hold it in which it is null somewhere.
    pub nulls: f64,
    /// What its values are like; `None` where it has none: an object, an array, or always null.
    pub values: Option<ValuesDescription>,
    /// What is watched of it.
    pub channels: Vec<ChannelDescription>,
}

/// What is known of the values of a path. Figures are as they were sent: what shows them rounds them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValuesDescription {
    /// How they are read.
    pub known: Known,
    /// Messages from which that is known, or that were looked at so far.
    pub messages: u64,
    /// Messages with the path that it takes until a change of values is reported. 0: it is armed.
    pub needs: u64,
}

/// How values are read, and where they lie: `middle` are the lower and the upper quartile.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Known {
    /// Not known yet, or of no one kind.
    Nothing,
    /// Numbers.
    Numbers {
        /// As they are.
        middle: (f64, f64),
    },
    /// Numbers that grow.
    Steps {
        /// From one message to the next.
        middle: (f64, f64),
    },
    /// Moments.
    Times {
        /// Before the message came, in seconds.
        middle: (f64, f64),
    },
    /// Dates.
    Days {
        /// Before the message came, in seconds.
        middle: (f64, f64),
    },
    /// Of a small set: texts or booleans.
    Codes {
        /// Different ones.
        count: u64,
    },
    /// Names, identifiers, sentences.
    Texts,
}

/// A property that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelDescription {
    /// `presence`, `null`, `type`, `values`.
    pub name: &'static str,
    /// Messages that it still needs before a change of it is reported: of those that hold the path, or for `presence` the
    /// object around it. 0: it is armed.
    pub needs: u64,
}

impl Flow {
    /// What it is like.
    pub(crate) fn describe(&self, config: &Config) -> FlowDescription {
        let fields = self.fields();
        let mut order: Vec<u32> = (0..).zip(&fields.list).map(|(slot, _)| slot).collect();
        order.sort_by_key(|slot| fields.get(*slot).map(|field| &field.path));
        let mut places = vec![0; order.len()];
        for (place, slot) in order.iter().enumerate() {
            if let Some(of_slot) = places.get_mut(*slot as usize) {
                *of_slot = place;
            }
        }
        let describe = |(place, slot): (usize, &u32)| {
            let field = fields.get(*slot)?;
            // Its path is a part of the field's, so it comes before; a file may say otherwise.
            let parent = field.parent.and_then(|parent| places.get(parent as usize).copied());
            let parent = parent.filter(|parent| *parent < place);
            let values = self.values_of(*slot).and_then(values::Field::describe);
            Some(PathDescription { parent, ..describe(field, fields, values) })
        };
        FlowDescription {
            key: Arc::clone(&self.key),
            messages: self.messages(),
            needs: config.learning_messages.saturating_sub(self.messages()),
            paths: order.iter().enumerate().filter_map(describe).collect(),
        }
    }
}

fn describe(field: &Field, fields: &Fields, values: Option<ValuesDescription>) -> PathDescription {
    let parent = field.parent.and_then(|parent| fields.get(parent)).filter(|_| field.is_member);
    let objects = parent.map(|parent| parent.objects);
    let needs = |history: u64| HISTORY.saturating_sub(history);
    let channels = [
        objects.map(|objects| ("presence", needs(history(&field.presence, objects, field.absent_from)))),
        Some(("null", needs(history(&field.nulls, field.messages, field.not_null_from)))),
        Some(("type", needs(field.messages.saturating_sub(field.types_from)))),
        values.map(|values| ("values", values.needs)),
    ];
    let channel = |(name, needs)| ChannelDescription { name, needs };
    PathDescription {
        path: Arc::clone(&field.path),
        parent: None,
        types: field.types.to_vec(),
        messages: field.messages,
        presence: objects.map(|objects| share(&field.presence, objects)),
        is_required: objects
            .is_some_and(|objects| field.presence.is_always() && field.presence.last_some == objects),
        nulls: share(&field.nulls, field.messages),
        values,
        channels: channels.into_iter().flatten().map(channel).collect(),
    }
}

/// Trials that a channel knows, of `now`; where it knows of none with its property, those after `never_from`.
fn history(channel: &Channel, now: u64, never_from: u64) -> u64 {
    if channel.is_never() { now.saturating_sub(never_from) } else { channel.trials() }
}

/// Share of the trials up to `now` that have a channel's property.
fn share(channel: &Channel, now: u64) -> f64 {
    let missed = now.saturating_sub(channel.last_some);
    let trials = if channel.is_never() { now } else { channel.trials() + missed };
    (channel.some as f64 / trials.max(1) as f64).min(1.0)
}
