//! How a command ends: the contract's exit codes (section 5), each with one line on stderr.

use std::fmt;
use std::process::ExitCode;

/// Why a command did not succeed. The class decides the exit code; the error is the line.
#[derive(Debug)]
pub enum Failure {
    /// 1: something about findings: not found, not expected, not delivered.
    Findings(anyhow::Error),
    /// 2: wrong usage or bad input.
    Input(anyhow::Error),
    /// 3: this machine does not allow it.
    Machine(anyhow::Error),
    /// 0: whoever read our standard output has enough of it (`pitot replay F | head -1`).
    ReaderGone,
}

/// Result of a command.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// Class 1.
    pub fn findings(error: impl Into<anyhow::Error>) -> Self {
        Self::Findings(error.into())
    }

    /// Class 2.
    pub fn input(error: impl Into<anyhow::Error>) -> Self {
        Self::Input(error.into())
    }

    /// Class 3.
    pub fn machine(error: impl Into<anyhow::Error>) -> Self {
        Self::Machine(error.into())
    }

    fn code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Findings(_) => 1,
            Self::Input(_) => 2,
            Self::Machine(_) => 3,
        }
    }
}

/// What is not said to be anything else is bad input: a file that cannot be read or written.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Input(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReaderGone => f.write_str("nobody reads standard output any more"),
            Self::Findings(error) | Self::Input(error) | Self::Machine(error) => write!(f, "{error:#}"),
        }
    }
}

/// Says why, in one line, and gives the exit code.
#[must_use]
pub fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::ReaderGone) {
                crate::terminal::say(&failure.to_string());
            }
            ExitCode::from(failure.code())
        }
    }
}
