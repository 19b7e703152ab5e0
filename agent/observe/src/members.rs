//! Map-like objects, learned: members whose names are data though they do not look so become `.*`.
//!
//! What is learned depends on the order of messages, so it belongs to a flow, whose messages come in theirs. Observers
//! give each name its path; [`Members::fold`] rewrites what they give.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use serde::{Deserialize, Serialize};

use crate::cardinality::{OFTEN, Seen};
use crate::shape::{Counts, Entry, Observation, Shape, ValueKind};

/// The step to members whose names are data.
const ANY: &str = ".*";
/// Names of all objects of a flow that are remembered.
const NAMES: usize = 16_384;
/// Shapes for which it is remembered what becomes of them.
const SHAPES: usize = 512;

/// The names of the members of a flow's objects.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Members {
    /// By path, as it is after folding.
    objects: BTreeMap<Arc<str>, Object>,
    names: usize,
    refused: u64,
    /// What becomes of shapes that have nothing more to teach.
    #[serde(skip)]
    known: HashMap<u64, Known>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Object {
    /// How often each name was seen, up to [`OFTEN`]; of a map, of those that are no data.
    names: BTreeMap<Box<str>, u8>,
    seen: Seen,
    is_map: bool,
}

/// What becomes of a shape.
#[derive(Debug, Clone)]
struct Known {
    /// Entries of the shape it is of: hashes may be the same.
    of: usize,
    /// Nothing, or another.
    folded: Option<Arc<Folded>>,
}

/// A shape with names folded.
#[derive(Debug)]
struct Folded {
    shape: Arc<Shape>,
    /// The entry that each of the shape before has become.
    entries: Vec<u32>,
}

/// What a shape taught.
struct Lesson {
    /// Its paths after folding.
    paths: Vec<Arc<str>>,
    /// Whether that is another shape.
    is_folded: bool,
    /// Whether another message of this shape may teach more.
    is_more: bool,
    /// Whether an object was found to be a map.
    is_new: bool,
}

impl Members {
    /// Learns from a message and folds the names in it that are data. Returns whether an object was found to be a map just
    /// now: what was learned of its members before has no meaning any more.
    pub fn fold(&mut self, observation: &mut Observation) -> bool {
        let Some(shape) = &observation.shape else { return false };
        if let Some(known) = self.known.get(&shape.hash).filter(|known| known.of == shape.entries.len()) {
            if let Some(folded) = &known.folded {
                folded.apply(observation);
            }
            return false;
        }
        let mut lesson = self.learn(shape);
        let is_new = lesson.is_new;
        if is_new {
            self.known.clear();
            self.forget_below_maps();
            lesson = self.learn(shape); // Once more, by what is known now.
        }
        let folded = lesson.is_folded.then(|| Arc::new(Folded::of(shape, &lesson.paths)));
        if !lesson.is_more {
            if self.known.len() >= SHAPES {
                self.known.clear(); // It is found again.
            }
            self.known.insert(shape.hash, Known { of: shape.entries.len(), folded: folded.clone() });
        }
        if let Some(folded) = folded {
            folded.apply(observation);
        }
        is_new
    }

