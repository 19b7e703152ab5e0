//! One module a command.

use crate::cli::Command;
use crate::exit::Outcome;

mod baseline;
mod demo;
mod doctor;
mod record;
mod replay;
mod run;
mod shell;
mod validate;

/// Does what the command says.
///
/// # Errors
/// The command's; its class is the exit code.
pub fn execute(command: Command) -> Outcome {
    match command {
        Command::Run(arguments) => run::execute(&arguments),
        Command::Replay(arguments) => replay::execute(&arguments),
        Command::Record(arguments) => record::execute(&arguments),
        Command::Demo(arguments) => demo::execute(&arguments),
        Command::DemoPeer(arguments) => demo::peer(&arguments),
        Command::Baseline(arguments) => baseline::execute(&arguments),
        Command::Doctor(arguments) => doctor::execute(&arguments),
        Command::Validate(arguments) => validate::execute(&arguments),
        Command::Completions(arguments) => shell::completions(&arguments),
        Command::Man(_) => shell::manual(),
    }
}
