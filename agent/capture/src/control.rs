//! Tells the running kernel part which connections to leave out: [`Control`].

use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, fs};

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData};
use pitot_common::filter::{MAX_RULES, RULES_WORDS, Rule, Rules, names};
use pitot_common::user::{AddressRange, Filter, FilterRule, Refusal};

use crate::{Error, cgroup};

/// In the map of verdicts: the agent's own, not counted.
const OWN: u32 = 255;

/// Changes what a [`Live`](crate::Live) captures, from any thread, while it runs.
#[derive(Clone)]
pub struct Control(Arc<Mutex<Maps>>);

struct Maps {
    verdicts: HashMap<MapData, u64, u32>,
    rules: Array<MapData, [u64; RULES_WORDS]>,
    generation: Array<MapData, u64>,
    /// How often rules and verdicts have changed.
    changes: [u32; 2],
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) fn of(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let mut take = |name| ebpf.take_map(name).ok_or(Error::Missing(name));
        Ok(Self(Arc::new(Mutex::new(Maps {
            verdicts: HashMap::try_from(take("VERDICTS")?)?,
            rules: Array::try_from(take("RULES")?)?,
            generation: Array::try_from(take("GENERATION")?)?,
            changes: [0; 2],
        }))))
    }

    /// What these sockets send and receive is not captured any more, and counted for the refusal's reason; their connections' opening and
    /// end are still shown. A hint: the table is bounded, and forgets the oldest.
    pub fn refuse(&self, refusals: &[Refusal]) {
        let refused =
            refusals.iter().flat_map(|refusal| refusal.cookies.map(|cookie| (cookie, refusal.reason as u32)));
        self.set_verdicts(refused);
    }

    /// Takes refusals back.
    pub fn allow(&self, cookies: &[u64]) {
        let mut maps = self.lock();
        for cookie in cookies {
            // There may be none.
            let _ = maps.verdicts.remove(cookie);
        }
        maps.changed(1);
    }

    /// Leaves out what the kernel part can see that `filter` does not let through: for certain, and from one end. What
    /// it cannot decide stays captured, and is for the caller to [refuse](Self::refuse).
    ///
    /// # Errors
    /// When the kernel refuses the table; the filter is then as it was.
    pub fn set_filter(&self, filter: &Filter) -> Result<(), Error> {
        let words = Rules::to_words(&compile(filter));
        let mut maps = self.lock();
        let other = (maps.changes[0] + 1) & 1;
        maps.rules.set(other, words, 0)?;
        maps.changed(0);
        Ok(())
    }

    /// The agent's own sockets, and their peers.
    pub(crate) fn refuse_own(&self, cookies: &[u64]) {
        self.set_verdicts(cookies.iter().map(|cookie| (*cookie, OWN)));
    }

    fn set_verdicts(&self, verdicts: impl Iterator<Item = (u64, u32)>) {
        let mut maps = self.lock();
        let mut any = false;
        for (cookie, reason) in verdicts.filter(|(cookie, _)| *cookie != 0) {
            any |= maps.verdicts.insert(cookie, reason, 0).is_ok();
        }
        if any {
            maps.changed(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        // Its parts are the kernel's, and whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maps {
    /// Lets the kernel part judge every socket anew with its next packet.
    fn changed(&mut self, which: usize) {
        if let Some(changes) = self.changes.get_mut(which) {
            *changes = changes.wrapping_add(1);
        }
        let [rules, verdicts] = self.changes;
        let generation = u64::from(rules) << 32 | u64::from(verdicts);
        // Without it sockets that were judged before stay as they are: a refusal is a hint.
        let _ = self.generation.set(0, generation, 0);
    }
}

/// The rules the kernel part gets. What does not fit is left undecided: without some of the rules that include, none of
/// them can refuse.
fn compile(filter: &Filter) -> Vec<Rule> {
    let exclude = filter.exclude.iter().map(|rule| one(rule, names::EXCLUDE));
    let include = filter.include.iter().map(|rule| one(rule, 0));
    let mut rules: Vec<Rule> = exclude.chain(include).collect();
    if rules.len() > MAX_RULES {
        rules.retain(|rule| rule.names & names::EXCLUDE != 0);
        rules.truncate(MAX_RULES);
    }
    rules
}

fn one(rule: &FilterRule, what: u32) -> Rule {
    let group = rule.cgroup.as_deref().map(cgroup_id);
    let named = |condition: bool, bit| if condition { bit } else { 0 };
    let undecided = rule.pid.is_some() || rule.comm.is_some() || matches!(group, Some(None));
    let names = what
        | named(matches!(group, Some(Some(_))), names::CGROUP)
        | named(rule.namespace.is_some(), names::NETNS)
        | named(undecided, names::UNDECIDED);
    let (cgroup, cgroup_level) = group.flatten().unwrap_or_default();
    let (address, mask, version) = rule.address.map(address).unwrap_or_default();
    Rule {
        address,
        mask,
        cgroup,
        cgroup_level,
        names,
        // The kernel numbers namespaces by 32 bits.
        netns: rule.namespace.map_or(0, |number| u32::try_from(number).unwrap_or(0)),
        netns_mask: if rule.namespace.is_some() { u32::MAX } else { 0 },
        port: rule.port.unwrap_or_default(),
        port_mask: if rule.port.is_some() { u16::MAX } else { 0 },
        version,
        version_mask: if rule.address.is_some() { u16::MAX } else { 0 },
    }
}

/// Base, mask and IP version of a range, as the kernel part sees addresses.
fn address(range: AddressRange) -> ([u64; 2], [u64; 2], u16) {
    let words = |bytes: [u8; 16]| {
        let [low, high] =
            [0, 8].map(|at| bytes.get(at..).and_then(|b| b.first_chunk().copied()).unwrap_or_default());
        [u64::from_ne_bytes(low), u64::from_ne_bytes(high)]
    };
    let (base, mask, version) = match range.base.to_canonical() {
        std::net::IpAddr::V4(base) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(range.prefix)).unwrap_or(0).to_be_bytes();
            (first_four(base.octets()), first_four(mask), 4)
        }
        std::net::IpAddr::V6(base) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(range.prefix)).unwrap_or(0).to_be_bytes();
            (base.octets(), mask, 6)
        }
    };
    let (base, mask) = (words(base), words(mask));
    ([base[0] & mask[0], base[1] & mask[1]], mask, version)
}

