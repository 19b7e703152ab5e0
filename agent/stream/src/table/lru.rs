//! Slots in order of last use: a slab threaded by doubly linked lists, so that a use costs O(1) and no allocation.

/// Names one value of an [`Lru`], until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// Values in `QUEUES` queues, each ordered from least to most recently used.
#[derive(Debug)]
pub(crate) struct Lru<T, const QUEUES: usize> {
    nodes: Vec<Node<T>>,
    free: Vec<Slot>,
    ends: [Ends; QUEUES],
}

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    queue: usize,
    older: Option<Slot>,
    newer: Option<Slot>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    oldest: Option<Slot>,
    newest: Option<Slot>,
}

impl<T, const QUEUES: usize> Lru<T, QUEUES> {
    pub(crate) fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), ends: [Ends::default(); QUEUES] }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.nodes.get(slot.0)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.nodes.get_mut(slot.0)?.value.as_mut()
    }

    /// The least recently used slot of `queue`.
    pub(crate) fn oldest(&self, queue: usize) -> Option<Slot> {
        self.ends[queue].oldest
    }

    /// Adds `value` as the most recently used of `queue`.
    pub(crate) fn insert(&mut self, queue: usize, value: T) -> Slot {
        let node = Node { value: Some(value), queue, older: None, newer: None };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot.0] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                Slot(self.nodes.len() - 1)
            }
        };
        self.link(slot, queue);
        slot
    }

    /// Makes `slot` the most recently used of `queue`, whichever queue it was in.
    pub(crate) fn touch(&mut self, slot: Slot, queue: usize) {
        if self.ends[queue].newest == Some(slot) || self.get(slot).is_none() {
            return;
        }
        self.unlink(slot);
        self.link(slot, queue);
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.get(slot)?;
        self.unlink(slot);
        self.free.push(slot);
        self.nodes[slot.0].value.take()
    }

    fn link(&mut self, slot: Slot, queue: usize) {
        let ends = &mut self.ends[queue];
        let older = ends.newest.replace(slot);
        match older {
            Some(older) => self.nodes[older.0].newer = Some(slot),
            None => ends.oldest = Some(slot),
        }
        let node = &mut self.nodes[slot.0];
        (node.queue, node.older, node.newer) = (queue, older, None);
    }

    fn unlink(&mut self, slot: Slot) {
        let Node { queue, older, newer, .. } = self.nodes[slot.0];
        match older {
            Some(older) => self.nodes[older.0].newer = newer,
            None => self.ends[queue].oldest = newer,
        }
        match newer {
            Some(newer) => self.nodes[newer.0].older = older,
            None => self.ends[queue].newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(lru: &Lru<char, 2>, queue: usize) -> String {
        let mut at = lru.oldest(queue);
        let mut seen = String::new();
        while let Some(slot) = at {
            seen.push(*lru.get(slot).unwrap());
            at = lru.nodes[slot.0].newer;
        }
        seen
    }

    #[test]
    fn keeps_the_order_of_use_in_each_queue() {
        let mut lru = Lru::<char, 2>::new();
        let [a, b, c, d] = ['a', 'b', 'c', 'd'].map(|value| lru.insert(0, value));
        lru.touch(a, 0);
        assert_eq!(order(&lru, 0), "bcda");
        lru.touch(c, 1);
        lru.touch(b, 1);
        lru.touch(b, 1);
        assert_eq!((order(&lru, 0), order(&lru, 1)), ("da".into(), "cb".into()));
        assert_eq!(lru.remove(c), Some('c'));
        assert_eq!(lru.remove(c), None);
        assert_eq!((order(&lru, 1), lru.len()), ("b".into(), 3));
        lru.touch(c, 0);
        let e = lru.insert(0, 'e');
        assert_eq!((order(&lru, 0), e), ("dae".into(), c));
        lru.touch(d, 0);
        assert_eq!(order(&lru, 0), "aed");
    }
}
