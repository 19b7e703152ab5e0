//! Checks that look at crates and their dependencies, as `cargo metadata` has them.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{File, scan};
use crate::process;

/// A crate of this workspace.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(super) name: String,
    /// From the repository's root, without a trailing slash.
    pub(super) folder: String,
    /// Root files of its libraries and programs, from the repository's root.
    pub(super) roots: Vec<String>,
    pub(super) dependencies: Vec<Dependency>,
}

/// What a crate depends on.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(super) name: String,
    /// For what.
    pub(super) kind: DependencyKind,
}

/// What a crate needs another one for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    /// To be linked with.
    Normal,
    /// Its build script.
    Build,
    /// Its own tests.
    Dev,
}

/// The house, left to right: a crate may depend on what stands left of it, never on its neighbours in
/// the same place.
const LEFT_TO_RIGHT: &[&[&str]] = &[
    &["pitot-common"],
    &["pitot-ebpf", "pitot-capture", "pitot-replay"],
    &["pitot-stream"],
    &["pitot-protocols"],
    &["pitot-observe"],
    &["pitot-drift"],
    &["pitot-lineage"],
    &["pitot-findings"],
    &["pitot-export", "pitot-serve", "pitot-state"],
    &["pitot"],
    &["pitot-golden", "pitot-accuracy", "pitot-e2e", "pitot-capture-suite", "pitot-guest"],
];

/// Dependencies that live behind one wall: (name or prefix ending in `*`, the crates that may have it).
const WALLS: &[(&str, &[&str])] = &[
    ("aya*", &["pitot-capture", "pitot-ebpf", "pitot-guest"]),
    ("opentelemetry*", &["pitot-export"]),
    ("simd-json", &["pitot-observe"]),
    ("anyhow", &["pitot", "xtask"]),
];

/// The crates whose code may be `unsafe`.
const MAY_BE_UNSAFE: &[&str] = &["pitot-ebpf", "pitot-capture", "pitot-capture-suite"];

/// Reads `cargo metadata --no-deps`.
pub(super) fn packages(metadata: &Value) -> Result<Vec<Package>> {
    let list = metadata["packages"].as_array().context("`cargo metadata` lists no packages")?;
    list.iter()
        .map(|package| read(package).context("`cargo metadata` describes a package in an unknown way"))
        .collect()
}

fn read(package: &Value) -> Option<Package> {
    let manifest = from_root(package["manifest_path"].as_str()?);
    let roots = package["targets"].as_array()?.iter().filter(|target| {
        let kinds = target["kind"].as_array().map(Vec::as_slice).unwrap_or_default();
        kinds.iter().any(|kind| kind == "lib" || kind == "bin")
    });
    let dependencies = package["dependencies"].as_array()?.iter().map(|dependency| {
        let kind = match dependency["kind"].as_str() {
            None => DependencyKind::Normal,
            Some("build") => DependencyKind::Build,
            Some("dev") => DependencyKind::Dev,
            Some(_) => return None,
        };
        Some(Dependency { name: dependency["name"].as_str()?.to_owned(), kind })
    });
    Some(Package {
        name: package["name"].as_str()?.to_owned(),
        folder: manifest.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned(),
        roots: roots.filter_map(|target| target["src_path"].as_str()).map(from_root).collect(),
        dependencies: dependencies.collect::<Option<_>>()?,
    })
}

fn from_root(path: &str) -> String {
    let root = process::root();
    let path = std::path::Path::new(path);
    path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned()
}

fn place(name: &str) -> Option<usize> {
    LEFT_TO_RIGHT.iter().position(|place| place.contains(&name))
}

/// Each crate depends only on what stands left of it, and `xtask` on none.
pub(super) fn edges(packages: &[Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        let own = place(&package.name);
        if own.is_none() && package.name != "xtask" {
            complaints.push(format!("{} has no place in the house (tidy/crates.rs)", package.name));
        }
        for dependency in
            package.dependencies.iter().filter(|d| d.name == "xtask" || place(&d.name).is_some())
        {
            if own.is_none() || place(&dependency.name) >= own {
                complaints.push(format!("{} must not depend on {}", package.name, dependency.name));
            }
        }
        if package.name == "pitot-common" {
            let real = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Dev);
            complaints
                .extend(real.map(|d| format!("pitot-common has no dependencies, and names {}", d.name)));
        }
    }
    complaints
}

/// Each dependency of [`WALLS`] stays behind its wall. The walls are about what is shipped: a benchmark may
/// measure beside what is behind one, and the errors of a build script reach nobody but cargo.
pub(super) fn heavy_dependencies(packages: &[Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        let harmless = |d: &Dependency| match d.kind {
            DependencyKind::Normal => false,
            DependencyKind::Build => d.name == "anyhow",
            DependencyKind::Dev => true,
        };
        for dependency in package.dependencies.iter().filter(|d| !harmless(d)) {
            let walls = WALLS.iter().filter(|(name, _)| match name.strip_suffix('*') {
                Some(prefix) => dependency.name.starts_with(prefix),
                None => dependency.name == *name,
            });
            for (_, allowed) in walls.filter(|(_, allowed)| !allowed.contains(&package.name.as_str())) {
                let allowed = allowed.join(" and ");
                complaints.push(format!("{} has {}, only {allowed} may", package.name, dependency.name));
            }
        }
    }
    complaints
}

