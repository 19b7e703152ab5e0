//! `pitot replay`

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use pitot_common::user::{Progress, Source as _};
use pitot_findings::Finding;
use pitot_protocols::har;
use pitot_protocols::messages::{Item, Reader};

use crate::cli::{Replay, ReplayFormat};
use crate::config;
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::pipeline::{Learned, Pipeline};
use crate::sinks::Sinks;
use crate::terminal;

/// Most threads, whatever the machine has: more than partitions are of no use.
const MOST_WORKERS: usize = 64;

/// Bad lines that are named one by one.
const SHOWN: u64 = 20;

pub(super) fn execute(arguments: &Replay) -> Outcome {
    let config = config::load(arguments.config.file.as_deref())?;
    let name = arguments.file.display().to_string();
    let mut file = File::open(&arguments.file)
        .map(BufReader::new)
        .with_context(|| format!("{name}: cannot be read; name a file that `pitot record` wrote"))?;
    let format = match arguments.format {
        Some(format) => format,
        None if name.ends_with(".har") => ReplayFormat::Har,
        None => detect(&mut file).with_context(|| name.clone())?,
    };
    let learned = arguments.baseline.as_deref().map(Learned::read).transpose()?;
    let mut sinks = Sinks::default().lines(&arguments.findings)?;
    if arguments.otlp {
        sinks = sinks.otlp()?;
    }
    let mut pipeline = Pipeline::new(&config, workers(arguments.workers))?;
    if let Some(learned) = learned {
        pipeline = pipeline.resumed(&config, learned);
    }
    let mut run = Run { pipeline: &mut pipeline, sinks: &mut sinks, findings: Vec::new() };
    // What was readable is judged and written before it is said what was not.
    let read = match format {
        ReplayFormat::Capture => run.capture(&name, file)?,
        ReplayFormat::Messages => run.messages(&name, file, arguments.lenient)?,
        ReplayFormat::Har => run.archive(&name, file, arguments.lenient)?,
    };
    run.finish()?;
    if let Some(path) = &arguments.save_baseline {
        save(path, &mut pipeline)?;
    }
    if let Some(path) = &arguments.ledger {
        let mut out = Output::open(path)?;
        out.line(&pipeline.ledger().line())?;
        out.flush()?;
    }
    let closed = sinks.close();
    read?;
    closed
}

fn save(path: &Path, pipeline: &mut Pipeline) -> Outcome {
    let name = path.display();
    let learned = pipeline.learned(&mut Vec::new()).with_context(|| name.to_string())?;
    pitot_state::write(path, &learned)
        .with_context(|| format!("{name}: cannot be written; name a file in a directory that exists"))?;
    Ok(())
}

fn workers(asked: Option<u16>) -> usize {
    let machine = || std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    asked.map_or_else(machine, usize::from)
}

/// Looks at the beginning of the file: a capture file has its mark, everything else readable is JSON.
fn detect(file: &mut BufReader<File>) -> anyhow::Result<ReplayFormat> {
    let start = file.fill_buf().context("cannot be read")?;
    if !matches!(pitot_replay::Reader::new(start), Err(pitot_replay::Error::NotACapture)) {
        return Ok(ReplayFormat::Capture);
    }
    match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') | None => Ok(ReplayFormat::Messages),
        Some(_) => {
            Err(anyhow!("neither a capture file nor lines of JSON; give a file that `pitot record` wrote"))
        }
    }
}

/// Whether all of the input could be read.
type Read = Result<(), Failure>;

struct Run<'a> {
    pipeline: &'a mut Pipeline,
    sinks: &'a mut Sinks,
    findings: Vec<Finding>,
}

impl Run<'_> {
    fn capture(&mut self, name: &str, file: BufReader<File>) -> Result<Read, Failure> {
        let bad = |error: pitot_replay::Error| Failure::input(anyhow!("{name}: {error}"));
        let mut reader = match pitot_replay::Reader::new(file) {
            Ok(reader) => reader,
            Err(error) => return Ok(Err(bad(error))),
        };
        let mut events = Vec::new();
        loop {
            let progress = reader.next_batch(&mut events);
            self.pipeline.capture(&mut events, &mut self.findings);
            self.sinks.write(&mut self.findings)?;
            match progress {
                Ok(Progress::End) => return Ok(Ok(())),
                Ok(Progress::More | Progress::Idle) => {}
                Err(error) => return Ok(Err(bad(error))),
            }
        }
    }

    fn messages(&mut self, name: &str, file: BufReader<File>, lenient: bool) -> Result<Read, Failure> {
        let mut bad = Bad::new(name);
        for item in Reader::new(file) {
            match item {
                Ok(Item::Message(message)) => self.pipeline.message(*message, &mut self.findings),
                // Nothing here claims a loss yet, so there is no claim to withhold.
                Ok(Item::Gap(_)) => {}
                Ok(Item::Error(error)) => {
                    self.pipeline.bad_line();
                    bad.add(&error);
                }
                Err(error) => return Ok(Err(Failure::input(anyhow!("{name}: {error}")))),
            }
            self.sinks.write(&mut self.findings)?;
        }
        Ok(bad.verdict(["line", "lines"], lenient))
    }

    fn archive(&mut self, name: &str, file: BufReader<File>, lenient: bool) -> Result<Read, Failure> {
        let archive = match har::read(file) {
            Ok(archive) => archive,
            Err(error) => return Ok(Err(Failure::input(anyhow!("{name}: {error}")))),
        };
        let mut bad = Bad::new(name);
        for error in &archive.errors {
            self.pipeline.bad_line();
            bad.add(error);
        }
        for message in archive.messages {
            self.pipeline.message(message, &mut self.findings);
            self.sinks.write(&mut self.findings)?;
        }
        Ok(bad.verdict(["entry", "entries"], lenient))
    }

    fn finish(mut self) -> Outcome {
        self.pipeline.finish(&mut self.findings);
        self.sinks.write(&mut self.findings)
    }
}

/// Parts of a file that could not be used.
struct Bad<'a> {
    file: &'a str,
    count: u64,
}

impl<'a> Bad<'a> {
    fn new(file: &'a str) -> Self {
        Self { file, count: 0 }
    }

    fn add(&mut self, error: &dyn std::error::Error) {
        self.count += 1;
        if self.count <= SHOWN {
            terminal::say(&format!("{}: {error}", self.file));
        }
    }

    fn verdict(self, [one, many]: [&str; 2], lenient: bool) -> Read {
        let Self { file, count } = self;
        let skipped = match count {
            0 => return Ok(()),
            _ if lenient => return Ok(()),
            1 => format!("1 {one} was skipped; correct it"),
            n => format!("{n} {many} were skipped; correct them"),
        };
        Err(Failure::input(anyhow!("{file}: {skipped}, or take the file as it is with --lenient")))
    }
}
