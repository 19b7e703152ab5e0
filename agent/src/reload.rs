//! SIGHUP: asks a running agent to read its configuration again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use signal_hook::consts::SIGHUP;

/// Whether somebody asked for the configuration to be read again.
#[derive(Debug, Clone)]
pub struct Reload(Arc<AtomicBool>);

impl Reload {
    /// Set by SIGHUP from now on.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn on_signal() -> anyhow::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, Arc::clone(&asked))
            .context("signal handlers cannot be installed")?;
        Ok(Self(asked))
    }

    /// Whether it was asked for since this was last called.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
