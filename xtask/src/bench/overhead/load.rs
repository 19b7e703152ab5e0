//! The loads, and one measurement: a load, and what ran beside it.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::beside::{Beside, Side, Usage};
use super::clients::{Clients, Offer};
use super::server::{SMALL, Server, document};
use crate::process;

/// Connections that are kept alive.
pub(super) const CONNECTIONS: usize = 32;

/// What is done to the server.
#[derive(Debug, Clone)]
pub(super) enum Load {
    /// As many GETs of a document as go through.
    Saturated { path: &'static str, seconds: u32 },
    /// So many requests at this rate.
    Offered { requests: Vec<Vec<u8>>, rate: f64, count: usize },
}

/// What came of a load.
pub(super) struct Done {
    pub(super) exchanges: f64,
    pub(super) seconds: f64,
    /// Median and 99th percentile, where a rate was offered.
    pub(super) latency: Option<[Duration; 2]>,
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    /// Answers a second.
    pub(super) rate: f64,
    pub(super) latency: Option<[Duration; 2]>,
    pub(super) usage: Usage,
    /// Share of bytes or messages lost, whichever is larger.
    pub(super) lost: f64,
    /// Processor time of Pitot, in seconds for each second of load.
    pub(super) cores: f64,
    /// Processor time of Pitot for 100,000 messages, seconds.
    pub(super) cost: f64,
}

impl Load {
    /// GETs of a document at a rate, for a time.
    pub(super) fn at_rate(path: &str, rate: f64, seconds: f64) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n").into_bytes();
        Self::Offered { requests: vec![request], rate, count: (rate * seconds) as usize }
    }

    /// POSTs of 1 KiB that are answered with 1 KiB, to each target in turn.
    pub(super) fn posts(targets: impl Iterator<Item = String>, rate: f64, count: usize) -> Self {
        let body = document(SMALL);
        let post = |target| {
            format!(
                "POST {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        };
        Self::Offered { requests: targets.map(post).collect(), rate, count }
    }

    /// Messages in one exchange; one without a body counts half.
    fn messages(&self) -> f64 {
        match self {
            Self::Offered { requests, .. } if requests.iter().all(|text| text.starts_with(b"POST")) => 2.0,
            Self::Saturated { .. } | Self::Offered { .. } => 1.5,
        }
    }

    pub(super) fn run(&self, server: &Server) -> Result<Done> {
        match self {
            Self::Saturated { path, seconds } => wrk(server, path, *seconds),
            Self::Offered { requests, rate, count } => {
                let offer = Offer { requests, rate: *rate, count: *count };
                let answered = Clients::connect(server.port, CONNECTIONS)?.send(&offer)?;
                Ok(Done {
                    exchanges: *count as f64,
                    seconds: answered.seconds,
                    latency: Some([0.5, 0.99].map(|share| answered.quantile(share))),
                })
            }
        }
    }

    /// The load with `side` beside it.
    pub(super) fn measure(&self, server: &Server, side: Side) -> Result<Figure> {
        let beside = Beside::start(side, server.port)?;
        let done = self.run(server)?;
        let (usage, lost) = match beside {
            None => Default::default(),
            Some(beside) => (beside.usage()?, beside.stop()?),
        };
        Ok(Figure {
            rate: done.exchanges / done.seconds,
            latency: done.latency,
            usage,
            lost,
            cores: usage.seconds / done.seconds,
            cost: usage.seconds / (done.exchanges * self.messages()) * 100_000.0,
        })
    }
}

fn wrk(server: &Server, path: &str, seconds: u32) -> Result<Done> {
    let mut command = process::command("wrk");
    command.args(["-t", "1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{seconds}s")]);
    command.arg(server.url(path));
    let text = process::output(&mut command).context("wrk failed")?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).context("wrk gave no rate")?;
    let rate: f64 = line.trim().parse().context("wrk's rate is no number")?;
    let seconds = f64::from(seconds);
    Ok(Done { exchanges: rate * seconds, seconds, latency: None })
}
