//! The running kernel: some of what it can show depends on how new it is (`docs/kernels.md`).

/// Major and minor number.
pub type Version = (u32, u32);

/// What the running kernel calls itself: `6.18.3-amd64`.
#[must_use]
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// `6.18` of `6.18.3-amd64`; 0 for what is no number.
#[must_use]
pub fn version(release: &str) -> Version {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
