//! Pitot's composition root: command line, configuration and the pipeline that joins the other crates.
//!
//! **In:** arguments, one YAML file, `PITOT_*` and `OTEL_*` variables; a [`pitot_common::user::Source`] or
//! a messages file. **Out:** findings (lines, text, OpenTelemetry), the ledger, an exit code.
//!
//! ```
//! use pitot::config::Config;
//! // What every key is when nobody says anything.
//! assert_eq!(Config::default().learning.messages, 200);
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

pub mod baseline;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
pub mod demo_peer;
pub mod exit;
pub mod live;
pub mod logger;
pub mod metrics;
pub mod output;
pub mod pipeline;
pub mod reload;
pub mod sinks;
pub mod state;
pub mod stop;
pub mod terminal;

/// The program: reads the arguments, does what they say, gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    match cli::Cli::try_parse() {
        Ok(arguments) => {
            logger::start(arguments.level());
            exit::report(commands::execute(arguments.command))
        }
        Err(error) => usage(&error),
    }
}

/// Help and version go to standard output as clap writes them; wrong usage becomes one line.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Fails only when nobody reads.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        terminal::say("no command given; see 'pitot --help'");
    } else {
        terminal::say(&one_line(&error.to_string()));
    }
    ExitCode::from(2)
}

/// clap's paragraphs up to its usage text, on one line.
fn one_line(message: &str) -> String {
    let mut parts = Vec::new();
    for paragraph in message.split("\n\n") {
        let paragraph = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        if paragraph.starts_with("Usage:") || paragraph.starts_with("For more information") {
            break;
        }
        let paragraph = paragraph.trim_start_matches("error: ").trim_start_matches("tip: ");
        if !paragraph.is_empty() {
            parts.push(paragraph.to_owned());
        }
    }
    format!("{}; see 'pitot --help'", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_is_one_line() {
        let check = |arguments: &[&str], expected: &str| {
            let error = cli::Cli::try_parse_from(arguments).expect_err("wrong usage");
            assert_eq!(one_line(&error.to_string()), expected, "{arguments:?}");
        };
        check(
            &["pitot", "replay", "f", "--formt", "har"],
            "unexpected argument '--formt' found; a similar argument exists: '--format'; see 'pitot --help'",
        );
        check(
            &["pitot", "record"],
            "the following required arguments were not provided: --output <F>; see 'pitot --help'",
        );
        check(
            &["pitot", "demo", "--fault", "shema"],
            "invalid value 'shema' for '--fault <FAULT>' [possible values: schema, semantic, value_range, loss, \
             duplicate, all]; a similar value exists: 'schema'; see 'pitot --help'",
        );
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory as _;
        cli::Cli::command().debug_assert();
    }
}
