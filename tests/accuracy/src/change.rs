//! The changes that are put into streams: what happens to a body, and what Pitot should say.

use crate::draw::{Moment, Random};
use crate::integrations::Meaning;
use crate::json::{Json, Time, Written};
use crate::path;

/// What happens to a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// A member beside it appears.
    Added,
    /// It is gone.
    Removed,
    /// It has another name.
    Renamed,
    /// It is in another object.
    Moved,
    /// A number or flag becomes a string, a string a number.
    Retyped,
    /// It becomes an array of one.
    Wrapped,
    /// Another spelling: identifiers without dashes, codes in the other case.
    Reformatted,
    /// Null, with this probability.
    Null(f64),
    /// Absent, with this probability.
    Absent(f64),
    /// A code that was never there, with this probability.
    NewCode(f64),
    /// Times a factor that is a known unit: cents, thousandths.
    Unit(f64),
    /// Times a factor that is none: gross and net.
    Rescaled(f64),
    /// Another time zone, taken for the old one.
    Shifted {
        /// Hours.
        hours: i64,
    },
    /// Milliseconds instead of seconds, or the reverse.
    TimeUnit,
    /// Codes change places: what was the first is called the second.
    Permuted,
    /// The total no longer is the sum; this probable.
    Unrelated(f64),
    /// Identifiers of another kind.
    Rekeyed,
    /// The default instead of a value, with this probability.
    Defaulted(f64),
    /// Rounded to whole ones.
    Rounded,
    /// The other sign.
    Negated,
    /// UTF-8 read as Latin-1 and written as UTF-8 again.
    Garbled,
    /// Cut after so many characters.
    Cut(usize),
    /// Further up, by so many standard deviations.
    Up(f64),
    /// The same mean, so many times the variance.
    Wider(f64),
    /// Times 100, with this probability.
    Outliers(f64),
    /// Always the value it had at first.
    Frozen,
    /// One of so many values that it had at first.
    Pooled(usize),
}

impl Change {
    /// Whether a message that it reaches may stay as it was, by chance, and is held to be touched all the same. (A message
    /// with an old code is as the old contract has it: of a new code, only those that show it are touched.)
    fn is_partial(self) -> bool {
        matches!(
            self,
            Self::Null(_)
                | Self::Unrelated(_)
                | Self::Defaulted(_)
                | Self::Outliers(_)
                | Self::Frozen
                | Self::Pooled(_)
        )
    }

    /// Whether values change, so that what held between them may no longer hold.
    fn is_of_values(self) -> bool {
        matches!(
            self,
            Self::Unit(_)
                | Self::Rescaled(_)
                | Self::Unrelated(_)
                | Self::Defaulted(_)
                | Self::Rounded
                | Self::Negated
                | Self::Up(_)
                | Self::Wider(_)
                | Self::Outliers(_)
                | Self::Frozen
        )
    }

    /// Whether a broken relation is the more specific thing to say, where there was one (contract, section 1).
    fn yields_to_relation(self) -> bool {
        matches!(
            self,
            Self::Rescaled(_)
                | Self::Unrelated(_)
                | Self::Up(_)
                | Self::Wider(_)
                | Self::Outliers(_)
                | Self::Frozen
        )
    }
}

/// Whom a change reaches, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rollout {
    /// All at once.
    Abrupt,
    /// More and more messages, all after so many.
    Ramp(u64),
    /// Some of the sender's instances only.
    Instances,
    /// One tenant in five.
    Segment,
}

/// What is known of a field's numbers before the change.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
}

/// A change at a place.
#[derive(Debug, Clone)]
pub struct Injection {
    /// Place among the integration's kinds of messages.
    pub kind: usize,
    /// Where.
    pub path: &'static str,
    /// What is there.
    pub meaning: Meaning,
    /// What happens.
    pub change: Change,
    /// Whom it reaches.
    pub rollout: Rollout,
    /// Of the field before.
    pub spread: Spread,
    /// Fields that followed from each other with this one.
    pub related: &'static [&'static str],
    /// The values that a field keeps to.
    pub held: Vec<Json>,
}

