//! Twelve integrations, each with the habits of a kind of traffic. Half of them are for tuning, half are kept for the final
//! figures.

use crate::draw::Random;
use crate::json::{Json, Written};
use crate::leaf::{
    amount, code, code_of_tenant, constant, count, daily, day_ahead, duration_ms, email, exactly, flag,
    minor_amount, normal, now, pages, pattern, person, reference, sequence, share, slow, steady, text, token,
    uuid, whole,
};
use crate::load::Load;
use crate::template::{Node, array, map, member, nullable, object, optional};

/// One kind of message that an integration sends, and what its fields mean: places for changes.
pub struct Kind {
    /// Route of its requests.
    pub route: &'static str,
    /// How its bodies are made.
    pub body: Node,
    /// What follows from other members: totals of lines, times that only some states have.
    pub derive: fn(&mut Json),
    /// Fields that follow from each other: one that changes alone breaks what held between them.
    pub related: &'static [&'static [&'static str]],
    /// Fields that a change can be put on, with what they are.
    pub fields: Vec<(&'static str, Meaning)>,
}

/// What a field is: which changes make sense there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Identifies a record.
    Identifier,
    /// Money with two decimals.
    Amount,
    /// Money in cents.
    MinorAmount,
    /// A measured number.
    Measure,
    /// A small whole number.
    Count,
    /// One of a few codes.
    Code,
    /// A moment.
    Instant,
    /// A text by people.
    Text,
    /// An address of mail.
    Address,
    /// `true` or `false`.
    Flag,
    /// The sum of what lines say.
    Total,
}

/// An integration.
pub struct Integration {
    /// Its name, also that of its client.
    pub name: &'static str,
    /// How it is used.
    pub load: Load,
    /// What it sends, with how often.
    pub kinds: Vec<(f64, Kind)>,
}

/// Names of all, those for tuning first.
pub const TUNING: [&str; 6] = ["orders", "payments", "contacts", "sensors", "inventory", "events"];
/// Those kept for the final figures.
pub const HELD_OUT: [&str; 6] = ["invoices", "shipments", "ledger", "prices", "bookings", "metering"];

/// The integration of this name. `seed` varies its rates and sizes.
#[must_use]
pub fn integration(name: &str, seed: u64) -> Option<Integration> {
    let mut random = Random::new(seed, 2);
    let mut vary = |x: f64| x * (0.5 + random.unit());
    Some(match name {
        "orders" => orders(vary(2.0)),
        "payments" => payments(vary(5.0)),
        "contacts" => contacts(vary(0.5)),
        "sensors" => sensors(vary(20.0)),
        "inventory" => inventory(vary(3.0)),
        "events" => events(vary(50.0)),
        "invoices" => invoices(vary(0.7)),
        "shipments" => shipments(vary(1.5)),
        "ledger" => ledger(vary(8.0)),
        "prices" => prices(vary(10.0)),
        "bookings" => bookings(vary(1.0)),
        "metering" => metering(vary(15.0)),
        _ => return None,
    })
}

const CURRENCIES: &[(&str, f64)] = &[("EUR", 60.0), ("USD", 25.0), ("GBP", 10.0), ("JPY", 3.0), ("CHF", 2.0)];
const COUNTRIES: &[&str] = &["DE", "FR", "US", "GB", "JP", "NL", "SE"];

fn nothing(_: &mut Json) {}

/// Sets the member to null.
fn clear(body: &mut Json, name: &str) {
    if let Some(value) = body.member_mut(name) {
        *value = Json::Null;
    }
}

/// A hundred times as much where the currency has no smaller unit: amounts go with their currency.
fn in_yen(body: &mut Json, is_yen: bool, name: &str) {
    if is_yen && let Some(Json::Decimal { mantissa, .. }) = body.member_mut(name) {
        *mantissa = *mantissa / 100 * 10_000;
    }
}

fn is_yen(body: &Json) -> bool {
    body.member("currency").is_some_and(|currency| currency.is("JPY"))
}

/// Sets `total` to the sum of `price * quantity` of `lines`, in the members of these names.
fn sum(body: &mut Json, lines: &str, price: &str, total: &str) {
    let cents = |value: Option<&Json>| match value {
        Some(Json::Decimal { mantissa, .. }) => *mantissa,
        Some(Json::Int(n)) => *n,
        _ => 0,
    };
    let Some(Json::Array(list)) = body.member(lines) else { return };
    let each = list.iter().map(|line| {
        let quantity = line.member("quantity").map_or(1, |n| cents(Some(n)));
        cents(line.member(price)) * quantity
    });
    let sum: i64 = each.sum();
    let is_minor = matches!(body.member(total), Some(Json::Int(_)));
    let Json::Object(members) = body else { return };
    if let Some((_, value)) = members.iter_mut().find(|(name, _)| name == total) {
        *value = if is_minor { Json::Int(sum) } else { Json::cents(sum) };
    }
}

const ORDER_LINES: &[&str] = &["$.total", "$.lines[*].price", "$.lines[*].quantity"];

fn orders(rate: f64) -> Integration {
    let line = object([
        member("sku", pattern("AA-9999")),
        member("quantity", count(0.3)),
        member("price", amount(2_500.0, 0.8)),
        optional("note", 0.05, text(2, 8)),
    ]);
    let created = object([
        member("id", token("ord_")),
        member("number", sequence(410_000)),
        member(
            "customer",
            object([
                member("id", reference(1_000, 5_000)),
                member("name", person()),
                member("email", email()),
                nullable("phone", 0.3, pattern("+49 999 9999999")),
            ]),
        ),
        member("currency", code(CURRENCIES)),
        member("status", code(&[("new", 80.0), ("paid", 15.0), ("on_hold", 5.0)])),
        member("total", amount(5_000.0, 1.0)),
        member("lines", array(count(0.5), line)),
        optional("coupon", 0.08, pattern("AAA99")),
        member("express", flag(0.12)),
        member("created_at", now(Written::Iso, 2.0)),
    ]);
    let fields = vec![
        ("$.id", Meaning::Identifier),
        ("$.total", Meaning::Total),
        ("$.currency", Meaning::Code),
        ("$.status", Meaning::Code),
        ("$.customer.name", Meaning::Text),
        ("$.customer.email", Meaning::Address),
        ("$.lines[*].price", Meaning::Amount),
        ("$.lines[*].quantity", Meaning::Count),
        ("$.created_at", Meaning::Instant),
        ("$.express", Meaning::Flag),
    ];
    let derive = |body: &mut Json| {
        let is_yen = is_yen(body);
        if let Some(Json::Array(lines)) = body.member_mut("lines") {
            lines.iter_mut().for_each(|line| in_yen(line, is_yen, "price"));
        }
        sum(body, "lines", "price", "total");
    };
    Integration {
        name: "orders",
        load: Load { rate, ..Load::default() },
        kinds: vec![(
            1.0,
            Kind { route: "/v1/orders", body: created, derive, related: &[ORDER_LINES], fields },
        )],
    }
}

fn payments(rate: f64) -> Integration {
    let charge = object([
        member("id", token("ch_")),
        member("amount", minor_amount(4_000.0, 1.2)),
        member("currency", code(&[("eur", 70.0), ("usd", 25.0), ("gbp", 5.0)])),
        member("captured", flag(0.93)),
        member("created", now(Written::Seconds, 1.0)),
        member(
            "card",
            object([
                member("brand", code(&[("visa", 60.0), ("mastercard", 30.0), ("amex", 10.0)])),
                member("last4", pattern("9999")),
                member("exp_month", whole(1, 12)),
                member("exp_year", whole(2025, 2031)),
                member("country", code_of_tenant(COUNTRIES)),
            ]),
        ),
        nullable("failure_code", 0.4, code(&[("card_declined", 80.0), ("expired_card", 20.0)])),
        nullable("description", 0.4, text(1, 6)),
        member(
            "metadata",
            map(
                count(0.5),
                code(&[("order_id", 50.0), ("cart", 30.0), ("campaign", 20.0)]),
                pattern("A9999999"),
            ),
        ),
        member("risk_score", whole(0, 99)),
    ]);
    let refund = object([
        member("id", token("re_")),
        member("charge", token("ch_")),
        member("amount", minor_amount(2_000.0, 1.0)),
        member("reason", code(&[("requested_by_customer", 80.0), ("duplicate", 15.0), ("fraudulent", 5.0)])),
        member("created", now(Written::Seconds, 1.0)),
    ]);
    let fields = vec![
        ("$.id", Meaning::Identifier),
        ("$.amount", Meaning::MinorAmount),
        ("$.currency", Meaning::Code),
        ("$.created", Meaning::Instant),
        ("$.card.brand", Meaning::Code),
        ("$.card.exp_month", Meaning::Count),
        ("$.captured", Meaning::Flag),
        ("$.risk_score", Meaning::Measure),
    ];
    let refunds = vec![
        ("$.amount", Meaning::MinorAmount),
        ("$.reason", Meaning::Code),
        ("$.created", Meaning::Instant),
    ];
    // What was captured did not fail.
    let derive = |body: &mut Json| {
        if matches!(body.member("captured"), Some(Json::Bool(true))) {
            clear(body, "failure_code");
        }
    };
    Integration {
        name: "payments",
        load: Load { rate, bursts: 0.1, tenants: 60, ..Load::default() },
        kinds: vec![
            (0.9, Kind { route: "/v1/charges", body: charge, derive, related: &[], fields }),
            (
                0.1,
                Kind { route: "/v1/refunds", body: refund, derive: nothing, related: &[], fields: refunds },
            ),
        ],
    }
}

fn contacts(rate: f64) -> Integration {
    let contact = object([
        member("uuid", uuid()),
        member("name", person()),
        member("email", email()),
        nullable("company", 0.35, text(1, 3)),
        member("language", code_of_tenant(&["de", "en", "fr", "ja"])),
        member("lifecycle", code(&[("lead", 50.0), ("customer", 35.0), ("lost", 15.0)])),
        optional("birthday", 0.2, pattern("19A9-0A-1A")),
        member("score", slow(50.0, 12.0, 0.9, 1)),
        member(
            "consent",
            object([
                member("mail", flag(0.6)),
                member("phone", flag(0.2)),
                member("at", now(Written::Iso, 86_400.0)),
            ]),
        ),
        member("tags", array(whole(0, 4), text(1, 1))),
        member("updated_at", now(Written::Milliseconds, 5.0)),
    ]);
    let fields = vec![
        ("$.uuid", Meaning::Identifier),
        ("$.name", Meaning::Text),
        ("$.lifecycle", Meaning::Code),
        ("$.score", Meaning::Measure),
        ("$.updated_at", Meaning::Instant),
        ("$.consent.mail", Meaning::Flag),
    ];
    Integration {
        name: "contacts",
        load: Load { rate, run: 40.0, tenants: 12, ..Load::default() },
        kinds: vec![(
            1.0,
            Kind { route: "/crm/contacts", body: contact, derive: nothing, related: &[], fields },
        )],
    }
}

fn sensors(rate: f64) -> Integration {
    let reading = object([
        member("device", reference(700_000, 200)),
        member("site", code_of_tenant(&["north", "south", "harbour", "depot"])),
        member("temperature", slow(21.0, 2.5, 0.98, 2)),
        member("humidity", daily(55.0, 12.0, 4.0, 1)),
        member("pressure", slow(1_013.0, 6.0, 0.999, 1)),
        member("battery", normal(3.7, 0.08, 3)),
        optional("fault", 0.002, code(&[("E01", 70.0), ("E07", 30.0)])),
        member("firmware", steady(400_000.0, code(&[("2.1.0", 50.0), ("2.1.1", 40.0), ("2.2.0", 10.0)]))),
        member("ts", now(Written::Seconds, 20.0)),
    ]);
    let fields = vec![
        ("$.temperature", Meaning::Measure),
        ("$.humidity", Meaning::Measure),
        ("$.battery", Meaning::Measure),
        ("$.ts", Meaning::Instant),
        ("$.site", Meaning::Code),
    ];
    Integration {
        name: "sensors",
        load: Load { rate, daily: 0.0, bursts: 0.0, tenants: 40, instances: 1, ..Load::default() },
        kinds: vec![(
            1.0,
            Kind { route: "/ingest/readings", body: reading, derive: nothing, related: &[], fields },
        )],
    }
}

fn inventory(rate: f64) -> Integration {
    let level = object([
        member("sku", pattern("SKU-99999")),
        member("warehouse", code(&[("BER1", 40.0), ("HAM2", 30.0), ("MUC1", 20.0), ("AMS1", 10.0)])),
        member("on_hand", duration_ms(5.0)),
        member("reserved", count(0.7)),
        member("bin", pattern("A-99-9")),
    ]);
    let (items, next) = pages(25, 6.0, "cur_");
    let feed = object([
        member("batch", sequence(90_000)),
        member("source", constant("wms")),
        member("items", array(items, level)),
        member("next", next),
        member("as_of", now(Written::Iso, 60.0)),
        member("counted_local", now(Written::Local, 600.0)),
    ]);
    let fields = vec![
        ("$.items[*].warehouse", Meaning::Code),
        ("$.items[*].on_hand", Meaning::Measure),
        ("$.items[*].reserved", Meaning::Count),
        ("$.as_of", Meaning::Instant),
    ];
    Integration {
        name: "inventory",
        load: Load { rate: rate / 4.0, bursts: 0.3, tenants: 4, run: 10.0, ..Load::default() },
        kinds: vec![(1.0, Kind { route: "/feed/levels", body: feed, derive: nothing, related: &[], fields })],
    }
}

fn events(rate: f64) -> Integration {
    let common = || {
        [
            member("event_id", uuid()),
            member("user", reference(1, 100_000)),
            member("session", token("s")),
            member("at", now(Written::Milliseconds, 0.3)),
            member(
                "app_version",
                steady(250_000.0, code(&[("5.1.0", 50.0), ("5.2.0", 30.0), ("5.2.1", 20.0)])),
            ),
        ]
    };
    let with = |kind: &'static str, more: Vec<crate::template::Member>| {
        object(std::iter::once(member("type", constant(kind))).chain(common()).chain(more))
    };
    let body = Node::Variant(vec![
        (
            0.6,
            with(
                "view",
                vec![
                    member("page", code(&[("home", 50.0), ("search", 30.0), ("item", 20.0)])),
                    member("load_ms", duration_ms(40.0)),
                ],
            ),
        ),
        (
            0.3,
            with(
                "click",
                vec![member("target", pattern("btn-9A")), member("x", share()), member("y", share())],
            ),
        ),
        (
            0.1,
            with(
                "purchase",
                vec![
                    member("value", amount(3_000.0, 0.9)),
                    member("currency", code(CURRENCIES)),
                    member("items", count(0.4)),
                ],
            ),
        ),
    ]);
    let fields = vec![
        ("$.at", Meaning::Instant),
        ("$.page", Meaning::Code),
        ("$.load_ms", Meaning::Measure),
        ("$.value", Meaning::Amount),
        ("$.event_id", Meaning::Identifier),
    ];
    Integration {
        name: "events",
        load: Load { rate, bursts: 0.1, tenants: 1, instances: 8, ..Load::default() },
        kinds: vec![(1.0, Kind { route: "/collect", body, derive: nothing, related: &[], fields })],
    }
}

