//! What a cgroup path tells of the container and the pod that a process runs in.

/// Length of a container id.
const ID: usize = 64;
/// What runtimes put before the id of a container, joined by `-`; a bare id is that of the cgroupfs driver.
const RUNTIMES: [&str; 6] = ["docker", "cri-containerd", "crio", "libpod", "libpod-payload", "nerdctl"];

/// The id of the innermost container, as docker, containerd, CRI-O and podman name its cgroup: 64 hex digits.
#[must_use]
pub fn container_id(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(|segment| {
        let name = segment.strip_suffix(".scope").unwrap_or(segment);
        let (runtime, id) = name.rsplit_once('-').map_or((None, name), |(runtime, id)| (Some(runtime), id));
        let is_id = id.len() == ID && id.bytes().all(|b| b.is_ascii_hexdigit());
        let is_container = runtime.is_none_or(|runtime| RUNTIMES.contains(&runtime));
        (is_id && is_container).then_some(id)
    })
}

/// The UID of the innermost Kubernetes pod, as kubelet names its cgroup with either driver: a UUID, or of a static pod
/// 32 hex digits.
#[must_use]
pub fn pod_uid(path: &str) -> Option<String> {
    path.rsplit('/').find_map(|segment| {
        let name = segment.strip_suffix(".slice").unwrap_or(segment);
        let uid = name.strip_prefix("pod").or_else(|| name.rsplit_once("-pod").map(|(_, uid)| uid))?;
        // In the name of a slice a dash separates levels.
        let uid = uid.replace('_', "-");
        let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
        let is_uid = digits == 32 && uid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        is_uid.then_some(uid)
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
            assert_eq!(container_id(&path), expected.then_some(id.as_str()), "{path}");
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
    fn pods() {
        let uid = "6f1c2e9a-7b1d-4c55-9a53-0b7a3d1f2c44";
        let check = |path: &str, expected: Option<&str>| {
            let slice = uid.replace('-', "_");
            let path = path.replace("UID", uid).replace("SLICE", &slice);
            assert_eq!(pod_uid(&path).as_deref(), expected, "{path}");
        };
        check("/kubepods/besteffort/podUID/0123", Some(uid));
        check("/kubepods.slice/kubepods-podSLICE.slice/cri-containerd-0123.scope", Some(uid));
        check("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podSLICE.slice/x", Some(uid));
        check("/../../kubelet-kubepods-besteffort-podSLICE.slice/x.scope", Some(uid));
        let hash = "0123456789abcdef0123456789abcdef";
        check(&format!("/kubepods/burstable/pod{hash}"), Some(hash));
        check("/machine.slice/libpod_pod_0123.slice", None);
        check("/user.slice/my-podium", None);
        check("/pod", None);
        check("", None);
    }
}
