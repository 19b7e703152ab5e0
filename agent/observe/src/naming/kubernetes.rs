//! Of a pod, the workload that owns it: what of its name is left without what controllers add.
//!
//! | controller | pod's name |
//! |---|---|
//! | Deployment | `NAME-HASH-SUFFIX` |
//! | ReplicaSet, DaemonSet, Job | `NAME-SUFFIX` |
//! | CronJob | `NAME-TIME-SUFFIX` |
//! | StatefulSet | `NAME-ORDINAL` |
//!
//! `SUFFIX` is five characters of an alphabet without vowels (apimachinery, `util/rand` and `names.SimpleNameGenerator`).
//! `HASH` is a 32-bit number whose decimal digits were each replaced by a character (`rand.SafeEncodeString` of the
//! hash of the pod template): only ten characters occur. `TIME` is in minutes, before Kubernetes 1.21 in seconds.
//! A pod that nobody generated a name for, and that happens to end like that, loses its end: nothing in its name tells.

use pitot_common::user::Pod;

const SUFFIX_LEN: usize = 5;
const SUFFIX: &str = "bcdfghjklmnpqrstvwxz2456789";
/// What the digits 6 to 9 and 0 to 5 become.
const HASH: &str = "bcdf456789";
/// A hash below 100,000 comes once in 40,000 times, and would look like a suffix.
const HASH_LEN: std::ops::RangeInclusive<usize> = 6..=10;
/// Minutes since 1970 have eight digits until 2160, seconds ten.
const TIME_LEN: std::ops::RangeInclusive<usize> = 8..=10;
/// No StatefulSet has more pods.
const ORDINAL_LEN: std::ops::RangeInclusive<usize> = 1..=5;

/// `namespace/owner`.
pub(super) fn name(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, owner(&pod.name))
}

fn owner(pod: &str) -> &str {
    match without(pod, SUFFIX_LEN..=SUFFIX_LEN, |c| SUFFIX.contains(c)) {
        Some(generated) => without(generated, HASH_LEN, |c| HASH.contains(c))
            .or_else(|| without(generated, TIME_LEN, |c| c.is_ascii_digit()))
            .unwrap_or(generated),
        None => without(pod, ORDINAL_LEN, |c| c.is_ascii_digit()).unwrap_or(pod),
    }
}

/// `name` without its last part, if that has such a length and only such characters.
fn without(
    name: &str,
    length: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
) -> Option<&str> {
    let (rest, last) = name.rsplit_once('-')?;
    (!rest.is_empty() && length.contains(&last.len()) && last.chars().all(allowed)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners() {
        let check = |pod: &str, expected: &str| assert_eq!(owner(pod), expected, "{pod}");
        // Deployments.
        check("billing-7d4b9c6f5d-x2kzv", "billing");
        check("coredns-5d78c9869d-2hrl9", "coredns");
        check("shop-api-v2-6799fc88d8-p4kzq", "shop-api-v2");
        check("local-path-provisioner-957fdf8bc-hcbdn", "local-path-provisioner");
        // DaemonSets, Jobs and bare ReplicaSets.
        check("kube-proxy-9xtbz", "kube-proxy");
        check("import-orders-hk2vd", "import-orders");
        // CronJobs.
        check("nightly-sync-29381760-zv7xp", "nightly-sync");
        check("nightly-sync-1616414400-zv7xp", "nightly-sync");
        // StatefulSets.
        check("postgres-0", "postgres");
        check("kafka-broker-12", "kafka-broker");
        // Names that nobody generated.
        check("debug", "debug");
        check("kube-apiserver-node-a", "kube-apiserver-node-a");
        check("my-redis", "my-redis");
        check("web-proxy", "web-proxy");
        check("-0", "-0");
        check("", "");
        // A part that is no hash stays: it belongs to the owner's name.
        check("edge-gw-canary-x2kzv", "edge-gw-canary");
        check("edge-2024-x2kzv", "edge-2024");
    }
}
