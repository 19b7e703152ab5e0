//! Counting: what passed, what failed, and what could not be run and why.

use std::process::ExitCode;

/// Counts of checks, and the reasons of those that were not made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failures: Vec<String>,
    skips: Vec<String>,
}

impl Tally {
    /// One check that succeeded.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    /// One check that failed.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }

    /// One check that could not be made here.
    pub(crate) fn skip(&mut self, why: impl Into<String>) {
        self.skips.push(why.into());
    }

    /// One check, by its result.
    pub(crate) fn check(&mut self, what: &str, result: anyhow::Result<()>) {
        match result {
            Ok(()) => self.pass(),
            Err(error) => self.fail(format!("{what}: {error:#}")),
        }
    }

    /// Adds what one run of `cargo test -- --show-output` printed.
    ///
    /// A line `skipped: REASON` printed by a test counts as one skip, and the test that printed it is not
    /// counted as passed; an ignored test is a skip too. A run that failed without a failed test (it did not
    /// compile, a test aborted) counts as one failure, and so does a run without any test.
    pub(crate) fn add_libtest(&mut self, part: &str, success: bool, stdout: &str) {
        let (mut passed, mut ran, mut failed) = (0, 0, 0);
        let mut block: Option<&str> = None;
        let (mut block_counted, mut among_failures) = (false, false);
        for line in stdout.lines() {
            if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----")) {
                (block, block_counted) = (Some(name), among_failures);
            } else if let Some(reason) = line.trim_start().strip_prefix("skipped:") {
                self.skip(format!("{part}: {}: {}", block.unwrap_or("?"), reason.trim()));
                if !block_counted && block.is_some() {
                    passed -= 1;
                    block_counted = true;
                }
            } else if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED"))
            {
                failed += 1;
                self.fail(format!("{part}: {name}"));
            } else if let Some((name, why)) =
                line.strip_prefix("test ").and_then(|l| l.split_once(" ... ignored"))
            {
                self.skip(format!("{part}: {name}: ignored{why}"));
            } else if line == "successes:" || line == "failures:" {
                among_failures = line == "failures:";
            } else if let Some(counts) = line.strip_prefix("test result: ") {
                block = None;
                passed += count(counts, "passed");
                ran += count(counts, "passed") + count(counts, "failed") + count(counts, "ignored");
            }
        }
        // More tests skipped themselves than passed would mean that the output was misread.
        self.passed += u64::try_from(passed).unwrap_or(0);
        if !success && failed == 0 {
            self.fail(format!("{part}: did not build, or a test ended the process"));
        } else if ran == 0 {
            self.fail(format!("{part}: ran no test"));
        }
    }

    /// The closing line.
    pub(crate) fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failures.len(), self.skips.len())
    }

    /// Prints failures, skips with their reasons, and the closing line last; gives the exit code.
    pub(crate) fn finish(self) -> ExitCode {
        for what in &self.failures {
            println!("failed: {what}");
        }
        for why in &self.skips {
            println!("not run: {why}");
        }
        println!("{}", self.line());
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The number before `word` in `ok. 3 passed; 0 failed; ...`.
fn count(counts: &str, word: &str) -> i64 {
    let mut words = counts.split([' ', ';']).filter(|w| !w.is_empty()).peekable();
    while let Some(number) = words.next() {
        if words.peek() == Some(&word) {
            return number.parse().unwrap_or(0);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(success: bool, stdout: &str, expected: &str) {
        let mut tally = Tally::default();
        tally.add_libtest("unit", success, stdout);
        assert_eq!(tally.line(), expected, "{tally:?}");
    }

    const OK: &str = "running 2 tests\ntest a ... ok\ntest b ... ok\n\
        test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";

    #[test]
    fn adds_up_every_binary() {
        check(true, OK, "2 passed, 0 failed, 0 skipped");
        check(true, &OK.repeat(3), "6 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn a_failed_test_is_a_failure() {
        check(
            false,
            "test a ... ok\ntest b ... FAILED\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n",
            "1 passed, 1 failed, 0 skipped",
        );
    }

    #[test]
    fn a_test_that_skipped_a_part_and_then_failed_is_a_failure() {
        check(
            false,
            "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nskipped: no node\npanicked\n\n\
             failures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n",
            "1 passed, 1 failed, 1 skipped",
        );
    }

    #[test]
    fn a_build_that_broke_is_a_failure() {
        check(false, "", "0 passed, 1 failed, 0 skipped");
        check(false, OK, "2 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn no_test_is_a_failure() {
        check(
            true,
            "running 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored\n",
            "0 passed, 1 failed, 0 skipped",
        );
    }

    #[test]
    fn an_ignored_test_is_a_skip() {
        check(
            true,
            "test a ... ignored, needs two machines\ntest result: ok. 0 passed; 0 failed; 1 ignored\n",
            "0 passed, 0 failed, 1 skipped",
        );
    }

    #[test]
    fn a_test_that_skipped_itself_did_not_pass() {
        check(
            true,
            "test a ... ok\ntest b ... ok\n\nsuccesses:\n\n---- a stdout ----\nskipped: no nginx\nskipped: no node\n\n\
             ---- b stdout ----\nhello\n\nsuccesses:\n    a\n    b\n\ntest result: ok. 2 passed; 0 failed; 0 ignored\n",
            "1 passed, 0 failed, 2 skipped",
        );
    }
}
