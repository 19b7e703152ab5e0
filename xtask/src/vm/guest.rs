//! One guest: started, bounded in memory and time, and what it said.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::kernels::Kernel;
use crate::process;

const MEMORY_MIB: u32 = 1024;
const PROCESSORS: u32 = 2;
/// A guest that has not ended by then is ended.
const TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// A plain processor: of a newer one QEMU emulates what kernel and programs then choose (wide registers, `rep movsb`) more slowly
/// than what they do without. And without CMPXCHG16B: once a kernel died at boot where its allocator uses it; that it is to blame
/// under QEMU 7.2 is a guess.
const PROCESSOR: &str = "qemu64,-cx16";
/// What keeps speculation from leaking costs an emulated kernel a fifth of its time, and guards nothing there. Programs that root
/// loads are verified alike with and without.
const PARAMETERS: &str = "console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off";

/// What a guest said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Its kernel's release, and the preemption mode where that can be chosen.
    pub(super) release: String,
    pub(super) preemption: Option<String>,
    pub(super) steps: Vec<Step>,
    pub(super) cases: Vec<Case>,
    pub(super) programs: Vec<Program>,
    /// From the start of the agent until every program was attached.
    pub(super) loading_ms: Option<u64>,
    /// Whether it came to its end.
    pub(super) ended: bool,
    /// Wall-clock time from start to power-off.
    pub(super) took: Duration,
    /// End of its console, for a failure.
    pub(super) console: String,
}

/// Something the guest did once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) ok: bool,
    pub(super) detail: String,
}

/// A case of the capture suite.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) outcome: Outcome,
    /// What is wrong, in the suite's words.
    pub(super) complaints: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Messages sent, and what became of them.
    Counted(Counts),
    /// It could not be made on this kernel, because.
    Skipped(String),
    /// It could not be carried out, because.
    Failed(String),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) exact: u64,
    pub(super) declared: u64,
    pub(super) lost: u64,
    pub(super) missing: u64,
    pub(super) wrong: u64,
}

/// What a program cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    /// Instructions the verifier walked; Linux counts them since 5.16.
    pub(super) verified: Option<u64>,
    /// Instructions after the verifier's rewriting.
    pub(super) translated: u64,
    /// Bytes of machine code.
    pub(super) jited: u64,
}

/// How often a guest is started whose kernel did not come to its first process: nothing of Pitot has run then.
const STARTS: u32 = 3;

/// Starts `kernel` with `archive` and waits for its end.
pub(super) fn run(kernel: &Kernel, archive: &Path, parameters: &str, dir: &Path) -> Result<Said> {
    let mut said = start(kernel, archive, parameters, dir)?;
    for _ in 1..STARTS {
        if !said.release.is_empty() {
            break;
        }
        eprintln!(
            "vm: the emulated kernel died before its first process; its console ended with\n{}",
            said.console
        );
        said = start(kernel, archive, parameters, dir)?;
    }
    Ok(said)
}

