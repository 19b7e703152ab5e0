//! A shape resolved against a flow's fields: what to do with the counts of a message that has it.

use std::sync::Arc;

use foldhash::HashMap;
use pitot_observe::shape::ValueKind;
use pitot_observe::{Counts, Shape};
use serde::{Deserialize, Serialize};

use crate::config::HISTORY;
use crate::field::Field;
use crate::types::Types;

/// The entries of one path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) slot: u32,
    /// Entries of this path: `first..end`.
    pub(crate) first: u32,
    pub(crate) end: u32,
    /// The entry of the object that holds it, and that object's slot, where presence is measured.
    pub(crate) parent: Option<(u32, u32)>,
    pub(crate) types: Types,
    /// Entries where it is null, and where it is an object.
    pub(crate) null: Option<u32>,
    pub(crate) is_object: bool,
}

/// A member of one of the shape's objects that is not in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Missing {
    pub(crate) slot: u32,
    /// Slot of the object that lacks it.
    pub(crate) parent: u32,
    /// A member of the shape with which it always came together.
    pub(crate) beside: Option<u32>,
}

/// What to do for a message of a shape.
#[derive(Debug)]
pub(crate) struct Plan {
    hash: u64,
    entries: usize,
    /// The flow's version for which `missing` holds. That a member was always there until now, or never, is not asked here but
    /// when a message comes: a plan made anew is the same plan.
    version: u64,
    /// Parents first.
    pub(crate) steps: Vec<Step>,
    pub(crate) missing: Vec<Missing>,
    /// Slot of each entry; u32::MAX where its path is not learned.
    slots: Vec<u32>,
}

impl Plan {
    /// The slot of an entry; that of no field where its path is not learned.
    #[inline]
    pub(crate) fn slot(&self, entry: u32) -> u32 {
        self.slots.get(entry as usize).copied().unwrap_or(u32::MAX)
    }

    /// Whether this is the plan of a shape, as far as the flow's fields are those of `version`.
    pub(crate) fn is_of(&self, shape: &Shape, version: u64) -> bool {
        self.hash == shape.hash && self.entries == shape.entries.len() && self.version == version
    }

    /// Whether a path is in its shape.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        self.steps.iter().any(|step| step.slot == slot)
    }

    /// Whether every member is in as many instances as its parent.
    pub(crate) fn is_full(&self, counts: &Counts) -> bool {
        let is_full = |step: &Step| {
            step.parent.is_none_or(|(entry, _)| counts.sum(step.first..step.end) >= counts.get(entry))
        };
        matches!(counts, Counts::Once) || self.steps.iter().all(is_full)
    }
}

/// The fields of a flow, by slot.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fields {
    pub(crate) list: Vec<Field>,
    /// By path; made again from `list` where that was stored ([`Fields::index`]).
    #[serde(skip)]
    slots: HashMap<Arc<str>, u32>,
    /// Grows whenever a plan's `missing` may be outdated.
    pub(crate) version: u64,
    /// Paths that were not learned because of the cap.
    pub(crate) refused: u64,
}

