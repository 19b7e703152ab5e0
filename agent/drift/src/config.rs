//! What a user may set.

use crate::flow::memory::most_paths;

/// Trials of history before anything is claimed about a property.
pub(crate) const HISTORY: u64 = 64;

/// Settings of the detectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Complete messages of a flow from which nothing is reported.
    pub learning_messages: u64,
    /// Probability, for one field over its whole life, that a detector reports a change where there is none.
    pub error_budget: f64,
    /// Flows remembered; beyond, the least recently seen is forgotten and counted.
    pub flows: usize,
    /// Paths remembered of a flow; further ones are counted and not learned.
    pub paths: usize,
    /// Bytes that the flows of a partition may take, at least 2 MiB. With more, those seen least recently are left as stubs, and then
    /// forgotten; a flow that alone takes too many has fewer paths, or paths whose values are not watched. All of that is
    /// counted.
    pub memory: u64,
    /// Whether values are looked at, and relations between them: what each finds, and costs, shows without it.
    pub values: bool,
    /// See [`Config::values`].
    pub relations: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            learning_messages: 200,
            error_budget: 1e-5,
            flows: 1_024,
            paths: 4_096,
            memory: 8 << 20,
            values: true,
            relations: true,
        }
    }
}

impl Config {
    /// Paths of one flow: as many as are allowed and as there is memory for.
    pub(crate) fn paths(&self) -> usize {
        self.paths.min(most_paths(self.memory).0)
    }

    /// Those of them whose values are watched.
    pub(crate) fn watched(&self) -> usize {
        most_paths(self.memory).1
    }
}
