//! What the guest says to its host.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};

use serde_json::{Value, json};

/// The second serial port: the first is the console, and the kernel writes there too.
const PORT: &str = "/dev/ttyS1";

/// Lines of JSON to the host.
pub(crate) struct Report {
    port: File,
}

impl Report {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { port: OpenOptions::new().write(true).open(PORT)? })
    }

    pub(crate) fn line(&mut self, value: &Value) {
        // With the port gone nobody can be told, and the host finds the lines missing.
        let _ = writeln!(self.port, "{value}");
    }

    pub(crate) fn step(&mut self, name: &str, result: &Result<(), String>) {
        let detail = result.as_ref().err().map_or("", String::as_str);
        self.line(&json!({"step": name, "ok": result.is_ok(), "detail": detail}));
    }
}
