//! Record bodies to events. Trusts nothing: every length is checked against what is there.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use pitot_common::user::{
    CaptureEvent, Endpoint, Hook, LossReason, Lost, Overload, Pod, Process, ProcessId, Segment, Short,
    Socket, TcpFlags,
};

use crate::error::Fault;
use crate::format::{
    HAS_OWNER, HAS_REMOTE, HAS_SHORT, INGRESS, IPV4, IPV6, LISTENS, LOST, OVERLOAD, PROCESS, SEGMENT, SOCKET,
    TICK, UNIX,
};

/// The event in the body of a record of type `kind`.
pub(crate) fn event(kind: u8, body: &[u8]) -> Result<CaptureEvent, Fault> {
    let mut fields = Fields(body);
    let event = match kind {
        PROCESS => CaptureEvent::Process(Arc::new(fields.process()?)),
        SEGMENT => CaptureEvent::Segment(fields.segment()?),
        LOST => CaptureEvent::Lost(Lost {
            time_ns: fields.u64()?,
            reason: fields.reason()?,
            records: fields.u64()?,
            bytes: fields.u64()?,
        }),
        TICK => CaptureEvent::Tick(fields.u64()?),
        SOCKET => CaptureEvent::Socket(Arc::new(fields.socket()?)),
        OVERLOAD => CaptureEvent::Overload(Overload {
            time_ns: fields.u64()?,
            begins: fields.flag()?,
            connections: fields.u64()?,
            bytes: fields.u64()?,
        }),
        unknown => return Err(Fault::Type(unknown)),
    };
    fields.end()?;
    Ok(event)
}

/// The number of records that the body of an end record counts.
pub(crate) fn end(body: &[u8]) -> Result<u64, Fault> {
    let mut fields = Fields(body);
    let count = fields.u64()?;
    fields.end()?;
    Ok(count)
}

/// What of a body is still unread.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (field, rest) = self.0.split_at_checked(len).ok_or(Fault::Fields)?;
        self.0 = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(Fault::Fields)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, Fault> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Fault::Code(other)),
        }
    }

    fn text(&mut self) -> Result<String, Fault> {
        let len = self.u32()?;
        let bytes = self.take(usize::try_from(len).map_err(|_| Fault::Fields)?)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Fault::Text)
    }

    fn reason(&mut self) -> Result<LossReason, Fault> {
        let number = self.u8()?;
        LossReason::from_number(number).ok_or(Fault::Code(number))
    }

    fn process_id(&mut self) -> Result<ProcessId, Fault> {
        Ok(ProcessId { pid: self.u32()?, start_ns: self.u64()? })
    }

    fn address(&mut self) -> Result<Endpoint, Fault> {
        match self.u8()? {
            IPV4 => {
                let ip = Ipv4Addr::from(self.array::<4>()?);
                Ok(SocketAddr::from((ip, self.u16()?)).into())
            }
            IPV6 => {
                let ip = Ipv6Addr::from(self.array::<16>()?);
                let (flowinfo, scope, port) = (self.u32()?, self.u32()?, self.u16()?);
                Ok(SocketAddr::V6(SocketAddrV6::new(ip, port, flowinfo, scope)).into())
            }
            UNIX => self.u64().map(Endpoint::Unix),
            unknown => Err(Fault::Code(unknown)),
        }
    }

    fn process(&mut self) -> Result<Process, Fault> {
        let (id, comm, exe, cgroup) = (self.process_id()?, self.text()?, self.text()?, self.text()?);
        // Collecting stops at the first argument that is not there: a false count reserves nothing.
        let args = (0..self.u32()?).map(|_| self.text()).collect::<Result<_, _>>()?;
        let user = if self.flag()? { Some((self.u32()?, self.text()?)) } else { None };
        let (netns, container) = (self.u64()?, self.text()?);
        let pod = if self.flag()? { Some(Pod { namespace: self.text()?, name: self.text()? }) } else { None };
        // What was recorded before this was written down ends here.
        let host = if self.0.is_empty() { String::new() } else { self.text()? };
        Ok(Process { id, comm, exe, args, cgroup, user, netns, container, pod, host })
    }

    fn socket(&mut self) -> Result<Socket, Fault> {
        let has = self.u8()?;
        if has & !(HAS_OWNER | HAS_REMOTE | LISTENS) != 0 {
            return Err(Fault::Code(has));
        }
        Ok(Socket {
            listens: has & LISTENS != 0,
            time_ns: self.u64()?,
            netns: self.u64()?,
            cookie: self.u64()?,
            local: self.address()?,
            remote: if has & HAS_REMOTE != 0 { Some(self.address()?) } else { None },
            owner: if has & HAS_OWNER != 0 { Some(self.process_id()?) } else { None },
            path: self.text()?,
        })
    }

    fn segment(&mut self) -> Result<Segment, Fault> {
        let has = self.u8()?;
        if has & !(INGRESS | HAS_OWNER | HAS_SHORT) != 0 {
            return Err(Fault::Code(has));
        }
        let mut segment = Segment {
            hook: if has & INGRESS == 0 { Hook::Egress } else { Hook::Ingress },
            time_ns: self.u64()?,
            cookie: self.u64()?,
            cgroup: self.u64()?,
            netns: self.u64()?,
            src: self.address()?,
            dst: self.address()?,
            seq: self.u32()?,
            ack: self.u32()?,
            flags: TcpFlags(self.u8()?),
            total: self.u32()?,
            offset: self.u32()?,
            owner: None,
            short: None,
            payload: Vec::new(),
        };
        if has & HAS_OWNER != 0 {
            segment.owner = Some(self.process_id()?);
        }
        if has & HAS_SHORT != 0 {
            segment.short = Some(Short { reason: self.reason()?, bytes: self.u32()? });
        }
        segment.payload = self.take(self.0.len())?.to_vec();
        let missing = segment.short.map_or(0, |short| u64::from(short.bytes));
        if u64::from(segment.offset) + segment.payload.len() as u64 + missing > u64::from(segment.total) {
            return Err(Fault::Payload);
        }
        Ok(segment)
    }

    fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Fields) }
    }
}