/// Each crate forbids `unsafe` in its root, but for those that need it.
pub(super) fn forbids_unsafe(packages: &[Package], sources: &[File]) -> Vec<String> {
    let safe = packages.iter().filter(|package| !MAY_BE_UNSAFE.contains(&package.name.as_str()));
    let roots = safe.flat_map(|package| &package.roots);
    let forbids = |root: &String| {
        let file = sources.iter().find(|file| file.path == *root);
        file.is_some_and(|file| scan::code(&file.text).contains("#![forbid(unsafe_code)]"))
    };
    roots.filter(|root| !forbids(root)).map(|root| format!("{root} lacks #![forbid(unsafe_code)]")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let normal = |name: &&str| Dependency { name: (*name).into(), kind: DependencyKind::Normal };
        let dependencies = dependencies.iter().map(normal).collect();
        Package { name: name.into(), dependencies, ..Package::default() }
    }

    #[test]
    fn edges_go_left() {
        let cases: &[(&str, &[&str], usize)] = &[
            ("pitot-stream", &["pitot-common", "bytes"], 0),
            ("pitot-stream", &["pitot-protocols"], 1),
            ("pitot-capture", &["pitot-replay"], 1),
            ("pitot-common", &["bytes"], 1),
            ("pitot", &["pitot-export", "pitot-drift"], 0),
            ("xtask", &["pitot-common"], 1),
            ("xtask", &["clap"], 0),
            ("pitot-utils", &[], 1),
        ];
        for (name, dependencies, complaints) in cases {
            let found = edges(&[package(name, dependencies)]);
            assert_eq!(found.len(), *complaints, "{name} {dependencies:?}: {found:?}");
        }
    }

    #[test]
    fn heavy_dependencies_stay_behind_their_walls() {
        let cases: &[(&str, &[&str], usize)] = &[
            ("pitot-capture", &["aya", "aya-log"], 0),
            ("pitot-drift", &["aya-obj"], 1),
            ("pitot-export", &["opentelemetry-otlp"], 0),
            ("pitot", &["opentelemetry", "simd-json", "anyhow"], 2),
            ("pitot-findings", &["anyhow"], 1),
        ];
        for (name, dependencies, complaints) in cases {
            let found = heavy_dependencies(&[package(name, dependencies)]);
            assert_eq!(found.len(), *complaints, "{name} {dependencies:?}: {found:?}");
        }
    }

    #[test]
    fn walls_are_about_what_is_shipped() {
        let of_kind = |name: &str, kind| Dependency { name: name.into(), kind };
        let check = |dependency| {
            let package =
                Package { name: "pitot-drift".into(), dependencies: vec![dependency], ..Package::default() };
            heavy_dependencies(&[package]).len()
        };
        assert_eq!(check(of_kind("anyhow", DependencyKind::Build)), 0);
        assert_eq!(check(of_kind("simd-json", DependencyKind::Dev)), 0);
        assert_eq!(check(of_kind("simd-json", DependencyKind::Normal)), 1);
        assert_eq!(check(of_kind("aya-build", DependencyKind::Build)), 1);
    }

    #[test]
    fn a_crate_forbids_unsafe_in_code_not_in_a_comment() {
        let check = |name: &str, text: &str| {
            let packages =
                [Package { name: name.into(), roots: vec!["a/src/lib.rs".into()], ..Package::default() }];
            forbids_unsafe(&packages, &[File { path: "a/src/lib.rs".into(), text: text.into() }]).len()
        };
        assert_eq!(check("pitot-drift", "#![forbid(unsafe_code)]\n"), 0);
        assert_eq!(check("pitot-drift", "// #![forbid(unsafe_code)]\n"), 1);
        assert_eq!(check("pitot-capture", ""), 0);
    }

    #[test]
    fn reads_what_cargo_prints() {
        let metadata = serde_json::json!({"packages": [{
            "name": "x", "manifest_path": "x/Cargo.toml",
            "targets": [{"kind": ["lib"], "src_path": "x/src/lib.rs"}, {"kind": ["test"], "src_path": "x/tests/a.rs"}],
            "dependencies": [{"name": "bytes", "kind": null}, {"name": "proptest", "kind": "dev"}],
        }]});
        let read = packages(&metadata).expect("the shape cargo prints");
        assert_eq!(
            (read[0].folder.as_str(), read[0].roots.as_slice()),
            ("x", ["x/src/lib.rs".to_owned()].as_slice())
        );
        let kinds: Vec<_> = read[0].dependencies.iter().map(|d| d.kind).collect();
        assert_eq!(kinds, [DependencyKind::Normal, DependencyKind::Dev]);
        assert!(packages(&serde_json::json!({})).is_err());
    }
}
