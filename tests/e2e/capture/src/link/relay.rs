//! A relay between two TUN devices, each in a network namespace: hands packets on, some later than the next ones, some
//! twice. What it does is seeded.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::content::Random;
use crate::raw;

/// What it says when the devices are there.
pub const READY: &str = "ready";
/// What they are called, in either namespace.
pub const DEVICE: &str = "suite0";

/// A packet in so many is kept back until others have overtaken it.
const LATE: u64 = 6;
/// A packet in so many is handed on twice.
const TWICE: u64 = 8;
/// A packet that is kept back waits for at most so many others, or for as long without any, ns.
const OVERTAKEN_BY: usize = 4;
const PATIENCE_NS: i64 = 2_000_000;

/// Relays between the namespaces of these files until it is killed.
///
/// # Errors
/// When there is no device to be had, or one fails.
pub fn run(namespaces: [&str; 2]) -> io::Result<()> {
    let open = |namespace: &str| {
        let file = File::open(namespace)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        raw::tun(DEVICE)
    };
    let devices = [open(namespaces[0])?, open(namespaces[1])?];
    println!("{READY}");
    let mut random = Random::new(7);
    let mut late = [VecDeque::new(), VecDeque::new()];
    let mut packet = vec![0; 65_536];
    loop {
        let ready = wait(&devices, late.iter().any(|late| !late.is_empty()))?;
        for end in [0, 1] {
            let (late, to) = (&mut late[end], &devices[1 - end]);
            if ready[end] {
                let length = rustix::io::read(&devices[end], &mut packet)?;
                let packet = &packet[..length];
                if random.once_in(LATE) && late.len() < OVERTAKEN_BY {
                    late.push_back(Late { packet: packet.to_vec(), overtaken: 0 });
                    continue;
                }
                hand_on(to, packet);
                if random.once_in(TWICE) {
                    hand_on(to, packet);
                }
                late.iter_mut().for_each(|late| late.overtaken += 1);
            }
            let quiet = !ready.contains(&true);
            while late.front().is_some_and(|first| quiet || first.overtaken >= OVERTAKEN_BY) {
                late.pop_front().iter().for_each(|late| hand_on(to, &late.packet));
            }
        }
    }
}

struct Late {
    packet: Vec<u8>,
    overtaken: usize,
}

/// Which device has a packet; none after a while, if somebody waits for that.
fn wait(devices: &[OwnedFd; 2], bounded: bool) -> io::Result<[bool; 2]> {
    let mut polled = devices.each_ref().map(|device| PollFd::new(device, PollFlags::IN));
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE_NS };
    poll(&mut polled, bounded.then_some(&patience))?;
    Ok(polled.map(|polled| polled.revents().contains(PollFlags::IN)))
}

/// A device that does not take a packet (it is down) loses it: that is what networks do.
fn hand_on(device: &OwnedFd, packet: &[u8]) {
    let _ = rustix::io::write(device, packet);
}
