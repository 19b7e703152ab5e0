//! The thread that empties the ring: from records to batches of events, with ticks and losses at their place.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use log::debug;
use pitot_common::abi::Loss;
use pitot_common::user::decode::{KernelProcess, KernelSocket, Record, decode};
use pitot_common::user::{CaptureEvent, Endpoint, Lost, ProcessId, Segment};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::host::Host;
use crate::lanes::UnixWatch;
use crate::overload::Watch;
use crate::own::OwnTraffic;
use crate::programs::Programs;
use crate::sched::Backlog;
use crate::silent::Silent;
use crate::unix::{Births, Fate, Unix};
use crate::{Control, Error, StopHandle, inventory, proc};

/// Batches that may wait for the reader. With [`BATCH_BYTES`] this bounds what lies between ring and reader.
pub(crate) const MAX_BATCHES: usize = 64;
/// Emptied batches that may wait to be used again.
pub(crate) const SPARE_BATCHES: usize = 4;
/// A batch ends when it holds this much payload,
const BATCH_BYTES: usize = 512 * 1024;
/// or this many events.
const BATCH_EVENTS: usize = 1024;
/// How long to sleep between looks: the kernel part wakes the thread earlier when much is waiting. Small batches are dear: each
/// wakes the reader, and goes through every stage and partition.
pub(crate) const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// Processes remembered as already given. Beyond that all are forgotten and given again when next seen.
const MAX_PROCESSES: usize = 64 * 1024;
const SECOND_NS: u64 = 1_000_000_000;

/// Owns the kernel part while capture runs.
pub(crate) struct Drain {
    ring: RingBuf<MapData>,
    losses: Losses,
    outlet: Outlet,
    stop: StopHandle,
    events: Events,
    /// Sockets that were open before the programs were attached.
    open: Vec<KernelSocket>,
    unix: Option<UnixWatch>,
    /// The second in which it was last looked after.
    unix_looked: u64,
    /// The second in which the silent were last looked for.
    silent_looked: u64,
    /// Keeps the programs attached.
    ebpf: Ebpf,
}

impl Drain {
    pub(crate) fn new(
        mut ebpf: Ebpf,
        outlet: Outlet,
        stop: StopHandle,
        host: Host,
        control: Control,
    ) -> Result<Self, Error> {
        let ring = RingBuf::try_from(ebpf.take_map("RECORDS").ok_or(Error::Missing("RECORDS"))?)?;
        let counters = Counters::of(&mut ebpf)?;
        let open = inventory::read(&mut ebpf);
        let unix = UnixWatch::take(&mut ebpf)?;
        // After the programs are attached, so that what is new is seen from its beginning.
        let births = Births::begin();
        Ok(Self {
            ring,
            losses: Losses { counters, programs: Programs::of(&ebpf), read_at: 0 },
            outlet,
            stop,
            events: Events::new(Clock::now(), host, births, control),
            open,
            unix,
            unix_looked: 0,
            silent_looked: 0,
            ebpf,
        })
    }

    /// Runs until it is stopped or nobody reads any more.
    pub(crate) fn run(mut self) {
        for found in std::mem::take(&mut self.open) {
            self.events.socket(found);
        }
        loop {
            // Read before the ring is emptied: what was sent before the stop is then delivered.
            let stopping = self.stop.is_stopped();
            self.find_the_silent();
            let unix = self.look_after_unix();
            if self.empty_ring().is_err() {
                return;
            }
            for (number, fate) in unix {
                self.events.unix_ended(number, fate);
            }
            self.events.tick_until(self.events.clock.unix_now_ns());
            self.losses.each_second(&mut self.events);
            if stopping {
                self.losses.read(&mut self.events);
                self.events.end_overload();
            }
            if self.outlet.send(&mut self.events).is_err() {
                return;
            }
            if stopping {
                debug!("capture ends; {} programs are detached", self.ebpf.programs().count());
                return;
            }
            self.sleep();
            self.outlet.backlog.advance();
        }
    }

    /// Reads what is in the ring, one ring-full at most, and sends full batches.
    fn empty_ring(&mut self) -> Result<(), ()> {
        while let Some(record) = self.ring.next() {
            self.events.add(&record);
            drop(record);
            if self.events.is_full() {
                self.outlet.send(&mut self.events)?;
                // The ring may never be empty.
                self.losses.each_second(&mut self.events);
            }
            if self.stop.is_stopped() && self.events.since_stop_exceeded() {
                break;
            }
        }
        Ok(())
    }

