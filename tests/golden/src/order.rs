//! Bodies.

use crate::random::Random;
use crate::{EXCHANGES, ONSET};

/// What happens to the orders from [`ONSET`] on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// `amount` is called `amount_minor`.
    Renamed,
    /// `currency` is gone.
    Removed,
    /// `channel` is new.
    Added,
    /// `customer.id` is a string.
    Retyped,
    /// `lines[*].price` is null in every second order.
    Nulls,
    /// In every flow something else: `currency` is gone from orders and `account` from entries, and answers have a
    /// `fee`.
    Everywhere,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Renamed, Self::Removed, Self::Added, Self::Retyped, Self::Nulls, Self::Everywhere];

    /// What it is for message `number`.
    fn at(self, number: u64) -> Self {
        if number >= ONSET { self } else { Self::None }
    }
}

/// Order `number` of [`EXCHANGES`].
pub(crate) fn order(random: &mut Random, number: u64, fault: Fault) -> String {
    let fault = fault.at(number);
    debug_assert!(number < EXCHANGES);
    let total = 100 + random.below(9_900);
    let amount = if fault == Fault::Renamed { "amount_minor" } else { "amount" };
    let currency =
        if matches!(fault, Fault::Removed | Fault::Everywhere) { "" } else { r#","currency":"EUR""# };
    let channel = if fault == Fault::Added { r#","channel":"app""# } else { "" };
    let id = 1_000 + random.below(500);
    let id = if fault == Fault::Retyped { format!(r#""{id}""#) } else { id.to_string() };
    // Now and then, before and after: no reason for an alarm.
    let note = if random.below(5) == 0 { r#","note":"gift""# } else { "" };
    let lines: Vec<String> = (0..=random.below(3)).map(|_| line(random, number, fault)).collect();
    let lines = lines.join(",");
    format!(
        r#"{{"order":"o-{number}","{amount}":{total}{currency}{channel}{note},"customer":{{"id":{id},"country":"FR"}},"lines":[{lines}]}}"#
    )
}

fn line(random: &mut Random, number: u64, fault: Fault) -> String {
    let price = 1 + random.below(5_000);
    let null = fault == Fault::Nulls && number.is_multiple_of(2);
    let price = if null { "null".to_owned() } else { format!("{}.{:02}", price / 100, price % 100) };
    format!(r#"{{"sku":"s-{}","quantity":{},"price":{price}}}"#, random.below(200), 1 + random.below(4))
}

/// The answer to order `number`.
pub(crate) fn answer(number: u64, fault: Fault) -> String {
    let fee = if fault.at(number) == Fault::Everywhere { r#","fee":1"# } else { "" };
    format!(r#"{{"charge":"c-{number}","status":"accepted"{fee}}}"#)
}

/// The entry that `billing` makes of order `number`.
pub(crate) fn entry(random: &mut Random, number: u64, fault: Fault) -> String {
    let account = format!(r#","account":"4{:03}""#, random.below(30));
    let account = if fault.at(number) == Fault::Everywhere { "" } else { &account };
    format!(r#"{{"reference":"c-{number}","debit":{}{account}}}"#, random.below(9_900))
}
