//! What a user may set.

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
            values: true,
            relations: true,
        }
    }
}
