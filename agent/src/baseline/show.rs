//! Flows as a table for people.

use std::fmt::Write as _;

use pitot_drift::describe::PathDescription;
use pitot_observe::shape::ValueKind;

use super::{Described, percent, values};

/// A flow and its paths, each line ended by a newline:
///
/// ```text
/// shop -> billing POST /v1/charges request: 1204 messages
///   PATH       TYPES   PRESENT  NULL  VALUES                         NEEDS
///   $          object  -        0 %   -                              -
///   $.amount   number  100 %    0 %   numbers, half in 1200 to 5700  -
///   $.note     string  34.1 %   12 %  texts                          type 20, values 212
/// ```
#[must_use]
pub fn table(flow: &Described) -> String {
    let mut text = format!("{}: {} messages", flow.name(), flow.is.messages);
    if flow.is.needs > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ", learning for {} more", flow.is.needs);
    }
    text.push('\n');
    let head = ["PATH", "TYPES", "PRESENT", "NULL", "VALUES", "NEEDS"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(flow.is.paths.iter().map(row)).collect();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..5).filter_map(width).collect();
    for row in &rows {
        let mut line = String::from(" ");
        for (column, cell) in row.iter().enumerate() {
            let width = widths.get(column).copied().unwrap_or(0);
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn row(path: &PathDescription) -> [String; 6] {
    let needs: Vec<String> = (path.channels.iter())
        .filter(|channel| channel.needs > 0)
        .map(|channel| format!("{} {}", channel.name, channel.needs))
        .collect();
    [
        pitot_findings::path(&path.path),
        types(&path.types),
        path.presence.map_or_else(|| "-".to_owned(), percent),
        percent(path.nulls),
        path.values.as_ref().map_or_else(|| "-".to_owned(), values::text),
        if needs.is_empty() { "-".to_owned() } else { needs.join(", ") },
    ]
}

/// `number or string`; `nothing` where it was never other than null.
pub(super) fn types(kinds: &[ValueKind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(" or ") }
}
