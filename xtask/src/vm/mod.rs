//! `vm`: the kernel part on other kernels than this machine's.
//!
//! Each guest is one of Debian's kernels in QEMU with an archive that holds the agent, the capture suite and, as the
//! first process, `pitot-guest`. Nothing of the guest is kept: its disk is memory. Always without KVM.

mod archive;
mod cost;
mod guest;
mod kernels;
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};

use self::archive::Archive;
use self::cost::Costs;
use self::guest::{Case, Outcome, Said};
pub(crate) use self::kernels::KEYRING;
use self::kernels::{Kernel, Kernels};
use crate::process;
use crate::setup::{self, Purpose};
use crate::tally::Tally;

#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask vm 5.10 newest")]
pub(crate) struct Args {
    /// The guests to run, by name; all if none is named
    #[arg(value_parser = GUESTS.map(|guest| guest.name))]
    guests: Vec<String>,
    /// Only cases whose name contains this; can be given several times
    #[arg(long)]
    filter: Vec<String>,
    /// Each kernel once, and a few cases of every kind: what a change must pass
    #[arg(long, conflicts_with_all = ["guests", "filter"])]
    ci: bool,
    /// Write docs/verifier-cost.json from this run
    #[arg(long, conflicts_with = "guests")]
    write: bool,
    /// Run nothing: write docs/kernels.md from what earlier runs left, a file GUEST.jsonl for each in this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["guests", "filter", "ci", "write"])]
    document: Option<PathBuf>,
}

/// The cases of `--ci`: a send and a receive that few others cover, every kind of socket, connections that were open before,
/// ends that die, two namespaces.
const CI_CASES: [&str; 8] = [
    "socket/",
    "before/v",
    "send/splice",
    "receive/uring_recv",
    "share/reset_in_response",
    "unix/path",
    "unix/before",
    "link/veth",
];

/// A kernel, and how it is told to preempt.
struct Guest {
    name: &'static str,
    /// Debian's suite that the kernel is the newest one of.
    suite: &'static str,
    parameters: &'static str,
}