    /// Times a name was not remembered for want of room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn learn(&mut self, shape: &Shape) -> Lesson {
        let mut lesson = Lesson {
            paths: Vec::with_capacity(shape.entries.len()),
            is_folded: false,
            is_more: false,
            is_new: false,
        };
        let mut is_tried = vec![false; shape.entries.len()];
        let mut before: Option<&Entry> = None;
        for entry in &shape.entries {
            let parent =
                entry.parent.and_then(|parent| Some((parent as usize, shape.entries.get(parent as usize)?)));
            let path = match (parent, before) {
                // Another kind of the same member.
                (_, Some(before)) if before.path == entry.path => lesson.paths.last().map(Arc::clone),
                (Some((at, parent)), _) => lesson.paths.get(at).map(Arc::clone).map(|outer| {
                    let step = entry.path.strip_prefix(&*parent.path).unwrap_or_default();
                    let is_first = is_tried.get_mut(at).is_some_and(|tried| !std::mem::replace(tried, true));
                    if parent.kind == ValueKind::Object && self.is_data(&outer, step, is_first, &mut lesson) {
                        [&*outer, ANY].concat().into()
                    } else if outer == parent.path {
                        Arc::clone(&entry.path)
                    } else {
                        [&*outer, step].concat().into()
                    }
                }),
                (None, _) => None,
            };
            let path = path.unwrap_or_else(|| Arc::clone(&entry.path));
            lesson.is_folded |= path != entry.path;
            lesson.paths.push(path);
            before = Some(entry);
        }
        lesson
    }

    /// Takes the member of an object. Whether its name is data.
    fn is_data(&mut self, object: &Arc<str>, name: &str, is_first: bool, lesson: &mut Lesson) -> bool {
        if name == ANY {
            return true;
        }
        if !self.objects.contains_key(object) {
            self.objects.insert(Arc::clone(object), Object::default());
        }
        let Some(object) = self.objects.get_mut(object) else { return false };
        if is_first {
            object.seen.trial();
        }
        if let Some(times) = object.names.get_mut(name) {
            lesson.is_more |= *times < OFTEN;
            object.seen.add(times);
        } else if object.is_map {
            return true;
        } else if self.names < NAMES {
            let mut times = 0;
            object.seen.add(&mut times);
            object.names.insert(name.into(), times);
            self.names += 1;
            lesson.is_more = true;
        } else {
            self.refused += 1;
        }
        if !object.is_map && object.seen.are_data() {
            object.is_map = true;
            let before = object.names.len();
            object.names.retain(|_, times| *times >= OFTEN);
            self.names -= before - object.names.len();
            lesson.is_new = true;
        }
        false
    }

    /// Forgets the objects below members that became `.*`.
    fn forget_below_maps(&mut self) {
        let maps: Vec<(Arc<str>, Vec<Box<str>>)> = self
            .objects
            .iter()
            .filter(|(_, object)| object.is_map)
            .map(|(path, object)| (Arc::clone(path), object.names.keys().cloned().collect()))
            .collect();
        let is_folded = |path: &str| {
            maps.iter().any(|(map, kept)| {
                let is_kept = |step: &str| kept.iter().any(|name| is_below(step, name));
                path.strip_prefix(&**map).is_some_and(|step| {
                    step.starts_with(['.', '[']) && !is_below(step, ANY) && !is_kept(step)
                })
            })
        };
        self.objects.retain(|path, _| !is_folded(path));
        self.names = self.objects.values().map(|object| object.names.len()).sum();
    }
}

/// Whether a relative path is that of `step` or lies below it.
fn is_below(path: &str, step: &str) -> bool {
    path.strip_prefix(step).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl Folded {
    /// A shape whose entries have these paths instead of their own.
    fn of(shape: &Shape, paths: &[Arc<str>]) -> Self {
        let mut places: BTreeMap<(&Arc<str>, ValueKind), u32> =
            shape.entries.iter().zip(paths).map(|(entry, path)| ((path, entry.kind), 0)).collect();
        places.values_mut().zip(0..).for_each(|(place, i)| *place = i);
        let place = |(entry, path): (&Entry, &Arc<str>)| places.get(&(path, entry.kind)).copied();
        let entries: Vec<u32> = shape.entries.iter().zip(paths).filter_map(place).collect();
        let mut folded: Vec<Entry> = places
            .keys()
            .map(|(path, kind)| Entry { path: Arc::clone(path), kind: *kind, parent: None })
            .collect();
        for (entry, place) in shape.entries.iter().zip(&entries) {
            if let Some(folded) = folded.get_mut(*place as usize) {
                folded.parent = entry.parent.and_then(|parent| entries.get(parent as usize).copied());
            }
        }
        let hash = folded.iter().fold(0_u64, |sum, e| sum.wrapping_add(Entry::hash(&e.path, e.kind)));
        Self { shape: Arc::new(Shape { hash, entries: folded }), entries }
    }

    fn apply(&self, observation: &mut Observation) {
        let mut counts = vec![0_u32; self.shape.entries.len()];
        for (before, entry) in (0..).zip(&self.entries) {
            if let Some(count) = counts.get_mut(*entry as usize) {
                *count = count.saturating_add(observation.counts.get(before));
            }
        }
        observation.counts = Counts::from_iter(counts);
        for leaf in &mut observation.values {
            leaf.entry = self.entries.get(leaf.entry as usize).copied().unwrap_or_default();
        }
        observation.shape = Some(Arc::clone(&self.shape));
    }
}
