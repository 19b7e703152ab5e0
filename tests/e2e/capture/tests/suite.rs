//! Runs the suite, a line for each case as libtest prints it, so that `cargo xtask test` counts cases.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // The driver starts its own program again for each peer: here that is this one.
    if std::env::args().nth(1).is_some_and(|first| first == "peer") {
        pitot_capture_suite::command::main()
    } else {
        pitot_capture_suite::harness::main()
    }
}
