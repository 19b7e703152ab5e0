//! What the kernel says about a process's programs: how often they ran, how long, and what loading them cost.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::process;

/// Switches the counting of runs and their time on and off.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// A program that a process has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    /// Runs, and ns in them, while counting was on.
    pub(super) runs: u64,
    pub(super) ns: u64,
    /// Runs that were skipped because another one of the same program was under way on that CPU.
    pub(super) missed: u64,
    /// Instructions that the verifier walked when it was loaded; 0 on kernels before 5.16, which do not tell.
    pub(super) verified: u64,
}

/// Counting of runs, which itself costs some of their time, while this lives.
pub(super) struct Counting {
    before: String,
}

impl Counting {
    pub(super) fn on() -> Result<Self> {
        let before = fs::read_to_string(STATISTICS).context("this kernel counts no runs of its programs")?;
        fs::write(STATISTICS, "1").context(STATISTICS)?;
        Ok(Self { before })
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Err(error) = fs::write(STATISTICS, &self.before) {
            eprintln!("{STATISTICS} could not be set back to {}: {error}", self.before.trim());
        }
    }
}

/// The programs that this process holds, by name.
pub(super) fn of(pid: u32) -> Result<Vec<Program>> {
    ensure!(process::which("bpftool").is_some(), "names of programs need bpftool: apt-get install bpftool");
    let mut programs = Vec::new();
    for entry in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fdinfo"))? {
        // A descriptor may be closed meanwhile.
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        if let Some((id, numbers)) = parse(&text) {
            programs.push(Program { name: name(id)?, ..numbers });
        }
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    programs.dedup();
    Ok(programs)
}

/// What the `fdinfo` of a program's descriptor says, with its id; none of any other descriptor.
fn parse(text: &str) -> Option<(u64, Program)> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<u64>().ok())
    };
    // Links name their program too.
    field("prog_type")?;
    let count = |name| field(name).unwrap_or(0);
    let program = Program {
        name: String::new(),
        runs: count("run_cnt"),
        ns: count("run_time_ns"),
        missed: count("recursion_misses"),
        verified: count("verified_insns"),
    };
    Some((field("prog_id")?, program))
}

fn name(id: u64) -> Result<String> {
    let mut command = process::command("bpftool");
    let text = process::output(command.args(["--json", "prog", "show", "id", &id.to_string()]));
    let program: serde_json::Value = serde_json::from_str(&text.context("bpftool failed")?)?;
    Ok(program["name"].as_str().unwrap_or("?").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors() {
        let program = "pos:\t0\nflags:\t02000002\nprog_type:\t8\nprog_jited:\t1\nprog_tag:\tabc\nmemlock:\t8192\n\
                       prog_id:\t7\nrun_time_ns:\t300\nrun_cnt:\t2\nrecursion_misses:\t1\nverified_insns:\t90\n";
        let expected = Program { name: String::new(), runs: 2, ns: 300, missed: 1, verified: 90 };
        assert_eq!(parse(program), Some((7, expected)));
        assert_eq!(parse("link_type:\tcgroup\nlink_id:\t1\nprog_tag:\tabc\nprog_id:\t7\n"), None);
        assert_eq!(parse("pos:\t0\n"), None);
    }
}
