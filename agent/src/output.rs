//! Where data goes: standard output or a file, line by line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Failure;

/// A place for data.
pub struct Output {
    writer: Box<dyn Write + Send>,
    name: String,
}

impl Output {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self { writer: Box::new(BufWriter::new(io::stdout())), name: "standard output".into() }
    }

    /// `-` is standard output, anything else a file, which is emptied.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::stdout());
        }
        let name = path.display().to_string();
        let file = File::create(path)
            .with_context(|| format!("{name}: cannot be written; name a file in a directory that exists"))?;
        Ok(Self { writer: Box::new(BufWriter::new(file)), name })
    }

    /// Writes `line` and a line break.
    ///
    /// # Errors
    /// [`Failure::ReaderGone`] for a closed pipe, else class 2.
    pub fn line(&mut self, line: &str) -> Result<(), Failure> {
        let written = self.writer.write_all(line.as_bytes()).and_then(|()| self.writer.write_all(b"\n"));
        self.checked(written)
    }

    /// Hands on what is buffered, so that a reader sees it now.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.writer.flush();
        self.checked(flushed)
    }

    fn checked(&self, result: io::Result<()>) -> Result<(), Failure> {
        match result {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
            Err(error) => Err(Failure::Input(
                anyhow::Error::new(error).context(format!("{}: writing failed", self.name)),
            )),
        }
    }
}
