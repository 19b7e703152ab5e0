//! One module a command.

use crate::cli::Command;
use crate::exit::Outcome;

mod shell;
mod validate;

/// Does what the command says.
///
/// # Errors
/// The command's; its class is the exit code.
pub fn execute(command: Command) -> Outcome {
    match command {
        Command::Validate(arguments) => validate::execute(&arguments),
        Command::Completions(arguments) => shell::completions(&arguments),
        Command::Man(_) => shell::manual(),
        _ => Err(crate::exit::Failure::input(anyhow::anyhow!("not yet"))),
    }
}
