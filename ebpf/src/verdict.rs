//! Whether a connection is captured: what user space said of its socket, and what the filter says of it.

use pitot_common::abi::Loss;
use pitot_common::filter::{Decision, View, decide};

use crate::capture::Skb;
use crate::maps::{GENERATION, OWN, RULES, VERDICTS, count_number};
use crate::packet::Packet;
use crate::socket::{Kept, Socket};
use crate::walk::forget;

/// 0: captured. Else why not, a [`Loss`] number or [`OWN`], perhaps with [`UNSEEN`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict(u32);

/// Set where not even opening and end of the connection are shown.
const UNSEEN: u32 = 1 << 8;

impl Verdict {
    pub(crate) const OWN: Self = Self(OWN);
    pub(crate) const MULTIPATH: Self = Self(Loss::Multipath as u32);

    #[inline(always)]
    pub(crate) fn is_capture(self) -> bool {
        self.0 == 0
    }

    #[inline(always)]
    pub(crate) fn is_unseen(self) -> bool {
        self.0 & UNSEEN != 0
    }

    /// The [`Loss`] number for a record; 0 where nothing is counted.
    #[inline(always)]
    pub(crate) fn reason(self) -> u32 {
        let reason = self.0 & (UNSEEN - 1);
        if reason == OWN { 0 } else { reason }
    }

    /// Counts a packet that is left out.
    #[inline(always)]
    pub(crate) fn count(self, bytes: u32) {
        if self.reason() != 0 && bytes != 0 {
            count_number(self.reason(), bytes);
        }
    }
}

/// The verdict on a packet's connection; remembered with the socket, unless that is a listening one, which has many.
#[inline(always)]
pub(crate) fn of(skb: &impl Skb, packet: &Packet, socket: &Socket, kept: Option<&mut Kept>) -> Verdict {
    let generation = generation();
    match kept {
        Some(kept) if kept.judged_at == generation => Verdict(kept.verdict),
        Some(kept) => {
            let verdict = judge(skb, packet, socket, generation);
            (kept.verdict, kept.judged_at) = (verdict.0, generation);
            verdict
        }
        None => judge(skb, packet, socket, generation),
    }
}

#[inline(always)]
fn generation() -> u64 {
    match GENERATION.get_ptr(0) {
        // SAFETY: points to a map value of 8 bytes; user space changes it while this runs.
        Some(generation) => unsafe { generation.read_volatile() },
        None => 0,
    }
}

#[inline(always)]
fn judge(skb: &impl Skb, packet: &Packet, socket: &Socket, generation: u64) -> Verdict {
    // By reference, so that the key lies where the cookie does: a copy of it parts paths that would meet, and costs every verifier half
    // as much again (docs/verifier-cost.json).
    #[expect(clippy::needless_borrows_for_generic_args, reason = "see above")]
    let said = VERDICTS.get_ptr(&socket.cookie);
    if let Some(said) = said {
        // SAFETY: points to a map value of 4 bytes.
        return Verdict(unsafe { said.read_volatile() });
    }
    let Some(rules) = RULES.get_ptr((generation >> 32) as u32 & 1) else { return Verdict(0) };
    // SAFETY: points to a map value of this type. User space writes the other one.
    let rules = unsafe { &*rules };
    let view = View {
        version: packet.version,
        loopback: skb.is_loopback(),
        netns: socket.netns,
        src: packet.src,
        dst: packet.dst,
        src_port: packet.src_port,
        dst_port: packet.dst_port,
    };
    match decide(rules, &view, |level| skb.ancestor(level), |said| forget(skb.length(), said)) {
        Decision::Capture => Verdict(0),
        Decision::Refuse => Verdict(Loss::Filtered as u32),
        Decision::RefuseUnseen => Verdict(Loss::Filtered as u32 | UNSEEN),
    }
}
