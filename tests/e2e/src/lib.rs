//! End to end: the `pitot` binary on the real kernel, between clients and servers that no one here wrote.
//!
//! **In:** a machine with root, `PITOT_BIN` (the agent, built with its kernel part), nginx, curl, Python, Node.
//! **Out:** what the agent recorded, next to what was really sent.
//!
//! ```no_run
//! # use pitot_e2e::{content::Content, peers::Server, recording::Recording};
//! let content = Content::new(&[1, 1000]);
//! let server = Server::nginx(&content);
//! let recording = Recording::messages(server.port);
//! // ... clients fetch ...
//! let recorded = recording.stop();
//! assert!(recorded.complete("response").all(|m| content.knows(&m)));
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test harness: what is missing ends the test, with its name"
)]

pub mod clients;
pub mod collector;
pub mod content;
pub mod held;
pub mod kernel;
pub mod namespaces;
pub mod peers;
pub mod recording;
pub mod unix;

use std::path::PathBuf;

/// Whether the agent can be run on this kernel; if not, says so in the form that the runner counts.
#[must_use]
pub fn ready() -> bool {
    let why = if !rustix::process::geteuid().is_root() {
        "end to end: loading programs into the kernel needs root"
    } else if !agent().exists() {
        "end to end: no agent at PITOT_BIN (cargo xtask test builds it)"
    } else {
        return true;
    };
    println!("skipped: {why}");
    false
}

/// Whether the running kernel is one on which TCP can be captured by tracepoints (docs/kernels.md); if not, says so.
#[must_use]
pub fn has_tracepoints() -> bool {
    let version = kernel::version(&kernel::release());
    if version < (6, 12) {
        println!("skipped: end to end: tracepoints can't carry TCP before Linux 6.12");
    }
    version >= (6, 12)
}

/// The agent's binary: `PITOT_BIN`, else the one beside the test's own.
#[must_use]
pub fn agent() -> PathBuf {
    std::env::var_os("PITOT_BIN").map_or_else(
        || std::env::current_exe().expect("own path").ancestors().nth(2).expect("target").join("pitot"),
        PathBuf::from,
    )
}
