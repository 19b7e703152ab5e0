//! `bench overhead`: nginx under load without Pitot, while it only captures, and with the whole agent.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::rounds::Spread;
use crate::process;
use crate::setup::{self, Purpose};

#[derive(clap::Args)]
pub(super) struct Args {
    /// How often each side is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load a measurement
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Connections kept alive
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Bytes of JSON in each response
    #[arg(long, default_value_t = 1024)]
    body: usize,
}

/// What runs beside nginx.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Nothing,
    Capture,
    Agent,
}

/// One measurement.
struct Figure {
    requests_per_second: f64,
    /// Bytes seen and not captured, as a share; none without Pitot.
    lost: f64,
    /// Processor time of Pitot, in seconds for each second of load.
    cores: f64,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    ensure!(process::is_root(), "bench overhead loads programs into the kernel: run it as root");
    setup::ensure(&[Purpose::Build, Purpose::Test])?;
    ensure!(
        process::which("wrk").is_some(),
        "bench overhead needs the load generator wrk: apt-get install wrk"
    );
    process::run(&mut process::cargo(&["build", "--release", "-p", "pitot"]))?;
    let server = Nginx::start(args.body)?;
    let sides = [Side::Nothing, Side::Capture, Side::Agent];
    measure(Side::Nothing, &server, args)?; // warm-up
    let mut rounds = Vec::new();
    for round in 0..args.rounds {
        let mut figures = Vec::new();
        // There and back, so that a drift of the machine's speed hits every side.
        let order: Vec<Side> =
            if round % 2 == 0 { sides.to_vec() } else { sides.iter().rev().copied().collect() };
        for side in order {
            figures.push((side, measure(side, &server, args)?));
        }
        rounds.push(figures);
    }
    report(args, &rounds)?;
    Ok(ExitCode::SUCCESS)
}

fn report(args: &Args, rounds: &[Vec<(Side, Figure)>]) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "nginx, 1 worker, {} byte JSON, {} connections kept alive, saturated; load, server and Pitot on {cores} \
         cores; {} rounds of {} s\n",
        args.body, args.connections, args.rounds, args.seconds
    );
    println!("| | requests/s | ratio to nothing: median (least to most) | bytes lost, most | cores used |");
    println!("|---|---|---|---|---|");
    for (side, name) in
        [(Side::Nothing, "nothing"), (Side::Capture, "capture only"), (Side::Agent, "whole agent")]
    {
        let of = |figure: fn(&Figure) -> f64| {
            Spread::of(rounds.iter().filter_map(|round| find(round, side)).map(figure)).context("no rounds")
        };
        let ratios = Spread::of(rounds.iter().filter_map(|round| {
            let base = find(round, Side::Nothing)?.requests_per_second;
            Some(find(round, side)?.requests_per_second / base)
        }))
        .context("no rounds")?;
        println!(
            "| {name} | {:.0} | {:.2} ({:.2} to {:.2}) | {:.3} % | {:.2} |",
            of(|f| f.requests_per_second)?.median,
            ratios.median,
            ratios.least,
            ratios.most,
            100.0 * of(|f| f.lost)?.most,
            of(|f| f.cores)?.median,
        );
    }
    Ok(())
}

fn find(round: &[(Side, Figure)], side: Side) -> Option<&Figure> {
    round.iter().find(|(of, _)| *of == side).map(|(_, figure)| figure)
}

fn measure(side: Side, server: &Nginx, args: &Args) -> Result<Figure> {
    let pitot = Pitot::start(side)?;
    let requests_per_second = wrk(server, args)?;
    let (lost, seconds) = pitot.map_or(Ok((0.0, 0.0)), Pitot::stop)?;
    Ok(Figure { requests_per_second, lost, cores: seconds / f64::from(args.seconds) })
}

fn wrk(server: &Nginx, args: &Args) -> Result<f64> {
    let mut command = process::command("wrk");
    command.args(["-t", "1", "-c", &args.connections.to_string(), "-d", &format!("{}s", args.seconds)]);
    command.arg(format!("http://127.0.0.1:{}/order.json", server.port));
    let text = process::output(&mut command).context("wrk failed")?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).context("wrk gave no rate")?;
    line.trim().parse().context("wrk's rate is no number")
}

/// Pitot beside the load.
struct Pitot {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Pitot {
    fn start(side: Side) -> Result<Option<Self>> {
        let mut command = process::command(&process::target_dir().join("release/pitot").to_string_lossy());
        match side {
            Side::Nothing => return Ok(None),
            Side::Capture => command.args(["record", "--format", "capture", "--output", "/dev/null"]),
            Side::Agent => command.args(["run", "--findings", "/dev/null"]),
        };
        command.env("OTEL_SDK_DISABLED", "true").stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start pitot")?;
        let mut said = BufReader::new(child.stderr.take().context("no stderr")?);
        let mut line = String::new();
        while line.trim_end() != "ready" {
            line.clear();
            if said.read_line(&mut line)? == 0 {
                bail!("pitot ended before it was ready: run `pitot doctor`");
            }
        }
        Ok(Some(Self { child, said }))
    }

    /// Ends it: the share of bytes lost, and the processor time it took in seconds.
    fn stop(mut self) -> Result<(f64, f64)> {
        let seconds = processor_seconds(self.child.id())?;
        process::run(process::command("kill").args(["-INT", &self.child.id().to_string()]))?;
        let mut text = String::new();
        self.said.read_to_string(&mut text)?;
        self.child.wait()?;
        let ledger = text.lines().rev().find(|line| line.starts_with("{\"ledger\"")).context("no ledger")?;
        let ledger: serde_json::Value = serde_json::from_str(ledger)?;
        let bytes = &ledger["ledger"]["bytes"];
        let lost: u64 = bytes["lost"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        let seen = bytes["seen"].as_u64().unwrap_or(0);
        Ok((lost as f64 / seen.max(1) as f64, seconds))
    }
}

/// User and system time so far (proc_pid_stat(5), fields 14 and 15, in hundredths of a second).
fn processor_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("pitot is gone")?;
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after.split_ascii_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

/// A server of its own.
struct Nginx {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Nginx {
    fn start(body: usize) -> Result<Self> {
        let dir = process::target_dir().join("bench-nginx");
        fs::create_dir_all(&dir)?;
        let frame = "{\"id\":1,\"note\":\"\"}".len();
        let document = format!("{{\"id\":1,\"note\":\"{}\"}}", "x".repeat(body.saturating_sub(frame)));
        fs::write(dir.join("order.json"), document)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = dir.display();
        let configuration = format!(
            "daemon off; worker_processes 1; user root; pid {at}/pid; error_log {at}/error;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; keepalive_requests 100000000; types {{ application/json json; }}\n\
             server {{ listen 127.0.0.1:{port}; root {at}; }} }}\n"
        );
        let file = dir.join("nginx.conf");
        fs::write(&file, configuration)?;
        let mut command: Command = process::command("nginx");
        command.arg("-c").arg(&file).arg("-e").arg(dir.join("error"));
        let server = Self { child: command.spawn().context("cannot start nginx")?, port, dir };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Ok(server)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = process::output(process::command("kill").arg(self.child.id().to_string()));
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
