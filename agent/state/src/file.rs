//! Files of state: replaced whole or not at all, readable by their owner only.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::{Error, LONGEST, decode};

/// Files moved aside that are kept; beyond, the last is replaced.
const KEPT: u32 = 9;

/// Replaces the file at `path` by `bytes`: whoever reads it, now or after a loss of power, finds the old file or the new
/// one. The file has mode 0600.
///
/// # Errors
/// When the directory cannot be written; then the old file is still there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = with_suffix(path, "tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The rename itself lasts once the directory does.
    File::open(directory(path))?.sync_all()
}

/// The value in the file at `path`; `None` where there is no file.
///
/// # Errors
/// What is wrong with the file, or [`Error::Io`].
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    if length > LONGEST {
        return Err(Error::TooLong { length });
    }
    let mut bytes = Vec::new();
    // One byte more than was there a moment ago: a file that grows is noticed by its length.
    file.take(length + 1).read_to_end(&mut bytes)?;
    decode(&bytes).map(Some)
}

/// Moves a file that is of no use to `NAME.corrupt-N`, and says where it is now.
///
/// # Errors
/// When it cannot be moved.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let place = |n: u32| with_suffix(path, &format!("corrupt-{n}"));
    let free = (1..KEPT).map(place).find(|place| fs::symlink_metadata(place).is_err());
    let place = free.unwrap_or_else(|| place(KEPT));
    fs::rename(path, &place)?;
    Ok(place)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    name.into()
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
