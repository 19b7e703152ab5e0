//! Sources of values, as fields of real integrations have them: identifiers, amounts with heavy tails, codes of very unequal
//! frequency, times, texts, slow processes, values that stay the same for hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::draw::{Moment, Random};
use crate::json::{Json, Time, Written};
use crate::template::Leaf;

fn leaf(draw: impl FnMut(&Moment, &mut Random) -> Json + Send + 'static) -> Leaf {
    Box::new(draw)
}

/// Always this text.
pub fn constant(text: &'static str) -> Leaf {
    leaf(move |_, _| Json::Text(text.into()))
}

/// `true` with this probability.
pub fn flag(probability: f64) -> Leaf {
    leaf(move |_, random| Json::Bool(random.chance(probability)))
}

/// Random UUIDs (RFC 9562, version 4).
pub fn uuid() -> Leaf {
    leaf(|_, random| {
        let (high, low) = (random.bits(), random.bits());
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
        let (d, e) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
        Json::Text(format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}"))
    })
}

/// Identifiers like `ch_3NqXk2...`: a prefix and 24 letters and digits.
pub fn token(prefix: &'static str) -> Leaf {
    leaf(move |_, random| {
        let mut text = String::with_capacity(prefix.len() + 24);
        text.push_str(prefix);
        push_letters(&mut text, 24, random);
        Json::Text(text)
    })
}

/// So many letters and digits, ten to a draw.
fn push_letters(text: &mut String, count: usize, random: &mut Random) {
    const LETTERS: &[u8; 59] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bits = 0;
    for i in 0..count {
        if i % 10 == 0 {
            bits = random.bits();
        }
        text.push(char::from(LETTERS[(bits % 59) as usize]));
        bits /= 59;
    }
}

/// Numbers that grow by one from message to message.
pub fn sequence(first: i64) -> Leaf {
    let mut next = first;
    leaf(move |_, _| {
        next += 1;
        Json::Int(next)
    })
}

/// One of `count` identifiers, some far more frequent than others (Zipf).
pub fn reference(first: i64, count: usize) -> Leaf {
    leaf(move |_, random| Json::Int(first + zipf(random, count) as i64))
}

/// A place of 0 to `count`, the n-th with a probability in proportion to about 1/n.
fn zipf(random: &mut Random, count: usize) -> usize {
    let spread = (count as f64).ln();
    ((random.unit() * spread).exp() as usize).saturating_sub(1).min(count.saturating_sub(1))
}

/// One of these codes, by weight; each tenant has habits of its own.
pub fn code(codes: &'static [(&'static str, f64)]) -> Leaf {
    let tilt = move |tenant: u32| -> Box<[f64]> {
        (0_u32..).zip(codes).map(|(i, (_, weight))| weight * (0.7 + 0.6 * habit(tenant, i))).collect()
    };
    let mut tilted = PerTenant::default();
    leaf(move |moment, random| {
        let weights = tilted.of(moment.tenant, || tilt(moment.tenant));
        Json::Text(codes[random.weighted(weights)].0.into())
    })
}

/// The code of the sender's tenant: `codes` dealt out to tenants.
pub fn code_of_tenant(codes: &'static [&'static str]) -> Leaf {
    leaf(move |moment, _| Json::Text(codes[moment.tenant as usize % codes.len()].into()))
}

/// What is worked out once for each tenant.
struct PerTenant<T>(Vec<Option<T>>);

impl<T> Default for PerTenant<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> PerTenant<T> {
    fn of(&mut self, tenant: u32, make: impl FnOnce() -> T) -> &mut T {
        let place = tenant as usize;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        self.0[place].get_or_insert_with(make)
    }
}

/// A number of 0 to 1 that is fixed for a tenant and a purpose.
fn habit(tenant: u32, purpose: u32) -> f64 {
    Random::new(u64::from(tenant) << 32 | u64::from(purpose), 0x6861_6269_7400).unit()
}

/// Money in cents, lognormal around `median`; tenants differ in size. Written as `12.30`.
pub fn amount(median_cents: f64, sigma: f64) -> Leaf {
    let mut cents = cents(median_cents, sigma);
    leaf(move |moment, random| Json::cents(cents(moment, random)))
}

