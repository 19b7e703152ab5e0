//! What a guest boots into: an archive in the kernel's own format, cpio "newc"
//! (Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::process;

const DIRECTORY: u32 = 0o40_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o20_600;

/// An archive in the making.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    /// What is in it; directories come before what they hold.
    paths: BTreeSet<String>,
}

impl Archive {
    /// One that holds the console, which the kernel opens for the first process.
    pub(super) fn new() -> Self {
        let mut archive = Self::default();
        archive.directories("dev/console");
        archive.entry("dev/console", CHARACTER_DEVICE, (5, 1), b"");
        archive
    }

    /// Adds `content` as `path`, with the directories it lies in.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        let path = path.trim_start_matches('/');
        if self.paths.insert(path.to_owned()) {
            self.directories(path);
            self.entry(path, PROGRAM, (0, 0), content);
        }
    }

    /// Adds a program as `path`, and the shared libraries it needs where it looks for them.
    pub(super) fn program(&mut self, path: &str, from: &Path) -> Result<()> {
        self.file(path, &read(from)?);
        let text = process::output(process::command("ldd").arg(from)).unwrap_or_default();
        for library in libraries(&text) {
            self.file(library, &read(Path::new(library))?);
        }
        Ok(())
    }

    /// The archive, ended.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), b"");
        self.bytes
    }

    fn directories(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            let directory = &path[..at];
            if self.paths.insert(directory.to_owned()) {
                self.entry(directory, DIRECTORY, (0, 0), b"");
            }
        }
    }

    fn entry(&mut self, name: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        self.entries += 1;
        let (size, name_size) = (content.len() as u32, name.len() as u32 + 1);
        // inode, mode, uid, gid, links, time, size, device (2), device meant (2), length of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The files that ldd(1) lists: `NAME => PATH (ADDRESS)`, and the loader, `PATH (ADDRESS)`.
fn libraries(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| word.starts_with('/')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_the_kernel_reads() {
        let mut archive = Archive::new();
        archive.file("/a/b/c", b"hello");
        archive.file("/a/b/d", b"");
        archive.file("/a/b/c", b"again");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let count = |part: &str| text.matches(part).count();
        assert_eq!((count("070701"), count("hello"), count("again"), count("TRAILER!!!")), (7, 1, 0, 1));
        assert_eq!((count("dev\0"), count("dev/console\0"), count("a/b\0")), (1, 1, 1));
        let directory = text.find("a/b\0").unwrap_or(usize::MAX);
        assert!(directory < text.find("a/b/c\0").unwrap_or(0), "a directory comes before its files");
    }

    #[test]
    fn libraries_as_ldd_lists_them() {
        let text = "\tlinux-vdso.so.1 (0x7f)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        assert_eq!(libraries(text), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        assert_eq!(libraries("\tstatically linked\n"), [""; 0]);
    }
}
