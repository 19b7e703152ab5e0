//! The running kernel: some of what it can show depends on how new it is (`docs/kernels.md`).

/// The first kernel that can show TCP by tracepoints, and more than 80 KiB of a packet.
pub(crate) const FULL: (u32, u32) = (6, 12);

/// Major and minor version; (0, 0) where it can't be read.
pub(crate) fn version() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