const INVOICE_LINES: &[&str] = &["$.total", "$.lines[*].unit_amount", "$.lines[*].quantity"];

fn invoices(rate: f64) -> Integration {
    let line = object([
        member("description", text(2, 5)),
        member("quantity", count(0.4)),
        member("unit_amount", minor_amount(9_900.0, 0.9)),
        member("tax_rate", code(&[("19.0", 80.0), ("7.0", 15.0), ("0.0", 5.0)])),
        nullable("period", 0.5, object([member("from", day_ahead(1)), member("to", day_ahead(30))])),
    ]);
    let body = object([
        member("invoice", pattern("RE-2025-999999")),
        member("customer", reference(20_000, 800)),
        member("country", code_of_tenant(COUNTRIES)),
        member("currency", code(CURRENCIES)),
        member("lines", array(count(0.65), line)),
        member("total", minor_amount(20_000.0, 1.0)),
        member("state", code(&[("draft", 10.0), ("open", 60.0), ("paid", 28.0), ("void", 2.0)])),
        member("due", day_ahead(30)),
        optional("po_number", 0.25, pattern("PO9999")),
        member("paid", flag(0.28)),
        member("issued_at", now(Written::Iso, 30.0)),
    ]);
    let fields = vec![
        ("$.invoice", Meaning::Identifier),
        ("$.total", Meaning::Total),
        ("$.lines[*].unit_amount", Meaning::MinorAmount),
        ("$.lines[*].quantity", Meaning::Count),
        ("$.lines[*].tax_rate", Meaning::Code),
        ("$.state", Meaning::Code),
        ("$.currency", Meaning::Code),
        ("$.issued_at", Meaning::Instant),
        ("$.lines[*].description", Meaning::Text),
        ("$.paid", Meaning::Flag),
    ];
    let derive = |body: &mut Json| sum(body, "lines", "unit_amount", "total");
    let (length, next) = pages(20, 8.0, "page_");
    let listed = object([member("invoice", pattern("RE-2025-999999")), member("due", day_ahead(30))]);
    let export = object([member("data", array(length, listed)), member("next", next)]);
    let kind = Kind { route: "/api/invoices", body, derive, related: &[INVOICE_LINES], fields };
    let exported =
        Kind { route: "/api/exports", body: export, derive: nothing, related: &[], fields: Vec::new() };
    Integration {
        name: "invoices",
        load: Load { rate, run: 15.0, tenants: 30, ..Load::default() },
        kinds: vec![(0.9, kind), (0.1, exported)],
    }
}