/// Names that a rename or an addition uses.
const NEW_NAME: &str = "renewed_value";

impl Injection {
    /// Applies it to a body of its kind, `since` messages of that kind after its begin. Whether the old contract
    /// expected something else: what counts as delay.
    pub fn apply(&mut self, body: &mut Json, moment: &Moment, since: u64, random: &mut Random) -> bool {
        let reached = match self.rollout {
            Rollout::Abrupt => true,
            Rollout::Ramp(over) => random.unit() < (since + 1) as f64 / over as f64,
            Rollout::Instances => moment.instance == 0,
            Rollout::Segment => moment.tenant.is_multiple_of(5),
        };
        reached && self.change_body(body, random)
    }

    fn change_body(&mut self, body: &mut Json, random: &mut Random) -> bool {
        let path = self.path;
        match self.change {
            Change::Added => path::in_parent(body, path, &mut |members, _| {
                members.push((NEW_NAME.into(), Json::Int(random.below(1_000) as i64)));
            }),
            Change::Removed => {
                path::in_parent(body, path, &mut |members, name| members.retain(|(n, _)| n != name))
            }
            Change::Renamed => path::in_parent(body, path, &mut |members, name| {
                let to = new_name(name);
                members.iter_mut().filter(|(n, _)| n == name).for_each(|(n, _)| *n = to.clone().into());
            }),
            Change::Moved => self.move_below(body),
            Change::Absent(probability) => {
                let hit = random.chance(probability);
                path::in_parent(body, path, &mut |members, name| members.retain(|(n, _)| !hit || n != name))
            }
            change => {
                let mut any = false;
                path::at(body, path, &mut |value| {
                    let before = value.clone();
                    self.change_value(value, random);
                    any |= change.is_partial() || *value != before;
                });
                any
            }
        }
    }

    /// Into an object beside it that did not exist.
    fn move_below(&self, body: &mut Json) -> bool {
        path::in_parent(body, self.path, &mut |members, name| {
            if let Some(at) = members.iter().position(|(n, _)| n == name) {
                let moved = members.remove(at);
                members.push(("details".into(), Json::Object(vec![moved])));
            }
        })
    }

    fn change_value(&mut self, value: &mut Json, random: &mut Random) {
        let Spread { mean, deviation } = self.spread;
        match self.change {
            Change::Retyped => *value = retyped(value),
            Change::Wrapped => *value = Json::Array(vec![value.clone()]),
            Change::Reformatted => reformat(value),
            Change::Null(p) if random.chance(p) => *value = Json::Null,
            Change::NewCode(p) if random.chance(p) => *value = Json::Text("ZZZ".into()),
            Change::Unit(factor) | Change::Rescaled(factor) => map(value, |x| x * factor),
            Change::Shifted { hours } => {
                if let Json::Time(time) = value {
                    time.ns += hours * 3_600_000_000_000;
                }
            }
            Change::TimeUnit => {
                if let Json::Time(Time { written, .. }) = value {
                    *written = match written {
                        Written::Seconds => Written::Milliseconds,
                        _ => Written::Seconds,
                    };
                }
            }
            Change::Permuted => permute(value, self.path),
            Change::Unrelated(p) if random.chance(p) => map(value, |x| x + 100.0),
            Change::Rekeyed => *value = Json::Text(format!("k{:015x}", random.bits() >> 4)),
            Change::Defaulted(p) if random.chance(p) => *value = default_of(value),
            Change::Rounded => map(value, f64::round),
            Change::Negated => map(value, |x| -x),
            Change::Garbled => {
                if let Json::Text(text) = value {
                    *text = text.bytes().map(char::from).collect();
                }
            }
            Change::Cut(most) => {
                if let Json::Text(text) = value {
                    *text = text.chars().take(most).collect();
                }
            }
            Change::Up(deviations) => map(value, |x| x + deviations * deviation),
            Change::Wider(variance) => map(value, |x| mean + (x - mean) * variance.sqrt()),
            Change::Outliers(p) if random.chance(p) => map(value, |x| x * 100.0),
            Change::Frozen => self.hold(value, 1, random),
            Change::Pooled(most) => self.hold(value, most, random),
            _ => {}
        }
    }