/// The same as a whole number of cents.
pub fn minor_amount(median_cents: f64, sigma: f64) -> Leaf {
    let mut cents = cents(median_cents, sigma);
    leaf(move |moment, random| Json::Int(cents(moment, random)))
}

fn cents(median: f64, sigma: f64) -> impl FnMut(&Moment, &mut Random) -> i64 + Send {
    let mut sizes = PerTenant::default();
    move |moment, random| {
        let size = *sizes.of(moment.tenant, || (habit(moment.tenant, 7) - 0.5) * 1.2);
        let exact = median * (sigma * random.normal() + size).exp();
        // Prices end in 9 or 0 more often than not.
        let rounded = if random.chance(0.6) { (exact / 10.0).round() * 10.0 - 1.0 } else { exact };
        rounded.max(1.0) as i64
    }
}

/// How many: 1, 2, 3, ... with each further one this probable.
pub fn count(further: f64) -> Leaf {
    leaf(move |_, random| {
        let mut n = 1;
        while n < 200 && random.chance(further) {
            n += 1;
        }
        Json::Int(n)
    })
}

/// So many.
pub fn exactly(n: i64) -> Leaf {
    leaf(move |_, _| Json::Int(n))
}

/// Whole numbers from `low` to `high`.
pub fn whole(low: i64, high: i64) -> Leaf {
    leaf(move |_, random| Json::Int(low + random.below((high - low + 1) as usize) as i64))
}

/// Pages of a list: how many items this one has, and where the next one is. All are full but the last, which has no next;
/// a list has this many pages on average.
pub fn pages(size: i64, mean: f64, prefix: &'static str) -> (Leaf, Leaf) {
    let is_last = Arc::new(AtomicBool::new(false));
    let was_last = Arc::clone(&is_last);
    let length = leaf(move |_, random| {
        let last = random.chance(1.0 / mean);
        is_last.store(last, Ordering::Relaxed);
        Json::Int(if last { 1 + random.below(size as usize) as i64 } else { size })
    });
    let mut cursor = token(prefix);
    let next = leaf(
        move |moment, random| {
            if was_last.load(Ordering::Relaxed) { Json::Null } else { cursor(moment, random) }
        },
    );
    (length, next)
}

/// Normal, to so many decimals.
pub fn normal(mean: f64, deviation: f64, decimals: u8) -> Leaf {
    leaf(move |_, random| decimal(mean + deviation * random.normal(), decimals))
}

/// Normal around a mean that follows the time of day.
pub fn daily(mean: f64, swing: f64, deviation: f64, decimals: u8) -> Leaf {
    leaf(move |moment, random| {
        let weekend = if moment.is_weekend() { -0.3 } else { 0.0 };
        decimal(mean + swing * (moment.daily(15.0) + weekend) + deviation * random.normal(), decimals)
    })
}

/// A slow process for each tenant: each value is near the one before (autoregressive of order 1).
pub fn slow(mean: f64, deviation: f64, memory: f64, decimals: u8) -> Leaf {
    let mut last = PerTenant::default();
    leaf(move |moment, random| {
        let state = last.of(moment.tenant, || random.normal());
        *state = memory * *state + (1.0 - memory * memory).sqrt() * random.normal();
        decimal(mean + deviation * *state, decimals)
    })
}

/// Stays the same for this long on average, then takes another value of `draw`; one value for all tenants.
pub fn steady(mean_seconds: f64, mut draw: Leaf) -> Leaf {
    let mut held: Option<(Json, u64)> = None;
    leaf(move |moment, random| {
        if let Some((value, until)) = &held
            && moment.t_ns < *until
        {
            return value.clone();
        }
        let value = draw(moment, random);
        let until = moment.t_ns + (random.exponential() * mean_seconds * 1e9) as u64;
        held = Some((value.clone(), until));
        value
    })
}

/// Heavy-tailed durations in milliseconds (Pareto, index 1.5).
pub fn duration_ms(least: f64) -> Leaf {
    leaf(move |_, random| Json::Int((least * (1.0 - random.unit()).powf(-1.0 / 1.5)).min(6e5) as i64))
}

/// A share of 0 to 1 with all digits.
pub fn share() -> Leaf {
    leaf(|_, random| Json::Float(random.unit()))
}

