//! What the kernel part decides of a filter: a connection is refused there only if that is certain from one end.
//!
//! **In:** up to [`MAX_RULES`] rules, and what one packet and its local socket show. **Out:** a [`Decision`]. A rule that names what
//! one end cannot show (a process id, a command, the cgroup of the other end) stays undecided, and the connection is
//! captured; user space, which knows both ends, then refuses it by its sockets.
//!
//! The address and port of a connection are the same at both ends on loopback only: anywhere else the other end may lie
//! behind a translation of addresses, so that a rule which does not match here may match there.

/// Rules the kernel part takes; further ones are left to user space.
pub const MAX_RULES: usize = 16;
/// Words of 64 bits of one rule, and of all of them with their count.
pub const RULE_WORDS: usize = 8;
/// See [`RULE_WORDS`].
pub const RULES_WORDS: usize = 1 + MAX_RULES * RULE_WORDS;

/// [`Rule::names`]: what a rule is for, and what it names of a process.
pub mod names {
    /// Connections it matches are left out; else only those that a rule without this matches are captured.
    pub const EXCLUDE: u32 = 1;
    /// `cgroup` and `cgroup_level`.
    pub const CGROUP: u32 = 2;
    /// `netns`.
    pub const NETNS: u32 = 4;
    /// Something of a process that only user space can tell.
    pub const UNDECIDED: u32 = 8;
    /// Any that names something of a process.
    pub const PROCESS: u32 = CGROUP | NETNS | UNDECIDED;
}

/// One rule, in the layout that crosses the border. What it does not name has a mask of zero.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    /// Base of a range of addresses, in memory order; IPv4 in the first four bytes. Already masked.
    pub address: [u64; 2],
    /// Its bits that count.
    pub mask: [u64; 2],
    /// A cgroup v2 id: it, and those below.
    pub cgroup: u64,
    /// Depth of `cgroup` below the root.
    pub cgroup_level: u32,
    /// See [`names`].
    pub names: u32,
    /// Inode number of a network namespace.
    pub netns: u32,
    /// Its bits that count.
    pub netns_mask: u32,
    /// A TCP port.
    pub port: u16,
    /// Its bits that count.
    pub port_mask: u16,
    /// IP version of `address`.
    pub version: u16,
    /// Its bits that count.
    pub version_mask: u16,
}

/// All rules, in the layout that crosses the border.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many of `rules` are valid.
    pub count: u64,
    /// In any order.
    pub rules: [Rule; MAX_RULES],
}

impl Rule {
    /// As it lies in memory.
    #[must_use]
    pub fn to_words(&self) -> [u64; RULE_WORDS] {
        let Self { address, mask, cgroup, cgroup_level, names, netns, netns_mask, .. } = *self;
        let Self { port, port_mask, version, version_mask, .. } = *self;
        let halves = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let quarters = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
        [
            address[0],
            address[1],
            mask[0],
            mask[1],
            cgroup,
            halves(cgroup_level, names),
            halves(netns, netns_mask),
            halves(quarters(port, port_mask), quarters(version, version_mask)),
        ]
    }
}

impl Rules {
    /// As they lie in memory: the value of a map.
    #[must_use]
    pub fn to_words(rules: &[Rule]) -> [u64; RULES_WORDS] {
        let mut words = [0; RULES_WORDS];
        let count = rules.len().min(MAX_RULES);
        if let Some((first, rest)) = words.split_first_mut() {
            *first = count as u64;
            for (to, rule) in rest.chunks_exact_mut(RULE_WORDS).zip(rules) {
                to.copy_from_slice(&rule.to_words());
            }
        }
        words
    }
}

/// What one packet shows of its connection. Addresses as in [`Rule::address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// 4 or 6.
    pub version: u8,
    /// Whether both ends are in this network namespace, and see the same addresses.
    pub loopback: bool,
    /// Network namespace of the local socket.
    pub netns: u32,
    /// Sender.
    pub src: [u64; 2],
    /// Receiver.
    pub dst: [u64; 2],
    /// Sender's port.
    pub src_port: u16,
    /// Receiver's port.
    pub dst_port: u16,
}

/// What becomes of a connection, as far as one of its ends can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is captured, unless user space refuses it.
    Capture,
    /// It is left out. The other end may not be able to tell: it is still shown how the connection opens and ends.
    Refuse,
    /// It is left out, and the other end comes to the same.
    RefuseUnseen,
}