    /// Keeps the first `most` values, and puts one of them in the place of each later one.
    fn hold(&mut self, value: &mut Json, most: usize, random: &mut Random) {
        if self.held.len() < most {
            self.held.push(value.clone());
        } else if let Some(held) = self.held.get(if most > 1 { random.below(most) } else { 0 }) {
            *value = held.clone();
        }
    }

    /// The event, and the kinds, best first, of which one should be found. The paths that name the place.
    #[must_use]
    pub fn expected(&self) -> Expected {
        const SCHEMA: &str = "pitot.schema.drift";
        const SEMANTIC: &str = "pitot.semantic.drift";
        const RANGE: &str = "pitot.value_range.drift";
        let (event, kinds): (&str, &[&str]) = match self.change {
            Change::Added => (SCHEMA, &["field_added"]),
            Change::Removed => (SCHEMA, &["field_removed", "presence_changed"]),
            Change::Renamed => (SCHEMA, &["field_renamed"]),
            Change::Moved => (SCHEMA, &["field_moved"]),
            // A moment as a number and not as a text is also another unit of time.
            Change::Retyped if self.meaning == Meaning::Instant => {
                (SCHEMA, &["type_changed", "time_unit_changed"])
            }
            Change::Retyped => (SCHEMA, &["type_changed"]),
            Change::Wrapped => (SCHEMA, &["array_shape_changed"]),
            Change::Reformatted => (SCHEMA, &["format_changed"]),
            Change::Null(_) | Change::Absent(_) => (SCHEMA, &["presence_changed"]),
            Change::NewCode(_) => (SCHEMA, &["enum_value_added"]),
            Change::Unit(_) => (SEMANTIC, &["unit_changed", "value_rescaled"]),
            Change::Rescaled(_) => (SEMANTIC, &["value_rescaled", "distribution_shifted"]),
            Change::Shifted { .. } => (SEMANTIC, &["time_shifted"]),
            Change::TimeUnit => (SEMANTIC, &["time_unit_changed"]),
            Change::Permuted => (SEMANTIC, &["meaning_changed", "distribution_shifted"]),
            Change::Unrelated(_) => (SEMANTIC, &["relation_broken"]),
            Change::Rekeyed => (SEMANTIC, &["identifier_rekeyed", "format_changed"]),
            Change::Defaulted(_) => (SEMANTIC, &["default_substituted"]),
            Change::Rounded => (SEMANTIC, &["precision_lost"]),
            Change::Negated => (SEMANTIC, &["sign_flipped"]),
            Change::Garbled | Change::Cut(_) => (SEMANTIC, &["text_damaged"]),
            Change::Up(_) | Change::Wider(_) => (RANGE, &["distribution_shifted"]),
            Change::Outliers(_) => (RANGE, &["out_of_range", "distribution_shifted"]),
            Change::Frozen => (RANGE, &["value_frozen", "cardinality_changed", "distribution_shifted"]),
            Change::Pooled(_) => (RANGE, &["cardinality_changed", "distribution_shifted"]),
        };
        let beside = |name: &str| {
            self.path.rsplit_once('.').map_or_else(String::new, |(parent, _)| format!("{parent}.{name}"))
        };
        let last = self.path.rsplit_once('.').map_or("", |(_, name)| name);
        let path = match self.change {
            Change::Added => beside(NEW_NAME),
            Change::Renamed => beside(&new_name(last)),
            Change::Moved => beside(&format!("details.{last}")),
            _ => self.path.to_owned(),
        };
        let old_path = matches!(self.change, Change::Renamed | Change::Moved).then(|| self.path.to_owned());
        let right = match self.change {
            Change::Retyped => kinds,
            // As long as some still send it, its presence has changed and it is not gone.
            Change::Removed if self.rollout != Rollout::Abrupt => kinds,
            _ => &kinds[..1],
        };
        let related = if self.change.is_of_values() { self.related } else { &[] };
        let relation_is_right = self.change.yields_to_relation();
        Expected { event, kinds, right, path, old_path, related, relation_is_right }
    }
}

