//! The state directory of a running agent: what was learned outlives it.
//!
//! | file | what |
//! |---|---|
//! | `baseline` | what was learned ([`pitot_state`]), mode 0600 |
//! | `baseline.corrupt-N` | such a file that was of no use, moved aside |
//! | `control` | the socket of [`crate::control`], mode 0600 |

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use pitot_findings::Finding;

use crate::config;
use crate::control::{self, Asked, Control};
use crate::pipeline::{Learned, Pipeline};
use crate::terminal;

const SECOND_NS: u64 = 1_000_000_000;

/// The file, in a state directory, that holds what was learned.
#[must_use]
pub fn baseline(directory: &Path) -> PathBuf {
    directory.join("baseline")
}

/// Keeps what a pipeline learns.
#[derive(Debug)]
pub struct Keeper {
    file: PathBuf,
    control: Option<Control>,
    every_ns: u64,
    /// Event time of the next save.
    due_ns: Option<u64>,
    /// The file is written beside the pipeline.
    writing: Option<JoinHandle<std::io::Result<()>>>,
    /// What went wrong last: said once, not every minute.
    problem: Option<String>,
}

impl Keeper {
    /// In the directory that the configuration names, which is made if need be. `None` where it names none, or where
    /// nothing can be kept there: that is said, and costs nothing else.
    ///
    /// # Errors
    /// When another agent keeps its state there.
    pub fn open(config: &config::State) -> anyhow::Result<Option<Self>> {
        let Some(directory) = config.directory.as_deref() else { return Ok(None) };
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(directory) {
            let name = directory.display();
            terminal::say(&format!(
                "{name}: {error}; what is learned will be lost at the end: let state.directory name a directory that can \
                 be written"
            ));
            return Ok(None);
        }
        control::check_free(directory)?;
        Ok(Some(Self {
            file: baseline(directory),
            control: Control::open(directory).inspect_err(|error| terminal::say(&format!("{error:#}"))).ok(),
            every_ns: u64::from(config.save_seconds).saturating_mul(SECOND_NS),
            due_ns: None,
            writing: None,
            problem: None,
        }))
    }

    /// What a command asks of this agent now.
    #[must_use]
    pub fn asked(&self) -> Option<Asked> {
        self.control.as_ref().and_then(Control::next)
    }

    /// What an agent before this one has learned. A file that is of no use is moved aside, and that is said.
    #[must_use]
    pub fn load(&self) -> Option<Learned> {
        let name = self.file.display();
        let error = match pitot_state::read(&self.file) {
            Ok(learned) => return learned,
            Err(error) => error,
        };
        if !error.is_corrupt() {
            terminal::say(&format!("{name}: {error}; every flow is learned anew, let this user read it"));
            return None;
        }
        let now = match pitot_state::set_aside(&self.file) {
            Ok(place) => format!("it is now {}", place.display()),
            Err(error) => format!("and it cannot be moved aside ({error})"),
        };
        terminal::say(&format!(
            "{name}: {error}; {now}, and every flow is learned anew: put a good file there and start again, or let it learn"
        ));
        None
    }

    /// Saves when it is time to. Findings that this completes are appended to `out`.
    pub fn keep(&mut self, pipeline: &mut Pipeline, out: &mut Vec<Finding>) {
        let now = pipeline.wire().time_ns();
        if now == 0 {
            return; // Nothing was captured yet.
        }
        let due = *self.due_ns.get_or_insert(now.saturating_add(self.every_ns));
        if now < due || self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return;
        }
        self.due_ns = Some(now.saturating_add(self.every_ns));
        self.settle();
        match pipeline.learned(out) {
            Ok(bytes) => {
                let file = self.file.clone();
                self.writing = Some(std::thread::spawn(move || pitot_state::write(&file, &bytes)));
            }
            Err(error) => self.say(error.to_string()),
        }
    }

    /// Saves for the last time.
    pub fn close(mut self, pipeline: &mut Pipeline, out: &mut Vec<Finding>) {
        self.settle();
        let kept = pipeline.learned(out).and_then(|bytes| Ok(pitot_state::write(&self.file, &bytes)?));
        if let Err(error) = kept {
            self.say(error.to_string());
        }
    }

    /// Waits for what is being written.
    fn settle(&mut self) {
        match self.writing.take().map(JoinHandle::join) {
            None => {}
            Some(Ok(Ok(()))) => self.problem = None,
            Some(Ok(Err(error))) => self.say(error.to_string()),
            Some(Err(_)) => self.say("writing failed".to_owned()),
        }
    }

    fn say(&mut self, problem: String) {
        if self.problem.as_ref() != Some(&problem) {
            let name = self.file.display();
            terminal::say(&format!("{name}: {problem}; what is learned is not kept until it can be written"));
        }
        self.problem = Some(problem);
    }
}
