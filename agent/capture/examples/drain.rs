//! The kernel part without an agent: attaches it, drops its records unread until SIGINT or SIGTERM, and prints what they
//! were. With `--empty`, programs that do nothing on the same hooks: the floor of a benchmark. With `--tcp-only`, without the lane of Unix sockets.
//!
//! `ready` on stderr once attached; at the end one line of JSON on stdout.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pitot_capture::measure::{Amount, Empty, KernelPart};
use pitot_capture::{Options, ProgramStats};
use signal_hook::consts::{SIGINT, SIGTERM};

const USAGE: &str = "usage: drain [--empty] [--tcp-only] [--ring-bytes N]";

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut empty = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--empty" => empty = true,
            "--tcp-only" => options.unix = false,
            "--ring-bytes" => match arguments.next().and_then(|bytes| bytes.parse().ok()) {
                Some(bytes) => options.ring_bytes = bytes,
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    match run(&options, empty) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn run(options: &Options, empty: bool) -> Result<String, Box<dyn std::error::Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    if empty {
        let empty = Empty::attach(options)?;
        eprintln!("ready");
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        return Ok(report(Amount::default(), &BTreeMap::new(), &empty.programs()));
    }
    let mut kernel = KernelPart::attach(options)?;
    eprintln!("ready");
    let mut total = Amount::default();
    while !stop.load(Ordering::Relaxed) {
        let dropped = kernel.drain();
        total.records += dropped.records;
        total.bytes += dropped.bytes;
    }
    Ok(report(total, &kernel.lost(), &kernel.programs()))
}

fn report(total: Amount, lost: &BTreeMap<&str, Amount>, programs: &[ProgramStats]) -> String {
    let amount = |amount: &Amount| format!(r#""records":{},"bytes":{}"#, amount.records, amount.bytes);
    let lost: Vec<_> =
        lost.iter().map(|(reason, lost)| format!(r#""{reason}":{{{}}}"#, amount(lost))).collect();
    let programs: Vec<_> = programs
        .iter()
        .map(|program| {
            let ProgramStats { name, id, verified_insns, run_cnt, run_time_ns, recursion_misses } = program;
            format!(
                r#""{name}":{{"id":{id},"verified_insns":{verified_insns},"run_cnt":{run_cnt},"run_time_ns":{run_time_ns},"recursion_misses":{recursion_misses}}}"#
            )
        })
        .collect();
    format!(r#"{{{},"lost":{{{}}},"programs":{{{}}}}}"#, amount(&total), lost.join(","), programs.join(","))
}
