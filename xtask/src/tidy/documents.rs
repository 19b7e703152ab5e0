//! Checks that look at the documents of the repository's root.

use super::crates::Package;

/// ARCHITECTURE.md says of each crate where it lives.
pub(super) fn names_each_crate(packages: &[Package], architecture: &str) -> Vec<String> {
    let named = |package: &&Package| architecture.contains(&format!("`{}/`", package.folder));
    packages
        .iter()
        .filter(|package| !named(package))
        .map(|package| format!("does not mention `{}/`", package.folder))
        .collect()
}

/// README.md has the first command, and says where to read on.
pub(super) fn leads_on(readme: &str) -> Vec<String> {
    ["cargo xtask demo", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .iter()
        .filter(|what| !readme.contains(*what))
        .map(|what| format!("does not mention {what}"))
        .collect()
}

/// CHANGELOG.md has a release (or what comes next) with at least one entry.
pub(super) fn has_entries(changelog: &str) -> Vec<String> {
    let mut from_heading = changelog.lines().skip_while(|line| !line.starts_with("## "));
    if from_heading.any(|line| line.starts_with("- ")) {
        Vec::new()
    } else {
        vec!["has no entry under a `## ` heading".into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_must_be_named() {
        let packages = [Package { folder: "agent/drift".into(), ..Package::default() }];
        assert_eq!(names_each_crate(&packages, "`agent/drift/` finds changes").len(), 0);
        assert_eq!(names_each_crate(&packages, "agents drift").len(), 1);
    }

    #[test]
    fn the_readme_must_lead_on() {
        assert_eq!(leads_on("`cargo xtask demo`, ARCHITECTURE.md, CONTRIBUTING.md").len(), 0);
        assert_eq!(leads_on("").len(), 3);
    }

    #[test]
    fn a_changelog_must_have_entries() {
        assert_eq!(has_entries("# Changelog\n\n## Unreleased\n\n- x\n").len(), 0);
        for empty in ["", "# Changelog\n", "# Changelog\n## Unreleased\n", "- x\n## Unreleased\n"] {
            assert_eq!(has_entries(empty).len(), 1, "{empty:?}");
        }
    }
}
