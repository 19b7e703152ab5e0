//! `pitot completions` and `pitot man`: both from the definition that reads the arguments.

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::{Cli, Completions};
use crate::exit::Outcome;
use crate::output::Output;

pub(super) fn completions(arguments: &Completions) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "pitot", &mut script);
    print(&script)
}

/// The page of the program followed by those of its commands.
pub(super) fn manual() -> Outcome {
    let mut page = Vec::new();
    let mut program = Cli::command();
    program.build();
    let render = |command: clap::Command, page: &mut Vec<u8>| {
        clap_mangen::Man::new(command).render(page).context("the manual page cannot be made")
    };
    render(program.clone(), &mut page)?;
    for command in program.get_subcommands().filter(|c| !c.is_hide_set()) {
        render(command.clone(), &mut page)?;
    }
    print(&page)
}

fn print(text: &[u8]) -> Outcome {
    let mut out = Output::stdout();
    out.line(String::from_utf8_lossy(text).trim_end())?;
    out.flush()
}
