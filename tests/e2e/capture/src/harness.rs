//! The suite as a test program: prints what libtest would.

use std::process::ExitCode;

use crate::case::Case;
use crate::cases;
use crate::command::{default_patience, default_pitot};
use crate::driver::{self, Outcome, Settings};
use crate::kernel;

/// What is carried out a second time with TCP captured by tracepoints: a few seconds' worth of all that is different there.
const BY_TRACEPOINTS: [&str; 7] = [
    "send/sendfile",
    "send/zerocopy",
    "socket/v6",
    "socket/v4_mapped",
    "share/half_close",
    "tcp/response_until_close",
    "link/veth",
];

/// Runs the cases whose names contain one of the arguments (options are libtest's, and left to it).
#[must_use]
pub fn main() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let settings = Settings::new(default_pitot(), default_patience());
    let unready = unready(&settings);
    let by_tracepoints = settings.by_tracepoints();
    let mut cases: Vec<_> = cases::selected(&filters).into_iter().map(|case| (case, &settings)).collect();
    let again = cases::selected(&filters).into_iter().filter(|case| BY_TRACEPOINTS.contains(&&*case.name));
    cases.extend(
        again.map(|case| (Case { name: format!("tracepoint/{}", case.name), ..case }, &by_tracepoints)),
    );
    println!("running {} tests", cases.len());
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for (case, settings) in &cases {
        let outcome = match unready {
            Some(why) => Outcome::Skipped(why.into()),
            None if case.name.starts_with("tracepoint/") && kernel::version() < kernel::FULL => {
                Outcome::Skipped("tracepoints can't carry TCP before Linux 6.12".into())
            }
            None => driver::run(case, settings),
        };
        let name = &case.name;
        match &outcome {
            Outcome::Skipped(why) => {
                ignored += 1;
                println!("test {name} ... ignored, {why}");
            }
            Outcome::Done(comparison) if !comparison.is_bad() => {
                passed += 1;
                println!("test {name} ... ok ({})", comparison.row.line());
            }
            Outcome::Done(comparison) => {
                failed += 1;
                println!("{name}: {}\n  {}", comparison.row.line(), comparison.complaints.join("\n  "));
                println!("test {name} ... FAILED");
            }
            Outcome::Failed(why) => {
                failed += 1;
                println!("{name}: {why}\ntest {name} ... FAILED");
            }
        }
        // Once is enough to say that nothing can be run.
        if unready.is_some() {
            break;
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Why nothing can be shown here.
fn unready(settings: &Settings) -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        Some("loading programs into the kernel needs root")
    } else if !settings.pitot.exists() {
        Some("no agent at PITOT_BIN (cargo xtask test builds it)")
    } else {
        None
    }
}
