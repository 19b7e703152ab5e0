//! The client: opens the plan's connections, and does the plan's exchanges on each.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};

use super::{End, tell};
use crate::plan::{Line, Manner, Order, Plan};
use crate::socket;
use crate::wire::Side;

pub(super) fn run(plan: &Plan) -> io::Result<()> {
    match plan.order {
        Order::OneByOne if plan.manner == Manner::SameAddresses => same_addresses(plan),
        Order::OneByOne if !plan.wait => {
            (0..plan.connections).try_for_each(|number| converse(plan, number, connect(plan)?))
        }
        Order::OneByOne | Order::AllOpen => {
            let open: Vec<OwnedFd> =
                (0..plan.connections).map(|_| socket::connect(&plan.address)).collect::<io::Result<_>>()?;
            if plan.wait {
                tell(&Line::Connected);
                io::stdin().read_line(&mut String::new())?;
            }
            (0..).zip(open).try_for_each(|(number, socket)| converse(plan, number, socket))
        }
        Order::Threads(count) => thread::scope(|scope| {
            let share = move |first: u32| {
                let mut numbers = (first..plan.connections).step_by(count as usize);
                numbers.try_for_each(|number| converse(plan, number, socket::connect(&plan.address)?))
            };
            let threads: Vec<_> = (0..count).map(|first| scope.spawn(move || share(first))).collect();
            threads.into_iter().try_for_each(joined)
        }),
    }
}

fn same_addresses(plan: &Plan) -> io::Result<()> {
    let mut local = SocketAddr::from(([127, 0, 0, 1], 0));
    (0..plan.connections).try_for_each(|number| {
        let mut end = End::new(plan, socket::connect_from(&mut local, &plan.address)?)?;
        exchanges(&mut end, number)?;
        // No TIME_WAIT keeps the addresses.
        socket::reset_on_close(&end.socket)
    })
}

/// Goes on with the connection that is passed to it: the plan has one.
pub(super) fn inherit(plan: &Plan) -> io::Result<()> {
    let over = socket::inherited()?;
    let mut end = End::new(plan, socket::take_passed(&over)?)?;
    exchanges(&mut end, 0)
}

fn converse(plan: &Plan, number: u32, socket: OwnedFd) -> io::Result<()> {
    if plan.manner == Manner::Passed {
        return bequeath(plan, socket);
    }
    let mut end = End::new(plan, socket)?;
    match plan.manner {
        Manner::TwoThreads => two_threads(&end, number),
        Manner::Pipelined => pipelined(&end, number),
        Manner::HalfClose => half_close(&mut end, number),
        Manner::UntilReset => {
            exchanges(&mut end, number)?;
            socket::reset_on_close(&end.socket)
        }
        _ => exchanges(&mut end, number),
    }
}

fn connect(plan: &Plan) -> io::Result<OwnedFd> {
    match plan.manner {
        Manner::EarlyData => socket::connect_early(&plan.address),
        _ => socket::connect(&plan.address),
    }
}

fn count(plan: &Plan) -> u32 {
    u32::try_from(plan.exchanges.len()).unwrap_or(u32::MAX)
}

fn exchanges(end: &mut End<'_>, number: u32) -> io::Result<()> {
    (0..count(end.plan)).try_for_each(|exchange| one(end, number, exchange))
}

fn one(end: &mut End<'_>, number: u32, exchange: u32) -> io::Result<()> {
    let request = end.plan.head(number, exchange, Side::Request);
    end.send(&request)?;
    answer(end)
}

fn answer(end: &mut End<'_>) -> io::Result<()> {
    end.receive()?.map(drop).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn half_close(end: &mut End<'_>, number: u32) -> io::Result<()> {
    for exchange in 0..count(end.plan) {
        let request = end.plan.head(number, exchange, Side::Request);
        end.send(&request)?;
    }
    rustix::net::shutdown(&end.socket, Shutdown::Write)?;
    (0..count(end.plan)).try_for_each(|_| answer(end))
}

/// A second holder of the same socket, with a descriptor of its own.
fn holder<'a>(end: &End<'a>) -> io::Result<End<'a>> {
    End::new(end.plan, rustix::io::dup(&end.socket)?)
}

fn two_threads(end: &End<'_>, number: u32) -> io::Result<()> {
    let (turn, turned) = (Mutex::new(0), Condvar::new());
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for parity in 0..2 {
            let mut end = holder(end)?;
            let (turn, turned) = (&turn, &turned);
            threads.push(scope.spawn(move || {
                for exchange in (parity..count(end.plan)).step_by(2) {
                    let mut now = turn.lock().unwrap_or_else(PoisonError::into_inner);
                    while *now < exchange {
                        now = turned.wait(now).unwrap_or_else(PoisonError::into_inner);
                    }
                    let done = one(&mut end, number, exchange);
                    // Whatever happened: the other thread must not wait for ever.
                    *now = if done.is_ok() { exchange + 1 } else { u32::MAX };
                    turned.notify_all();
                    done?;
                }
                Ok(())
            }));
        }
        threads.into_iter().try_for_each(joined)
    })
}

fn pipelined(end: &End<'_>, number: u32) -> io::Result<()> {
    let (mut sending, mut receiving) = (holder(end)?, holder(end)?);
    thread::scope(|scope| {
        let sender = scope.spawn(move || {
            (0..count(sending.plan)).try_for_each(|exchange| {
                let request = sending.plan.head(number, exchange, Side::Request);
                sending.send(&request)
            })
        });
        (0..count(receiving.plan)).try_for_each(|_| answer(&mut receiving))?;
        joined(sender)
    })
}

/// Gives the connection to another process and lets go of it.
fn bequeath(plan: &Plan, connection: OwnedFd) -> io::Result<()> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let plan = serde_json::to_string(plan)?;
    let mut heir = Command::new(std::env::current_exe()?)
        .args(["peer", "heir", &plan])
        .stdin(Stdio::from(theirs))
        .spawn()?;
    socket::pass(&ours, &connection)?;
    drop(connection);
    let status = heir.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the heir ended: {status}"))) }
}

fn joined(thread: thread::ScopedJoinHandle<'_, io::Result<()>>) -> io::Result<()> {
    thread.join().map_err(|_| io::Error::other("a thread of the client panicked"))?
}
