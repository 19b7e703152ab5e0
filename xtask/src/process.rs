//! Running other programs: always from the repository's root, always with the same search path.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context as _, Result, ensure};

/// The repository's root. Read at run time: a copied target directory would keep the old one.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    here.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where cargo builds to.
pub(crate) fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The Python environment that holds the test tools from PyPI.
pub(crate) fn venv() -> PathBuf {
    target_dir().join("venv")
}

/// `PATH` with the test tools' environment and cargo's own programs first, and the system's
/// administrative programs (nginx, ip, nft), which an ordinary user's `PATH` may lack, last.
pub(crate) fn search_path() -> OsString {
    let mut dirs = vec![venv().join("bin")];
    let home = env::var_os("HOME").map(PathBuf::from);
    dirs.extend(
        env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or(home.map(|h| h.join(".cargo")))
            .map(|c| c.join("bin")),
    );
    dirs.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    dirs.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    env::join_paths(dirs).unwrap_or_default()
}

/// Where `program` is found, if it is.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&search_path()).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A command that runs in the repository's root.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(which(program).unwrap_or_else(|| program.into()));
    command.current_dir(root()).env("PATH", search_path());
    command
}

/// A command that chooses its own toolchain: the one that runs `xtask` is not passed on to it.
pub(crate) fn rustup(args: &[&str]) -> Command {
    let mut command = command("rustup");
    command.args(args).env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// `cargo` with these arguments. A build without the kernel part is an error to every verb; that all of them
/// say so also keeps cargo from building the agent anew between one verb and the next.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = command("cargo");
    command.args(args).env("PITOT_REQUIRE_EBPF", "1");
    command
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs to the end, output passed through.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    eprintln!("+ {}", shown(command));
    let shown = shown(command);
    command.status().with_context(|| format!("cannot run `{shown}`"))
}

/// Runs to the end; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    ensure!(status.success(), "`{}` failed: {status}", shown(command));
    Ok(())
}

/// Standard output of a command that is expected to be quick; `None` unless it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end, passing both outputs through while keeping a copy: (status, stdout, stderr).
pub(crate) fn tee(command: &mut Command) -> Result<(ExitStatus, String, String)> {
    eprintln!("+ {}", shown(command));
    let shown = shown(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{shown}`"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || stderr.map(|from| copy_lines(from, |line| eprint!("{line}"))));
    let out = stdout.map(|from| {
        copy_lines(from, |line| {
            print!("{line}");
            // A reader that went away is no reason to stop the tests.
            let _ = std::io::stdout().flush();
        })
    });
    let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    let err = errors.join().ok().flatten();
    Ok((status, out.unwrap_or_default(), err.unwrap_or_default()))
}

fn copy_lines(from: impl Read, show: impl Fn(&str)) -> String {
    let mut from = BufReader::new(from);
    let (mut all, mut line) = (String::new(), Vec::new());
    while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&line);
        show(&text);
        all.push_str(&text);
        line.clear();
    }
    all
}

/// Whether this process is root: it owns its own `/proc` entry.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// How to run something as root from here: nothing to add when already root, else `sudo` where it
/// exists and can ask (or need not).
pub(crate) fn as_root() -> Option<&'static [&'static str]> {
    use std::io::IsTerminal as _;
    if is_root() {
        return Some(&[]);
    }
    which("sudo")?;
    let can = std::io::stdin().is_terminal() || output(command("sudo").args(["-n", "true"])).is_some();
    can.then_some(&["sudo"])
}
