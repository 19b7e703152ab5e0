//! The kernels: from Debian's packages, by an apt configuration of this repository's own, so that the system's stays
//! as it is.
//!
//! What was fetched is kept under the target directory. The lists are looked at again after a day, and where they
//! cannot be reached then, the kernel that is there will do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The package that names the newest kernel for virtual machines of a suite.
const NEWEST: &str = "linux-image-cloud-amd64";
/// Signs all of the suites below.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The archive, as its address ends, and the suite.
const SOURCES: [(&str, &str); 4] = [
    ("/debian-security", "bullseye-security"),
    ("/debian-security", "bookworm-security"),
    ("/debian-security", "trixie-security"),
    ("/debian", "trixie-backports"),
];
/// After this the lists are fetched again.
const LISTS_LAST: Duration = Duration::from_secs(24 * 60 * 60);

/// Kernel modules that cases may need, and those that they need, in no order; a kernel may have some built in.
const MODULES: [&str; 17] = [
    "veth",
    "tun",
    "inet_diag",
    "tcp_diag",
    "unix_diag",
    "nfnetlink",
    "libcrc32c",
    "nf_tables",
    "nft_counter",
    "nft_numgen",
    "nf_defrag_ipv4",
    "nf_defrag_ipv6",
    "nf_conntrack",
    "nf_nat",
    "nft_nat",
    "nft_masq",
    "nft_chain_nat",
];

/// A kernel, unpacked.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    /// Version of its package: `6.12.117-1`.
    pub(super) version: String,
    /// What the machine's firmware would start.
    pub(super) image: PathBuf,
    /// Modules, decompressed.
    pub(super) modules: Vec<PathBuf>,
}

/// The suites, from where this machine's own apt has the same archives.
fn sources() -> Result<String> {
    let mut command = Command::new("apt-get");
    let sites = process::output(command.args(["indextargets", "--format", "$(SITE)"]))
        .context("apt-get cannot say where it takes packages from; the kernels are Debian's")?;
    let line = |(archive, suite): (&str, &str)| {
        let site = sites.lines().find(|site| site.ends_with(archive)).with_context(|| {
            format!("none of this machine's apt sources ends with {archive}: add Debian's to /etc/apt/sources.list")
        })?;
        Ok(format!("deb [signed-by={KEYRING}] {site} {suite} main\n"))
    };
    SOURCES.into_iter().map(line).collect()
}

/// The newest cloud kernel of each suite asked for.
pub(super) struct Kernels {
    dir: PathBuf,
}

impl Kernels {
    pub(super) fn open() -> Result<Self> {
        let kernels = Self { dir: process::target_dir().join("vm") };
        for part in ["apt/lists/partial", "apt/cache/archives/partial", "kernels"] {
            let dir = kernels.dir.join(part);
            fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        fs::write(kernels.dir.join("apt/sources.list"), sources()?)?;
        if let Err(error) = kernels.update() {
            eprintln!("vm: going on with the kernels that are here: {error:#}");
        }
        Ok(kernels)
    }

    fn update(&self) -> Result<()> {
        let stamp = self.dir.join("apt/fetched");
        let age = fs::metadata(&stamp).and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age < LISTS_LAST) {
            return Ok(());
        }
        process::run(self.apt("apt-get").args(["update", "-q", "-o", "APT::Update::Error-Mode=any"]))?;
        Ok(fs::write(stamp, "")?)
    }

    /// The newest kernel of `suite`, fetched unless it is here.
    pub(super) fn newest(&self, suite: &str) -> Result<Kernel> {
        let list = process::output(self.apt("apt-cache").args(["madison", NEWEST])).unwrap_or_default();
        let version = newest_version(&list, suite)
            .with_context(|| format!("{suite} names no kernel: its list was not fetched"))?;
        let dir = self.dir.join("kernels").join(version.replace(['~', ':'], "_"));
        // Another list of modules wants the packages again.
        if fs::read_to_string(dir.join("complete")).ok() != Some(MODULES.join("\n")) {
            self.fetch(&version, &dir)?;
        }
        let modules = files(&dir.join("modules"));
        Ok(Kernel { version, image: dir.join("vmlinuz"), modules })
    }

    fn fetch(&self, version: &str, to: &Path) -> Result<()> {
        let packages = self.packages(version)?;
        let unpacked = self.dir.join("unpacked");
        for dir in [&unpacked, to] {
            let _ = fs::remove_dir_all(dir);
            fs::create_dir_all(dir)?;
        }
        process::run(self.apt("apt-get").current_dir(&unpacked).args(["download", "-q"]).args(&packages))?;
        for package in files(&unpacked) {
            process::run(process::command("dpkg-deb").arg("-x").arg(&package).arg(&unpacked))?;
        }
        let all = files_below(&unpacked);
        let image = all.iter().find(|path| file_name(path).starts_with("vmlinuz"));
        fs::rename(image.with_context(|| format!("{packages:?} hold no kernel"))?, to.join("vmlinuz"))?;
        fs::create_dir_all(to.join("modules"))?;
        for module in all.iter().filter(|path| MODULES.contains(&module_name(path))) {
            let kept = to.join("modules").join(file_name(module));
            fs::rename(module, &kept)?;
            if kept.extension().is_some_and(|e| e == "xz") {
                process::run(process::command("xz").arg("-d").arg(&kept))?;
            }
        }
        fs::remove_dir_all(&unpacked)?;
        Ok(fs::write(to.join("complete"), MODULES.join("\n"))?)
    }

