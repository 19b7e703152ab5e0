//! What the programs cost this kernel's verifier, beside the recorded figures (`docs/verifier-cost.json`): a growth shows here,
//! before anybody has booted another kernel. `UPDATE_GOLDEN=1` writes this kernel's figures into that file;
//! `cargo xtask vm --write` writes those of its guests.
#![allow(clippy::expect_used, reason = "a test harness: what is missing ends the test, with its name")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use aya::programs::loaded_programs;
use pitot_e2e::kernel::{self, Version, version};
use pitot_e2e::ready;
use pitot_e2e::recording::Recording;
use serde_json::{Map, Value, json};

/// What a growth is on the kernel that the figures are of, and on another one: the same object costs neighbouring kernels up to half
/// as much again (6.12 and 7.3 in the file).
const SAME_KERNEL: f64 = 1.1;
const OTHER_KERNEL: f64 = 2.0;

/// Figures by program.
type Figures = BTreeMap<String, Value>;

#[test]
fn costs_the_verifier_no_more_than_recorded() {
    if !ready() {
        return;
    }
    let recording = Recording::messages(1);
    let figures = figures_of(recording.pid());
    let _ = recording.stop();
    let release = kernel::release();
    let here = version(&release);
    assert!(figures.contains_key("pitot_egress"), "the agent's programs are not among {figures:?}");
    if figures.values().all(|figures| figures["verified"].as_u64().unwrap_or(0) == 0) {
        println!("skipped: verifier cost: Linux tells it since 5.16, this is {release}");
        return;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let mut all = recorded();
        // Without what a distribution or a machine adds to it.
        let number = release.split('-').next();
        let kernel = json!({"version": number, "programs": figures});
        all.insert(format!("{}.{}", here.0, here.1), kernel);
        fs::write(file(), text(&all)).expect("write the figures");
    }
    let all = recorded();
    let (there, before) = nearest(&all, here).expect("figures of a kernel");
    let most = if there == here { SAME_KERNEL } else { OTHER_KERNEL };
    let complaints = grown(before, &figures, most);
    assert!(
        complaints.is_empty(),
        "more than {most} times what Linux {there:?} walked: {complaints:#?}; if it must be, \
         `UPDATE_GOLDEN=1 cargo test -p pitot-e2e --test verifier` and `cargo xtask vm --write`"
    );
}

/// Of every program that the process holds.
fn figures_of(pid: u32) -> Figures {
    let open = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("the agent's descriptors");
    let ids: Vec<u32> = open
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        // Links name their program too.
        .filter(|text| text.contains("prog_type:"))
        .filter_map(|text| text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok()))
        .collect();
    let programs = loaded_programs().filter_map(Result::ok).filter(|program| ids.contains(&program.id()));
    programs
        .filter_map(|program| {
            let figures = json!({
                "verified": program.verified_instruction_count(),
                "translated": program.size_translated().map(|bytes| bytes / 8),
                "jited": program.size_jitted(),
            });
            Some((program.name_as_str()?.to_owned(), figures))
        })
        .collect()
}

/// The newest recorded kernel that is not newer than `here`, else the oldest that tells.
fn nearest(recorded: &Map<String, Value>, here: Version) -> Option<(Version, &Value)> {
    let tells = |programs: &Value| programs["pitot_egress"]["verified"].is_u64();
    let kernels = recorded.values().map(|kernel| (&kernel["version"], &kernel["programs"]));
    let mut kernels: Vec<_> = kernels
        .filter(|(_, programs)| tells(programs))
        .map(|(release, programs)| (version(release.as_str().unwrap_or_default()), programs))
        .collect();
    kernels.sort_by_key(|&(version, _)| version);
    let after = kernels.partition_point(|&(version, _)| version <= here);
    kernels.get(after.saturating_sub(1)).copied()
}

/// The programs that cost more than `most` times what they did, and those that are not in the figures.
fn grown(before: &Value, now: &Figures, most: f64) -> Vec<String> {
    let verified = |figures: &Value| figures["verified"].as_f64();
    let complaint = |(name, figures): (&String, &Value)| match (verified(&before[name]), verified(figures)) {
        (Some(before), Some(now)) => (now > before * most).then(|| format!("{name}: {now}, {before} before")),
        (None, Some(now)) => Some(format!("{name}: {now}, not recorded")),
        (_, None) => None,
    };
    now.iter().filter_map(complaint).collect()
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/verifier-cost.json")
}

fn recorded() -> Map<String, Value> {
    let text = fs::read_to_string(file()).expect("docs/verifier-cost.json");
    serde_json::from_str(&text).expect("JSON")
}

/// As `cargo xtask vm --write` writes it: one line a program, so that a difference reads.
fn text(all: &Map<String, Value>) -> String {
    let kernels = all.iter().map(|(name, kernel)| {
        let programs = kernel["programs"].as_object().into_iter().flatten();
        let lines: Vec<_> =
            programs.map(|(name, figures)| format!("      {}: {figures}", json!(name))).collect();
        let (name, version, lines) = (json!(name), &kernel["version"], lines.join(",\n"));
        format!("  {name}: {{\n    \"version\": {version},\n    \"programs\": {{\n{lines}\n    }}\n  }}")
    });
    format!("{{\n{}\n}}\n", kernels.collect::<Vec<_>>().join(",\n"))
}

#[test]
fn the_nearest_kernel() {
    let kernel = |release: &str, verified: Value| json!({"version": release, "programs": {"pitot_egress": {"verified": verified}}});
    let recorded = json!({"5.10": kernel("5.10.262-1", Value::Null), "6.1": kernel("6.1.192-2", json!(1)),
        "6.12": kernel("6.12.117-1", json!(2)), "newest": kernel("7.3.4-1", json!(3))});
    let recorded = recorded.as_object().unwrap();
    let check = |here, expected| {
        assert_eq!(nearest(recorded, here).map(|(there, _)| there), Some(expected), "{here:?}")
    };
    check((6, 18), (6, 12));
    check((6, 12), (6, 12));
    check((7, 4), (7, 3));
    check((5, 16), (6, 1));
    assert_eq!(nearest(&Map::new(), (6, 1)), None);
}

#[test]
fn a_growth_is_a_complaint() {
    let figures =
        |name: &str, verified: Value| Figures::from([(name.to_owned(), json!({"verified": verified}))]);
    let before = json!({"p": {"verified": 100}});
    let check = |now: Figures, complaints| assert_eq!(grown(&before, &now, 1.1).len(), complaints, "{now:?}");
    check(figures("p", json!(110)), 0);
    check(figures("p", json!(111)), 1);
    check(figures("p", json!(50)), 0);
    check(figures("q", json!(1)), 1);
    check(figures("p", Value::Null), 0);
}

#[test]
fn the_file_is_written_as_it_is() {
    assert_eq!(text(&recorded()), fs::read_to_string(file()).unwrap());
}
