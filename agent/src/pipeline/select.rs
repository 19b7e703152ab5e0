//! Which connections are recorded (`record --pid` and the like): whole ones, when either end matches.
//!
//! ```text
//!            step of a connection
//!                    |
//!   wrong port ---> [rejected]      nothing more is kept of it
//!                    |
//!                [undecided]        its steps are held until a process at one end matches,
//!                    |              or both ends are known and none does
//!                [selected]         all of it passes, what was held first
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pitot_common::user::{CaptureEvent, Process, ProcessId};
use pitot_stream::table::{Routed, Step};
use pitot_stream::{ConnId, Connection};

use crate::cli::Select;

/// Captured bytes held for one connection whose ends are not known; with more it is rejected.
const HELD_PER_CONNECTION: usize = 1 << 20;
/// The same for all connections.
const HELD: usize = 32 << 20;

/// Decides about connections, and holds what it cannot decide about yet.
#[derive(Debug, Default)]
pub struct Selection {
    wanted: Select,
    fates: HashMap<ConnId, Fate>,
    /// Processes whose events have passed.
    passed: HashSet<ProcessId>,
    held: usize,
    /// Connections that ended, or became too much to hold, undecided.
    given_up: u64,
}

/// Something that passes: a step, the event that caused it, or both.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) step: Option<Routed>,
    pub(super) event: Option<CaptureEvent>,
}

#[derive(Debug)]
enum Fate {
    Selected,
    Rejected,
    Undecided { held: Vec<Kept>, bytes: usize, known: [bool; 2] },
}

impl Selection {
    /// Selects what the command line asks for.
    #[must_use]
    pub fn new(wanted: Select) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Connections that did not pass because nobody knew in time who owns their ends.
    pub(super) fn undecided(&self) -> u64 {
        let waiting = self.fates.values().filter(|fate| matches!(fate, Fate::Undecided { .. })).count();
        self.given_up + waiting as u64
    }

    /// Moves from `steps`, which `event` caused, to `out` what passes now, numbered `seq`.
    pub(super) fn pass(
        &mut self,
        seq: u64,
        event: Option<CaptureEvent>,
        steps: &mut Vec<Routed>,
        out: &mut Vec<Kept>,
    ) {
        if self.takes_all() {
            out.extend(steps.drain(..).map(|step| Kept { step: Some(step), event: None }));
            out.extend(event.map(|event| Kept { step: None, event: Some(event) }));
            return;
        }
        // A segment belongs to the connection of its part; processes pass with a connection that they own.
        let mut segment = None;
        match event {
            Some(CaptureEvent::Segment(_)) => segment = event,
            Some(CaptureEvent::Process(_)) | None => {}
            Some(
                CaptureEvent::Socket(_)
                | CaptureEvent::Lost(_)
                | CaptureEvent::Overload(_)
                | CaptureEvent::Tick(_),
            ) => out.push(Kept { step: None, event }),
        }
        for step in steps.drain(..) {
            let event = match step.step {
                Step::Part(_) => segment.take(),
                _ => None,
            };
            self.step(seq, step, event, out);
        }
    }

    fn step(&mut self, seq: u64, step: Routed, event: Option<CaptureEvent>, out: &mut Vec<Kept>) {
        let id = step.conn.id;
        if let Step::Open = step.step {
            let fate = self.first_fate(&step.conn);
            self.fates.insert(id, fate);
        }
        self.learn(seq, &step, out);
        let closes = matches!(step.step, Step::Close { .. });
        match self.fates.get_mut(&id) {
            Some(Fate::Selected) => {
                if let Step::Owner { process, .. } = &step.step {
                    self.announce(&Arc::clone(process), out);
                }
                out.push(Kept { step: Some(step), event });
            }
            Some(Fate::Undecided { held, bytes, .. }) => {
                let size = event_bytes(&step);
                held.push(Kept { step: Some(step), event });
                *bytes += size;
                self.held += size;
                if *bytes > HELD_PER_CONNECTION || self.held > HELD {
                    self.given_up += 1;
                    self.reject(id);
                }
            }
            Some(Fate::Rejected) | None => {}
        }
        if closes {
            self.given_up += u64::from(matches!(self.fates.get(&id), Some(Fate::Undecided { .. })));
            self.reject(id);
            self.fates.remove(&id);
        }
    }

