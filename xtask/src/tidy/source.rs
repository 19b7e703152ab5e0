//! Checks that look at one file.

use super::{File, scan};

/// A file that reads in one sitting is shorter.
const MAX_LINES: usize = 800;

/// The parts that may hold `unsafe`: what talks to the kernel, and the tests' own peers.
const MAY_BE_UNSAFE: &[&str] = &["ebpf/", "agent/capture/", "tests/e2e/", "tests/vm/"];

/// `unsafe` in a part that may not hold it.
pub(super) fn unsafe_code(file: &File) -> Vec<String> {
    if MAY_BE_UNSAFE.iter().any(|part| file.path.starts_with(part)) {
        return Vec::new();
    }
    complain(file, &scan::code(&file.text), |line| words(line).any(|word| word == "unsafe"), "`unsafe`")
}

/// A file over [`MAX_LINES`].
pub(super) fn too_long(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines <= MAX_LINES {
        Vec::new()
    } else {
        vec![format!("{}: {lines} lines, at most {MAX_LINES}", file.path)]
    }
}

/// `#[allow(..)]` or `#[expect(..)]` without `reason = ".."`.
pub(super) fn allow_without_reason(file: &File) -> Vec<String> {
    let code = scan::code(&file.text);
    let mut complaints = Vec::new();
    for opening in ["[allow(", "[expect("] {
        for (at, _) in code.match_indices(opening) {
            let attribute = code[at..].split(']').next().unwrap_or_default();
            if !attribute.contains("reason") {
                let line = code[..at].matches('\n').count() + 1;
                complaints.push(format!("{}:{line}: say why with `reason = \"..\"`", file.path));
            }
        }
    }
    complaints
}

/// A panic on what came from outside would end the agent.
pub(super) fn unwrap_outside_tests(file: &File) -> Vec<String> {
    let tests = ["/tests/", "/benches/", "/examples/"].iter().any(|part| file.path.contains(part));
    if !file.path.starts_with("agent/") || tests || file.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let code = scan::without_tests(&scan::code(&file.text));
    complain(file, &code, |line| line.contains(".unwrap()"), "`unwrap()` outside tests")
}

/// Work left behind: it belongs into an issue.
pub(super) fn unfinished(file: &File) -> Vec<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    complain(file, &file.text, |line| words(line).any(|word| marks.contains(&word)), "unfinished work")
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn complain(file: &File, text: &str, bad: impl Fn(&str) -> bool, what: &str) -> Vec<String> {
    let lines = text.lines().enumerate().filter(|(_, line)| bad(line));
    lines.map(|(index, _)| format!("{}:{}: {what}", file.path, index + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn unsafe_stays_where_it_belongs() {
        check(unsafe_code, "agent/stream/src/lib.rs", "fn f() {\n unsafe { g() }\n}", 1);
        check(unsafe_code, "agent/capture/src/ring.rs", "fn f() { unsafe { g() } }", 0);
        check(unsafe_code, "agent/stream/src/lib.rs", "#![forbid(unsafe_code)] // no unsafe\n", 0);
    }

    #[test]
    fn length_is_bounded() {
        check(too_long, "a.rs", &"x\n".repeat(MAX_LINES), 0);
        check(too_long, "a.rs", &"x\n".repeat(MAX_LINES + 1), 1);
    }

    #[test]
    fn an_exception_says_why() {
        check(allow_without_reason, "a.rs", "#[allow(dead_code)]\nfn f() {}", 1);
        check(allow_without_reason, "a.rs", "#![expect(\n  dead_code\n)]", 1);
        check(allow_without_reason, "a.rs", "#[allow(dead_code, reason = \"ABI\")]\nfn f() {}", 0);
    }

    #[test]
    fn unwrap_is_for_tests() {
        check(unwrap_outside_tests, "agent/src/a.rs", "fn f() { x.unwrap() }", 1);
        check(
            unwrap_outside_tests,
            "agent/src/a.rs",
            "/// x.unwrap()\n#[cfg(test)]\nmod t { fn f() { x.unwrap() } }",
            0,
        );
        check(unwrap_outside_tests, "agent/stream/tests/a.rs", "fn f() { x.unwrap() }", 0);
        check(unwrap_outside_tests, "xtask/src/a.rs", "fn f() { x.unwrap() }", 0);
    }

    #[test]
    fn nothing_is_left_behind() {
        check(unfinished, "a.md", concat!("a\nTO", "DO: b"), 1);
        check(unfinished, "a.md", "a\nmethod: b", 0);
    }
}
