//! Debian and Ubuntu packages.

use anyhow::{Context as _, Result, bail};

use super::{Fix, Missing};
use crate::process;

/// Whether this system has them.
pub(super) fn supported() -> bool {
    process::which("apt-get").is_some() && process::which("dpkg-query").is_some()
}

/// The version that is installed.
pub(super) fn installed(package: &str) -> Option<String> {
    let mut query = process::command("dpkg-query");
    let text = process::output(query.args(["-W", "-f", "${db:Status-Status} ${Version}", package]))?;
    text.strip_prefix("installed ").map(str::to_owned)
}

/// The version that could be installed, by the package lists as they are.
pub(super) fn candidate(package: &str) -> Option<String> {
    let text = process::output(process::command("apt-cache").args(["policy", package]))?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (line != "(none)").then(|| line.to_owned())
}

/// Fetches the package lists. One foreign repository that can't be reached is no reason to stop: whether the
/// packages are to be had shows when they are looked up.
pub(super) fn update() {
    if let Err(error) = apt_get(&["update", "-q"], "fetch the lists of packages") {
        eprintln!("setup: going on with the lists as they are: {error:#}");
    }
}

/// Installs the packages of all fixes that are packages, in one go.
pub(super) fn install(missing: &[Missing]) -> Result<()> {
    let packages: Vec<&str> = missing
        .iter()
        .filter_map(|item| match &item.fix {
            Fix::Apt(packages) => Some(packages),
            Fix::Run(_) | Fix::ByHand(_) => None,
        })
        .flatten()
        .copied()
        .collect();
    if packages.is_empty() {
        return Ok(());
    }
    // The lists of a fresh machine are empty, those of an old one name versions that are gone.
    update();
    let mut args = vec!["install", "-y", "-q", "--no-install-recommends"];
    args.extend(&packages);
    apt_get(&args, "install the packages listed above")
}

fn apt_get(args: &[&str], purpose: &str) -> Result<()> {
    let by_hand = format!("sudo apt-get {}", args.join(" "));
    let Some(prefix) = process::as_root() else {
        bail!(
            "setup must be root to {purpose}, and cannot ask for it here; run by hand, then again:\n  {by_hand}"
        );
    };
    let mut words = prefix.to_vec();
    if !words.is_empty() {
        eprintln!("setup: sudo is used to {purpose}, for nothing else: {by_hand}");
        words.push("DEBIAN_FRONTEND=noninteractive");
    }
    words.push("apt-get");
    let mut command = process::command(words[0]);
    command.args(&words[1..]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut command)
        .with_context(|| format!("setup could not {purpose}; to see why, run by hand:\n  {by_hand}"))
}