fn shipments(rate: f64) -> Integration {
    let address = || {
        object([
            member("name", person()),
            member("street", text(1, 2)),
            member("postcode", pattern("99999")),
            member("country", code_of_tenant(COUNTRIES)),
        ])
    };
    let body = object([
        member("tracking", pattern("1Z99AA99999999")),
        member("carrier", code(&[("dhl", 55.0), ("ups", 25.0), ("gls", 15.0), ("dpd", 5.0)])),
        member("weight_kg", amount(180.0, 0.7)),
        member("from", address()),
        member("to", address()),
        member("state", code(&[("created", 30.0), ("in_transit", 50.0), ("delivered", 19.0), ("lost", 1.0)])),
        member("delivered_at", now(Written::Iso, 3_000.0)),
        member("parcels", exactly(1)),
        member("distance_km", duration_ms(20.0)),
        member("event_at", now(Written::Seconds, 10.0)),
    ]);
    let fields = vec![
        ("$.tracking", Meaning::Identifier),
        ("$.carrier", Meaning::Code),
        ("$.weight_kg", Meaning::Amount),
        ("$.state", Meaning::Code),
        ("$.to.name", Meaning::Text),
        ("$.distance_km", Meaning::Measure),
        ("$.event_at", Meaning::Instant),
    ];
    let derive = |body: &mut Json| {
        if !body.member("state").is_some_and(|state| state.is("delivered")) {
            clear(body, "delivered_at");
        }
    };
    Integration {
        name: "shipments",
        load: Load { rate, bursts: 0.2, tenants: 25, retries: 0.02, ..Load::default() },
        kinds: vec![(1.0, Kind { route: "/hooks/shipment", body, derive, related: &[], fields })],
    }
}

