//! The configuration: what can be set, what it is when not set, and where it comes from.
//!
//! One YAML file; a key that is not known is refused by name and line. Then the environment: key `k` of
//! section `s` is `PITOT_S__K` (upper case, two underscores for each level), its value is YAML
//! (`PITOT_REDACTION__HEADERS='[x-api-key]'`). Then flags.

use std::path::PathBuf;

use clap::ValueEnum;
use pitot_capture::LaneChoice;
use pitot_observe::HeaderNames;
use pitot_observe::fields::{DEFAULT_HEADERS, SECRET_HEADERS};
use pitot_stream::PARTITIONS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod filter;
mod load;
mod naming;

pub use filter::{Match, Rules};
pub use load::{load, load_text};
pub use naming::{Naming, Rule};

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How flows are learned.
    #[serde(deserialize_with = "section")]
    pub learning: Learning,
    /// How traffic is captured.
    #[serde(deserialize_with = "section")]
    pub capture: Capture,
    /// What of a message is looked at beside its body and the parameters of its query.
    #[serde(deserialize_with = "section")]
    pub fields: Fields,
    /// How workloads are named.
    #[serde(deserialize_with = "section")]
    pub naming: Naming,
    /// What is kept between runs.
    #[serde(deserialize_with = "section")]
    pub state: State,
    /// What may be held.
    #[serde(deserialize_with = "section")]
    pub limits: Limits,
    /// What may be written about what was seen.
    #[serde(deserialize_with = "section")]
    pub redaction: Redaction,
    /// Where findings go.
    #[serde(deserialize_with = "section")]
    pub export: Export,
}

/// How flows are learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Learning {
    /// Complete messages of a flow before it is judged.
    #[serde(deserialize_with = "at_least_one")]
    #[schemars(range(min = 1))]
    pub messages: u32,
}

impl Default for Learning {
    fn default() -> Self {
        Self { messages: 200 }
    }
}

/// What of a message is looked at beside its body and the parameters of its query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// Headers (in any case) that are fields of a message, `header.NAME`. Authorization, proxy-authorization, cookie and
    /// set-cookie are refused, and those of `redaction.headers` are left out.
    #[serde(deserialize_with = "no_secrets")]
    pub headers: Vec<String>,
}

impl Default for Fields {
    fn default() -> Self {
        Self { headers: DEFAULT_HEADERS.map(str::to_owned).into() }
    }
}

/// How traffic is captured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Bytes of the ring between kernel and agent: a power of two, 64 KiB to 1 GiB. It counts twice in the
    /// agent's resident memory.
    #[serde(deserialize_with = "ring_size")]
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    pub ring_bytes: u32,
    /// Which programs of the kernel part capture TCP.
    pub lane: Lane,
    /// Whether Unix stream sockets are captured beside TCP.
    pub unix: bool,
    /// Which connections.
    #[serde(deserialize_with = "section")]
    pub filter: Rules,
}

impl Default for Capture {
    fn default() -> Self {
        Self { ring_bytes: 16 << 20, lane: Lane::Auto, unix: true, filter: Rules::default() }
    }
}

/// Which programs of the kernel part capture TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Those on packets, and where they can't be had those on tracepoints.
    #[default]
    Auto,
    /// Those on packets: they need cgroup v2 and CAP_NET_ADMIN, and cost least.
    Packet,
    /// Those on tracepoints: they need Linux 6.12.
    Tracepoint,
}

impl From<Lane> for LaneChoice {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Auto => Self::Auto,
            Lane::Packet => Self::Packet,
            Lane::Tracepoint => Self::Tracepoint,
        }
    }
}

/// What is kept between runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// Where `run` keeps what it learned, and the socket through which other commands reach it; made with mode 0700
    /// where it is missing. `null`: nothing is kept, and nothing reaches it.
    pub directory: Option<PathBuf>,
    /// Seconds of event time from save to save. The end saves too.
    #[serde(deserialize_with = "at_least_one")]
    #[schemars(range(min = 1))]
    pub save_seconds: u32,
}

impl Default for State {
    fn default() -> Self {
        Self { directory: Some("/var/lib/pitot".into()), save_seconds: 60 }
    }
}

/// What may be held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of the bodies of messages that are under way, or wait for the names of their ends: at least 32 MiB. With
    /// more, the largest are given up: their messages count as incomplete, for want of memory.
    #[serde(deserialize_with = "memory")]
    #[schemars(range(min = 33_554_432))]
    pub memory_bytes: u64,
    /// Bytes of what is learned, of all flows: at least 128 MiB. With more, the flows that were seen least recently keep their
    /// paths and types only, and then are forgotten; each is counted.
    #[serde(deserialize_with = "learned")]
    #[schemars(range(min = 134_217_728))]
    pub learned_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 128 << 20, learned_bytes: 256 << 20 }
    }
}

/// What may be written about what was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redaction {
    /// Headers (in any case) whose values are written `***` by `record --format messages`, beside
    /// authorization, proxy-authorization, cookie and set-cookie.
    pub headers: Vec<String>,
}

/// Where findings go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Export {
    /// OpenTelemetry; where to and how is set by the `OTEL_*` variables of its specification.
    #[serde(deserialize_with = "section")]
    pub otlp: Otlp,
}

/// OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// Whether `run` exports.
    pub enabled: bool,
}

impl Default for Otlp {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Config {
    /// How flows are judged.
    #[must_use]
    pub fn drift(&self) -> pitot_drift::Config {
        pitot_drift::Config {
            learning_messages: u64::from(self.learning.messages),
            memory: self.limits.learned_bytes / PARTITIONS as u64,
            ..Default::default()
        }
    }

    /// The headers that are fields of a message.
    #[must_use]
    pub fn headers(&self) -> HeaderNames {
        let is_redacted =
            |name: &&String| self.redaction.headers.iter().any(|n| n.eq_ignore_ascii_case(name));
        HeaderNames::new(self.fields.headers.iter().filter(|name| !is_redacted(name)))
    }
}

/// The JSON Schema of configuration files, as text.
#[must_use]
pub fn schema() -> String {
    // A schema is plain JSON data: serializing it cannot fail.
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Config)).unwrap_or_default();
    text.push('\n');
    text
}

/// A section without keys (`learning:` with everything below it commented out) is a section of defaults.
fn section<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn at_least_one<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("0 is too few, the least is 1")),
        n => Ok(n),
    }
}

fn no_secrets<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let is_secret = |name: &&String| SECRET_HEADERS.iter().any(|secret| secret.eq_ignore_ascii_case(name));
    match names.iter().find(is_secret) {
        Some(name) => Err(serde::de::Error::custom(format!("the header {name} is a secret and never read"))),
        None => Ok(names),
    }
}

fn memory<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    /// One message of the largest size.
    const LEAST: u64 = 32 << 20;
    at_least(LEAST, deserializer)
}

fn learned<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    /// A flow with some hundred paths in each partition.
    const LEAST: u64 = 128 << 20;
    at_least(LEAST, deserializer)
}

fn at_least<'de, D: serde::Deserializer<'de>>(least: u64, deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        bytes if bytes >= least => Ok(bytes),
        bytes => Err(serde::de::Error::custom(format!("{bytes} is too few, the least is {least}"))),
    }
}

fn ring_size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let bytes = u32::deserialize(deserializer)?;
    if bytes.is_power_of_two() && ((64 << 10)..=(1 << 30)).contains(&bytes) {
        return Ok(bytes);
    }
    Err(serde::de::Error::custom(format!("{bytes} is not a power of two from 65536 to 1073741824")))
}
