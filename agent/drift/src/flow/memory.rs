//! What a flow takes of memory, as far as is reckoned, and what is left of it where that is too much.
//!
//! Reckoned, not measured: the same messages must lead to the same decisions, on every machine. A test holds the figures to
//! what is really taken.

use super::{Flow, Repeats};

/// Bytes of a flow, of each path, and of the values of a path.
const FLOW: u64 = 4_096;
const PATH: u64 = 1_024;
const VALUES: u64 = 5_120;
/// Messages after which a flow is reckoned again, at the latest; while it has few, each time they have doubled.
const OFTEN: u64 = 32;

/// The most paths that one flow may have, and those of them whose values are watched, where all flows may take so many
/// bytes: one flow alone keeps within them.
pub(crate) fn most_paths(budget: u64) -> (usize, usize) {
    let most = |part: u64, bytes: u64| usize::try_from(part / bytes).unwrap_or(usize::MAX).max(1);
    (most(budget / 4, PATH), most(budget / 2, VALUES))
}

impl Flow {
    /// Bytes that it takes, as of the last time that was reckoned.
    pub(crate) fn reckoned(&self) -> u64 {
        self.reckoned
    }

    /// Reckons again, where enough has happened.
    #[inline]
    pub(crate) fn reckon(&mut self) {
        let is_time = self.messages.is_multiple_of(OFTEN) || self.messages.is_power_of_two();
        if is_time || self.paths() != self.reckoned_paths {
            self.reckon_now();
        }
    }

    #[cold]
    fn reckon_now(&mut self) {
        let watched = self.values.iter().filter(|values| values.has_any()).count() as u64;
        let paths = self.paths();
        self.reckoned_paths = paths;
        self.reckoned = FLOW + PATH * paths as u64 + VALUES * watched + self.relations.sampled();
    }

    /// Whether there is nothing that [`Flow::shrink`] would take.
    pub(crate) fn is_stub(&self) -> bool {
        self.values.is_empty()
    }

    /// Leaves a stub: its paths, types and rates, and what was reported of them. What its values are like and how they
    /// follow from each other is learned anew when it comes again; questions that are open come to nothing.
    pub(crate) fn shrink(&mut self) {
        self.settle();
        self.values = Vec::new();
        self.likeness = Vec::new();
        self.due = Vec::new();
        self.relations = Default::default();
        self.novelties = Vec::new();
        for field in &mut self.fields.list {
            (field.asked, field.types_under_test) = (0, Default::default());
        }
        self.forget_plans();
        self.reckon_now();
    }

    /// Steps of the plans that are kept.
    pub(crate) fn planned(&self) -> usize {
        self.planned
    }

    /// Forgets plans: they are made again from their shapes.
    pub(crate) fn forget_plans(&mut self) {
        self.settle();
        self.repeats = Repeats::default();
        self.plans = Default::default();
        self.planned = 0;
    }
}
