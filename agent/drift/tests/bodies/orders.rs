//! Orders whose amount is renamed, whose weight comes in grams, and whose delivery takes longer, one after the other: each is
//! told once, by its name, whichever message it begins with.

use pitot_observe::hash::mix;

use crate::stream::found;

fn order(number: u64, is_renamed: bool, is_in_grams: bool, is_late: bool) -> String {
    let random = mix(number);
    let draw = |shift: u32, end: u64| (random >> shift) % end;
    let quantity = 1 + draw(0, 5);
    let price = 250 + 35 * draw(8, 17);
    let amount = if is_renamed { "amount_minor" } else { "amount" };
    let total = quantity * price;
    let grams = quantity * (120 + draw(16, 900));
    let weight =
        if is_in_grams { grams.to_string() } else { format!("{}.{:03}", grams / 1_000, grams % 1_000) };
    let days = 2 + draw(32, 3) + draw(40, 3) + if is_late { 4 } else { 0 };
    format!(
        r#"{{"order":"o-{number}","{amount}":{total},"currency":"EUR","parcel":{{"weight":{weight},"days":{days}}},"lines":[{{"sku":"s-{}","quantity":{quantity},"price":{price}}}]}}"#,
        draw(56, 40),
    )
}

#[test]
fn three_faults_are_three_findings_wherever_they_begin() {
    for from in (1_100..1_400).step_by(7) {
        let evidence = found(0, from + 3_300, |_, number| {
            order(number, number > from, number > from + 1_100, number > from + 2_200)
        });
        let told: Vec<String> = evidence.iter().map(|e| format!("{:?} {}", e.kind, e.path)).collect();
        let expected = [
            "FieldRenamed $.amount_minor",
            "UnitChanged $.parcel.weight",
            "DistributionShifted $.parcel.days",
        ];
        assert_eq!(told, expected, "from message {from}");
    }
}
