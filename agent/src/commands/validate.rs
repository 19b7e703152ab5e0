//! `pitot validate`

use crate::cli::Validate;
use crate::config::{self, Config};
use crate::exit::Outcome;
use crate::output::Output;

pub(super) fn execute(arguments: &Validate) -> Outcome {
    let mut out = Output::stdout();
    if arguments.schema {
        out.line(config::schema().trim_end())?;
    } else if arguments.defaults {
        let defaults = serde_json::to_string_pretty(&Config::default()).map_err(anyhow::Error::from)?;
        out.line(&defaults)?;
    } else if let Some(file) = &arguments.file {
        config::load(Some(file))?;
        out.line(&format!("{}: valid", file.display()))?;
    }
    out.flush()
}
