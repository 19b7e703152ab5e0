//! What a body is made of: a tree of members that may be absent, arrays, maps and variants, with a source of values at each leaf.

use crate::draw::{Moment, Random};
use crate::json::{Json, Name};

/// Draws the values of one field. It may remember: counters, slow processes.
pub type Leaf = Box<dyn FnMut(&Moment, &mut Random) -> Json + Send>;

/// A part of a body.
pub enum Node {
    /// One value.
    Leaf(Leaf),
    /// An object's members, in order.
    Object(Vec<Member>),
    /// As many elements as the first draws.
    Array(Leaf, Box<Node>),
    /// An object whose names are data: so many members, names by the second.
    Map(Leaf, Leaf, Box<Node>),
    /// One of several forms, by weight.
    Variant(Vec<(f64, Node)>),
}

/// A member of an object.
pub struct Member {
    name: Name,
    /// Probability that it is there.
    present: f64,
    /// Probability, where it is there, that it is null.
    null: f64,
    node: Node,
}

/// A member that is always there.
pub fn member(name: &'static str, node: impl Into<Node>) -> Member {
    Member { name: name.into(), present: 1.0, null: 0.0, node: node.into() }
}

/// A member that is there with this probability.
pub fn optional(name: &'static str, present: f64, node: impl Into<Node>) -> Member {
    Member { present, ..member(name, node) }
}

/// A member that is null with this probability.
pub fn nullable(name: &'static str, null: f64, node: impl Into<Node>) -> Member {
    Member { null, ..member(name, node) }
}

/// An object.
pub fn object(members: impl IntoIterator<Item = Member>) -> Node {
    Node::Object(members.into_iter().collect())
}

/// An array of as many elements as `len` draws.
pub fn array(len: Leaf, element: impl Into<Node>) -> Node {
    Node::Array(len, Box::new(element.into()))
}

/// An object with so many members, named by `names`.
pub fn map(len: Leaf, names: Leaf, value: impl Into<Node>) -> Node {
    Node::Map(len, names, Box::new(value.into()))
}

impl From<Leaf> for Node {
    fn from(leaf: Leaf) -> Self {
        Self::Leaf(leaf)
    }
}

impl Node {
    /// Draws one body.
    pub fn draw(&mut self, moment: &Moment, random: &mut Random) -> Json {
        match self {
            Self::Leaf(leaf) => leaf(moment, random),
            Self::Object(members) => {
                Json::Object(members.iter_mut().filter_map(|m| m.draw(moment, random)).collect())
            }
            Self::Array(len, element) => {
                let len = length(len, moment, random);
                Json::Array((0..len).map(|_| element.draw(moment, random)).collect())
            }
            Self::Map(len, names, value) => {
                let mut members: Vec<(Name, Json)> = Vec::new();
                for _ in 0..length(len, moment, random) {
                    let Json::Text(name) = names(moment, random) else { continue };
                    if members.iter().all(|(known, _)| *known != name) {
                        members.push((name.into(), value.draw(moment, random)));
                    }
                }
                Json::Object(members)
            }
            Self::Variant(forms) => {
                let weights: Vec<f64> = forms.iter().map(|(weight, _)| *weight).collect();
                let chosen = random.weighted(&weights);
                forms.get_mut(chosen).map_or(Json::Null, |(_, node)| node.draw(moment, random))
            }
        }
    }
}

impl Member {
    fn draw(&mut self, moment: &Moment, random: &mut Random) -> Option<(Name, Json)> {
        if self.present < 1.0 && !random.chance(self.present) {
            return None;
        }
        let is_null = self.null > 0.0 && random.chance(self.null);
        let value = if is_null { Json::Null } else { self.node.draw(moment, random) };
        Some((self.name.clone(), value))
    }
}

fn length(leaf: &mut Leaf, moment: &Moment, random: &mut Random) -> usize {
    match leaf(moment, random) {
        Json::Int(n) => usize::try_from(n).unwrap_or(0),
        _ => 0,
    }
}