const GUESTS: [Guest; 6] = [
    Guest { name: "5.10", suite: "bullseye-security", parameters: "" },
    Guest { name: "6.1", suite: "bookworm-security", parameters: "" },
    Guest { name: "6.12", suite: "trixie-security", parameters: "" },
    Guest { name: "6.12-full", suite: "trixie-security", parameters: "preempt=full" },
    Guest { name: "newest", suite: "trixie-backports", parameters: "" },
    Guest { name: "newest-full", suite: "trixie-backports", parameters: "preempt=full" },
];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(dir) = &args.document {
        report::write(dir, &GUESTS.map(|guest| guest.name), &Costs::committed()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut tally = Tally::default();
    let chosen: Vec<_> = GUESTS.iter().filter(|guest| args.wants(guest)).collect();
    let filter = if args.ci { CI_CASES.map(str::to_owned).to_vec() } else { args.filter.clone() };
    let kernels = match available() {
        Ok(kernels) => kernels,
        Err(why) => {
            chosen.iter().for_each(|guest| tally.skip(format!("kernel {}: {why:#}", guest.name)));
            return Ok(tally.finish());
        }
    };
    let programs = build()?;
    let committed = Costs::committed()?;
    // Figures of kernels that are no guests stay (tests/e2e/tests/verifier.rs).
    let mut costs = committed.clone();
    let (mut whole, wanted) = (0, chosen.len());
    for guest in chosen {
        let kernel = match kernels.newest(guest.suite) {
            Ok(kernel) => kernel,
            Err(error) => {
                tally.skip(format!("kernel {}: {error:#}", guest.name));
                continue;
            }
        };
        let said = start(guest, &kernel, &programs, &filter)?;
        judge(&mut tally, guest.name, &said);
        if guest.parameters.is_empty() {
            costs.insert(guest.name, &kernel.version, &said.programs);
            if !args.write {
                let complaints = committed.complaints(guest.name, &kernel.version, &said.programs);
                check(&mut tally, &format!("{}: verifier cost", guest.name), complaints);
            }
        }
        let seconds = said.took.as_secs_f64();
        eprintln!("vm: {}: {} (Linux {}) in {seconds:.1} s", guest.name, kernel.version, said.release);
        whole += usize::from(said.ended && !said.programs.is_empty());
    }
    if args.write {
        ensure!(whole == wanted, "nothing is written: not every guest came to its end");
        costs.write()?;
    }
    Ok(tally.finish())
}

impl Args {
    fn wants(&self, guest: &Guest) -> bool {
        if self.ci {
            return guest.parameters.is_empty();
        }
        self.guests.is_empty() || self.guests.iter().any(|name| name == guest.name)
    }
}

/// The kernels, or why no guest can be run here.
fn available() -> Result<Kernels> {
    if let Some(why) = kernels::obstacle() {
        bail!(why);
    }
    setup::ensure(&[Purpose::Vm])?;
    Kernels::open()
}

/// A program of the guest: its path there, and where it is here.
type Program = (String, PathBuf);

/// Of this repository: the first process, the agent, and the suite.
const OWN: [(&str, &str); 3] =
    [("pitot-guest", "init"), ("pitot", "bin/pitot"), ("pitot-capture-suite", "bin/pitot-capture-suite")];
/// Of this machine, for cases that connect network namespaces: without them they are skipped.
const OTHER: [&str; 3] = ["ip", "nft", "sysctl"];

/// The programs that go into every guest.
fn build() -> Result<Vec<Program>> {
    setup::ensure(&[Purpose::Build])?;
    let dir = process::target_dir();
    let mut programs = Vec::new();
    // One by one: each as the other verbs build it, so that none is built twice.
    for (package, path) in OWN {
        process::run(&mut process::cargo(&["build", "--release", "-p", package]))?;
        // Debugging information is most of it, and a guest's disk is its memory.
        let (built, stripped) = (dir.join("release").join(package), dir.join("vm").join(package));
        fs::create_dir_all(dir.join("vm"))?;
        process::run(process::command("strip").arg("-o").arg(&stripped).arg(built))?;
        programs.push((path.to_owned(), stripped));
    }
    let found = OTHER.iter().filter_map(|name| Some((format!("bin/{name}"), process::which(name)?)));
    programs.extend(found);
    Ok(programs)
}

fn start(guest: &Guest, kernel: &Kernel, programs: &[Program], filter: &[String]) -> Result<Said> {
    let dir = process::target_dir().join("vm").join(guest.name);
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join("archive");
    fs::write(&path, pack(kernel, programs, filter)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    guest::run(kernel, &path, guest.parameters, &dir)
}

fn pack(kernel: &Kernel, programs: &[Program], filter: &[String]) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for (path, from) in programs {
        archive.program(path, from)?;
    }
    for module in &kernel.modules {
        let name = module.file_name().unwrap_or_default();
        archive.file(&Path::new("modules").join(name).to_string_lossy(), &fs::read(module)?);
    }
    archive.file("etc/filter", filter.join("\n").as_bytes());
    Ok(archive.finish())
}

/// Counts what the guest did; absence is failure.
fn judge(tally: &mut Tally, guest: &str, said: &Said) {
    for step in &said.steps {
        let complaint = (!step.ok).then(|| step.detail.clone());
        check(tally, &format!("{guest}: {}", step.name), complaint);
    }
    // A kernel without a feature skips dozens of cases: one line for each reason, with their names.
    let mut skipped: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for case in &said.cases {
        match verdict(case) {
            Verdict::Passed => tally.pass(),
            Verdict::Failed(why) => tally.fail(format!("{guest}: {}: {why}", case.name)),
            Verdict::Skipped(why) => skipped.entry(why).or_default().push(&case.name),
        }
    }
    for (why, names) in skipped {
        tally.skip(format!("{guest}: {} cases, {}: {why}", names.len(), names.join(", ")));
    }
    let mut missing = Vec::new();
    if !said.ended {
        missing.push(format!("it did not come to its end; its console ended with\n{}", said.console));
    }
    if said.programs.is_empty() {
        missing.push("no program was loaded".into());
    }
    if said.cases.is_empty() {
        missing.push("no case was run".into());
    }
    check(tally, guest, missing);
}

fn check(tally: &mut Tally, what: &str, complaints: impl IntoIterator<Item = String>) {
    let mut complaints = complaints.into_iter().peekable();
    if complaints.peek().is_none() {
        tally.pass();
    }
    complaints.for_each(|complaint| tally.fail(format!("{what}: {complaint}")));
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Silently wrong and silently missing are what must never be, and a ledger that does not add up, which the suite
/// complains of; what was declared or counted as lost is honest.
fn verdict(case: &Case) -> Verdict {
    match &case.outcome {
        Outcome::Counted(counts) if counts.sent == 0 => Verdict::Failed("nothing was sent".into()),
        Outcome::Counted(counts) if counts.missing + counts.wrong > 0 || !case.complaints.is_empty() => {
            Verdict::Failed(format!("{counts:?} {}", case.complaints.join("; ")))
        }
        Outcome::Counted(_) => Verdict::Passed,
        Outcome::Skipped(why) => Verdict::Skipped(why.clone()),
        Outcome::Failed(why) => Verdict::Failed(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::guest::{self, Counts, Step};
    use super::*;

    fn case(outcome: Outcome) -> Case {
        Case { name: "a/b".into(), outcome, complaints: Vec::new() }
    }

    #[test]
    fn silence_fails() {
        let check = |counts: Counts, passes| {
            let found = verdict(&case(Outcome::Counted(counts)));
            assert_eq!(found == Verdict::Passed, passes, "{found:?}");
        };
        let sent = Counts { sent: 3, ..Counts::default() };
        check(Counts { exact: 3, ..sent }, true);
        check(Counts { exact: 1, declared: 1, lost: 1, ..sent }, true);
        check(Counts { exact: 2, missing: 1, ..sent }, false);
        check(Counts { exact: 2, wrong: 1, ..sent }, false);
        check(Counts::default(), false);
        let complained = Case {
            complaints: vec!["pending".into()],
            ..case(Outcome::Counted(Counts { exact: 3, ..sent }))
        };
        assert_ne!(verdict(&complained), Verdict::Passed);
    }

    #[test]
    fn a_guest_that_says_nothing_fails() {
        let line = |said: &Said| {
            let mut tally = Tally::default();
            judge(&mut tally, "6.1", said);
            tally.line()
        };
        assert_eq!(line(&Said::default()), "0 passed, 3 failed, 0 skipped");
        let program = guest::Program { name: "p".into(), verified: None, translated: 1, jited: 1 };
        let step = Step { name: "doctor".into(), ok: true, detail: String::new() };
        let exact = Outcome::Counted(Counts { sent: 1, exact: 1, ..Counts::default() });
        let said = Said {
            steps: vec![step],
            cases: vec![case(exact), case(Outcome::Skipped("no io_uring".into()))],
            programs: vec![program],
            ended: true,
            ..Said::default()
        };
        assert_eq!(line(&said), "3 passed, 0 failed, 1 skipped");
    }
}
