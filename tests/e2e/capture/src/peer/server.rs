//! The server: accepts as many connections as the plan has, and answers each request.

use std::io;
use std::os::fd::OwnedFd;
use std::thread;

use super::{End, tell};
use crate::plan::{Address, Line, Manner, Plan};
use crate::socket;
use crate::wire::{Head, Side};

/// A thread each, thousands at once.
const STACK: usize = 256 << 10;

pub(super) fn run(plan: &Plan) -> io::Result<()> {
    if plan.address == Address::Inherited {
        tell(&Line::Listening { address: Address::Inherited });
        return serve(plan, socket::inherited()?);
    }
    let (listener, address) = socket::listen(&plan.address, plan.manner == Manner::EarlyData)?;
    tell(&Line::Listening { address });
    if plan.connections == 1 {
        return serve(plan, socket::accept(&listener)?);
    }
    thread::scope(|scope| {
        let mut served = Vec::new();
        for _ in 0..plan.connections {
            let connection = socket::accept(&listener)?;
            let builder = thread::Builder::new().stack_size(STACK);
            served.push(builder.spawn_scoped(scope, || serve(plan, connection))?);
        }
        served.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| io::Error::other("a thread of the server panicked"))?
        })
    })
}

/// The next request; none at the end, however the client ended the connection when it had all.
fn next(end: &mut End<'_>) -> io::Result<Option<Head>> {
    let resets = matches!(end.plan.manner, Manner::SameAddresses | Manner::UntilReset);
    match end.receive() {
        Err(error) if resets && error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        other => other,
    }
}

/// Answers until the client closes.
fn serve(plan: &Plan, connection: OwnedFd) -> io::Result<()> {
    let mut end = End::new(plan, connection)?;
    while let Some(request) = next(&mut end)? {
        let response = plan.head(request.id.connection, request.id.exchange, Side::Response);
        end.send(&response)?;
        if plan.manner == Manner::UntilClose {
            break;
        }
    }
    Ok(())
}
