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

/// `#[allow(..)]` or `#[expect(..)]` without `reason = ".."`, a comment behind it, or one on the line above.
pub(super) fn allow_without_reason(file: &File) -> Vec<String> {
    let code = scan::code(&file.text);
    let lines: Vec<&str> = file.text.lines().collect();
    let mut complaints = Vec::new();
    for opening in ["[allow(", "[expect("] {
        for (at, _) in code.match_indices(opening) {
            let attribute = code[at..].split(']').next().unwrap_or_default();
            let first = code[..at].matches('\n').count();
            let last = first + attribute.matches('\n').count();
            let commented = lines[last].contains("] //") || first > 0 && is_comment(lines[first - 1]);
            if !commented && !attribute.contains("reason") {
                complaints.push(format!("{}:{}: say why with `reason = \"..\"`", file.path, first + 1));
            }
        }
    }
    complaints
}

/// A comment for the reader of the code, not documentation.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!")
}

/// The clock of everything below the agent is the events' own time: a crate that asks the machine would give other
/// findings on replay. What looks at one flow, or at many, has no files and no threads either.
pub(super) fn clock_and_io(file: &File) -> Vec<String> {
    let below = ["stream", "protocols", "observe", "drift", "lineage", "findings"];
    let pure = ["drift", "lineage"];
    let within =
        |crates: &[&str]| crates.iter().any(|name| file.path.starts_with(&format!("agent/{name}/src/")));
    let mut barred = Vec::new();
    if within(&below) {
        barred.extend(["Instant::now", "SystemTime::now"]);
    }
    if within(&pure) {
        barred.extend(["std::fs", "std::io", "std::net", "std::thread", "std::process"]);
    }
    let code = scan::without_tests(&scan::code(&file.text));
    barred
        .iter()
        .flat_map(|name| complain(file, &code, |line| line.contains(name), &format!("`{name}`")))
        .collect()
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
        check(allow_without_reason, "a.rs", "/// Docs.\n#[allow(dead_code)]\nfn f() {}", 1);
        check(allow_without_reason, "a.rs", "#[allow(dead_code, reason = \"ABI\")]\nfn f() {}", 0);
        check(allow_without_reason, "a.rs", "#[allow(dead_code)] // ABI\nfn f() {}", 0);
        check(allow_without_reason, "a.rs", "// ABI\n#[allow(dead_code)]\nfn f() {}", 0);
    }

    #[test]
    fn time_comes_from_events() {
        check(clock_and_io, "agent/stream/src/a.rs", "let t = Instant::now();", 1);
        check(clock_and_io, "agent/stream/src/a.rs", "use std::net::SocketAddr; // not Instant::now", 0);
        check(clock_and_io, "agent/drift/src/a.rs", "use std::fs::File;", 1);
        check(clock_and_io, "agent/src/a.rs", "let t = Instant::now();", 0);
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