fn ledger(rate: f64) -> Integration {
    let body = object([
        member("entry", sequence(8_000_000)),
        member("account", pattern("DE99 9999 9999")),
        member("booked", now(Written::Iso, 1.0)),
        member("booked_local", now(Written::Local, 1.0)),
        member("value_date", day_ahead(3)),
        member("amount", amount(12_000.0, 1.6)),
        member("direction", code(&[("debit", 55.0), ("credit", 45.0)])),
        member("currency", code(CURRENCIES)),
        member("balance", slow(52_000.0, 9_000.0, 0.97, 2)),
        optional("counterparty", 0.9, person()),
        nullable("purpose", 0.15, text(2, 9)),
        member("reversal", flag(0.004)),
    ]);
    let fields = vec![
        ("$.amount", Meaning::Amount),
        ("$.direction", Meaning::Code),
        ("$.currency", Meaning::Code),
        ("$.booked", Meaning::Instant),
        ("$.balance", Meaning::Measure),
        ("$.account", Meaning::Identifier),
        ("$.purpose", Meaning::Text),
        ("$.reversal", Meaning::Flag),
    ];
    let derive = |body: &mut Json| {
        let is_yen = is_yen(body);
        in_yen(body, is_yen, "amount");
    };
    Integration {
        name: "ledger",
        load: Load { rate, bursts: 0.15, tenants: 50, run: 5.0, ..Load::default() },
        kinds: vec![(1.0, Kind { route: "/ledger/entries", body, derive, related: &[], fields })],
    }
}