fn first_four([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    let mut all = [0; 16];
    [all[0], all[1], all[2], all[3]] = [a, b, c, d];
    all
}

/// Number and depth of a cgroup by its path; `None` if it is not in the hierarchy that programs see (cgroups(7)).
fn cgroup_id(path: &str) -> Option<(u64, u32)> {
    let path = path.trim_matches('/');
    let level = path.split('/').filter(|part| !part.is_empty()).count();
    let metadata = fs::metadata(cgroup::root().ok()?.join(path)).ok()?;
    metadata.is_dir().then(|| (metadata.ino(), level as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(port: Option<u16>, address: Option<&str>) -> FilterRule {
        let address = address.map(|range| range.parse().expect(range));
        FilterRule { port, address, ..FilterRule::default() }
    }

    #[test]
    fn rules_that_the_kernel_part_can_decide() {
        let v4 = |bytes: [u8; 4]| [u64::from(u32::from_ne_bytes(bytes)), 0];
        let check = |rule: FilterRule, expected: Rule| assert_eq!(one(&rule, 0), expected, "{rule:?}");
        check(rule(Some(80), None), Rule { port: 80, port_mask: u16::MAX, ..Rule::default() });
        let range =
            |address, mask| Rule { address, mask, version: 4, version_mask: u16::MAX, ..Rule::default() };
        check(rule(None, Some("10.1.2.3/16")), range(v4([10, 1, 0, 0]), v4([255, 255, 0, 0])));
        check(rule(None, Some("0.0.0.0/0")), range([0; 2], [0; 2]));
        let v6 = one(&rule(None, Some("2001:db8::/32")), 0);
        assert_eq!((v6.version, v6.address[0].to_ne_bytes()), (6, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0]));
        assert_eq!(v6.mask, [u64::from(u32::MAX), 0]);
        let pid = FilterRule { pid: Some(7), ..FilterRule::default() };
        check(pid, Rule { names: names::UNDECIDED, ..Rule::default() });
        let cgroup = FilterRule { cgroup: Some("/no/such/cgroup".into()), ..FilterRule::default() };
        check(cgroup, Rule { names: names::UNDECIDED, ..Rule::default() });
    }

    #[test]
    fn too_many_rules_leave_the_rest_undecided() {
        let of = |include, exclude| Filter {
            include: vec![rule(Some(80), None); include],
            exclude: vec![rule(Some(81), None); exclude],
        };
        let check = |include, exclude, expected: [usize; 2]| {
            let rules = compile(&of(include, exclude));
            let excluding = rules.iter().filter(|rule| rule.names & names::EXCLUDE != 0).count();
            assert_eq!([rules.len() - excluding, excluding], expected, "{include} {exclude}");
        };
        check(0, 0, [0, 0]);
        check(10, 6, [10, 6]);
        check(11, 6, [0, 6]);
        check(1, 20, [0, 16]);
    }
}