/// How much is known about a condition, as bits: where two must hold, so much is known as both have.
///
/// Numbers and no branches from here on, for the sake of verifiers: they walk the loop below once for each combination of values
/// that a branch told apart.
mod holds {
    /// It may.
    pub(super) const POSSIBLY: u32 = 1;
    /// It does.
    pub(super) const CERTAINLY: u32 = 2;
    /// Both.
    pub(super) const YES: u32 = POSSIBLY | CERTAINLY;
}

/// What the rules said, as bits.
mod said {
    /// There is a rule that includes,
    pub(super) const INCLUDES: u32 = 1;
    /// and one that perhaps matches.
    pub(super) const INCLUDED: u32 = 2;
    /// A rule excludes it,
    pub(super) const EXCLUDED: u32 = 4;
    /// and one by what the other end sees too.
    pub(super) const EXCLUDED_THERE: u32 = 8;
    /// A rule that includes names something of a process.
    pub(super) const BY_PROCESS: u32 = 16;
}

/// Decides about one connection. `ancestor` gives the cgroup id of the local socket's ancestor at a depth; `merge` gives
/// its argument back, and may hide it from a verifier.
#[inline(always)]
pub fn decide(
    rules: &Rules,
    view: &View,
    ancestor: impl Fn(u32) -> u64,
    merge: impl Fn(u32) -> u32,
) -> Decision {
    let loopback = merge(u32::from(view.loopback));
    let mut all = 0;
    for (i, rule) in (0u64..).zip(&rules.rules) {
        if i >= rules.count {
            break;
        }
        // What does not match here may match at the other end, unless that sees the same.
        let elsewhere = holds::POSSIBLY & !loopback;
        let addressed = merge(if matches_an_end(rule, view) { holds::YES } else { elsewhere });
        let owned = merge(owned(rule, view, elsewhere, &ancestor));
        all |= merge(one(rule, addressed & owned, loopback));
    }
    let has = |bits| all & bits == bits;
    if has(said::EXCLUDED_THERE) {
        Decision::RefuseUnseen
    } else if has(said::EXCLUDED) {
        Decision::Refuse
    } else if !has(said::INCLUDES) || has(said::INCLUDED) {
        Decision::Capture
    } else if view.loopback && !has(said::BY_PROCESS) {
        Decision::RefuseUnseen
    } else {
        Decision::Refuse
    }
}

/// What one rule says.
#[inline(always)]
fn one(rule: &Rule, holds: u32, loopback: u32) -> u32 {
    let by_process = rule.names & names::PROCESS != 0;
    if rule.names & names::EXCLUDE == 0 {
        let process = if by_process { said::BY_PROCESS } else { 0 };
        return said::INCLUDES | process | ((holds & holds::POSSIBLY) * said::INCLUDED);
    }
    let excluded = holds / holds::CERTAINLY;
    let there = if by_process { 0 } else { said::EXCLUDED_THERE };
    excluded * (said::EXCLUDED | (loopback * there))
}

/// Whether one of the ends has the port and address.
#[inline(always)]
fn matches_an_end(rule: &Rule, view: &View) -> bool {
    let version = u64::from((u16::from(view.version) ^ rule.version) & rule.version_mask);
    let differs = |address: [u64; 2], port: u16| {
        (address[0] & rule.mask[0] ^ rule.address[0])
            | (address[1] & rule.mask[1] ^ rule.address[1])
            | u64::from((port ^ rule.port) & rule.port_mask)
            | version
    };
    differs(view.src, view.src_port) == 0 || differs(view.dst, view.dst_port) == 0
}

/// How much is known of the process at one of the ends being the one that the rule names.
#[inline(always)]
fn owned(rule: &Rule, view: &View, elsewhere: u32, ancestor: &impl Fn(u32) -> u64) -> u32 {
    if (rule.netns ^ view.netns) & rule.netns_mask != 0 {
        // On loopback the other end is in the same namespace.
        return elsewhere;
    }
    let differs = rule.names & names::CGROUP != 0 && ancestor(rule.cgroup_level) != rule.cgroup;
    if differs || rule.names & names::UNDECIDED != 0 { holds::POSSIBLY } else { holds::YES }
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<Rule>() == 8 * RULE_WORDS);
    assert!(size_of::<Rules>() == 8 * RULES_WORDS);
    assert!(offset_of!(Rule, cgroup) == 32);
    assert!(offset_of!(Rule, cgroup_level) == 40);
    assert!(offset_of!(Rule, netns) == 48);
    assert!(offset_of!(Rule, port) == 56);
    assert!(offset_of!(Rule, version_mask) == 62);
};

