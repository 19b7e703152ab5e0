//! Route templates, learned: a segment that is data though it does not look so becomes `{id}`.
//!
//! What is learned depends on the order of requests, so there is one learner, which sees all of them in their order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cardinality::{OFTEN, Seen};

/// What stands for segments that are data.
const ID: &str = "{id}";

/// The segments seen behind one prefix.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Node {
    next: BTreeMap<Box<str>, Node>,
    seen: Seen,
    /// How often the segment that leads here was seen, up to [`OFTEN`].
    times: u8,
    /// Whether the segments that follow are data, but for those in `next`.
    is_learned: bool,
}

/// The routes of a server, as one client asks for them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Routes {
    root: Node,
    has_templates: bool,
}

/// What a request taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lesson {
    /// Templates learned.
    pub(crate) templates: u64,
    /// Whether another request of this route may teach more.
    pub(crate) is_more: bool,
    /// Whether there was no room for one of its segments.
    pub(crate) is_refused: bool,
}

impl Routes {
    /// Takes the route of a request. `room` is how many more segments may be remembered.
    pub(crate) fn learn(&mut self, route: &str, room: &mut usize) -> Lesson {
        let mut lesson = Lesson { templates: 0, is_more: false, is_refused: false };
        let mut node = &mut self.root;
        for segment in segments(route) {
            let name = node.name_of(segment);
            if !node.next.contains_key(name) {
                if *room == 0 {
                    lesson.is_refused = true;
                    return lesson;
                }
                *room -= 1;
                node.next.insert(name.into(), Node::default());
            }
            if let Some(next) = node.next.get_mut(name).filter(|_| name != ID) {
                lesson.is_more |= next.times < OFTEN;
                node.seen.trial();
                node.seen.add(&mut next.times);
            }
            if !node.is_learned && node.seen.are_data() {
                lesson.templates += 1;
                self.has_templates = true;
                *room += node.fold();
            }
            let name = node.name_of(segment);
            match node.next.get_mut(name) {
                Some(next) => node = next,
                None => return lesson,
            }
        }
        lesson
    }

    /// Whether any was learned.
    pub(crate) fn has_templates(&self) -> bool {
        self.has_templates
    }

    /// Writes the template of a route.
    pub(crate) fn write(&self, route: &str, template: &mut String) {
        let mut node = Some(&self.root);
        for segment in segments(route) {
            let name = node.map_or(segment, |node| node.name_of(segment));
            template.push('/');
            template.push_str(name);
            node = node.and_then(|node| node.next.get(name));
        }
        if template.is_empty() {
            template.push_str(route);
        }
    }
}

impl Node {
    /// What a segment is called here.
    fn name_of<'a>(&self, segment: &'a str) -> &'a str {
        if self.is_learned && !self.next.contains_key(segment) { ID } else { segment }
    }

    /// Learns that segments are data; those seen often keep their names. Returns how many were forgotten.
    fn fold(&mut self) -> usize {
        self.is_learned = true;
        let before = self.size();
        self.next.retain(|name, next| next.times >= OFTEN || name.starts_with('{'));
        let rest = before - self.size();
        let is_new = !self.next.contains_key(ID);
        self.next.entry(ID.into()).or_default();
        rest.saturating_sub(usize::from(is_new))
    }

    /// Nodes below. Routes have a limited number of segments.
    fn size(&self) -> usize {
        self.next.values().map(|next| 1 + next.size()).sum()
    }
}

/// The segments of a route, none of one that is no path.
fn segments(route: &str) -> impl Iterator<Item = &str> {
    let path = route.strip_prefix('/');
    path.into_iter().flat_map(|path| path.split('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(routes: &Routes, route: &str) -> String {
        let mut template = String::new();
        routes.write(route, &mut template);
        template
    }

    #[test]
    fn names_of_people_are_folded() {
        let mut routes = Routes::default();
        let mut room = 10_000;
        let word = |i: u32| -> String {
            format!("{}x{}", char::from(b'a' + (i % 26) as u8), "z".repeat(i as usize / 26))
        };
        let mut templates = 0;
        for i in 0..200 {
            templates += routes.learn("/users/me/orders", &mut room).templates;
            templates += routes.learn(&format!("/users/{}/orders", word(i)), &mut room).templates;
            templates += routes.learn("/health", &mut room).templates;
        }
        assert_eq!(templates, 1);
        assert_eq!(template(&routes, "/users/somebody/orders"), "/users/{id}/orders");
        assert_eq!(template(&routes, "/users/me/orders"), "/users/me/orders");
        assert_eq!(template(&routes, "/health"), "/health");
        assert_eq!(template(&routes, "/users"), "/users");
        assert_eq!(template(&routes, "/"), "/");
        assert_eq!(template(&routes, "*"), "*");
        assert_eq!(room, 10_000 - routes.root.size());
        let settled = Lesson { templates: 0, is_more: false, is_refused: false };
        assert_eq!(routes.learn("/users/me/orders", &mut room), settled);
    }

    #[test]
    fn an_interface_is_not_folded() {
        let mut routes = Routes::default();
        let mut room = 10_000;
        for i in 0..10_000_u64 {
            let method = crate::hash::mix(i) % 150;
            assert_eq!(routes.learn(&format!("/rpc/method{method}x"), &mut room).templates, 0);
        }
    }

    #[test]
    fn without_room_nothing_is_learned() {
        let mut routes = Routes::default();
        let mut room = 20;
        let refused = (0..300).filter(|i| routes.learn(&format!("/u/name{i}"), &mut room).is_refused).count();
        assert_eq!(refused, 300 - 19);
        assert_eq!(template(&routes, "/u/name3"), "/u/name3");
    }
}
