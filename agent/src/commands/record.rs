//! `pitot record`

use std::fs::{File, OpenOptions, Permissions};
use std::io::BufWriter;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pitot_common::user::CaptureEvent;
use pitot_export::overload_line;
use pitot_observe::Namer;
use pitot_protocols::Message;
use pitot_protocols::messages::Writer;
use pitot_replay::Recorder;

use crate::cli::{Record, RecordFormat, Select};
use crate::config::{self, Config, Match};
use crate::exit::Outcome;
use crate::live::{self, Privileges};
use crate::pipeline::Wire;
use crate::stop::Stop;
use crate::terminal;

pub(super) fn execute(arguments: &Record) -> Outcome {
    let mut config = config::load(arguments.config.file.as_deref())?;
    if let Some(asked) = asked(&arguments.select) {
        config.capture.filter.include = vec![asked];
    }
    let stop = Stop::on_signals()?;
    // Attached before the file is made: a machine that does not allow it costs nobody an older recording.
    let mut live = live::open(&config, &arguments.kernel, Privileges::Keep)?;
    let mut wire = Wire::new(&config, 1)?;
    let mut tape = Tape::create(arguments, &config)?;
    let deadline = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    terminal::plain("ready");
    let mut kept = Vec::new();
    live::pump(&mut live, &stop, deadline, |live, events| {
        let batch = wire.push(events.drain(..), tape.wants_events().then_some(&mut kept));
        live.refuse(wire.refusals());
        wire.overloads().iter().for_each(|overload| terminal::say(&overload_line(overload)));
        tape.write(&mut kept, batch.into_messages())
    })?;
    let batch = wire.finish();
    tape.write(&mut kept, batch.into_messages())?;
    tape.close()?;
    if wire.undecided() > 0 {
        log::warn!("{} connections were not recorded: who owns their ends was not known", wire.undecided());
    }
    terminal::plain(&wire.ledger().line());
    Ok(())
}

/// What the flags ask for, in place of the configuration's `include`.
fn asked(select: &Select) -> Option<Match> {
    let Select { pid, comm, port, cgroup } = select.clone();
    let asked = Match { pid, comm, port, cgroup, ..Match::default() };
    (asked != Match::default()).then_some(asked)
}

/// What is written, and how.
enum Tape {
    Capture(Recorder<BufWriter<File>>),
    Messages { writer: Writer<BufWriter<File>>, namer: Namer },
}

impl Tape {
    fn create(arguments: &Record, config: &Config) -> anyhow::Result<Self> {
        let name = arguments.output.display();
        let file = create_private(&arguments.output)
            .with_context(|| format!("{name}: cannot be written; name a file in a directory that exists"))?;
        let file = BufWriter::new(file);
        Ok(match arguments.format {
            RecordFormat::Capture => Self::Capture(Recorder::new(file)?),
            RecordFormat::Messages => {
                let writer = Writer::new(file, config.redaction.headers.clone());
                Self::Messages { writer, namer: config.namer() }
            }
        })
    }

    fn wants_events(&self) -> bool {
        matches!(self, Self::Capture(_))
    }

    fn write(&mut self, events: &mut Vec<CaptureEvent>, messages: Vec<Message>) -> Outcome {
        let written: anyhow::Result<()> = match self {
            Self::Capture(recorder) => {
                events.drain(..).try_for_each(|event| recorder.write(&event)).map_err(Into::into)
            }
            Self::Messages { writer, namer } => messages
                .iter()
                .try_for_each(|message| {
                    let [client, server] = [&message.client, &message.server].map(|peer| namer.peer(peer));
                    writer.write(message, &client, &server)
                })
                .map_err(Into::into),
        };
        Ok(written.context("the recording cannot be written on")?)
    }

    fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Capture(recorder) => recorder.finish().map(drop).map_err(Into::into),
            Self::Messages { mut writer, .. } => writer.flush().map_err(Into::into),
        }
    }
}

/// Creates or empties the file, and lets nobody else read it: both formats hold what was sent.
fn create_private(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        // A file that was there keeps its mode otherwise.
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}
