//! `bench overhead`: what capturing costs the observed process and the machine, by the method of `docs/benchmarks.md`.
//!
//! Each table is one load on an nginx, in rounds; in each round once with nothing beside it and once with each part of
//! Pitot. What is printed is Markdown for `docs/benchmarks.md`.

mod beside;
mod clients;
mod load;
mod programs;
mod report;
mod rounds;
mod server;
mod start;

use std::process::ExitCode;

use anyhow::{Result, ensure};

use self::beside::{Beside, Side};
use self::load::{Figure, Load};
use self::programs::{Counting, Program};
use self::rounds::Rounds;
use self::server::Server;
use crate::process;
use crate::setup::{self, Purpose};

/// Most that may be lost for a figure of the whole agent to count.
const MOST_LOST: f64 = 0.01;
/// Requests a second at which latencies are compared.
const RATE: f64 = 20_000.0;
/// Of the saturated rate, the most that is offered for latencies: beyond it, queues are measured and not Pitot.
const HEADROOM: f64 = 0.6;
/// Flows in the round that measures memory: two for each target, requests and responses.
const FLOWS: usize = 1_000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// How often each side is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load a measurement
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// One short round of everything: shows that it works, its figures mean little
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    ensure!(process::is_root(), "bench overhead loads programs into the kernel: run it as root");
    setup::ensure(&[Purpose::Build, Purpose::Test])?;
    for program in ["wrk", "bpftool"] {
        let found = process::which(program).is_some();
        ensure!(found, "bench overhead needs {program}: apt-get install {program}");
    }
    let packages = ["-p", "pitot", "-p", "pitot-capture", "--bin", "pitot", "--example", "drain"];
    process::run(process::cargo(&["build", "--release"]).args(packages))?;
    let (rounds, seconds) = if args.quick { (1, 1) } else { (args.rounds.max(1), args.seconds.max(1)) };
    let bench = Bench { server: Server::start()?, rounds, seconds };
    bench.run()?;
    Ok(ExitCode::SUCCESS)
}

/// One run.
struct Bench {
    server: Server,
    rounds: usize,
    seconds: u32,
}

impl Bench {
    fn run(&self) -> Result<()> {
        report::machine(self.rounds, self.seconds);
        let all = [Side::Nothing, Side::Floor, Side::Kernel, Side::Filtered, Side::Agent];
        let captured = [Side::Nothing, Side::Floor, Side::Kernel, Side::Agent];
        let small = self.saturated("/small.json", &all)?;
        report::saturated("1 KiB", &small)?;
        let capacity = small.spread(Side::Nothing, |figure| figure.rate)?.median;
        if small.spread(Side::Agent, |figure| figure.lost)?.most > MOST_LOST {
            report::sustained(self.sustained(&small)?, capacity);
        }
        let large = self.saturated("/large.json", &captured)?;
        report::saturated("64 KiB", &large)?;
        let rate = RATE.min(capacity * HEADROOM);
        let load = Load::at_rate("/small.json", rate, self.seconds.into());
        report::latencies(rate, RATE, &Rounds::run(&load, &captured, self.rounds, &self.server)?)?;
        report::bursts(&self.bursts(48_000, 1.3)?, &self.bulk(160 << 20, 2.0)?)?;
        report::memory(FLOWS, &self.flows(rate)?);
        report::programs(&self.programs(Side::Floor)?, &self.programs(Side::Agent)?);
        report::start(start::CONNECTIONS, &start::measure(&self.server)?);
        Ok(())
    }

    fn saturated(&self, path: &'static str, sides: &[Side]) -> Result<Rounds> {
        Rounds::run(&Load::Saturated { path, seconds: self.seconds }, sides, self.rounds, &self.server)
    }

    /// The highest rate at which the whole agent loses so little that its figures count; none if there is none.
    fn sustained(&self, saturated: &Rounds) -> Result<Option<Figure>> {
        let highest = saturated.spread(Side::Agent, |figure| figure.rate)?.median;
        for twentieths in (4..20).rev() {
            let rate = highest * f64::from(twentieths) / 20.0;
            let load = Load::at_rate("/small.json", rate, self.seconds.into());
            let figure = load.measure(&self.server, Side::Agent)?;
            if figure.lost <= MOST_LOST {
                return Ok(Some(figure));
            }
        }
        Ok(None)
    }

    /// So many messages in so short a time, each time to an agent that was just started.
    fn bursts(&self, messages: usize, seconds: f64) -> Result<Vec<Figure>> {
        let count = messages / 2;
        self.repeat(&Load::posts(["/answer".to_owned()].into_iter(), count as f64 / seconds, count))
    }

    /// The same of large documents.
    fn bulk(&self, bytes: usize, seconds: f64) -> Result<Vec<Figure>> {
        self.repeat(&Load::at_rate("/large.json", (bytes / server::LARGE) as f64 / seconds, seconds))
    }

    fn repeat(&self, load: &Load) -> Result<Vec<Figure>> {
        (0..self.rounds.min(3)).map(|_| load.measure(&self.server, Side::Agent)).collect()
    }

    /// Every flow beyond its learning, with as many paths as the document has.
    fn flows(&self, rate: f64) -> Result<Figure> {
        let targets = (0..FLOWS / 2).map(|number| {
            let letter = |n: usize| char::from(b'a' + (n % 25) as u8);
            format!("/answer/{0}{0}{0}/{1}{1}{1}", letter(number / 25), letter(number))
        });
        Load::posts(targets, rate, FLOWS / 2 * 220).measure(&self.server, Side::Agent)
    }

    /// What the kernel counts of a side's programs: apart from the other figures, since counting costs.
    fn programs(&self, side: Side) -> Result<Vec<Program>> {
        let Some(beside) = Beside::start(side, self.server.port)? else { return Ok(Vec::new()) };
        let counting = Counting::on()?;
        Load::Saturated { path: "/small.json", seconds: self.seconds }.run(&self.server)?;
        let programs = beside.programs()?;
        drop(counting);
        beside.stop()?;
        Ok(programs)
    }
}