    /// Once a second: which Unix sockets have ended. Their last records are in the ring by now. And whenever any were
    /// captured, whether some were missed.
    fn look_after_unix(&mut self) -> Vec<(u64, Fate)> {
        let Some(unix) = &mut self.unix else { return Vec::new() };
        let second = self.events.clock.unix_now_ns() / SECOND_NS;
        let due = std::mem::replace(&mut self.unix_looked, second) != second;
        if (due || std::mem::take(&mut self.events.unix_seen)) && unix.missed(&mut self.ebpf) {
            self.events.unix.missed(Births::begin());
        }
        if !due {
            return Vec::new();
        }
        unix.fates(&mut self.ebpf).unwrap_or_else(|error| {
            debug!("{error}");
            Vec::new()
        })
    }

    /// Once a second, and only if there are any: whose the ends of connections are that have not sent.
    fn find_the_silent(&mut self) {
        let second = self.events.clock.unix_now_ns() / SECOND_NS;
        let due = std::mem::replace(&mut self.silent_looked, second) != second;
        if due && !self.events.silent.is_empty() {
            // What takes as long as /proc is for the start only.
            let sockets = inventory::iterate(&mut self.ebpf).unwrap_or_default();
            self.events.silent.among(sockets).into_iter().for_each(|found| self.events.socket(found));
        }
    }

    fn sleep(&self) {
        let mut fds = [PollFd::new(&self.ring, PollFlags::IN)];
        // Interrupted or refused: the ring is looked at all the same.
        let _ = poll(&mut fds, Some(&PAUSE));
    }
}

/// Where batches go.
pub(crate) struct Outlet {
    pub(crate) sender: SyncSender<Vec<CaptureEvent>>,
    /// Batches that were emptied.
    pub(crate) spare: Receiver<Vec<CaptureEvent>>,
    pub(crate) backlog: Arc<Backlog>,
}

impl Outlet {
    /// Waits for room. An error: nobody reads any more.
    fn send(&self, events: &mut Events) -> Result<(), ()> {
        if events.batch.is_empty() {
            return Ok(());
        }
        let batch = events.take(self.spare.try_recv().unwrap_or_default());
        self.backlog.send();
        self.sender.send(batch).map_err(drop)
    }
}

/// What was lost, from where each is counted.
struct Losses {
    counters: Counters,
    programs: Programs,
    /// The tick after which it was last read: each look costs system calls.
    read_at: u64,
}

impl Losses {
    fn each_second(&mut self, events: &mut Events) {
        if self.read_at != events.last_tick {
            self.read_at = events.last_tick;
            self.read(events);
        }
    }

    fn read(&self, events: &mut Events) {
        for reason in Loss::ALL {
            let total = match reason {
                Loss::Recursion => (self.programs.recursion_misses(), 0),
                Loss::BadRecord => (events.refused, 0),
                _ => self.counters.lost(reason),
            };
            events.lost_so_far(reason, total);
        }
    }
}

/// Records to events.
struct Events {
    clock: Clock,
    own: OwnTraffic,
    silent: Silent,
    overload: Watch,
    host: Host,
    unix: Unix,
    /// Whether any of its records came since somebody last asked.
    unix_seen: bool,
    batch: Vec<CaptureEvent>,
    batch_bytes: usize,
    processes: HashSet<ProcessId>,
    /// The last tick, ns since the epoch; 0 before the first.
    last_tick: u64,
    lost: [(u64, u64); Loss::ALL.len()],
    refused: u64,
    after_stop: usize,
}

impl Events {
    fn new(clock: Clock, host: Host, births: Births, control: Control) -> Self {
        Self {
            clock,
            own: OwnTraffic::new(std::process::id(), Some(control)),
            silent: Silent::default(),
            overload: Watch::default(),
            host,
            unix: Unix::new(births),
            unix_seen: false,
            batch: Vec::new(),
            batch_bytes: 0,
            processes: HashSet::new(),
            last_tick: 0,
            lost: Default::default(),
            refused: 0,
            after_stop: 0,
        }
    }