fn prices(rate: f64) -> Integration {
    let body = object([
        member("symbol", code(&[("AAA", 30.0), ("BBB", 25.0), ("CCC", 20.0), ("DDD", 15.0), ("EEE", 10.0)])),
        member("bid", slow(101.0, 3.0, 0.995, 4)),
        member("ask", normal(0.02, 0.004, 4)),
        member("volume", duration_ms(100.0)),
        member("venue", steady(7_200.0, code(&[("XETR", 50.0), ("XLON", 30.0), ("XPAR", 20.0)]))),
        member("halted", flag(0.0005)),
        member("seq", sequence(1)),
        member("ts", now(Written::Milliseconds, 0.05)),
    ]);
    let fields = vec![
        ("$.bid", Meaning::Measure),
        ("$.volume", Meaning::Measure),
        ("$.symbol", Meaning::Code),
        ("$.ts", Meaning::Instant),
    ];
    // Asked is what is bid and a little more.
    let derive = |body: &mut Json| {
        if let Some(Json::Decimal { mantissa: bid, .. }) = body.member("bid").cloned()
            && let Some(Json::Decimal { mantissa: ask, .. }) = body.member_mut("ask")
        {
            *ask = bid + (*ask).max(1);
        }
    };
    Integration {
        name: "prices",
        load: Load { rate, daily: 0.9, tenants: 1, instances: 2, ..Load::default() },
        kinds: vec![(1.0, Kind { route: "/quotes", body, derive, related: &[&["$.bid", "$.ask"]], fields })],
    }
}