/// Now by the clock of the sender's instance, but for a delay of this many seconds on average.
pub fn now(written: Written, delay_seconds: f64) -> Leaf {
    leaf(move |moment, random| {
        let delay = (random.exponential() * delay_seconds * 1e9) as i64;
        Json::Time(Time { ns: moment.t_ns as i64 - delay + skew_ns(moment), written })
    })
}

/// What an instance's clock is ahead: a constant of up to half a second either way, and up to 20 parts in a million, which
/// its time service takes back each hour.
fn skew_ns(moment: &Moment) -> i64 {
    // Fixed for an instance, spread over -1 to 1: the fractional part of multiples of the golden ratio.
    let own = (f64::from(moment.instance + 1) * 0.618_034).fract() * 2.0 - 1.0;
    let since_correction = (moment.t_ns % 3_600_000_000_000) as f64;
    (own * (5e8 + since_correction * 2e-5)) as i64
}

/// A day up to so many days ahead.
pub fn day_ahead(days: usize) -> Leaf {
    leaf(move |moment, random| {
        let ns = moment.t_ns as i64 + random.below(days) as i64 * 86_400_000_000_000;
        Json::Time(Time { ns, written: Written::Date })
    })
}

const FIRST: &[&str] =
    &["Ada", "Bo", "Chloé", "Dmitri", "Eun-ji", "Fatima", "Grace", "Håkan", "Inés", "Jürgen"];
const LAST: &[&str] =
    &["Smith", "Müller", "García", "Nguyễn", "Okafor", "Rossi", "Sørensen", "Tanaka", "Weiß"];
const WORDS: &[&str] = &[
    "blue",
    "café",
    "cotton",
    "delivery",
    "express",
    "garden",
    "größe",
    "invoice",
    "large",
    "monthly",
    "order",
    "paper",
    "refund",
    "set",
    "shirt",
    "small",
    "spring",
    "subscription",
    "table",
    "urgent",
    "voucher",
    "wood",
];

const MAILBOXES: &[&str] = &["ada", "bo", "chloe", "dmitri", "fatima", "grace", "info", "orders", "shop"];

/// Names of people, letters beyond ASCII among them.
pub fn person() -> Leaf {
    leaf(|_, random| Json::Text(format!("{} {}", pick(FIRST, random), pick(LAST, random))))
}

/// Addresses of mail.
pub fn email() -> Leaf {
    leaf(|_, random| {
        let (who, number) = (pick(MAILBOXES, random), random.below(10_000));
        Json::Text(format!("{who}{number}@example.{}", pick(&["com", "org", "net"], random)))
    })
}

/// Some words.
pub fn text(least: usize, most: usize) -> Leaf {
    leaf(move |_, random| {
        let n = least + random.below(most - least + 1);
        let mut words = String::with_capacity(n * 10);
        for i in 0..n {
            words.push_str(if i == 0 { "" } else { " " });
            words.push_str(pick(WORDS, random));
        }
        Json::Text(words)
    })
}

/// A text of digits and letters by a pattern: `9` is any digit, `A` any capital letter, all else itself.
pub fn pattern(pattern: &'static str) -> Leaf {
    leaf(move |_, random| {
        let mut text = String::with_capacity(pattern.len());
        let mut bits = 0;
        for c in pattern.chars() {
            // A draw is good for many places; what is left of it is small before it is uneven.
            if bits < 1_000_000 {
                bits = random.bits();
            }
            let (first, count) = match c {
                '9' => (b'0', 10),
                'A' => (b'A', 26),
                other => {
                    text.push(other);
                    continue;
                }
            };
            text.push(char::from(first + (bits % count) as u8));
            bits /= count;
        }
        Json::Text(text)
    })
}

fn pick(from: &[&'static str], random: &mut Random) -> &'static str {
    from[random.below(from.len())]
}

/// A number to so many decimals.
fn decimal(x: f64, decimals: u8) -> Json {
    let mantissa = (x * 10_f64.powi(i32::from(decimals))).round() as i64;
    if decimals == 0 { Json::Int(mantissa) } else { Json::Decimal { mantissa, scale: decimals } }
}
