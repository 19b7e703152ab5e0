//! What a run leaves behind: a line of JSON for each stream, so that runs of different parts make one report.

use serde::{Deserialize, Serialize};

use crate::aa::Claims;
use crate::history::Step;
use crate::matrix::Judged;
use crate::peer::{PeerAlarms, PeerCase};

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Record {
    /// A stream without a change.
    Aa(Claims),
    /// A stream with one.
    Case(Judged),
    /// A step of a real history.
    Step(Step),
    /// What another detector said of streams without a change.
    PeerAlarms(PeerAlarms),
    /// And of one with a change.
    PeerCase(PeerCase),
}

/// The lines of a file.
///
/// # Errors
/// The number of the first line that is none, and why.
pub fn parse(text: &str) -> Result<Vec<Record>, (usize, serde_json::Error)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(i, line)| serde_json::from_str(line).map_err(|error| (i + 1, error))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let line = r#"{"what":"peer_alarms","detector":"ADWIN","setting":"default","messages":5,"fields":2,"alarms":1}"#;
        let records = parse(&format!("{line}\n\n{line}\n")).expect("two lines");
        assert_eq!(records.len(), 2);
        assert_eq!(serde_json::to_string(&records[0]).expect("a record"), line);
    }

    #[test]
    fn a_bad_line_has_its_number() {
        let check =
            |text: &str, expected| assert_eq!(parse(text).err().map(|(line, _)| line), expected, "{text}");
        check("", None);
        check("\n{\"what\":\"nothing\"}", Some(2));
        check("{", Some(1));
    }
}
