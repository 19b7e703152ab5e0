//! What the host calls users, containers and pods: read from its files, each name once.
//!
//! Nobody is asked who could be away or want a password: no daemon, no Kubernetes API.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use pitot_common::user::Pod;
use serde_json::Value;

/// Names remembered of each kind. Beyond that all are forgotten and read again.
const MAX: usize = 4096;
/// The longest name, characters: that of a pod (RFC 1123 subdomain).
const LONGEST: usize = 253;

/// The host's files, and what was found in them. What was not found is not looked for again: every one of these names is
/// there before the first process that it concerns.
#[derive(Debug)]
pub(crate) struct Host {
    root: PathBuf,
    name: String,
    users: HashMap<u32, String>,
    containers: HashMap<String, String>,
    pods: HashMap<String, Option<Pod>>,
}

impl Host {
    /// `root`: where the host's `/` is seen.
    pub(crate) fn new(root: PathBuf) -> Self {
        let name = machine(&root);
        Self { root, name, users: HashMap::new(), containers: HashMap::new(), pods: HashMap::new() }
    }

    /// The machine's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of a user in the host's passwd(5); empty where it has none.
    pub(crate) fn user(&mut self, id: u32) -> String {
        let file = self.root.join("etc/passwd");
        remembered(&mut self.users, &id, || {
            let text = fs::read_to_string(file).unwrap_or_default();
            clean(user(&text, id).unwrap_or_default())
        })
    }

    /// The name of a container outside Kubernetes, by its id; empty where none is known.
    pub(crate) fn container(&mut self, id: &str) -> String {
        let root = self.root.clone();
        remembered(&mut self.containers, &id.to_owned(), || {
            clean(&docker(&root, id).or_else(|| podman(&root, id)).unwrap_or_default())
        })
    }

    /// The pod of this UID, and which container is running where it can only be one.
    pub(crate) fn pod(&mut self, uid: &str) -> Option<(Pod, String)> {
        let logs = self.root.join("var/log/pods");
        let pod = remembered(&mut self.pods, &uid.to_owned(), || pod(&logs, uid))?;
        let of_pod = logs.join(format!("{}_{}_{uid}", pod.namespace, pod.name));
        let container = match names(&of_pod).as_slice() {
            [only] => clean(only),
            _ => String::new(),
        };
        Some((pod, container))
    }
}

fn remembered<K: Clone + Eq + std::hash::Hash, V: Clone>(
    known: &mut HashMap<K, V>,
    key: &K,
    find: impl FnOnce() -> V,
) -> V {
    if known.len() >= MAX && !known.contains_key(key) {
        known.clear();
    }
    known.entry(key.clone()).or_insert_with(find).clone()
}

/// The host's own where its files are seen from a container, which may have another.
fn machine(root: &Path) -> String {
    let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    let of_host = fs::read_to_string(root.join("etc/hostname")).ok().filter(|_| root != Path::new("/"));
    clean(of_host.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or(&own()))
}

/// `NAME:PASSWORD:UID:...`, passwd(5).
fn user(passwd: &str, id: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    })
}

/// The name in docker's own description of the container. In a swarm, where that changes with every task, the service's.
fn docker(root: &Path, id: &str) -> Option<String> {
    let file = root.join("var/lib/docker/containers").join(id).join("config.v2.json");
    let container: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let service = &container["Config"]["Labels"]["com.docker.swarm.service.name"];
    let name = service.as_str().or_else(|| container["Name"].as_str()?.strip_prefix('/'))?;
    Some(name.to_owned())
}

/// The first name in podman's list of containers; of root's, not of other users'.
fn podman(root: &Path, id: &str) -> Option<String> {
    let file = root.join("var/lib/containers/storage/overlay-containers/containers.json");
    let containers: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let container = containers.as_array()?.iter().find(|container| container["id"] == id)?;
    container["names"][0].as_str().map(str::to_owned)
}

