//! How well Pitot tells changes from chance, on streams that nobody can call friendly: twelve integrations with tenants,
//! daily and weekly load, bursts, heavy tails, slow processes and values that stay the same for hours.
//!
//! **In:** seeds. **Out:** streams of messages, through everything from a body to a finding (observe, drift, findings), and a judgement of what it found:
//! false alarms where nothing changed ([`aa`]); recall, cause, delay and collateral where one thing did ([`matrix`]).
//!
//! ```
//! use pitot_accuracy::stream::Stream;
//!
//! let mut stream = Stream::new("orders", 1).expect("a known name");
//! assert!(stream.send().body.starts_with(r#"{"id":"ord_"#));
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark of inputs it makes itself")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "drawn numbers"
)]

pub mod aa;
pub mod change;
pub mod class;
pub mod draw;
pub mod export;
pub mod history;
pub mod integrations;
pub mod interval;
pub mod jobs;
pub mod json;
pub mod leaf;
pub mod load;
pub mod matrix;
pub mod path;
pub mod peer;
pub mod record;
pub mod replay;
pub mod report;
pub mod score;
pub mod stream;
pub mod template;
