//! What runs beside the load: nothing, a part of Pitot, or all of it; and what that used and lost.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::programs::{self, Program};
use crate::process;

/// What runs beside the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Nothing: what all others are compared to.
    Nothing,
    /// Programs that do nothing, on the same hooks: the least that anything there can cost.
    Floor,
    /// The kernel part; records are read and dropped.
    Kernel,
    /// The whole agent, while a filter leaves the load out.
    Filtered,
    /// The whole agent.
    Agent,
}

impl Side {
    /// Its name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Floor => "empty programs",
            Self::Kernel => "kernel part alone",
            Self::Filtered => "whole agent, load filtered out",
            Self::Agent => "whole agent",
        }
    }
}

/// A running side.
pub(super) struct Beside {
    child: Child,
    errors: BufReader<ChildStderr>,
    output: ChildStdout,
    /// Processor time when it was ready, seconds.
    seconds: f64,
}

/// What it used while the load ran.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Processor time, seconds.
    pub(super) seconds: f64,
    /// Resident memory at its peak, with the ring's mapping, bytes.
    pub(super) peak: u64,
    /// Of it, the ring's mapping (the ring lies in it twice).
    pub(super) ring: u64,
}

impl Beside {
    /// Starts it and waits until it is ready. The load goes to `port`.
    pub(super) fn start(side: Side, port: u16) -> Result<Option<Self>> {
        let words = match side {
            Side::Nothing => return Ok(None),
            Side::Floor => vec!["release/examples/drain", "--empty"],
            Side::Kernel => vec!["release/examples/drain"],
            Side::Filtered | Side::Agent => vec!["release/pitot", "run", "--findings", "/dev/null"],
        };
        let excluded = (side == Side::Filtered)
            .then(|| ("PITOT_CAPTURE__FILTER__EXCLUDE", format!("[{{port: {port}}}]")));
        Self::spawn(&words, excluded).map(Some)
    }

    /// Starts a program of the target directory, which says `ready` when it is.
    pub(super) fn spawn(words: &[&str], variable: Option<(&str, String)>) -> Result<Self> {
        let (program, arguments) = words.split_first().context("no program")?;
        let mut command = process::command(&process::target_dir().join(program).to_string_lossy());
        command.args(arguments).envs(variable).env("OTEL_SDK_DISABLED", "true");
        command.env("PITOT_STATE__DIRECTORY", "null");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let mut errors = BufReader::new(child.stderr.take().context("no stderr")?);
        let output = child.stdout.take().context("no stdout")?;
        let mut said = String::new();
        while !said.lines().any(|line| line == "ready") {
            if errors.read_line(&mut said)? == 0 {
                bail!("{} ended before it was ready: {said}", words.join(" "));
            }
        }
        let seconds = processor_seconds(child.id())?;
        Ok(Self { child, errors, output, seconds })
    }

    /// What it used since it was ready.
    pub(super) fn usage(&self) -> Result<Usage> {
        let pid = self.child.id();
        Ok(Usage {
            seconds: processor_seconds(pid)? - self.seconds,
            peak: kibibytes(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmHWM:") << 10,
            ring: ring_mapping(&fs::read_to_string(format!("/proc/{pid}/smaps"))?) << 10,
        })
    }

    /// Its programs in the kernel.
    pub(super) fn programs(&self) -> Result<Vec<Program>> {
        programs::of(self.child.id())
    }

    /// Ends it; the share of what there was that it lost, of bytes or of messages, whichever is larger.
    pub(super) fn stop(mut self) -> Result<f64> {
        let interrupt =
            process::output(process::command("kill").args(["-INT", &self.child.id().to_string()]));
        interrupt.context("it ended before its time")?;
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        self.errors.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        let last = text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let last = last.with_context(|| format!("no account of what was lost ({status}): {text}"))?;
        Ok(if last["ledger"].is_object() { of_ledger(&last) } else { of_drain(&last) })
    }
}

/// Of the contract's ledger.
fn of_ledger(line: &Value) -> f64 {
    let share = |account: &Value, total: &str| {
        let lost: u64 =
            account["lost"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        lost as f64 / account[total].as_u64().unwrap_or(0).max(1) as f64
    };
    let (bytes, messages) = (&line["ledger"]["bytes"], &line["ledger"]["messages"]);
    share(bytes, "seen").max(share(messages, "started"))
}

/// Of a line `{"bytes":N,"lost":{"REASON":{"records":N,"bytes":N}}}`.
fn of_drain(line: &Value) -> f64 {
    let lost: u64 = line["lost"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, amount)| amount["bytes"].as_u64())
        .sum();
    let kept = line["bytes"].as_u64().unwrap_or(0);
    lost as f64 / (kept + lost).max(1) as f64
}

/// User and system time so far (proc_pid_stat(5), fields 14 and 15, in hundredths of a second).
fn processor_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("it has ended")?;
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after.split_ascii_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

/// The number in the line that begins with `name` (proc_pid_status(5)).
fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Resident memory in the mappings of the kernel part's maps, KiB (proc_pid_smaps(5)).
fn ring_mapping(smaps: &str) -> u64 {
    let (mut sum, mut inside) = (0, false);
    for line in smaps.lines() {
        // A mapping begins with its addresses, in lower-case hexadecimal; its fields follow.
        if line.starts_with(|c: char| c.is_ascii_digit() || ('a'..='f').contains(&c)) {
            inside = line.ends_with("anon_inode:bpf-map");
        } else if inside {
            sum += kibibytes(line, "Rss:");
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_lost() {
        let check = |text: &str, expected: f64| {
            let line = serde_json::from_str(text).unwrap_or_default();
            assert_eq!(of_ledger(&line), expected, "{text}");
        };
        let ledger = |bytes: &str, messages: &str| {
            format!(
                r#"{{"ledger":{{"bytes":{{"seen":200,"lost":{bytes}}},"messages":{{"started":10,"lost":{messages}}}}}}}"#
            )
        };
        check(&ledger("{}", "{}"), 0.0);
        check(&ledger(r#"{"ring_full":1,"hold_full":1}"#, "{}"), 0.01);
        check(&ledger(r#"{"ring_full":2}"#, r#"{"ring_full":1}"#), 0.1);
        check("{}", 0.0);
        let line = serde_json::from_str(r#"{"bytes":30,"lost":{"ring_full":{"records":1,"bytes":10}}}"#);
        assert_eq!(of_drain(&line.unwrap_or_default()), 0.25);
    }

    #[test]
    fn ring_mappings() {
        let smaps = "7f00-7f01 rw-s 0 00:0e 1 anon_inode:bpf-map\nSize: 8 kB\nRss: 4 kB\n\
                     7f01-7f02 r--s 0 00:0e 1 anon_inode:bpf-map\nRss: 8 kB\n\
                     7f02-7f03 rw-p 0 00:00 0 [heap]\nRss: 100 kB\n";
        assert_eq!(ring_mapping(smaps), 12);
        assert_eq!(kibibytes("VmPeak:\t 9 kB\nVmHWM:\t 12 kB\n", "VmHWM:"), 12);
    }
}
