//! `chart`: lints, renders and validates `helm/pitot`, without a cluster and without the network.

use std::process::ExitCode;

use anyhow::Result;

use crate::process;
use crate::setup::{self, Purpose};

/// The checks themselves are `helm/check.py`: Helm's code and Kubernetes' schemas come as Python packages.
pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(&[Purpose::Chart])?;
    let python = process::venv().join("bin/python3");
    let status = process::status(process::command(&python.to_string_lossy()).arg("helm/check.py"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
