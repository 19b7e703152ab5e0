//! What a cgroup path tells: the container, or the systemd unit.

use pitot_common::user::cgroup::container_id;

/// What is shown of a container's id (as `docker ps` does).
const SHOWN: usize = 12;

/// The first 12 hex digits of the id of the innermost container.
pub(super) fn container(path: &str) -> Option<&str> {
    container_id(path)?.get(..SHOWN)
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
