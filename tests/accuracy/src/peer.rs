//! What other detectors say of the same streams: written by `peers/judge.py`, read here.

use serde::{Deserialize, Serialize};

use crate::class::Class;

/// Alarms of another detector where nothing changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerAlarms {
    /// Its name.
    pub detector: String,
    /// `default`, or the threshold it was set to.
    pub setting: String,
    /// Messages of the streams.
    pub messages: u64,
    /// Fields it watched, of all streams.
    pub fields: usize,
    /// Alarms.
    pub alarms: usize,
}

/// What another detector made of a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerCase {
    /// Its name.
    pub detector: String,
    /// `default`, or the threshold it was set to.
    pub setting: String,
    /// The stream.
    pub label: String,
    /// Row.
    pub class: Class,
    /// Whether it gave an alarm in the affected part.
    pub found: bool,
    /// Values from the begin of the change to the alarm.
    pub delay: usize,
}
