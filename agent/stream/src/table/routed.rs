//! What the table hands to a partition.

use std::sync::Arc;

use bytes::Bytes;
use pitot_common::user::{Endpoint, Hook, LossReason, Process, Segment, Short, TcpFlags};

use crate::{Connection, Direction};

/// One step of one connection, for the partition that holds it ([`crate::ConnId::partition`]).
#[derive(Debug, Clone)]
pub struct Routed {
    /// Sequence number of the capture event in its source.
    pub seq: u64,
    /// Its capture time, ns since the Unix epoch.
    pub time_ns: u64,
    /// The connection.
    pub conn: Arc<Connection>,
    /// What happens to it.
    pub step: Step,
}

/// The kinds of [`Routed`]. Per connection: `Open`, any of the others, `Close`.
#[derive(Debug, Clone)]
pub enum Step {
    /// The connection is new.
    Open,
    /// The process of the sender of `direction` is known.
    Owner {
        /// Which end.
        direction: Direction,
        /// Who.
        process: Arc<Process>,
    },
    /// The sender of `direction` is not on this machine.
    Remote {
        /// Which end.
        direction: Direction,
    },
    /// It was seen in another place too, where its ends have other addresses (NAT).
    View {
        /// Those of initiator and responder there.
        ends: [Endpoint; 2],
    },
    /// One record of one segment.
    Part(Part),
    /// Nobody wants it: from here on it is only counted.
    Refuse {
        /// Why.
        reason: LossReason,
    },
    /// The table has forgotten it.
    Close {
        /// Why.
        reason: &'static str,
    },
}

/// One record of one segment, reduced to what places its bytes.
#[derive(Debug, Clone)]
pub struct Part {
    /// Who sent it.
    pub direction: Direction,
    /// Sequence number of the first byte of `bytes`.
    pub first: u32,
    /// From there to the end of the segment's payload, where its FIN stands if it has one; bytes.
    pub rest: u32,
    /// If it is a SYN: the sequence number of the first payload byte after it.
    pub syn: Option<u32>,
    /// Acknowledgement number, where there is one.
    pub ack: Option<u32>,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
    /// Payload; empty where there is none.
    pub bytes: Bytes,
    /// What should follow `bytes` and was not captured.
    pub short: Option<Short>,
    /// The local socket it was captured at, where that is certain to be an end of this connection.
    pub socket: Option<LocalSocket>,
}

/// A socket of this machine, as the kernel part names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalSocket {
    /// What it sends.
    pub end: Direction,
    /// Its cookie; never 0.
    pub cookie: u64,
}

impl LocalSocket {
    /// Around the handshake a listener's cookie is seen: of a SYN-ACK at its sender, of everything up to the first data
    /// at its receiver. So a receiver counts only where it is known to be past that.
    fn of(direction: Direction, event: &Segment) -> Option<Self> {
        let end = match event.hook {
            Hook::Egress if !event.flags.has(TcpFlags::SYN) => direction,
            Hook::Ingress if !event.flags.has(TcpFlags::SYN) => direction.reverse(),
            _ => return None,
        };
        (event.cookie != 0).then_some(Self { end, cookie: event.cookie })
    }
}

impl Part {
    pub(crate) fn new(direction: Direction, mut event: Segment) -> Self {
        withhold_urgent(&mut event);
        let payload_start = event.seq.wrapping_add(u32::from(event.flags.has(TcpFlags::SYN)));
        let captured = u32::try_from(event.payload.len()).unwrap_or(u32::MAX);
        // A socket connected to itself has one direction; its acknowledgements are of its own bytes.
        let to_itself = event.src == event.dst;
        let missing = event.short.map_or(0, |short| short.bytes);
        Self {
            socket: LocalSocket::of(direction, &event),
            direction,
            first: payload_start.wrapping_add(event.offset),
            rest: event.total.saturating_sub(event.offset).max(captured.saturating_add(missing)),
            syn: event.flags.has(TcpFlags::SYN).then_some(payload_start),
            ack: (event.flags.has(TcpFlags::ACK) && !to_itself).then_some(event.ack),
            fin: event.flags.has(TcpFlags::FIN),
            rst: event.flags.has(TcpFlags::RST),
            bytes: Bytes::from(event.payload),
            short: event.short.filter(|short| short.bytes > 0),
        }
    }

    /// Whether it has something to say in its direction: data, captured or not, or its end.
    pub(crate) fn speaks(&self) -> bool {
        self.rest > 0 || self.fin
    }
}

/// Urgent data may or may not be part of what the receiver reads as the stream (SO_OOBINLINE; RFC 6093), and only the
/// receiver knows: the bytes of such a packet are a gap.
fn withhold_urgent(event: &mut Segment) {
    let missing = event.short.map_or(0, |short| short.bytes);
    let bytes = u32::try_from(event.payload.len()).unwrap_or(u32::MAX).saturating_add(missing);
    if event.flags.has(TcpFlags::URG) && bytes > 0 {
        event.payload.clear();
        event.short = Some(Short { reason: LossReason::Urgent, bytes });
    }
}
