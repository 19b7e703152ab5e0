//! The integrations as a messages file.

use crate::order::{Fault, answer, entry, order};
use crate::random::Random;
use crate::{EXCHANGES, PACE_NS, START_NS};

/// A messages file: out of order by less than 5 s, as the format allows.
#[must_use]
pub fn messages(fault: Fault, seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut lines: Vec<(u64, String)> = Vec::new();
    for number in 0..EXCHANGES {
        let at = START_NS + number * PACE_NS;
        let hops = [
            ("shop", "billing", "/v1/orders", order(&mut random, number, fault)),
            ("billing", "ledger", "/entries/2025", entry(&mut random, number, fault)),
        ];
        for (hop, (client, server, target, body)) in (0_u64..).zip(hops) {
            let at = at + hop * PACE_NS / 4;
            let ends = format!(r#""client":"{client}","server":"{server}","exchange":"x{number}""#);
            let json = r#""headers":{"content-type":"application/json"}"#;
            let late = |random: &mut Random, at: u64| at + random.below(2_000_000_000);
            lines.push((
                late(&mut random, at),
                format!(r#"{{"t_ns":{at},{ends},"side":"request","method":"POST","target":"{target}",{json},"body":{body}}}"#),
            ));
            let answered = at + PACE_NS / 8;
            let body = answer(number, fault);
            lines.push((
                late(&mut random, answered),
                format!(
                    r#"{{"t_ns":{answered},{ends},"side":"response","status":201,{json},"body":{body}}}"#
                ),
            ));
        }
    }
    // Written when it was known, not when it was.
    lines.sort();
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}
