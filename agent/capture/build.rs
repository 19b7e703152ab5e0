//! Builds the kernel part, or says why this build goes without it.
//!
//! The first toolchain that can do it is taken: `PITOT_BPF_TOOLCHAIN`, the pinned nightly, a linked
//! `bpf`, or, where there is no rustup, the compiler at hand. None: the agent is built without the kernel part, with a
//! warning, unless `PITOT_REQUIRE_EBPF=1`.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, bail};
use aya_build::{Package, Toolchain};

/// Its LLVM must not be newer than the one bpf-linker was built with; bump both together.
const PINNED: &str = "nightly-2026-05-20";
const SETUP: &str = "`cargo xtask setup` installs what is missing";

fn main() -> anyhow::Result<()> {
    println!("cargo:rustc-check-cfg=cfg(pitot_ebpf)");
    println!("cargo:rerun-if-env-changed=PITOT_BPF_TOOLCHAIN");
    println!("cargo:rerun-if-env-changed=PITOT_REQUIRE_EBPF");
    println!("cargo:rerun-if-env-changed=PATH");
    match toolchain() {
        Ok(toolchain) => build(&toolchain),
        Err(why) if env::var_os("PITOT_REQUIRE_EBPF").is_some_and(|v| v == "1") => {
            bail!("the kernel part can't be built: {why}; {SETUP}")
        }
        Err(why) => {
            println!("cargo:warning=pitot is built without its kernel part: {why}; {SETUP}");
            Ok(())
        }
    }
}

fn build(toolchain: &str) -> anyhow::Result<()> {
    // Read at run time: a copied target directory would keep the old path, and changes would go unseen.
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../ebpf");
    let root = fs::canonicalize(&root).with_context(|| format!("no kernel part at {}", root.display()))?;
    // SAFETY: nothing else runs in this process yet. Lets a stable compiler take `-Z build-std`; set here, so
    // that user-space crates are not built as on a nightly.
    unsafe { env::set_var("RUSTC_BOOTSTRAP", "1") };
    let package = Package { name: "pitot-ebpf", root_dir: &root.to_string_lossy(), ..Default::default() };
    aya_build::build_ebpf([package], Toolchain::Custom(toolchain))?;
    println!("cargo:rustc-cfg=pitot_ebpf");
    Ok(())
}

/// The toolchain to use, or what is missing.
fn toolchain() -> Result<String, String> {
    if Command::new("bpf-linker").arg("--version").output().is_err() {
        return Err("bpf-linker is not on PATH".into());
    }
    if let Ok(named) = env::var("PITOT_BPF_TOOLCHAIN") {
        return if usable(&["rustup", "run", &named]) {
            Ok(named)
        } else {
            Err(format!("PITOT_BPF_TOOLCHAIN={named} is not installed with its sources"))
        };
    }
    if Command::new("rustup").arg("--version").output().is_err() {
        // aya-build then uses the compiler at hand, whatever name it is given.
        return if usable(&[]) {
            Ok("stable".into())
        } else {
            Err("no rustup, and rustc has no sources".into())
        };
    }
    [PINNED, "bpf"]
        .into_iter()
        .find(|name| usable(&["rustup", "run", name]))
        .map(Into::into)
        .ok_or_else(|| format!("neither {PINNED} with rust-src nor a toolchain named bpf is installed"))
}

/// Whether this rustc runs and has exactly its own sources of `core`.
fn usable(prefix: &[&str]) -> bool {
    let mut command = prefix.iter().copied().chain(["rustc", "--print", "sysroot"]);
    let Some(program) = command.next() else { return false };
    let Ok(output) = Command::new(program).args(command).env_remove("RUSTC").output() else { return false };
    let sysroot = String::from_utf8_lossy(&output.stdout);
    output.status.success()
        && Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
}
