//! The toolchain of the kernel part: a rustc, the `core` sources of exactly that rustc, and a `bpf-linker`
//! whose LLVM is not older than that rustc's.
//!
//! Two routes, chosen by what the machine offers:
//!
//! - **Debian and Ubuntu packages**, where `rustc-web` and LLVM 22 are to be had: proven on Debian 12.
//! - **rustup** with a pinned nightly and its `rust-src`: written down, not tried yet.
//!
//! The user-space crates are built by the ordinary toolchain on either route.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Fix, Missing, packages};
use crate::process;

/// The nightly of the rustup route. Its LLVM must not be newer than bpf-linker's: bump both together, and
/// with them `PINNED` in `agent/capture/build.rs`.
const PINNED: &str = "nightly-2026-05-20";
/// The name under which the system's own rustc is linked into rustup.
const LINKED: &str = "bpf";
/// The linker, and the LLVM it is built on.
const LINKER: &str = "0.13.0";
const LLVM: u32 = 22;

const PACKAGES: &[&str] = &[
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-clippy",
    "llvm-22-dev",
    "libpolly-22-dev",
    "libzstd-dev",
    "zlib1g-dev",
    "libxml2-dev",
    "pkg-config",
];

const WHY_COMPILER: &str = "compiles the kernel part: rustc with the sources of its own `core`";
const WHY_NAMED: &str = "PITOT_BPF_TOOLCHAIN names it to compile the kernel part";
const WHY_LINKER: &str = "links the kernel part into one eBPF object";

/// The toolchain that builds the kernel part here, as `cargo +NAME` takes it; empty for the system's cargo
/// on a machine without rustup. The order is that of `agent/capture/build.rs`.
pub(crate) fn toolchain() -> Option<String> {
    if process::which("rustup").is_none() {
        return compiler(process::command("rustc")).map(|()| String::new());
    }
    let named = std::env::var("PITOT_BPF_TOOLCHAIN").ok();
    let candidates = named.as_deref().map_or_else(|| vec![PINNED, LINKED], |name| vec![name]);
    candidates
        .into_iter()
        .find(|name| compiler(process::rustup(&["run", name, "rustc"])).is_some())
        .map(str::to_owned)
}

/// Whether this rustc can build `core` for the kernel: it runs, has its own sources, and its LLVM is not
/// newer than the linker's.
fn compiler(rustc: Command) -> Option<()> {
    let ask = |argument: &[&str]| {
        let mut command = process::command(&rustc.get_program().to_string_lossy());
        command.args(rustc.get_args()).args(argument).env_remove("RUSTUP_TOOLCHAIN");
        process::output(&mut command)
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?.trim());
    let llvm = llvm_major(&ask(&["-vV"])?)?;
    (llvm <= LLVM && has_own_sources(&sysroot)).then_some(())
}

fn llvm_major(version: &str) -> Option<u32> {
    version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?.split('.').next()?.parse().ok()
}

/// rustup keeps sources and compiler of one toolchain together; Debian's packages are apart, and must be of
/// the same version.
fn has_own_sources(sysroot: &Path) -> bool {
    let sources = sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs");
    if !sources.is_file() {
        return false;
    }
    sysroot != Path::new("/usr") || packages::installed("rustc-web") == packages::installed("rust-web-src")
}

fn linker() -> bool {
    process::output(process::command("bpf-linker").arg("--version"))
        .is_some_and(|text| text.trim() == format!("bpf-linker {LINKER}"))
}

/// What is missing to build the kernel part.
pub(super) fn missing() -> Vec<Missing> {
    let compiler = toolchain().is_some();
    let linker = linker();
    if compiler && linker {
        return Vec::new();
    }
    if let (false, Ok(name)) = (compiler, std::env::var("PITOT_BPF_TOOLCHAIN")) {
        let fix = "unset it, or name a toolchain that has rust-src and an LLVM no newer than bpf-linker's";
        return vec![Missing {
            what: format!("toolchain `{name}`"),
            why: WHY_NAMED,
            fix: Fix::ByHand(fix.into()),
        }];
    }
    if debian() {
        return by_packages(compiler, linker);
    }
    if process::which("rustup").is_some() { by_rustup(compiler, linker) } else { by_hand() }
}

