//! What the kernel says of each program: its cost, and how often it was not run.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;

use aya::Ebpf;

/// Figures of one program, as in `/proc/PID/fdinfo` of whoever holds it. What this kernel does not tell is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramStats {
    /// Name of the program in the kernel part.
    pub name: String,
    /// The kernel's number of it.
    pub id: u64,
    /// Instructions the verifier walked when it was loaded (Linux 5.16).
    pub verified_insns: u64,
    /// Runs, counted while `kernel.bpf_stats_enabled` is 1.
    pub run_cnt: u64,
    /// Time of those runs, ns.
    pub run_time_ns: u64,
    /// Runs left out because another one was under way on that CPU (Linux 5.12), always counted.
    pub recursion_misses: u64,
}

/// The loaded programs, held open so that their figures can be read from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Programs(Arc<[(String, OwnedFd)]>);

impl Programs {
    /// Every loaded program of `ebpf`, by name.
    pub(crate) fn of(ebpf: &Ebpf) -> Self {
        let mut programs: Vec<_> = ebpf
            .programs()
            .filter_map(|(name, program)| {
                Some((name.to_owned(), program.fd().ok()?.as_fd().try_clone_to_owned().ok()?))
            })
            .collect();
        programs.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(programs.into())
    }

    /// Their figures now.
    pub(crate) fn stats(&self) -> Vec<ProgramStats> {
        let read = |fd: &OwnedFd| {
            fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap_or_default()
        };
        self.0.iter().map(|(name, fd)| parse(name, &read(fd))).collect()
    }

    /// Runs left out so far, of all programs.
    pub(crate) fn recursion_misses(&self) -> u64 {
        self.stats().iter().map(|program| program.recursion_misses).sum()
    }
}

fn parse(name: &str, fdinfo: &str) -> ProgramStats {
    let field = |wanted| {
        let mut fields = fdinfo.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| *key == wanted).and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
    };
    ProgramStats {
        name: name.to_owned(),
        id: field("prog_id"),
        verified_insns: field("verified_insns"),
        run_cnt: field("run_cnt"),
        run_time_ns: field("run_time_ns"),
        recursion_misses: field("recursion_misses"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let text = "pos:\t0\nflags:\t02000002\nprog_type:\t8\nprog_id:\t42\nrun_time_ns:\t900\nrun_cnt:\t3\n\
                    recursion_misses:\t1\nverified_insns:\t77\n";
        let expected = ProgramStats {
            name: "p".into(),
            id: 42,
            verified_insns: 77,
            run_cnt: 3,
            run_time_ns: 900,
            recursion_misses: 1,
        };
        assert_eq!(parse("p", text), expected);
        assert_eq!(parse("p", "").recursion_misses, 0);
    }
}
