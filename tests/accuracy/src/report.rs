//! `docs/accuracy.md`, of what runs left behind.

mod aa;
mod history;
mod matrix;
mod peers;

use crate::record::Record;

const HEADING: &str = include_str!("report/heading.md");

/// The whole document.
#[must_use]
pub fn document(records: Vec<Record>) -> String {
    let mut parts = Parts::default();
    records.into_iter().for_each(|record| parts.add(record));
    let mut text = HEADING.to_owned();
    for section in parts.sections() {
        text.push('\n');
        text.push_str(&section);
    }
    text
}

/// Only the tables.
#[must_use]
pub fn tables(records: Vec<Record>) -> String {
    let mut parts = Parts::default();
    records.into_iter().for_each(|record| parts.add(record));
    parts.sections().join("\n")
}

/// Records by what they are.
#[derive(Default)]
struct Parts {
    aa: Vec<crate::aa::Claims>,
    cases: Vec<crate::matrix::Judged>,
    steps: Vec<crate::history::Step>,
    alarms: Vec<crate::peer::PeerAlarms>,
    peer_cases: Vec<crate::peer::PeerCase>,
}

impl Parts {
    fn add(&mut self, record: Record) {
        match record {
            Record::Aa(claims) => self.aa.push(claims),
            Record::Case(judged) => self.cases.push(judged),
            Record::Step(step) => self.steps.push(step),
            Record::PeerAlarms(alarms) => self.alarms.push(alarms),
            Record::PeerCase(case) => self.peer_cases.push(case),
        }
    }

    /// Those of which there is anything to say.
    fn sections(&self) -> Vec<String> {
        let mut sections = Vec::new();
        if !self.aa.is_empty() {
            sections.push(aa::section(&self.aa));
        }
        if !self.cases.is_empty() {
            sections.push(matrix::section(&self.cases));
        }
        if !self.steps.is_empty() {
            sections.push(history::section(&self.steps));
        }
        if !self.alarms.is_empty() || !self.peer_cases.is_empty() {
            sections.push(peers::section(&self.alarms, &self.peer_cases));
        }
        if !self.cases.is_empty() {
            sections.push(matrix::failures(&self.cases));
        }
        sections
    }
}
