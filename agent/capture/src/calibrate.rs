//! Where the kernel keeps the pages of socket buffers.
//!
//! A fragment of a socket buffer names its page by the address of a `struct page`. Pages and these structures lie in two regions that
//! are both in order of physical address, so the address of a page is that of its structure, scaled by the ratio of their sizes, plus a
//! constant. The regions begin at random multiples of 1 GiB (x86-64, CONFIG_RANDOMIZE_MEMORY), and no kernel
//! symbol tells where. So the agent sends itself a message, looks where the kernel put it, and tries each constant until it finds
//! its own bytes; a second message must then be found at once. Nothing is assumed that was not seen.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;

use aya::maps::Array;
use aya::programs::{RawTracePointRunOptions, TestRun as _};
use aya::{Btf as KernelTypes, Ebpf};
use log::debug;
use rustix::net::{RecvFlags, recv};

use crate::lanes::{self, raw_tracepoint, typed_tracepoint};
use crate::load::refused;
use crate::{Error, btf};

/// Long enough to need fragments: the linear part is below 16 KiB.
const MESSAGE: usize = 40 * 1024;
/// What both regions begin at a multiple of.
const ALIGNMENT: u64 = 1 << 30;
/// Candidates tried at most, to either side.
const MAX_CANDIDATES: u64 = 16 * 1024;

/// Where the kernel part noted the agent's own message to lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Address and length of the linear part.
    data: u64,
    linear: u64,
    /// First fragment.
    page: u64,
    offset: u64,
}

/// How to get from the address of a `struct page` to that of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pages {
    shift: u32,
    constant: u64,
}

impl Pages {
    fn address(self, place: Place) -> u64 {
        (place.page << self.shift).wrapping_add(self.constant).wrapping_add(place.offset)
    }
}

/// The ratio of a page to its structure, as a shift; `None` where it is no power of two.
pub(crate) fn shift(btf: &btf::Btf<'_>) -> Option<u32> {
    let (page, structure) = (rustix::param::page_size(), btf.size("page")? as usize);
    let ratio = page / structure;
    (structure.is_power_of_two() && ratio > 1).then(|| ratio.trailing_zeros())
}

/// Finds the constant and gives it to the kernel part; false where it can't be found, and fragments stay unread.
///
/// # Errors
/// When a program or map can't be used.
pub(crate) fn calibrate(ebpf: &mut Ebpf, types: &KernelTypes, shift: u32) -> Result<bool, Error> {
    raw_tracepoint(ebpf, "pitot_peek")?.load().map_err(|source| refused("pitot_peek", source))?;
    lanes::attach(ebpf, types, "pitot_calibrate", "skb_copy_datagram_iovec")?;
    let found = find(ebpf, shift)?;
    typed_tracepoint(ebpf, "pitot_calibrate")?
        .unload()
        .map_err(|source| refused("pitot_calibrate", source))?;
    raw_tracepoint(ebpf, "pitot_peek")?.unload().map_err(|source| refused("pitot_peek", source))?;
    let Some(Pages { shift, constant }) = found else { return Ok(false) };
    let pages = ebpf.map_mut("PAGES").ok_or(Error::Missing("PAGES"))?;
    let mut pages = Array::<_, u64>::try_from(pages)?;
    pages.set(1, u64::from(shift), 0)?;
    pages.set(2, constant, 0)?;
    pages.set(0, 1, 0)?;
    Ok(true)
}

fn find(ebpf: &mut Ebpf, shift: u32) -> Result<Option<Pages>, Error> {
    let Some(first) = message(ebpf, 1)? else { return Ok(None) };
    for pages in candidates(first.place, shift, highest_address()) {
        if holds(ebpf, pages.address(first.place), first.expected)? {
            // The first is still where it is, so that this one lies elsewhere.
            let Some(second) = message(ebpf, 2)? else { return Ok(None) };
            let verified = holds(ebpf, pages.address(second.place), second.expected)?;
            debug!("calibration: pages lie at {pages:x?}, verified: {verified}");
            return Ok(verified.then_some(pages));
        }
    }
    debug!("calibration: no place for a page was found");
    Ok(None)
}

/// A message that lies in a queue.
struct Message {
    place: Place,
    /// The first eight bytes of its fragment.
    expected: u64,
    /// Keep it there.
    _sockets: (UnixStream, UnixStream),
}