#[cfg(test)]
mod tests {
    use super::*;

    const V4: [u64; 2] = [u64::MAX >> 32, 0];

    fn address(bytes: [u8; 4]) -> [u64; 2] {
        [u64::from(u32::from_ne_bytes(bytes)), 0]
    }

    fn view(loopback: bool) -> View {
        View {
            version: 4,
            loopback,
            netns: 9,
            src: address([10, 0, 0, 1]),
            dst: address([10, 0, 0, 2]),
            src_port: 40_000,
            dst_port: 80,
        }
    }

    fn rules(of: &[Rule]) -> Rules {
        let mut rules = Rules { count: of.len() as u64, rules: [Rule::default(); MAX_RULES] };
        rules.rules.iter_mut().zip(of).for_each(|(to, rule)| *to = *rule);
        rules
    }

    fn port(port: u16, names: u32) -> Rule {
        Rule { port, port_mask: u16::MAX, names, ..Rule::default() }
    }

    #[test]
    fn decisions() {
        use Decision::{Capture, Refuse, RefuseUnseen};
        use names::{CGROUP, EXCLUDE, NETNS, UNDECIDED};
        let check = |of: &[Rule], expected: [Decision; 2]| {
            let decided = [true, false].map(|loopback| {
                let ancestor = |level| if level == 2 { 7 } else { 1 };
                decide(&rules(of), &view(loopback), ancestor, |said| said)
            });
            assert_eq!(decided, expected, "{of:?}");
        };
        check(&[], [Capture, Capture]);
        // Either end's port; elsewhere a port that matches neither may be a translated one.
        check(&[port(80, 0)], [Capture, Capture]);
        check(&[port(40_000, 0)], [Capture, Capture]);
        check(&[port(81, 0)], [RefuseUnseen, Capture]);
        check(&[port(81, 0), port(80, 0)], [Capture, Capture]);
        check(&[port(80, EXCLUDE)], [RefuseUnseen, Refuse]);
        check(&[port(81, EXCLUDE)], [Capture, Capture]);
        check(&[port(80, 0), port(40_000, EXCLUDE)], [RefuseUnseen, Refuse]);
        // Port and address are those of one end.
        let both = |last, of: u16| Rule {
            address: address([10, 0, 0, last]),
            mask: V4,
            version: 4,
            version_mask: u16::MAX,
            ..port(of, EXCLUDE)
        };
        check(&[both(2, 80)], [RefuseUnseen, Refuse]);
        check(&[both(1, 80)], [Capture, Capture]);
        check(&[Rule { version: 6, ..both(2, 80) }], [Capture, Capture]);
        // The namespace is that of both ends on loopback; a cgroup is one end's.
        let netns =
            |netns, names| Rule { netns, netns_mask: u32::MAX, names: names | NETNS, ..Rule::default() };
        check(&[netns(9, EXCLUDE)], [Refuse, Refuse]);
        check(&[netns(8, EXCLUDE)], [Capture, Capture]);
        check(&[netns(8, 0)], [Refuse, Capture]);
        let cgroup =
            |cgroup, names| Rule { cgroup, cgroup_level: 2, names: names | CGROUP, ..Rule::default() };
        check(&[cgroup(7, EXCLUDE)], [Refuse, Refuse]);
        check(&[cgroup(6, EXCLUDE)], [Capture, Capture]);
        check(&[cgroup(6, 0)], [Capture, Capture]);
        // What only user space knows.
        check(&[Rule { names: EXCLUDE | UNDECIDED, ..Rule::default() }], [Capture, Capture]);
        check(&[Rule { names: UNDECIDED, ..Rule::default() }], [Capture, Capture]);
        check(&[port(81, UNDECIDED)], [Refuse, Capture]);
    }

    #[test]
    fn words() {
        let rule = Rule {
            address: [1, 2],
            mask: [3, 4],
            cgroup: 5,
            cgroup_level: 6,
            names: 7,
            netns: 8,
            netns_mask: 9,
            port: 10,
            port_mask: 11,
            version: 12,
            version_mask: 13,
        };
        let words = Rules::to_words(&[rule; MAX_RULES + 1]);
        assert_eq!(words[0], MAX_RULES as u64);
        assert_eq!(words[1..=5], [1, 2, 3, 4, 5]);
        assert_eq!(words[6..=8], [6 | 7 << 32, 8 | 9 << 32, 10 | 11 << 16 | 12 << 32 | 13 << 48]);
        assert_eq!(words[1..9], words[RULES_WORDS - 8..]);
    }
}
