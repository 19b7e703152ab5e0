//! Programs that tests and checks run: peers that no one here wrote, a real collector, and checkers.

use std::path::{Path, PathBuf};

use super::{Fix, Missing, packages};
use crate::process;
use crate::vm::KEYRING;

/// Dependency policy checker: the newest release that builds with this repository's rustc.
const DENY: &str = "0.20.2";

/// Clients and servers of the end-to-end tests: (program, package, why).
const PEERS: &[(&str, &str, &str)] = &[
    ("nginx", "nginx-light", "a real server for the end-to-end tests (Debian also starts it as a service)"),
    ("curl", "curl", "a real client for the end-to-end tests"),
    ("node", "nodejs", "a real client and server for the end-to-end tests"),
    ("ip", "iproute2", "network namespaces for the end-to-end tests"),
    ("nft", "nftables", "packet loss for the end-to-end tests"),
];

/// Python packages of the tests: requests as a client, rotel as the OpenTelemetry collector.
const TEST_PYTHON: &[&str] = &["requests==2.34.2", "rotel==0.0.1a15"];
/// Python packages that check the chart: Helm's own code as a library, and Kubernetes' schemas.
const CHART_PYTHON: &[&str] = &["helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0"];

/// What is missing to run the tests.
pub(super) fn missing_for_test() -> Vec<Missing> {
    let mut missing: Vec<_> = PEERS
        .iter()
        .filter(|(program, ..)| process::which(program).is_none())
        .map(|(program, package, why)| Missing { what: (*program).into(), why, fix: package_fix(package) })
        .collect();
    missing.extend(python_library());
    missing.extend(python("a real client, and the real collector that findings are sent to", TEST_PYTHON));
    missing
}

/// What is missing to lint.
pub(super) fn missing_for_lint() -> Vec<Missing> {
    let version = process::output(process::command("cargo-deny").arg("--version"));
    if version.is_some_and(|text| text.trim() == format!("cargo-deny {DENY}")) {
        return Vec::new();
    }
    let install = process::cargo(&["install", "cargo-deny", "--version", DENY, "--locked", "--force"]);
    vec![Missing {
        what: format!("cargo-deny {DENY}"),
        why: "checks licences, sources and duplicates of dependencies (deny.toml)",
        fix: Fix::Run(vec![install]),
    }]
}

/// What is missing to check the chart.
pub(super) fn missing_for_chart() -> Vec<Missing> {
    python("renders the chart, and validates it against Kubernetes' schemas", CHART_PYTHON)
}

/// What is missing to fuzz.
pub(super) fn missing_for_fuzz() -> Vec<Missing> {
    if process::which("c++").is_some() {
        return Vec::new();
    }
    vec![Missing {
        what: "c++".into(),
        why: "compiles the fuzzing runtime (libFuzzer)",
        fix: package_fix("g++"),
    }]
}

/// What is missing to run other kernels.
pub(super) fn missing_for_vm() -> Vec<Missing> {
    let mut missing = Vec::new();
    if process::which("qemu-system-x86_64").is_none() {
        missing.push(Missing {
            what: "qemu-system-x86_64".into(),
            why: "runs other kernels than this machine's",
            fix: package_fix("qemu-system-x86"),
        });
    }
    if !Path::new(KEYRING).is_file() {
        missing.push(Missing {
            what: "keys of Debian's archive".into(),
            why: "the kernels of other Debian releases are signed with them",
            fix: package_fix("debian-archive-keyring"),
        });
    }
    missing
}

fn package_fix(package: &'static str) -> Fix {
    if packages::supported() {
        Fix::Apt(vec![package])
    } else {
        Fix::ByHand(format!("install what Debian calls `{package}` with this system's package manager"))
    }
}

/// An environment of its own under the target directory, so that the system's Python stays as it is.
fn python(why: &'static str, wanted: &[&str]) -> Vec<Missing> {
    let site = site_packages();
    let absent: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|requirement| !site.as_ref().is_some_and(|site| has_distribution(site, requirement)))
        .collect();
    if absent.is_empty() {
        return Vec::new();
    }
    let venv = process::venv();
    let mut missing = Vec::new();
    if site.is_none() {
        if process::output(process::command("python3").args(["-c", "import venv, ensurepip"])).is_none() {
            missing.push(Missing { what: "python3 with venv".into(), why, fix: package_fix("python3-venv") });
        }
        let mut create = process::command("python3");
        create.args(["-m", "venv"]).arg(&venv);
        missing.push(Missing {
            what: "Python environment".into(),
            why: "keeps the Python packages below apart from the system's",
            fix: Fix::Run(vec![create]),
        });
    }
    let mut install = process::command(&venv.join("bin/python3").to_string_lossy());
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(&absent);
    missing.push(Missing { what: absent.join(" "), why, fix: Fix::Run(vec![install]) });
    missing
}

/// The collector's program is linked to the shared library of Python, which Python itself does without.
fn python_library() -> Option<Missing> {
    let load = "import ctypes, sys; ctypes.CDLL('libpython%d.%d.so.1.0' % sys.version_info[:2])";
    let loads = process::output(process::command("python3").args(["-c", load])).is_some();
    (!loads).then(|| Missing {
        what: "libpython3".into(),
        why: "the real collector that findings are sent to needs it",
        fix: package_fix("libpython3-dev"),
    })
}

/// `lib/python3.N/site-packages` of the environment.
fn site_packages() -> Option<PathBuf> {
    let libs = std::fs::read_dir(process::venv().join("lib")).ok()?;
    libs.flatten().map(|entry| entry.path().join("site-packages")).find(|path| path.join("pip").is_dir())
}

/// Whether `NAME==VERSION` is installed there, by the folder pip leaves: asking pip itself takes a second.
fn has_distribution(site: &std::path::Path, requirement: &str) -> bool {
    let (name, version) = requirement.split_once("==").unwrap_or((requirement, ""));
    site.join(format!("{}-{version}.dist-info", name.replace('-', "_"))).is_dir()
}

/// The collector's program.
pub(crate) fn rotel() -> Option<PathBuf> {
    site_packages().map(|site| site.join("rotel/rotel-agent")).filter(|path| path.is_file())
}
