//! The cases, a file for each group of them.

mod links;
mod overload;
mod paths;
mod sockets;

use crate::case::Case;
use crate::plan::Exchange;

/// Whether cases move a tenth of what they do elsewhere (`PITOT_CAPTURE_QUICK`).
#[must_use]
pub fn quick() -> bool {
    std::env::var_os("PITOT_CAPTURE_QUICK").is_some_and(|value| !value.is_empty())
}

/// The same case with a tenth of the connections and of what is large.
fn tenth(mut case: Case) -> Case {
    case.connections = case.connections.div_ceil(10);
    for Exchange { request, response } in &mut case.exchanges {
        for size in [request, response] {
            *size = if *size > 1 << 20 { *size / 10 } else { *size };
        }
    }
    case
}

/// All of them, in the order in which they are run and shown.
#[must_use]
pub fn all() -> Vec<Case> {
    let all = paths::cases()
        .chain(sockets::cases())
        .chain(sockets::unix())
        .chain(links::cases())
        .chain(overload::cases());
    if quick() { all.map(tenth).collect() } else { all.collect() }
}

/// Those whose names contain one of `filters`; all without a filter.
#[must_use]
pub fn selected(filters: &[String]) -> Vec<Case> {
    let wanted = |case: &Case| filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter));
    all().into_iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_grouped() {
        let mut names = HashSet::new();
        for case in super::all() {
            assert!(case.name.contains('/'), "{}", case.name);
            assert!(names.insert(case.name.clone()), "{} twice", case.name);
        }
    }
}
