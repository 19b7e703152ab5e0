//! `tidy`: what a program can check of the invariants in ARCHITECTURE.md.
//!
//! Each check is a function from what it looks at to a list of complaints, and has a test that shows it complain.

mod crates;
mod documents;
mod scan;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};

use crate::process;
use crate::tally::Tally;

/// Runs every check over the whole tree.
pub(crate) fn run() -> Result<ExitCode> {
    let packages = crates::packages(&metadata()?)?;
    let files = tracked_files()?;
    let sources = read(&files, |path| path.extension().is_some_and(|e| e == "rs"))?;
    let texts = read(&files, |path| {
        path.extension()
            .is_some_and(|e| ["rs", "md", "toml", "yaml", "yml", "py"].iter().any(|known| e == *known))
    })?;

    let mut tally = Tally::default();
    let mut check = |name: &str, complaints: Vec<String>| {
        if complaints.is_empty() {
            tally.pass();
        }
        complaints.into_iter().for_each(|complaint| tally.fail(format!("{name}: {complaint}")));
    };
    check("edges", crates::edges(&packages));
    check("heavy dependencies", crates::heavy_dependencies(&packages));
    check("unsafe", crates::forbids_unsafe(&packages, &sources));
    check("unsafe", each(&sources, source::unsafe_code));
    check("length", each(&sources, source::too_long));
    check("allow without reason", each(&sources, source::allow_without_reason));
    check("clock and IO", each(&sources, source::clock_and_io));
    check("unwrap", each(&sources, source::unwrap_outside_tests));
    check("unfinished", each(&texts, source::unfinished));
    check("ARCHITECTURE.md", documents::names_each_crate(&packages, &text(&texts, "ARCHITECTURE.md")));
    check("README.md", documents::leads_on(&text(&texts, "README.md")));
    check("CHANGELOG.md", documents::has_entries(&text(&texts, "CHANGELOG.md")));
    Ok(tally.finish())
}

/// A file of the repository: path from its root, and content.
pub(crate) struct File {
    path: String,
    text: String,
}

fn each(files: &[File], check: fn(&File) -> Vec<String>) -> Vec<String> {
    files.iter().flat_map(check).collect()
}

fn text(files: &[File], path: &str) -> String {
    files.iter().find(|file| file.path == path).map(|file| file.text.clone()).unwrap_or_default()
}

fn metadata() -> Result<serde_json::Value> {
    let mut command = process::cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let text = process::output(&mut command).context("`cargo metadata` failed; run it to see why")?;
    serde_json::from_str(&text).context("`cargo metadata` did not print JSON")
}

/// What git knows or would take: build output is none of it.
fn tracked_files() -> Result<Vec<PathBuf>> {
    let mut command = process::command("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = process::output(&mut command).context("`git ls-files` failed; tidy needs a git checkout")?;
    let files: Vec<_> = list.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    ensure!(!files.is_empty(), "`git ls-files` names no file");
    Ok(files)
}

fn read(files: &[PathBuf], wanted: impl Fn(&Path) -> bool) -> Result<Vec<File>> {
    let mut read = Vec::new();
    // A file deleted and not yet committed is still listed.
    for path in files.iter().filter(|path| wanted(path) && process::root().join(path).is_file()) {
        let text = std::fs::read_to_string(process::root().join(path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        read.push(File { path: path.to_string_lossy().into_owned(), text });
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks one file that a check must accept or complain about, by the number of complaints.
    pub(super) fn check(check: fn(&File) -> Vec<String>, path: &str, text: &str, complaints: usize) {
        let found = check(&File { path: path.into(), text: text.into() });
        assert_eq!(found.len(), complaints, "{path}: {text:?} gave {found:?}");
    }
}