/// Whether the packages are to be had here; on a fresh machine only known once the lists were fetched.
fn debian() -> bool {
    if !packages::supported() {
        return false;
    }
    let here = || PACKAGES.iter().all(|package| packages::candidate(package).is_some());
    if here() {
        return true;
    }
    eprintln!("setup: looking for the kernel part's compiler among this system's packages");
    packages::update();
    here()
}

fn by_packages(compiler: bool, linker: bool) -> Vec<Missing> {
    let mut missing = Vec::new();
    if PACKAGES.iter().any(|package| packages::installed(package).is_none()) {
        missing.push(Missing {
            what: "rustc-web, LLVM 22".into(),
            why: WHY_COMPILER,
            fix: Fix::Apt(PACKAGES.to_vec()),
        });
    }
    if !linker {
        missing.push(Missing {
            what: format!("bpf-linker {LINKER}"),
            why: WHY_LINKER,
            fix: Fix::Run(vec![linker_from_source()]),
        });
    }
    if !compiler && process::which("rustup").is_some() {
        missing.push(Missing {
            what: format!("rustup toolchain `{LINKED}`"),
            why: "lets `cargo +bpf` mean the system's rustc",
            fix: Fix::Run(vec![process::rustup(&["toolchain", "link", LINKED, "/usr"])]),
        });
    }
    missing
}

fn linker_from_source() -> Command {
    let llvm = "/usr/lib/llvm-22";
    let mut command = process::cargo(&["install", "bpf-linker", "--version", LINKER, "--locked"]);
    command.args(["--no-default-features", "--features", "llvm-22", "--force"]);
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
    let mut search = std::ffi::OsString::from(format!("{llvm}/bin:"));
    search.push(path.unwrap_or_default());
    command.env("PATH", search).env("LLVM_SYS_221_PREFIX", llvm).env("LLVM_PREFIX", llvm);
    command
}

fn by_rustup(compiler: bool, linker: bool) -> Vec<Missing> {
    let mut missing = Vec::new();
    if !compiler {
        let install =
            ["toolchain", "install", PINNED, "--profile", "minimal", "--component", "rust-src,clippy"];
        missing.push(Missing {
            what: PINNED.into(),
            why: WHY_COMPILER,
            fix: Fix::Run(vec![process::rustup(&install)]),
        });
    }
    if !linker {
        let mut commands = Vec::new();
        if process::which("cargo-binstall").is_none() {
            commands.push(process::cargo(&["install", "cargo-binstall", "--locked"]));
        }
        commands.push(process::cargo(&[
            "binstall",
            "--no-confirm",
            "--force",
            &format!("bpf-linker@{LINKER}"),
        ]));
        missing.push(Missing {
            what: format!("bpf-linker {LINKER}"),
            why: WHY_LINKER,
            fix: Fix::Run(commands),
        });
    }
    missing
}

fn by_hand() -> Vec<Missing> {
    vec![Missing {
        what: "kernel part's toolchain".into(),
        why: WHY_COMPILER,
        fix: Fix::ByHand(format!(
            "install rustup, or a rustc with LLVM {LLVM} or older and its sources, and bpf-linker {LINKER} on PATH"
        )),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_llvm_of_a_compiler() {
        assert_eq!(llvm_major("rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.8\n"), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
    }

    #[test]
    fn a_compiler_without_its_sources_does_not_do() {
        assert!(!has_own_sources(Path::new("/nonexistent")));
    }

    #[test]
    fn an_unknown_toolchain_does_not_do() {
        assert!(compiler(process::command("no-such-rustc")).is_none());
    }
}