/// kubelet logs each pod's containers to `NAMESPACE_NAME_UID/CONTAINER/`, which it makes before it starts them.
fn pod(logs: &Path, uid: &str) -> Option<Pod> {
    names(logs).iter().find_map(|entry| {
        let (namespace, name) = entry.strip_suffix(uid)?.strip_suffix('_')?.split_once('_')?;
        let whole = !namespace.is_empty() && !name.is_empty();
        whole.then(|| Pod { namespace: clean(namespace), name: clean(name) })
    })
}

/// Names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Without what could harm where it is shown, and not too long.
fn clean(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// A host with these files.
    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::new(root.path().into());
        (root, host)
    }

    #[test]
    fn users() {
        let check =
            |passwd: &str, id, expected| assert_eq!(host(&[("etc/passwd", passwd)]).1.user(id), expected);
        check("root:x:0:0:root:/root:/bin/sh\npostgres:x:70:70::/:/bin/sh\n", 70, "postgres");
        check("root:x:0:0::/:\n", 70, "");
        check("bad\n::\na:x:seven:\nro\u{7}ot:x:7:7::/:\n", 7, "root");
        assert_eq!(host(&[]).1.user(0), "");
    }

    #[test]
    fn machines() {
        assert_eq!(host(&[("etc/hostname", "node-7\n")]).1.name(), "node-7");
        let own = Host::new("/".into());
        assert!(!own.name().is_empty());
        assert_eq!(host(&[("etc/hostname", "\n")]).1.name(), own.name());
    }

    #[test]
    fn containers_of_docker() {
        let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
        let check =
            |text: &str, expected| assert_eq!(host(&[(file.as_str(), text)]).1.container(ID), expected);
        check(r#"{"Name":"/shop-web-1","Config":{"Labels":{}}}"#, "shop-web-1");
        let labels = r#"{"Labels":{"com.docker.swarm.service.name":"shop_web"}}"#;
        check(&format!(r#"{{"Name":"/shop_web.1.k9x2","Config":{labels}}}"#), "shop_web");
        check(r#"{"Name":7}"#, "");
        check("{", "");
    }

    #[test]
    fn containers_of_podman() {
        let file = "var/lib/containers/storage/overlay-containers/containers.json";
        let check = |text: &str, expected| assert_eq!(host(&[(file, text)]).1.container(ID), expected);
        check(&format!(r#"[{{"id":"other","names":["a"]}},{{"id":"{ID}","names":["billing"]}}]"#), "billing");
        check(&format!(r#"[{{"id":"{ID}"}}]"#), "");
        check("{}", "");
    }

    #[test]
    fn pods() {
        let check = |files: &[&str], expected: Option<(&str, &str, &str)>| {
            let files: Vec<_> = files.iter().map(|path| (*path, "")).collect();
            let (_root, mut host) = host(&files);
            let found = host.pod("6f1c-44");
            let shown = found
                .as_ref()
                .map(|(pod, container)| (pod.namespace.as_str(), pod.name.as_str(), container.as_str()));
            assert_eq!(shown, expected, "{files:?}");
        };
        let of = |name: &str| format!("var/log/pods/{name}/0.log");
        check(&[&of("shop_api-x2kzv_6f1c-44/api")], Some(("shop", "api-x2kzv", "api")));
        check(&[&of("shop_api_6f1c-44/api"), &of("shop_api_6f1c-44/proxy")], Some(("shop", "api", "")));
        check(&[&of("shop_api_16f1c-44/api")], None);
        check(&[&of("shop_6f1c-44/api")], None);
        check(&[], None);
    }

    #[test]
    fn what_was_found_is_remembered() {
        let (root, mut host) = host(&[("etc/passwd", "a:x:7:7::/:\n")]);
        assert_eq!((host.user(7), host.user(8)), ("a".into(), String::new()));
        fs::remove_dir_all(root.path().join("etc")).unwrap();
        assert_eq!((host.user(7), host.user(8)), ("a".into(), String::new()));
    }
}
