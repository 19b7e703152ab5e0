//! What a cgroup path tells: the container, or the systemd unit.

/// Length of a container id, and of what is shown of it (as `docker ps` does).
const ID: usize = 64;
const SHOWN: usize = 12;
/// What runtimes put before the id of a container, joined by `-`; a bare id is that of the cgroupfs driver.
const RUNTIMES: [&str; 6] = ["docker", "cri-containerd", "crio", "libpod", "libpod-payload", "nerdctl"];

/// The first 12 hex digits of the id of the innermost container, as docker, containerd, CRI-O and podman name its cgroup.
pub(super) fn container(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(|segment| {
        let name = segment.strip_suffix(".scope").unwrap_or(segment);
        let (runtime, id) = name.rsplit_once('-').map_or((None, name), |(runtime, id)| (Some(runtime), id));
        let is_id = id.len() == ID && id.bytes().all(|b| b.is_ascii_hexdigit());
        let is_container = runtime.is_none_or(|runtime| RUNTIMES.contains(&runtime));
        if is_id && is_container { id.get(..SHOWN) } else { None }
    })
}

/// The innermost systemd service, without instance and suffix. The user manager (`user@1000.service`) and scopes
/// (`session-3.scope`, `init.scope`) hold whatever a user starts: they name no workload.
pub(super) fn unit(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(|segment| {
        let unit = segment.strip_suffix(".service")?;
        let (name, instance) =
            unit.split_once('@').map_or((unit, None), |(name, instance)| (name, Some(instance)));
        let is_user_manager = name == "user" && instance.is_some();
        (!name.is_empty() && !is_user_manager).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers() {
        let id = "0123456789ab".to_owned() + &"ef".repeat(26);
        let check = |path: &str, expected: bool| {
            let path = path.replace("ID", &id);
            assert_eq!(container(&path), expected.then_some("0123456789ab"), "{path}");
        };
        check("/system.slice/docker-ID.scope", true);
        check("/docker/ID", true);
        check("/kubepods.slice/kubepods-burstable.slice/kubepods-pod1.slice/cri-containerd-ID.scope", true);
        check("/kubepods/besteffort/pod6f1c2e9a-7b1d-4c55-9a53-0b7a3d1f2c44/ID", true);
        check("/kubepods.slice/crio-ID.scope", true);
        check("/kubepods.slice/crio-ID.scope/container", true);
        check("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container", true);
        check("/machine.slice/libpod-conmon-ID.scope", false);
        check("/kubepods.slice/crio-conmon-ID.scope", false);
        check("/system.slice/docker.service", false);
        check("/docker/0123456789ab", false);
        check("", false);
    }

    #[test]
    fn units() {
        let check = |path: &str, expected: Option<&str>| assert_eq!(unit(path), expected, "{path}");
        check("/system.slice/etl.service", Some("etl"));
        check("/system.slice/etl.service/worker", Some("etl"));
        check("/system.slice/system-postgresql.slice/postgresql@15-main.service", Some("postgresql"));
        check("/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service", Some("sync"));
        check("/user.slice/user-1000.slice/user@1000.service/init.scope", None);
        check("/user.slice/user-1000.slice/session-3.scope", None);
        check("/init.scope", None);
        check("/.service", None);
        check("/", None);
    }
}