/// What should be found.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Event name.
    pub event: &'static str,
    /// Kinds that fit, best first.
    pub kinds: &'static [&'static str],
    /// Those of them that name the cause.
    pub right: &'static [&'static str],
    /// Where.
    pub path: String,
    /// Where it was.
    pub old_path: Option<String>,
    /// Fields at which a broken relation may be reported instead.
    pub related: &'static [&'static str],
    /// Whether that names the cause.
    pub relation_is_right: bool,
}

/// Changes that make sense for a field.
#[must_use]
pub fn changes(meaning: Meaning) -> Vec<Change> {
    let mut all = vec![
        Change::Added,
        Change::Removed,
        Change::Renamed,
        Change::Moved,
        Change::Retyped,
        Change::Wrapped,
        Change::Null(1.0),
        Change::Null(0.3),
        Change::Absent(0.3),
    ];
    all.extend_from_slice(match meaning {
        Meaning::Identifier => &[Change::Reformatted, Change::Rekeyed, Change::Pooled(20)],
        Meaning::Amount => &[
            Change::Unit(100.0),
            Change::Rescaled(1.19),
            Change::Rescaled(0.84),
            Change::Rounded,
            Change::Negated,
            Change::Defaulted(0.3),
            Change::Up(1.0),
            Change::Up(0.25),
            Change::Outliers(0.05),
        ],
        Meaning::MinorAmount => &[
            Change::Unit(0.01),
            Change::Rescaled(1.19),
            Change::Negated,
            Change::Defaulted(0.3),
            Change::Up(1.0),
            Change::Outliers(0.05),
        ],
        Meaning::Measure => &[
            Change::Unit(1000.0),
            Change::Rescaled(0.84),
            Change::Up(1.0),
            Change::Up(0.25),
            Change::Wider(2.0),
            Change::Outliers(0.05),
            Change::Frozen,
            Change::Defaulted(0.3),
        ],
        Meaning::Count => &[Change::Up(1.0), Change::Outliers(0.05), Change::Frozen],
        Meaning::Code => {
            &[Change::NewCode(0.05), Change::Permuted, Change::Reformatted, Change::Defaulted(0.3)]
        }
        Meaning::Instant => &[
            Change::Shifted { hours: 5 },
            Change::Shifted { hours: -1 },
            Change::TimeUnit,
            Change::Defaulted(0.3),
            Change::Frozen,
        ],
        Meaning::Text => &[Change::Garbled, Change::Cut(5), Change::Defaulted(0.3)],
        Meaning::Address => &[Change::Cut(5), Change::Defaulted(0.3)],
        Meaning::Flag => &[Change::Frozen],
        Meaning::Total => &[Change::Unit(100.0), Change::Unrelated(0.2), Change::Negated],
    });
    all
}

fn new_name(name: &str) -> String {
    format!("{name}_value")
}

fn retyped(value: &Json) -> Json {
    let mut text = String::new();
    match value {
        Json::Text(_) => return Json::Int(0),
        Json::Time(Time { ns, written: Written::Iso | Written::Date | Written::Local }) => {
            return Json::Int(ns.div_euclid(1_000_000_000));
        }
        other => other.write(&mut text),
    }
    Json::Text(text)
}

fn reformat(value: &mut Json) {
    if let Json::Text(text) = value {
        *text = if text.contains('-') {
            text.replace('-', "")
        } else if text.chars().any(|c| c.is_ascii_lowercase()) {
            text.to_uppercase()
        } else if text.chars().any(char::is_uppercase) {
            text.to_lowercase()
        } else {
            text.replace('.', ",")
        };
    }
}

fn default_of(value: &Json) -> Json {
    match value {
        Json::Int(_) => Json::Int(0),
        Json::Decimal { scale, .. } => Json::Decimal { mantissa: 0, scale: *scale },
        Json::Float(_) => Json::Float(0.0),
        Json::Text(_) => Json::Text("N/A".into()),
        Json::Time(time) => Json::Time(Time { ns: 0, ..*time }),
        Json::Bool(_) => Json::Bool(false),
        other => other.clone(),
    }
}

