//! The capture suite as a program; see the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    pitot_capture_suite::command::main()
}