fn start(kernel: &Kernel, archive: &Path, parameters: &str, dir: &Path) -> Result<Said> {
    let (console, report) = (dir.join("console"), dir.join("report"));
    for file in [&console, &report] {
        fs::write(file, "").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let started = Instant::now();
    // Never KVM: where it is offered inside a virtual machine, stock kernels hang in it.
    let mut command = process::command("timeout");
    command.args([&TIMEOUT.as_secs().to_string(), "qemu-system-x86_64", "-accel", "tcg", "-machine", "q35"]);
    command.args(["-cpu", PROCESSOR, "-smp", &PROCESSORS.to_string(), "-m", &MEMORY_MIB.to_string()]);
    command.args(["-nodefaults", "-display", "none", "-no-reboot"]);
    for file in [&console, &report] {
        command.arg("-serial").arg(format!("file:{}", file.display()));
    }
    command.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(archive);
    command.arg("-append").arg(format!("{PARAMETERS} {parameters}"));
    let status = process::status(&mut command)?;
    let mut said = read(&fs::read_to_string(&report).unwrap_or_default());
    said.took = started.elapsed();
    said.ended &= status.success();
    said.console = last_lines(&String::from_utf8_lossy(&fs::read(&console).unwrap_or_default()), 20);
    Ok(said)
}

/// What the file of a report says.
pub(super) fn read_file(path: &Path) -> Result<Said> {
    Ok(read(&fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?))
}

/// What the lines of a report say. A line that is none of the guest's is left out: a guest that dies can cut one.
fn read(report: &str) -> Said {
    let mut said = Said::default();
    for line in report.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(boot) = line.get("boot") {
            said.release = text(&boot["release"]);
            said.preemption = boot["preempt"].as_str().map(str::to_owned);
        } else if line.get("step").is_some() {
            let ok = line["ok"] == true;
            said.steps.push(Step { name: text(&line["step"]), ok, detail: text(&line["detail"]) });
        } else if line.get("case").is_some() {
            let complaints = line["complaints"].as_array().into_iter().flatten().map(text).collect();
            said.cases.push(Case { name: text(&line["case"]), outcome: outcome(&line), complaints });
        } else if let Some(program) = line.get("program") {
            said.programs.extend(read_program(program));
        } else if let Some(loading) = line.get("loading_ms") {
            said.loading_ms = loading.as_u64();
        } else if line.get("end").is_some() {
            said.ended = true;
        }
    }
    said
}

fn outcome(line: &Value) -> Outcome {
    if let Some(reason) = line["skipped"].as_str() {
        return Outcome::Skipped(reason.to_owned());
    }
    if let Some(reason) = line["failed"].as_str() {
        return Outcome::Failed(reason.to_owned());
    }
    let count = |name: &str| line[name].as_u64();
    let counts = || {
        Some(Counts {
            sent: count("sent")?,
            exact: count("exact")?,
            declared: count("declared")?,
            lost: count("lost")?,
            missing: count("missing")?,
            wrong: count("wrong")?,
        })
    };
    counts().map_or_else(|| Outcome::Failed(format!("said neither counts nor why: {line}")), Outcome::Counted)
}

fn read_program(program: &Value) -> Option<Program> {
    Some(Program {
        name: program["name"].as_str()?.to_owned(),
        verified: program["verified"].as_u64(),
        translated: program["translated"].as_u64()?,
        jited: program["jited"].as_u64()?,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_report() {
        let said = read(concat!(
            "{\"boot\":{\"release\":\"6.1.0\",\"preempt\":\"full\"}}\n",
            "{\"step\":\"doctor\",\"ok\":false,\"detail\":\"no BTF\"}\n",
            "{\"loading_ms\":12}\n",
            "{\"program\":{\"name\":\"p\",\"verified\":null,\"translated\":3,\"jited\":4}}\n",
            "{\"case\":\"a/b\",\"sent\":2,\"exact\":1,\"declared\":1,\"lost\":0,\"missing\":0,\"wrong\":0,",
            "\"complaints\":[\"x\"]}\n",
            "{\"case\":\"a/c\",\"skipped\":\"no io_uring\"}\n",
            "{\"case\":\"a/d\",\"sent\":2}\n",
            "{\"end\":true}\n{\"cut",
        ));
        assert_eq!((said.release.as_str(), said.preemption.as_deref()), ("6.1.0", Some("full")));
        assert_eq!(said.steps, [Step { name: "doctor".into(), ok: false, detail: "no BTF".into() }]);
        let program = Program { name: "p".into(), verified: None, translated: 3, jited: 4 };
        assert_eq!((said.loading_ms, said.programs.as_slice()), (Some(12), [program].as_slice()));
        let counts = Counts { sent: 2, exact: 1, declared: 1, ..Counts::default() };
        assert_eq!((&said.cases[0].outcome, said.cases[0].complaints.len()), (&Outcome::Counted(counts), 1));
        assert_eq!(said.cases[1].outcome, Outcome::Skipped("no io_uring".into()));
        assert!(matches!(said.cases[2].outcome, Outcome::Failed(_)));
        assert!(said.ended);
    }

    #[test]
    fn a_guest_that_died_did_not_end() {
        assert!(!read("{\"boot\":{}}\n{\"step\":\"doc").ended);
        assert!(!read("").ended);
    }
}