impl Fields {
    /// Makes what is not stored with the fields.
    pub(crate) fn index(&mut self) {
        self.slots = (0..).zip(&self.list).map(|(slot, field)| (Arc::clone(&field.path), slot)).collect();
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Field> {
        self.list.get(slot as usize)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Field> {
        self.list.get_mut(slot as usize)
    }

    /// Makes a plan, and fields for the paths that are new.
    pub(crate) fn plan(&mut self, shape: &Shape, cap: usize) -> Plan {
        let steps = self.steps(shape, cap);
        let mut present = vec![false; self.list.len()];
        for step in &steps {
            if let Some(present) = present.get_mut(step.slot as usize) {
                *present = true;
            }
        }
        let mut missing = Vec::new();
        for step in &steps {
            let is_object = (step.first..step.end).any(|i| is_object(shape, i));
            let Some(field) = self.get(step.slot).filter(|_| is_object) else { continue };
            let is_there = |slot: u32| present.get(slot as usize).copied().unwrap_or(true);
            for child in field.children.iter().copied().filter(|child| !is_there(*child)) {
                let Some(absent) = self.get(child).filter(|child| child.is_member) else { continue };
                let beside = |other: &u32| {
                    is_there(*other)
                        && self
                            .get(*other)
                            .is_some_and(|other| absent.presence.together(&other.presence).is_some())
                };
                let is_known = absent.presence.some >= HISTORY;
                let beside = field.children.iter().copied().filter(|_| is_known).find(beside);
                missing.push(Missing { slot: child, parent: step.slot, beside });
            }
        }
        let (hash, entries) = (shape.hash, shape.entries.len());
        let mut slots = vec![u32::MAX; entries];
        for step in &steps {
            if let Some(slots) = slots.get_mut(step.first as usize..step.end as usize) {
                slots.fill(step.slot);
            }
        }
        Plan { hash, entries, version: self.version, steps, missing, slots }
    }

    /// Whether any number of full messages of this plan, after one of them, only make every count greater: each path
    /// was always there, with these types, always or never null, and what is not there never was.
    pub(crate) fn is_still(&self, plan: &Plan) -> bool {
        let is_still = |step: &Step| {
            self.get(step.slot).is_some_and(|field| {
                let is_null = step.null.is_some() && step.end - step.first == 1;
                field.types.contains(step.types)
                    && if is_null {
                        field.nulls.is_always()
                    } else {
                        step.null.is_none() && field.nulls.is_never()
                    }
                    && (step.parent.is_none() || field.presence.is_always())
            })
        };
        plan.steps.iter().all(is_still)
            && (plan.missing.iter())
                .all(|missing| self.get(missing.slot).is_some_and(|field| field.presence.is_never()))
    }

    /// Counts `messages` full messages of a plan that is still ([`Fields::is_still`]), the last of them at `t_ns`.
    pub(crate) fn see_again(&mut self, plan: &Plan, messages: u64, t_ns: u64) {
        for step in &plan.steps {
            let Some(field) = self.get_mut(step.slot) else { continue };
            field.messages += messages;
            if step.is_object {
                field.objects += messages;
            }
            if step.parent.is_some() {
                field.presence.see_again(messages, t_ns);
            }
            if step.null.is_some() {
                field.nulls.see_again(messages, t_ns);
            }
        }
    }

    fn steps(&mut self, shape: &Shape, cap: usize) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut slot_of_entry: Vec<Option<u32>> = Vec::with_capacity(shape.entries.len());
        for (i, entry) in (0..).zip(&shape.entries) {
            let parent =
                entry.parent.map(|parent| (parent, slot_of_entry.get(parent as usize).copied().flatten()));
            let slot = match parent {
                Some((_, None)) => None, // below a path that was refused
                Some((_, Some(parent))) => self.slot(&entry.path, Some(parent), cap),
                None => self.slot(&entry.path, None, cap),
            };
            slot_of_entry.push(slot);
            let Some(slot) = slot else { continue };
            let null = (entry.kind == ValueKind::Null).then_some(i);
            let is_object = entry.kind == ValueKind::Object;
            match steps.last_mut() {
                Some(step) if step.slot == slot => {
                    step.end = i + 1;
                    step.types = step.types.with(Types::of(entry.kind));
                    step.is_object |= is_object;
                }
                _ => {
                    let is_member = self.get(slot).is_some_and(|field| field.is_member);
                    let parent = parent.and_then(|(entry, slot)| Some((entry, slot?))).filter(|_| is_member);
                    let types = Types::of(entry.kind);
                    steps.push(Step { slot, first: i, end: i + 1, parent, types, null, is_object });
                }
            }
        }
        steps
    }

    /// The slot of a path; `None` where it is new and there is no room.
    fn slot(&mut self, path: &Arc<str>, parent: Option<u32>, cap: usize) -> Option<u32> {
        if let Some(slot) = self.slots.get(path) {
            return Some(*slot);
        }
        if self.list.len() >= cap {
            self.refused += 1;
            return None;
        }
        let slot = self.list.len() as u32;
        let is_member = parent.is_some() && !path.ends_with("[*]") && !path.ends_with(".*");
        self.list.push(Field::new(Arc::clone(path), parent, is_member));
        self.slots.insert(Arc::clone(path), slot);
        if let Some(parent) = parent.and_then(|parent| self.get_mut(parent)) {
            parent.children.push(slot);
        }
        self.version += 1;
        Some(slot)
    }

    /// The objects and arrays that hold a path, inner ones first.
    fn parents(&self, slot: u32) -> impl Iterator<Item = u32> {
        let parent = |slot: u32| self.get(slot)?.parent;
        std::iter::successors(parent(slot), move |slot| parent(*slot))
    }

    /// How many hold it.
    pub(crate) fn depth(&self, slot: u32) -> usize {
        self.parents(slot).count()
    }

    /// Whether `inner` lies in `outer`.
    pub(crate) fn is_inside(&self, outer: u32, inner: u32) -> bool {
        self.parents(inner).any(|parent| parent == outer)
    }

    /// How alike two objects are: the share of their members' names that both have. 1 where neither has members.
    pub(crate) fn likeness(&self, a: u32, b: u32) -> f64 {
        let names = |slot: u32| -> Vec<&str> {
            let Some(field) = self.get(slot) else { return Vec::new() };
            field.children.iter().filter_map(|c| Some(self.get(*c)?.name(field))).collect()
        };
        let (a, b) = (names(a), names(b));
        let common = a.iter().filter(|name| b.contains(name)).count();
        let all = a.len() + b.len() - common;
        if all == 0 { 1.0 } else { common as f64 / all as f64 }
    }
}

fn is_object(shape: &Shape, entry: u32) -> bool {
    shape.entries.get(entry as usize).is_some_and(|entry| entry.kind == ValueKind::Object)
}
