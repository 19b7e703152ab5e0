//! Streams that do not change.

use pitot_observe::hash::fixed64;
use pitot_observe::shape::ValueKind::{Array, Boolean, Null, Number, Object, String as Text};

use crate::generate::{Generator, Random, name, run};

/// Two states that last `on` and `off` messages in the mean.
struct Switch {
    is_on: bool,
    on: f64,
    off: f64,
}

impl Switch {
    fn new((on, off): (f64, f64)) -> Self {
        Self { is_on: false, on, off }
    }

    fn next(&mut self, random: &mut Random) -> bool {
        self.is_on ^= random.chance(1.0 / if self.is_on { self.on } else { self.off });
        self.is_on
    }
}

/// Optional fields, each message for itself.
fn independent() -> Generator {
    let rates = [0.0005, 0.002, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.998, 0.9995];
    let names: Vec<&str> = (0..rates.len()).map(name).collect();
    Box::new(move |random, _, body| {
        for (name, rate) in names.iter().zip(rates) {
            body.maybe(random.chance(rate), name, Text);
        }
    })
}

/// Hundreds of optional fields, most of them rare.
fn heavy_tailed() -> Generator {
    let names: Vec<&str> = (0..300).map(name).collect();
    Box::new(move |random, _, body| {
        body.add("$.id", Text);
        for (i, name) in names.iter().enumerate() {
            body.maybe(random.chance(0.5 / (i as f64 + 1.0).powf(1.5)), name, Number);
        }
    })
}

/// Optional fields that come in bursts.
fn bursty() -> Generator {
    let means = [(5.0, 10.0), (10.0, 5.0), (20.0, 20.0), (3.0, 30.0), (30.0, 3.0)];
    let mut switches = means.map(Switch::new);
    let names: Vec<&str> = (0..switches.len()).map(name).collect();
    Box::new(move |random, _, body| {
        for (name, switch) in names.iter().zip(&mut switches) {
            body.maybe(switch.next(random), name, Text);
        }
    })
}

/// Optional fields that come together, or never together.
fn correlated() -> Generator {
    Box::new(|random, _, body| {
        let card = random.chance(0.6);
        body.maybe(card, "$.card", Text);
        body.maybe(card, "$.expiry", Text);
        body.maybe(!card, "$.iban", Text);
        let gift = random.chance(0.05);
        body.maybe(gift, "$.gift", Object);
        body.maybe(gift, "$.gift.text", Text);
        body.maybe(gift && random.chance(0.3), "$.gift.from", Text);
    })
}

/// Two variants of a body that alternate in runs.
fn polymorphic() -> Generator {
    let mut variant = Switch::new((20.0, 20.0));
    Box::new(move |random, _, body| {
        body.add("$.data", Object);
        body.add("$.type", Text);
        if variant.next(random) {
            body.add("$.data.amount", Number);
            body.add("$.value", Number);
            body.maybe(random.chance(0.5), "$.data.memo", Text);
        } else {
            body.add("$.data.email", Text);
            body.add("$.value", Text);
            body.maybe(random.chance(0.2), "$.data.phone", Null);
        }
    })
}

/// Arrays of objects with optional members.
fn arrays() -> Generator {
    Box::new(|random, _, body| {
        body.add("$.lines", Array);
        for _ in 0..random.below(6) {
            body.add("$.lines[*]", Object);
            body.add("$.lines[*].price", Number);
            body.maybe(random.chance(0.9), "$.lines[*].name", Text);
            body.maybe(random.chance(0.3), "$.lines[*].discount", Number);
            body.maybe(random.chance(0.02), "$.lines[*].note", Text);
            body.add("$.lines[*].tax", if random.chance(0.4) { Null } else { Number });
        }
    })
}

/// Null at many rates, and a rare second type.
fn nullable() -> Generator {
    let rates = [0.001, 0.02, 0.2, 0.5, 0.8, 0.98, 0.999];
    let names: Vec<&str> = (0..rates.len()).map(name).collect();
    Box::new(move |random, _, body| {
        for (name, rate) in names.iter().zip(rates) {
            body.add(name, if random.chance(rate) { Null } else { Text });
        }
        body.add("$.flag", if random.chance(0.01) { Boolean } else { Text });
    })
}

/// `PITOT_AA_SCALE` multiplies the number of streams.
#[test]
fn streams_that_do_not_change_give_no_evidence() {
    type Stream = (&'static str, fn() -> Generator, u64);
    let streams: [Stream; 7] = [
        ("independent", independent, 15_000),
        ("heavy_tailed", heavy_tailed, 8_000),
        ("bursty", bursty, 15_000),
        ("correlated", correlated, 15_000),
        ("polymorphic", polymorphic, 15_000),
        ("arrays", arrays, 10_000),
        ("nullable", nullable, 15_000),
    ];
    let scale: u64 = std::env::var("PITOT_AA_SCALE").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut wrong = Vec::new();
    for (name, generator, messages) in streams {
        for seed in 0..2 * scale {
            for e in run(fixed64(name.as_bytes()) ^ seed, messages, 1 + seed % 3, generator()) {
                wrong.push(format!("{name} {seed}: {:?} {} at {}", e.kind, e.path, e.order.seq));
            }
        }
    }
    assert!(wrong.is_empty(), "{} false alarms:\n{}", wrong.len(), wrong.join("\n"));
}