/// Two codes of a field change places, the most frequent one among them.
fn permute(value: &mut Json, path: &str) {
    const PAIRS: &[(&str, &str, &str)] = &[
        ("currency", "EUR", "USD"),
        ("currency", "eur", "usd"),
        ("status", "new", "paid"),
        ("brand", "visa", "amex"),
        ("reason", "requested_by_customer", "duplicate"),
        ("lifecycle", "lead", "lost"),
        ("site", "north", "depot"),
        ("warehouse", "BER1", "AMS1"),
        ("page", "home", "item"),
        ("tax_rate", "19.0", "7.0"),
        ("state", "open", "paid"),
        ("state", "in_transit", "created"),
        ("carrier", "dhl", "gls"),
        ("direction", "debit", "credit"),
        ("symbol", "AAA", "EEE"),
        ("room", "double", "suite"),
        ("channel", "web", "phone"),
        ("quality", "measured", "estimated"),
    ];
    let Json::Text(text) = value else { return };
    for (_, a, b) in PAIRS.iter().filter(|(field, _, _)| path.ends_with(field)) {
        if let Some(other) = [(a, b), (b, a)].into_iter().find_map(|(from, to)| (text == from).then_some(to))
        {
            *text = (*other).into();
            return;
        }
    }
}

/// Applies a function to a number, which keeps its form.
fn map(value: &mut Json, change: impl Fn(f64) -> f64) {
    match value {
        Json::Int(n) => *n = change(*n as f64).round() as i64,
        Json::Decimal { mantissa, scale } => {
            let power = 10_f64.powi(i32::from(*scale));
            *mantissa = (change(*mantissa as f64 / power) * power).round() as i64;
        }
        Json::Float(x) => *x = change(*x),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::START_NS;

    fn check(change: Change, value: Json, expected: &str) {
        let mut body = Json::Object(vec![("status".into(), value)]);
        let moment = Moment { t_ns: START_NS, tenant: 0, instance: 0, generation: 0, number: 1 };
        let mut injection = Injection {
            kind: 0,
            path: "$.status",
            meaning: Meaning::Code,
            change,
            rollout: Rollout::Abrupt,
            spread: Spread { mean: 10.0, deviation: 2.0 },
            related: &[],
            held: Vec::new(),
        };
        assert!(injection.apply(&mut body, &moment, 0, &mut Random::new(1, 1)));
        let mut text = String::new();
        body.write(&mut text);
        assert_eq!(text, expected, "{change:?}");
    }

    #[test]
    fn change_bodies() {
        let text = |text: &str| Json::Text(text.into());
        check(Change::Removed, text("a"), "{}");
        check(Change::Renamed, text("a"), r#"{"status_value":"a"}"#);
        check(Change::Moved, text("a"), r#"{"details":{"status":"a"}}"#);
        check(Change::Wrapped, text("a"), r#"{"status":["a"]}"#);
        check(Change::Null(1.0), text("a"), r#"{"status":null}"#);
        check(Change::Retyped, Json::cents(150), r#"{"status":"1.50"}"#);
        check(Change::Reformatted, text("new"), r#"{"status":"NEW"}"#);
        check(Change::Permuted, text("new"), r#"{"status":"paid"}"#);
        check(Change::Unit(100.0), Json::cents(150), r#"{"status":150.00}"#);
        check(Change::Up(1.0), Json::Int(10), r#"{"status":12}"#);
        check(Change::Wider(4.0), Json::Int(12), r#"{"status":14}"#);
        check(Change::Garbled, text("ä"), r#"{"status":"Ã¤"}"#);
        check(Change::Reformatted, text("7.0"), r#"{"status":"7,0"}"#);
        check(Change::Rounded, Json::cents(150), r#"{"status":2.00}"#);
        check(Change::Negated, Json::Int(5), r#"{"status":-5}"#);
    }
}
