//! The cases, a file for each group of them.

mod paths;

use crate::case::Case;

/// All of them, in the order in which they are run and shown.
#[must_use]
pub fn all() -> Vec<Case> {
    paths::cases().collect()
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