/// Sends a message; `None` if the kernel part did not note one with a fragment.
fn message(ebpf: &mut Ebpf, seed: u64) -> Result<Option<Message>, Error> {
    let message: Vec<u8> = words(seed).flat_map(u64::to_ne_bytes).take(MESSAGE).collect();
    let sent = || -> std::io::Result<(UnixStream, UnixStream)> {
        let (mut sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        sender.write_all(&message)?;
        // Peeked at, not read: it stays where it is while it is looked for.
        recv(&receiver, &mut [0u8; 1], RecvFlags::PEEK)?;
        Ok((sender, receiver))
    };
    let Ok(_sockets) = sent() else { return Ok(None) };
    let Some(place) = place(ebpf)? else { return Ok(None) };
    let start = usize::try_from(place.linear).unwrap_or(usize::MAX);
    let expected = message.get(start..).and_then(<[u8]>::first_chunk).copied().map(u64::from_ne_bytes);
    Ok(expected.map(|expected| Message { place, expected, _sockets }))
}

/// Takes what the kernel part noted.
fn place(ebpf: &mut Ebpf) -> Result<Option<Place>, Error> {
    let noted = ebpf.map_mut("CALIBRATION").ok_or(Error::Missing("CALIBRATION"))?;
    let mut noted = Array::<_, u64>::try_from(noted)?;
    let place = Place {
        data: noted.get(&0, 0)?,
        linear: noted.get(&1, 0)?,
        page: noted.get(&2, 0)?,
        offset: noted.get(&3, 0)?,
    };
    noted.set(2, 0, 0)?;
    Ok((place.page != 0).then_some(place))
}

/// Words that nothing else in memory holds: splitmix64 from the present.
fn words(seed: u64) -> impl Iterator<Item = u64> {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let mut state = (clock.tv_nsec as u64) << 32 ^ clock.tv_sec as u64 ^ seed << 60;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Each constant that puts the page as far from the linear part as there is memory, nearest first.
fn candidates(place: Place, shift: u32, highest: u64) -> impl Iterator<Item = Pages> {
    let scaled = place.page << shift;
    let nearest = (place.data & !(ALIGNMENT - 1)) | (scaled & (ALIGNMENT - 1));
    let span = (highest / ALIGNMENT + 1).min(MAX_CANDIDATES);
    (0..=span).flat_map(move |k| [k, k.wrapping_neg()]).map(move |k| {
        let page = nearest.wrapping_add(k.wrapping_mul(ALIGNMENT));
        Pages { shift, constant: page.wrapping_sub(scaled) }
    })
}

/// Above the highest physical address of memory, from /proc/zoneinfo.
fn highest_address() -> u64 {
    let text = fs::read_to_string("/proc/zoneinfo").unwrap_or_default();
    highest_page(&text).saturating_mul(rustix::param::page_size() as u64)
}

/// The largest sum of `start_pfn` and the `spanned` before it.
fn highest_page(zoneinfo: &str) -> u64 {
    let (mut highest, mut spanned) = (0, 0);
    for line in zoneinfo.lines() {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or_default().trim_end_matches(':');
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        match (name, number) {
            ("spanned", Some(number)) => spanned = number,
            ("start_pfn", Some(number)) => highest = highest.max(number.saturating_add(spanned)),
            _ => {}
        }
    }
    highest
}

fn holds(ebpf: &mut Ebpf, at: u64, expected: u64) -> Result<bool, Error> {
    let mut options = RawTracePointRunOptions::new();
    options.args[..2].copy_from_slice(&[at, expected]);
    let result = raw_tracepoint(ebpf, "pitot_peek")?.test_run(options);
    Ok(result.map_err(|source| refused("pitot_peek", source))?.return_value == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_is_among_the_candidates() {
        let check = |pages_at: u64, structures_at: u64, page: u64, data: u64| {
            let place =
                Place { data: pages_at + data, linear: 0, page: structures_at + page * 64, offset: 7 };
            let found = candidates(place, 6, 24 << 30)
                .any(|candidate| candidate.address(place) == pages_at + page * 4096 + 7);
            assert!(found, "{pages_at:x} {structures_at:x} {page} {data:x}");
        };
        check(0xffff_8880_0000_0000, 0xffff_ea00_0000_0000, 0, 0);
        check(0xffff_8880_0000_0000, 0xffff_ea00_0000_0000, 6 << 20, 0x1234_5678);
        check(0xffff_9a41_c000_0000, 0xffff_f6d2_4000_0000, 1, 0x5_c000_0000);
        check(0xffff_9a41_c000_0000, 0xffff_f6d2_4000_0000, 0x5f_ffff, 0);
    }

    #[test]
    fn highest_pages() {
        let zones = "Node 0, zone DMA\n  pages free 1\n        spanned  4095\n  start_pfn:           1\n\
                     Node 0, zone Normal\n        spanned  6291456\n  start_pfn:           1048576\n\
                     Node 0, zone Movable\n        spanned  0\n  start_pfn:           0\n";
        assert_eq!(highest_page(zones), 1_048_576 + 6_291_456);
        assert_eq!(highest_page(""), 0);
    }
}