    fn add(&mut self, record: &[u8]) {
        match decode(record) {
            Ok(Record::Segment(segment)) if matches!(segment.src, Endpoint::Unix(_)) => self.unix(segment),
            Ok(Record::Segment(segment)) => self.segment(segment),
            Ok(Record::Process(process)) => self.process(process),
            Ok(Record::Socket(found)) => self.socket(found),
            Err(error) => {
                debug!("{error}");
                self.refused += 1;
            }
        }
    }

    fn segment(&mut self, mut segment: Segment) {
        if self.own.includes(&segment) {
            return;
        }
        segment.time_ns = self.clock.unix_ns(segment.time_ns);
        self.silent.segment(&segment);
        if let Some(id) = segment.owner {
            // Its own record may have been lost.
            self.process(KernelProcess { id, comm: String::new(), args: Vec::new() });
        }
        self.tick_until(segment.time_ns);
        self.batch.extend(self.overload.segment(&segment).map(CaptureEvent::Overload));
        self.batch_bytes += segment.payload.len();
        self.batch.push(CaptureEvent::Segment(segment));
    }

    /// A record of the lane of Unix sockets is not yet what a segment is.
    fn unix(&mut self, mut record: Segment) {
        record.time_ns = self.clock.unix_ns(record.time_ns);
        self.tick_until(record.time_ns);
        self.unix_seen = true;
        let Self { unix, batch, batch_bytes, .. } = self;
        unix.segment(record, &mut |segment| {
            *batch_bytes += segment.payload.len();
            batch.push(CaptureEvent::Segment(segment));
        });
    }

    fn unix_ended(&mut self, number: u64, fate: Fate) {
        let now = self.clock.unix_now_ns();
        let Self { unix, batch, .. } = self;
        unix.ended(number, fate, now, &mut |segment| batch.push(CaptureEvent::Segment(segment)));
    }

    fn process(&mut self, process: KernelProcess) {
        if self.processes.len() >= MAX_PROCESSES {
            self.processes.clear();
        }
        if self.processes.insert(process.id) {
            self.batch.push(CaptureEvent::Process(Arc::new(proc::complete(&mut self.host, process))));
        }
    }

    fn socket(&mut self, found: KernelSocket) {
        let KernelSocket { mut socket, comm, .. } = found;
        if let Some(id) = socket.owner {
            self.process(KernelProcess { id, comm, args: Vec::new() });
        }
        socket.time_ns = self.clock.unix_ns(socket.time_ns);
        self.unix.socket(&socket);
        self.batch.push(CaptureEvent::Socket(Arc::new(socket)));
    }

    /// A tick at each full second up to `now`, however long nothing happened: one after a pause of many.
    fn tick_until(&mut self, now: u64) {
        let second = now - now % SECOND_NS;
        if second > self.last_tick {
            if self.last_tick > 0 {
                self.batch.push(CaptureEvent::Tick(second));
            }
            self.last_tick = second;
        }
    }

    /// `total` packets and bytes were lost since the start.
    fn lost_so_far(&mut self, reason: Loss, total: (u64, u64)) {
        let before = &mut self.lost[reason as usize - 1];
        let (records, bytes) = (total.0.saturating_sub(before.0), total.1.saturating_sub(before.1));
        if records > 0 {
            *before = total;
            let time_ns = self.clock.unix_now_ns();
            self.batch.push(CaptureEvent::Lost(Lost { time_ns, reason, records, bytes }));
        }
        if reason == Loss::Overload {
            let event = self.overload.counted(self.clock.unix_now_ns(), total.1);
            self.batch.extend(event.map(CaptureEvent::Overload));
        }
    }

    fn end_overload(&mut self) {
        let event = self.overload.end(self.clock.unix_now_ns());
        self.batch.extend(event.map(CaptureEvent::Overload));
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_EVENTS || self.batch_bytes >= BATCH_BYTES
    }

    /// The batch; `next`, which is empty, takes its place.
    fn take(&mut self, next: Vec<CaptureEvent>) -> Vec<CaptureEvent> {
        self.batch_bytes = 0;
        std::mem::replace(&mut self.batch, next)
    }

    /// Counts records read after the stop: traffic must not keep a stopped capture alive.
    fn since_stop_exceeded(&mut self) -> bool {
        self.after_stop += 1;
        self.after_stop > 1 << 20
    }
}