    /// The packages that hold the kernel and its modules. Until 7.2 it is one; then the image is in one of its own.
    fn packages(&self, version: &str) -> Result<Vec<String>> {
        let image = self.depends(NEWEST, version, &["linux-image-"])?;
        let Some(image) = image.first() else { bail!("{NEWEST} {version} depends on no image") };
        let mut packages = self.depends(image, version, &["linux-binary-", "linux-modules-"])?;
        if packages.is_empty() {
            packages.push(image.clone());
        }
        Ok(packages.iter().map(|package| format!("{package}={version}")).collect())
    }

    fn depends(&self, package: &str, version: &str, prefixes: &[&str]) -> Result<Vec<String>> {
        let text = process::output(self.apt("apt-cache").args(["show", &format!("{package}={version}")]));
        let text = text.with_context(|| format!("no package {package} {version}"))?;
        Ok(dependencies(&text, prefixes))
    }

    fn apt(&self, program: &str) -> Command {
        let apt = self.dir.join("apt");
        let mut command = process::command(program);
        command.arg("-o").arg(format!("Dir::Etc::sourcelist={}", apt.join("sources.list").display()));
        command.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Dir::Etc::preferencesparts=/dev/null"]);
        command.arg("-o").arg(format!("Dir::State::lists={}", apt.join("lists").display()));
        command.arg("-o").arg(format!("Dir::Cache={}", apt.join("cache").display()));
        // Else root gives up its privileges for the download, and cannot write where only root can.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    }
}

/// What apt-cache(8) `madison` lists: `PACKAGE | VERSION | URI SUITE/COMPONENT ...`, the newest first.
fn newest_version(list: &str, suite: &str) -> Option<String> {
    list.lines().find_map(|line| {
        let mut columns = line.split('|').map(str::trim);
        let (_, version, source) = (columns.next()?, columns.next()?, columns.next()?);
        source.split(' ').any(|word| word == format!("{suite}/main")).then(|| version.to_owned())
    })
}

/// The packages of the line `Depends:` that begin with one of `prefixes`.
fn dependencies(package: &str, prefixes: &[&str]) -> Vec<String> {
    let line = package.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    let names = line.split(", ").filter_map(|dependency| dependency.split(' ').next());
    names.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))).map(str::to_owned).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = files(dir);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files_below(&entry.path()));
        }
    }
    found
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// `veth` of `.../veth.ko.xz`.
fn module_name(path: &Path) -> &str {
    file_name(path).split_once(".ko").map_or("", |(name, _)| name)
}

/// What keeps this machine from running kernels, if anything.
pub(super) fn obstacle() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some(format!("kernels for x86-64 are run, and this machine is {}", std::env::consts::ARCH));
    }
    ["apt-get", "dpkg-deb"]
        .into_iter()
        .find(|program| process::which(program).is_none())
        .map(|program| format!("kernels come as Debian packages, and this machine has no {program}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_suite() {
        let list = "linux-image-cloud-amd64 | 7.3.4-1~bpo13+1 | http://x/debian trixie-backports/main amd64 Packages\n\
            linux-image-cloud-amd64 | 6.12.117-1 | http://x/debian-security trixie-security/main amd64 Packages\n\
            linux-image-cloud-amd64 | 6.12.100-1 | http://x/debian-security trixie-security/main amd64 Packages\n";
        let check =
            |suite, expected: Option<&str>| assert_eq!(newest_version(list, suite).as_deref(), expected);
        check("trixie-security", Some("6.12.117-1"));
        check("trixie-backports", Some("7.3.4-1~bpo13+1"));
        check("trixie", None);
    }

    #[test]
    fn dependencies_by_prefix() {
        let package =
            "Package: p\nDepends: kmod, linux-base-x (= 1), linux-binary-x (= 1), linux-modules-x (= 1)\n";
        assert_eq!(
            dependencies(package, &["linux-binary-", "linux-modules-"]),
            ["linux-binary-x", "linux-modules-x"]
        );
        assert_eq!(dependencies(package, &["linux-image-"]), [""; 0]);
        assert_eq!(dependencies("Package: p\n", &["linux-image-"]), [""; 0]);
    }

    #[test]
    fn modules_by_name() {
        let check = |path: &str, expected| assert_eq!(module_name(Path::new(path)), expected);
        check("lib/modules/6.12/kernel/drivers/net/veth.ko.xz", "veth");
        check("veth.ko", "veth");
        check("boot/vmlinuz", "");
    }
}