fn bookings(rate: f64) -> Integration {
    let guest = object([
        member("name", person()),
        member("age", whole(18, 80)),
        optional("passport", 0.3, pattern("A99999999")),
    ]);
    let body = object([
        member("booking", uuid()),
        member("hotel", reference(100, 60)),
        member("room", code(&[("single", 25.0), ("double", 60.0), ("suite", 15.0)])),
        member("guests", array(count(0.45), guest)),
        member("arrival", day_ahead(120)),
        member("nights", count(0.6)),
        member("price", object([member("net", amount(15_000.0, 0.6)), member("currency", code(CURRENCIES))])),
        nullable("remark", 0.7, text(3, 12)),
        member("breakfast", flag(0.55)),
        member("channel", code(&[("web", 50.0), ("agency", 35.0), ("phone", 15.0)])),
        member("created_at", now(Written::Iso, 4.0)),
    ]);
    let fields = vec![
        ("$.booking", Meaning::Identifier),
        ("$.room", Meaning::Code),
        ("$.channel", Meaning::Code),
        ("$.nights", Meaning::Count),
        ("$.price.net", Meaning::Amount),
        ("$.price.currency", Meaning::Code),
        ("$.guests[*].age", Meaning::Measure),
        ("$.guests[*].name", Meaning::Text),
        ("$.created_at", Meaning::Instant),
        ("$.breakfast", Meaning::Flag),
    ];
    Integration {
        name: "bookings",
        load: Load { rate, run: 3.0, tenants: 15, ..Load::default() },
        kinds: vec![(1.0, Kind { route: "/v2/bookings", body, derive: nothing, related: &[], fields })],
    }
}

fn metering(rate: f64) -> Integration {
    let body = object([
        member("meter", reference(50_000, 1_500)),
        member("kwh", daily(4.0, 2.2, 0.9, 3)),
        member("voltage", normal(230.0, 2.0, 1)),
        member("tariff", steady(10_000.0, code(&[("T1", 50.0), ("T2", 50.0)]))),
        member("quality", code(&[("measured", 96.0), ("estimated", 3.5), ("missing", 0.5)])),
        member("read_at", now(Written::Iso, 300.0)),
    ]);
    let fields = vec![
        ("$.kwh", Meaning::Measure),
        ("$.voltage", Meaning::Measure),
        ("$.quality", Meaning::Code),
        ("$.read_at", Meaning::Instant),
    ];
    Integration {
        name: "metering",
        load: Load { rate, daily: 0.2, bursts: 0.0, tenants: 10, instances: 3, ..Load::default() },
        kinds: vec![(1.0, Kind { route: "/meters/readings", body, derive: nothing, related: &[], fields })],
    }
}
