//! A finding for a terminal.

use std::fmt::Write;

use crate::Finding;
use crate::clock::{utc_date_time, utc_time};
use crate::finding::State;

impl Finding {
    /// A few lines for people, each ended by a newline; no colours. All text in a finding is already fit to print.
    ///
    /// ```text
    /// warn   field_renamed  85ba1388f33441bf
    ///   `$.amount_minor` took the place of `$.amount` in requests of shop to billing POST /v1/charges: 12 of 12 messages since 10:31:04 UTC
    ///   began 2026-11-22 10:31:04 UTC, decided 10:31:07 UTC, confidence 0.997
    /// ```
    #[must_use]
    pub fn people(&self) -> String {
        let state = match self.state {
            State::Open => String::new(),
            state => format!("  ({})", state.as_str()),
        };
        let mut text =
            format!("{:<5}  {}  {}{state}\n  {}\n", self.severity.as_str(), self.kind, self.id, self.summary);
        let (began, decided) = (utc_date_time(self.onset_ns), utc_time(self.time_ns));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  began {began}, decided {decided}, confidence {}", self.confidence);
        if let Some(example) = self.first_example() {
            let _ = writeln!(text, "  for example exchange {example}");
        }
        text
    }

    fn first_example(&self) -> Option<&str> {
        self.evidence.get("examples")?.get(0)?.get("exchange")?.as_str()
    }
}
