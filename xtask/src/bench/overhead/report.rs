//! The figures as Markdown.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::beside::Side;
use super::load::{CONNECTIONS, Figure};
use super::programs::Program;
use super::rounds::Rounds;
use super::start::Start;
use crate::bench::rounds::Spread;
use crate::process;

/// Where the figures come from.
pub(super) fn machine(rounds: usize, seconds: u32) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let commit = process::output(process::command("git").args(["describe", "--always", "--dirty"]));
    println!(
        "nginx, 1 worker, {CONNECTIONS} connections kept alive; load, server and Pitot on {cores} cores, Linux {}; commit \
         {}; {rounds} rounds of {seconds} s. \"Cores\" is Pitot's processor time for each second; its cost is that of \
         100,000 messages, where a message without body counts half. Memory is the peak, without the ring's mapping, \
         which is given beside it.",
        kernel.trim(),
        commit.unwrap_or_default().trim(),
    );
}

/// Throughput.
pub(super) fn saturated(document: &str, rounds: &Rounds) -> Result<()> {
    println!("\n### Saturated, {document} of JSON\n");
    println!(
        "| | requests/s | ratio to nothing | lost, most | cores | s / 100,000 messages | memory + ring, MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for &side in &rounds.sides {
        println!(
            "| {} | {:.0} | {} | {} | {:.2} | {:.2} | {} |",
            side.name(),
            rounds.spread(side, |figure| figure.rate)?.median,
            shown(rounds.ratios(side, |figure| figure.rate)?),
            percent(rounds.spread(side, |figure| figure.lost)?.most),
            rounds.spread(side, |figure| figure.cores)?.median,
            rounds.spread(side, |figure| figure.cost)?.median,
            memory_of(
                rounds.spread(side, |figure| figure.usage.peak as f64)?.most,
                rounds.spread(side, |figure| figure.usage.ring as f64)?.most,
            ),
        );
    }
    Ok(())
}

/// The whole agent's throughput where it lost too much at saturation.
pub(super) fn sustained(figure: Option<Figure>, capacity: f64) {
    match figure {
        None => println!("\nThe whole agent lost more than 1 % at every rate that was tried."),
        Some(figure) => println!(
            "\nThe whole agent lost more than 1 % at saturation, so that figure does not count. Highest rate offered at \
             which it does not: {:.0} requests/s ({:.2} of nothing at saturation), {} lost, {:.2} s for 100,000 \
             messages.",
            figure.rate,
            figure.rate / capacity,
            percent(figure.lost),
            figure.cost,
        ),
    }
}

/// Latency at a fixed rate.
pub(super) fn latencies(rate: f64, wanted: f64, rounds: &Rounds) -> Result<()> {
    println!("\n### {rate:.0} requests/s, 1 KiB of JSON\n");
    if rate < wanted {
        println!("Less than {wanted:.0}: this machine has no headroom there.\n");
    }
    println!(
        "| | p50, us | ratio to nothing | p99, us | ratio to nothing | lost, most | cores | s / 100,000 messages |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for &side in &rounds.sides {
        let columns = [0, 1].map(|which| -> Result<String> {
            let of = |figure: &Figure| figure.latency.map_or(0.0, |l| l[which].as_secs_f64() * 1e6);
            Ok(format!("{:.0} | {}", rounds.spread(side, of)?.median, shown(rounds.ratios(side, of)?)))
        });
        let [p50, p99] = columns;
        println!(
            "| {} | {} | {} | {} | {:.2} | {:.2} |",
            side.name(),
            p50?,
            p99?,
            percent(rounds.spread(side, |figure| figure.lost)?.most),
            rounds.spread(side, |figure| figure.cores)?.median,
            rounds.spread(side, |figure| figure.cost)?.median,
        );
    }
    Ok(())
}

/// Much in a short time.
pub(super) fn bursts(small: &[Figure], large: &[Figure]) -> Result<()> {
    println!("\n### Bursts, whole agent\n");
    println!("| | requests/s, least | lost, most |\n|---|---|---|");
    for (name, figures) in [("48,000 messages of 1 KiB in 1.3 s", small), ("160 MiB of 64 KiB in 2 s", large)]
    {
        let of = |of: fn(&Figure) -> f64| Spread::of(figures.iter().map(of));
        let (rate, lost) = (of(|figure| figure.rate), of(|figure| figure.lost));
        println!(
            "| {name} | {:.0} | {} |",
            rate.map_or(0.0, |rate| rate.least),
            percent(lost.map_or(0.0, |lost| lost.most))
        );
    }
    Ok(())
}

/// Memory with many flows.
pub(super) fn memory(flows: usize, figure: &Figure) {
    println!(
        "\n### {flows} flows, each beyond its learning\n\nMemory + ring: {} MiB; {} lost; {:.2} s for 100,000 messages.",
        memory_of(figure.usage.peak as f64, figure.usage.ring as f64),
        percent(figure.lost),
        figure.cost,
    );
}

/// What the kernel says about the programs.
pub(super) fn programs(floor: &[Program], agent: &[Program]) {
    println!("\n### Programs, 1 KiB saturated, with `kernel.bpf_stats_enabled`\n");
    println!("| | program | runs | ns a run | missed | instructions verified |\n|---|---|---|---|---|---|");
    for (side, programs) in [(Side::Floor, floor), (Side::Agent, agent)] {
        for program in programs {
            println!(
                "| {} | {} | {} | {:.0} | {} | {} |",
                side.name(),
                program.name,
                program.runs,
                program.ns as f64 / program.runs.max(1) as f64,
                program.missed,
                program.verified,
            );
        }
    }
}

/// How soon it captures.
pub(super) fn start(open: usize, start: &Start) {
    println!(
        "\n### Start, with {open} connections open before\n\nFrom exec to ready {}, to the end of the first message captured \
         whole {}. A message was captured whole on {} of {open} connections.",
        milliseconds(start.ready),
        milliseconds(start.first),
        start.connections,
    );
}

fn shown(spread: Spread) -> String {
    format!("{:.2} ({:.2} to {:.2})", spread.median, spread.least, spread.most)
}

fn percent(share: f64) -> String {
    format!("{:.3} %", 100.0 * share)
}

/// Bytes as MiB, without and of the ring.
fn memory_of(peak: f64, ring: f64) -> String {
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    format!("{:.0} + {:.0}", mebibytes(peak - ring), mebibytes(ring))
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
