//! Events to record bodies.

use std::net::SocketAddr;

use pitot_common::user::{CaptureEvent, Endpoint, Hook, Lost, Overload, Process, ProcessId, Segment, Socket};

use crate::format::{
    HAS_OWNER, HAS_REMOTE, HAS_SHORT, INGRESS, IPV4, IPV6, LISTENS, LOST, OVERLOAD, PROCESS, SEGMENT, SOCKET,
    TICK, UNIX,
};

/// Appends the body of `event` to `body`; returns the record's type.
pub(crate) fn event(event: &CaptureEvent, body: &mut Vec<u8>) -> u8 {
    match event {
        CaptureEvent::Process(process) => {
            self::process(process, body);
            PROCESS
        }
        CaptureEvent::Segment(segment) => {
            self::segment(segment, body);
            SEGMENT
        }
        CaptureEvent::Socket(socket) => {
            self::socket(socket, body);
            SOCKET
        }
        CaptureEvent::Lost(lost) => {
            self::lost(lost, body);
            LOST
        }
        CaptureEvent::Overload(overload) => {
            self::overload(overload, body);
            OVERLOAD
        }
        CaptureEvent::Tick(time_ns) => {
            body.extend(time_ns.to_le_bytes());
            TICK
        }
    }
}

fn process(process: &Process, body: &mut Vec<u8>) {
    process_id(process.id, body);
    text(&process.comm, body);
    text(&process.exe, body);
    text(&process.cgroup, body);
    length(process.args.len(), body);
    process.args.iter().for_each(|arg| text(arg, body));
    body.push(u8::from(process.user.is_some()));
    if let Some((uid, name)) = &process.user {
        body.extend(uid.to_le_bytes());
        text(name, body);
    }
    body.extend(process.netns.to_le_bytes());
    text(&process.container, body);
    body.push(u8::from(process.pod.is_some()));
    if let Some(pod) = &process.pod {
        text(&pod.namespace, body);
        text(&pod.name, body);
    }
    text(&process.host, body);
}

fn process_id(id: ProcessId, body: &mut Vec<u8>) {
    body.extend(id.pid.to_le_bytes());
    body.extend(id.start_ns.to_le_bytes());
}

fn socket(socket: &Socket, body: &mut Vec<u8>) {
    let owner = socket.owner.map_or(0, |_| HAS_OWNER);
    let remote = socket.remote.map_or(0, |_| HAS_REMOTE);
    body.push(owner | remote | if socket.listens { LISTENS } else { 0 });
    for number in [socket.time_ns, socket.netns, socket.cookie] {
        body.extend(number.to_le_bytes());
    }
    address(socket.local, body);
    if let Some(remote) = socket.remote {
        address(remote, body);
    }
    if let Some(owner) = socket.owner {
        process_id(owner, body);
    }
    text(&socket.path, body);
}

fn overload(overload: &Overload, body: &mut Vec<u8>) {
    body.extend(overload.time_ns.to_le_bytes());
    body.push(u8::from(overload.begins));
    body.extend(overload.connections.to_le_bytes());
    body.extend(overload.bytes.to_le_bytes());
}

fn segment(segment: &Segment, body: &mut Vec<u8>) {
    let ingress = if segment.hook == Hook::Ingress { INGRESS } else { 0 };
    let owner = segment.owner.map_or(0, |_| HAS_OWNER);
    let short = segment.short.map_or(0, |_| HAS_SHORT);
    body.push(ingress | owner | short);
    for number in [segment.time_ns, segment.cookie, segment.cgroup, segment.netns] {
        body.extend(number.to_le_bytes());
    }
    address(segment.src, body);
    address(segment.dst, body);
    body.extend(segment.seq.to_le_bytes());
    body.extend(segment.ack.to_le_bytes());
    body.push(segment.flags.0);
    body.extend(segment.total.to_le_bytes());
    body.extend(segment.offset.to_le_bytes());
    if let Some(owner) = segment.owner {
        process_id(owner, body);
    }
    if let Some(short) = segment.short {
        body.push(short.reason as u8);
        body.extend(short.bytes.to_le_bytes());
    }
    body.extend_from_slice(&segment.payload);
}

fn lost(lost: &Lost, body: &mut Vec<u8>) {
    body.extend(lost.time_ns.to_le_bytes());
    body.push(lost.reason as u8);
    body.extend(lost.records.to_le_bytes());
    body.extend(lost.bytes.to_le_bytes());
}

fn address(address: Endpoint, body: &mut Vec<u8>) {
    match address {
        Endpoint::Inet(SocketAddr::V4(address)) => {
            body.push(IPV4);
            body.extend(address.ip().octets());
            body.extend(address.port().to_le_bytes());
        }
        Endpoint::Inet(SocketAddr::V6(address)) => {
            body.push(IPV6);
            body.extend(address.ip().octets());
            body.extend(address.flowinfo().to_le_bytes());
            body.extend(address.scope_id().to_le_bytes());
            body.extend(address.port().to_le_bytes());
        }
        Endpoint::Unix(socket) => {
            body.push(UNIX);
            body.extend(socket.to_le_bytes());
        }
    }
}

fn text(text: &str, body: &mut Vec<u8>) {
    length(text.len(), body);
    body.extend_from_slice(text.as_bytes());
}

/// A length beyond 32 bits makes a body beyond the limit, which is refused whole.
fn length(length: usize, body: &mut Vec<u8>) {
    body.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}
