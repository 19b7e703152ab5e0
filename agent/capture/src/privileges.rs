//! Which capabilities capture needs, and giving up the rest.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::TcpLane;

/// What capture needs, each with what satisfies it: the capability itself, or the one it was split from.
const NEEDED: [(&str, CapabilitySet, CapabilitySet); 2] = [
    ("CAP_BPF", CapabilitySet::BPF, CapabilitySet::SYS_ADMIN),
    ("CAP_PERFMON", CapabilitySet::PERFMON, CapabilitySet::SYS_ADMIN),
];
/// What the packet lane needs beside.
const PACKET: (&str, CapabilitySet, CapabilitySet) =
    ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN, CapabilitySet::empty());

/// The names of the capabilities that this thread lacks for `lane`.
#[must_use]
pub fn missing(lane: TcpLane) -> Vec<&'static str> {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let packet = (lane == TcpLane::Packet).then_some(&PACKET);
    NEEDED
        .iter()
        .chain(packet)
        .filter(|(_, own, parent)| !held.intersects(*own | *parent))
        .map(|(name, ..)| *name)
        .collect()
}

/// Gives up, for the calling thread and those it starts from now on, every capability that is not needed once
/// the programs are attached: reading counters takes BPF, naming other users' processes SYS_PTRACE and
/// DAC_READ_SEARCH. What was not held is not gained.
///
/// # Errors
/// When the kernel refuses; the thread then keeps what it had.
pub fn drop_after_attach() -> std::io::Result<()> {
    keep_only(CapabilitySet::BPF | CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH)
}

/// Gives up, for the calling thread, every capability but `keep`.
pub(crate) fn keep_only(keep: CapabilitySet) -> std::io::Result<()> {
    let held = capabilities(None)?;
    let kept = held.permitted & keep;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?;
    Ok(())
}
