//! A number that is always the same, and then another.

use crate::stream::found;

#[test]
fn a_constant_is_watched() {
    let check = |after: f64, expected: &str| {
        let evidence = found(1, 1_800, |random, number| {
            let vat = if number > 1_200 { after } else { 19.0 };
            format!(
                r#"{{"id":"a{}","net":{},"vat":{vat}}}"#,
                random.below(1 << 40),
                random.below(5_000) + 100
            )
        });
        let told: Vec<String> = evidence.iter().map(|e| format!("{:?} {}", e.kind, e.path)).collect();
        assert_eq!(told, [expected], "{after}");
    };
    check(0.19, "UnitChanged $.vat");
    check(7.0, "DistributionShifted $.vat");
}
