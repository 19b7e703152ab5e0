//! Logs: to stderr, escaped, one line each.

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        crate::terminal::say(&format!("{level}: {}", record.args()));
    }

    fn flush(&self) {}
}

/// Starts logging at `level`. A second call changes the level only.
pub fn start(level: LevelFilter) {
    // Fails only where a logger is set already, which is then this one.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(level);
}
