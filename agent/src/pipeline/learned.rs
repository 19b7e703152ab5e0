//! What a pipeline has learned, as it is stored.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use pitot_drift::Flows;
use pitot_findings::Findings;
use pitot_observe::Placement;
use serde::{Deserialize, Serialize};

/// What a pipeline knows of flows; connections are not part of it. Borrowed where it is written, owned where it was read.
#[derive(Debug, Serialize, Deserialize)]
pub struct Learned<F = Vec<Flows>, L = Findings, P = Placement> {
    /// When the next second of a file is over, ns since the Unix epoch.
    pub(super) next_tick_ns: Option<u64>,
    /// By partition.
    pub(super) flows: F,
    pub(super) findings: L,
    /// Which flows messages belong to.
    pub(super) placement: P,
}

impl Learned {
    /// What the file at `path` holds, which is not written.
    ///
    /// # Errors
    /// One line that names the file, what is wrong with it and what to do.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        match pitot_state::read(path) {
            Ok(Some(learned)) => Ok(learned),
            Ok(None) => {
                Err(anyhow!("{name}: there is no such file; `pitot replay --save-baseline` writes one"))
            }
            Err(error) => Err(error).with_context(|| {
                format!("{name}: cannot be used as a baseline; give one that this version of Pitot wrote")
            }),
        }
    }

    /// The flows of all partitions.
    #[must_use]
    pub fn flows(&self) -> &[Flows] {
        &self.flows
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }
}