    /// What an owner, or a remote end, decides about an undecided connection.
    fn learn(&mut self, seq: u64, step: &Routed, out: &mut Vec<Kept>) {
        let (direction, matches) = match &step.step {
            Step::Owner { direction, process } => (*direction, self.matches(process)),
            Step::Remote { direction } => (*direction, false),
            _ => return,
        };
        let Some(Fate::Undecided { held, bytes, known }) = self.fates.get_mut(&step.conn.id) else { return };
        if matches {
            self.held -= *bytes;
            let held = std::mem::take(held);
            self.fates.insert(step.conn.id, Fate::Selected);
            self.release(seq, held, out);
            return;
        }
        if let Some(known) = known.get_mut(direction.index()) {
            *known = true;
        }
        if *known == [true; 2] {
            self.reject(step.conn.id);
        }
    }

    /// What was held passes now, so it is numbered now: the order of what was released stays the order of numbers.
    fn release(&mut self, seq: u64, held: Vec<Kept>, out: &mut Vec<Kept>) {
        for Kept { step, event } in held {
            if let Some(Routed { step: Step::Owner { process, .. }, .. }) = &step {
                self.announce(&Arc::clone(process), out);
            }
            out.push(Kept { step: step.map(|step| Routed { seq, ..step }), event });
        }
    }

    /// Lets the event of a process pass, once, before the first segment that names it.
    fn announce(&mut self, process: &Arc<Process>, out: &mut Vec<Kept>) {
        if self.passed.insert(process.id) {
            out.push(Kept { step: None, event: Some(CaptureEvent::Process(Arc::clone(process))) });
        }
    }

    fn reject(&mut self, id: ConnId) {
        if let Some(Fate::Undecided { bytes, .. }) = self.fates.insert(id, Fate::Rejected) {
            self.held -= bytes;
        }
    }

    fn takes_all(&self) -> bool {
        self.wanted.port.is_none() && !self.asks_for_a_process()
    }

    fn asks_for_a_process(&self) -> bool {
        self.wanted.pid.is_some() || self.wanted.comm.is_some() || self.wanted.cgroup.is_some()
    }

    fn first_fate(&self, conn: &Connection) -> Fate {
        let ports = [conn.initiator.port(), conn.responder.port()].map(Option::unwrap_or_default);
        if self.wanted.port.is_some_and(|port| !ports.contains(&port)) {
            Fate::Rejected
        } else if self.asks_for_a_process() {
            Fate::Undecided { held: Vec::new(), bytes: 0, known: [false; 2] }
        } else {
            Fate::Selected
        }
    }

    fn matches(&self, process: &Process) -> bool {
        let Select { pid, comm, cgroup, port: _ } = &self.wanted;
        pid.is_none_or(|pid| process.id.pid == pid)
            && comm.as_ref().is_none_or(|comm| process.comm == *comm)
            && cgroup.as_ref().is_none_or(|cgroup| is_below(&process.cgroup, cgroup))
    }
}

