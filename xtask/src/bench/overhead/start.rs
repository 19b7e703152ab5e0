//! How soon after its start the agent captures, with thousands of connections open before.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::beside::Beside;
use super::clients::{Clients, Offer};
use super::server::Server;
use crate::process;

/// Connections open before the start.
pub(super) const CONNECTIONS: usize = 5_000;
/// Requests a second, on each connection in turn.
const RATE: f64 = 5_000.0;
/// Requests on each connection: the first ones find nobody, the next one joins, and the one after shows where messages begin.
const EACH: usize = 4;

/// What was found.
pub(super) struct Start {
    /// From exec to `ready`.
    pub(super) ready: Duration,
    /// From exec to when the first message that was captured whole had come to its end.
    pub(super) first: Duration,
    /// Connections of which a whole message was captured.
    pub(super) connections: usize,
}

/// Starts `pitot record` while requests are sent on connections that are older than it.
pub(super) fn measure(server: &Server) -> Result<Start> {
    let request = b"GET /small.json HTTP/1.1\r\nHost: shop.example\r\n\r\n".to_vec();
    let mut clients = Clients::connect(server.port, CONNECTIONS)?;
    let load = thread::spawn(move || {
        clients.send(&Offer { requests: &[request], rate: RATE, count: CONNECTIONS * EACH })
    });
    let file = process::target_dir().join("bench-start.ndjson");
    let (path, port) = (file.to_string_lossy().into_owned(), server.port.to_string());
    let (exec, clock) = (SystemTime::now(), Instant::now());
    let words = ["release/pitot", "record", "--format", "messages", "--port", &port, "--output", &path];
    let beside = Beside::spawn(&words, None)?;
    let ready = clock.elapsed();
    load.join().ok().context("the load failed")??;
    beside.stop()?;
    let mut connections = HashSet::new();
    let mut first_ns = u64::MAX;
    for line in BufReader::new(fs::File::open(&file)?).lines() {
        let message: Value = serde_json::from_str(&line?)?;
        if message["complete"] == false || message["gap"].is_object() {
            continue;
        }
        first_ns = first_ns.min(message["t_ns"].as_u64().context("a message without its time")?);
        connections.insert(message["conn"].to_string());
    }
    fs::remove_file(&file)?;
    let exec_ns = exec.duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let first =
        Duration::from_nanos(first_ns.checked_sub(exec_ns).context("captured before it was started")?);
    Ok(Start { ready, first, connections: connections.len() })
}