/// Whether the cgroup `path` is `ancestor` or below it.
fn is_below(path: &str, ancestor: &str) -> bool {
    let ancestor = ancestor.trim_end_matches('/');
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn event_bytes(step: &Routed) -> usize {
    let payload = if let Step::Part(part) = &step.step { part.bytes.len() } else { 0 };
    payload + size_of::<Kept>()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use pitot_stream::Direction;
    use pitot_stream::table::Part;

    use super::*;

    #[test]
    fn a_cgroup_and_those_below() {
        let check =
            |path, ancestor, expected| assert_eq!(is_below(path, ancestor), expected, "{path} {ancestor}");
        check("/a/b", "/a/b", true);
        check("/a/b", "/a/", true);
        check("/a/b", "/", true);
        check("/ab", "/a", false);
        check("", "/a", false);
    }

    fn process(pid: u32, comm: &str) -> Arc<Process> {
        let id = ProcessId { pid, start_ns: 1 };
        let cgroup = "/app".into();
        Arc::new(Process { id, comm: comm.into(), exe: comm.into(), cgroup, ..Process::default() })
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// A connection from port 40000 to 80 with the steps named, one event each: what passed after each.
    fn run(wanted: Select, steps: &[Step]) -> Vec<String> {
        let conn = Arc::new(Connection {
            id: ConnId(7),
            initiator: addr(40_000).into(),
            responder: addr(80).into(),
            path: None,
            initiator_known: true,
        });
        let mut selection = Selection::new(wanted);
        let pass = |selection: &mut Selection, seq: u64, step: &Step| {
            let mut out = Vec::new();
            let routed = Routed { seq, time_ns: seq, conn: Arc::clone(&conn), step: step.clone() };
            selection.pass(seq, None, &mut vec![routed], &mut out);
            let shown: Vec<String> = out
                .iter()
                .map(|kept| match (&kept.step, &kept.event) {
                    (Some(step), _) => {
                        assert_eq!(step.seq, seq);
                        match &step.step {
                            Step::Open => "open".into(),
                            Step::Owner { process, .. } => format!("owner {}", process.comm),
                            Step::Remote { .. } => "remote".into(),
                            Step::Part(_) => "part".into(),
                            Step::Refuse { .. } => "refuse".into(),
                            Step::Close { .. } => "close".into(),
                        }
                    }
                    (None, Some(CaptureEvent::Process(process))) => format!("process {}", process.comm),
                    other => format!("{other:?}"),
                })
                .collect();
            shown.join(", ")
        };
        let shown =
            steps.iter().enumerate().map(|(seq, step)| pass(&mut selection, seq as u64, step)).collect();
        assert_eq!(selection.held, 0, "nothing is held at the end of {steps:?}");
        shown
    }

    #[test]
    fn undecided_connections_are_counted() {
        let check = |steps: &[Step], expected: u64| {
            let mut selection = Selection::new(Select { pid: Some(1), ..Select::default() });
            let conn = Arc::new(Connection {
                id: ConnId(7),
                initiator: addr(40_000).into(),
                responder: addr(80).into(),
                path: None,
                initiator_known: true,
            });
            for step in steps {
                let routed = Routed { seq: 0, time_ns: 0, conn: Arc::clone(&conn), step: step.clone() };
                selection.pass(0, None, &mut vec![routed], &mut Vec::new());
            }
            assert_eq!(selection.undecided(), expected, "{steps:?}");
        };
        let close = Step::Close { reason: "idle" };
        let ours = owner(Direction::FromInitiator, 1, "curl");
        check(&[Step::Open, ours, close.clone()], 0);
        check(&[Step::Open], 1);
        check(&[Step::Open, close], 1);
        check(&[Step::Open, part(HELD_PER_CONNECTION)], 1);
    }

    fn part(bytes: usize) -> Step {
        Step::Part(Part {
            direction: Direction::FromInitiator,
            first: 0,
            rest: 0,
            syn: None,
            ack: None,
            fin: false,
            rst: false,
            bytes: Bytes::from(vec![0; bytes]),
            short: None,
            socket: None,
        })
    }

    fn owner(direction: Direction, pid: u32, comm: &str) -> Step {
        Step::Owner { direction, process: process(pid, comm) }
    }

    #[test]
    fn whole_connections_pass() {
        use Direction::{FromInitiator, FromResponder};
        let close = Step::Close { reason: "idle" };
        let all = Select::default();
        assert_eq!(run(all, &[Step::Open, part(3), close.clone()]), ["open", "part", "close"]);
        let port = |port| Select { port: Some(port), ..Select::default() };
        assert_eq!(run(port(80), &[Step::Open, part(3)]), ["open", "part"]);
        assert_eq!(run(port(40_000), &[Step::Open, part(3)]), ["open", "part"]);
        assert_eq!(run(port(81), &[Step::Open, part(3), close.clone()]), ["", "", ""]);
        let comm = |comm: &str| Select { comm: Some(comm.into()), ..Select::default() };
        let steps = [
            Step::Open,
            part(3),
            owner(FromInitiator, 1, "curl"),
            part(3),
            owner(FromResponder, 2, "nginx"),
            close.clone(),
        ];
        assert_eq!(
            run(comm("curl"), &steps),
            ["", "", "open, part, process curl, owner curl", "part", "process nginx, owner nginx", "close"]
        );
        assert_eq!(
            run(comm("nginx"), &steps),
            [
                "",
                "",
                "",
                "",
                "open, part, process curl, owner curl, part, process nginx, owner nginx",
                "close"
            ]
        );
        assert_eq!(run(comm("other"), &steps), [""; 6]);
        let remote =
            [Step::Open, owner(FromInitiator, 1, "curl"), Step::Remote { direction: FromResponder }, part(3)];
        assert_eq!(run(comm("nginx"), &remote), [""; 4]);
        assert_eq!(
            run(Select { pid: Some(1), comm: Some("nginx".into()), ..Select::default() }, &steps),
            [""; 6]
        );
        assert_eq!(run(comm("curl"), &[Step::Open, part(3), close]), [""; 3], "an owner nobody knows");
        assert_eq!(run(comm("curl"), &[Step::Open, part(HELD_PER_CONNECTION), steps[2].clone()]), [""; 3]);
    }
}
