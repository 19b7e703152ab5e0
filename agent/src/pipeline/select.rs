//! Which connections are wanted: whole ones, by the rules of the configuration or of `record`'s flags.
//!
//! ```text
//!            step of a connection
//!                    |
//!   no rule can match it any more ---> [rejected]   counted, and refused: capture leaves it out
//!                    |                     ^
//!                [undecided]  -------------'        its steps are held until the process at one end decides,
//!                    |      \                       or both ends are known
//!                    |       `--- [not attributed]  held for too long, or ended: counted as such, and refused
//!                [selected]                         all of it passes, what was held first
//! ```
//!
//! Behind NAT the two ends have other addresses where the connection is accepted than where it was opened. Where a SYN was seen, no
//! rule about addresses is decided against it before the responder has answered, from wherever that is.
//!
//! The kernel part leaves out by itself what it can be sure of; this decides about everything, so it does not matter how
//! much that is, and a capture file is decided about like the traffic itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pitot_common::user::{
    CaptureEvent, Endpoint, Filter, FilterRule, LossReason, Process, ProcessId, Socket,
};
use pitot_stream::table::{Routed, Step};
use pitot_stream::{ConnId, Connection, Direction};

/// Captured bytes held for one connection whose ends are not known; with more it is rejected.
const HELD_PER_CONNECTION: usize = 1 << 20;
/// The same for all connections.
const HELD: usize = 32 << 20;

/// Decides about connections, and holds what it cannot decide about yet.
#[derive(Debug, Default)]
pub(super) struct Selection {
    filter: Filter,
    known: HashMap<ConnId, Known>,
    /// Processes whose events have passed,
    passed: HashSet<ProcessId>,
    /// and sockets that wait for connections: many connections have the same.
    listeners: HashSet<(u64, Endpoint)>,
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

/// A connection, and what is known of its ends.
#[derive(Debug)]
struct Known {
    conn: Arc<Connection>,
    /// The ends' addresses in another place.
    elsewhere: Option<[Endpoint; 2]>,
    ends: [End; 2],
    /// Which of them was heard.
    heard: [bool; 2],
    fate: Fate,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Unknown,
    Process(Arc<Process>),
    Remote,
}

#[derive(Debug)]
enum Fate {
    Selected,
    Rejected,
    Undecided { held: Vec<Kept>, bytes: usize },
}

/// What a rule, or all of them, say about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Yes,
    No,
    NotYet,
}

impl Selection {
    /// Selects what `filter` lets through.
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// Connections that did not pass because nobody knew in time who owns their ends.
    pub(super) fn undecided(&self) -> u64 {
        let waits = |known: &&Known| matches!(known.fate, Fate::Undecided { .. });
        self.given_up + self.known.values().filter(waits).count() as u64
    }

    /// Another filter from now on. Selected connections that it rejects end with the steps given to `out`, numbered `seq`;
    /// those already rejected stay so until they close.
    pub(super) fn change(&mut self, filter: Filter, seq: u64, time_ns: u64, out: &mut Vec<Kept>) {
        self.filter = filter;
        let mut rejected: Vec<_> = self
            .known
            .values()
            .filter(|known| matches!(known.fate, Fate::Selected) && self.verdict(known) == Verdict::No)
            .map(|known| Arc::clone(&known.conn))
            .collect();
        rejected.sort_unstable_by_key(|conn| conn.id);
        for conn in rejected {
            let step = Step::Refuse { reason: LossReason::Filtered };
            if let Some(known) = self.known.get_mut(&conn.id) {
                known.fate = Fate::Rejected;
            }
            out.push(Kept { step: Some(Routed { seq, time_ns, conn, step }), event: None });
        }
    }

    /// Moves from `steps`, which `event` caused, to `out` what passes now, numbered `seq`. `sockets`: those with these ends, for
    /// what passes is to hold no others.
    pub(super) fn pass(
        &mut self,
        seq: u64,
        event: Option<CaptureEvent>,
        sockets: impl Fn([Endpoint; 2]) -> Vec<Arc<Socket>>,
        steps: &mut Vec<Routed>,
        out: &mut Vec<Kept>,
    ) {
        if self.takes_all() {
            for step in steps.drain(..) {
                self.note(&step);
                out.push(Kept { step: Some(step), event: None });
            }
            out.extend(event.map(|event| Kept { step: None, event: Some(event) }));
            return;
        }
        let recording = event.is_some();
        // A segment belongs to the connection of its part, a socket to the one that it tells the owner of; processes pass with a
        // connection that they own, and sockets of connections to come with those.
        let (mut segment, mut socket) = (None, None);
        match event {
            Some(CaptureEvent::Segment(_)) => segment = event,
            Some(CaptureEvent::Socket(_)) => socket = event,
            Some(CaptureEvent::Process(_)) | None => {}
            Some(CaptureEvent::Lost(_) | CaptureEvent::Overload(_) | CaptureEvent::Tick(_)) => {
                out.push(Kept { step: None, event });
            }
        }
        for step in steps.drain(..) {
            let ends = match step.step {
                Step::Open => Some([step.conn.initiator, step.conn.responder]),
                Step::View { ends } => Some(ends),
                _ => None,
            };
            let event = match step.step {
                Step::Part(_) => segment.take(),
                Step::Owner { .. } => socket.take(),
                _ => None,
            };
            let known = ends.filter(|_| recording).map(&sockets).unwrap_or_default();
            self.step(seq, step, known, event, out);
        }
    }

    /// Whether every connection passes.
    pub(super) fn takes_all(&self) -> bool {
        self.filter.is_empty()
    }

    /// Remembers what a step says of its connection. Parts say nothing.
    pub(super) fn note(&mut self, step: &Routed) {
        let id = step.conn.id;
        let (direction, end) = match &step.step {
            Step::Part(_) | Step::Refuse { .. } => return,
            Step::Open => {
                self.known.insert(id, Known::new(Arc::clone(&step.conn)));
                return;
            }
            Step::View { ends } => {
                if let Some(known) = self.known.get_mut(&id) {
                    known.elsewhere = Some(*ends);
                }
                return;
            }
            Step::Close { .. } => {
                self.known.remove(&id);
                return;
            }
            Step::Owner { direction, process } => (direction, End::Process(Arc::clone(process))),
            Step::Remote { direction } => (direction, End::Remote),
        };
        if let Some(known) = self.known.get_mut(&id)
            && let Some(known) = known.ends.get_mut(direction.index())
        {
            *known = end;
        }
    }

    fn step(
        &mut self,
        seq: u64,
        step: Routed,
        sockets: Vec<Arc<Socket>>,
        event: Option<CaptureEvent>,
        out: &mut Vec<Kept>,
    ) {
        let conn = Arc::clone(&step.conn);
        let closes = matches!(step.step, Step::Close { .. });
        if closes {
            self.settle(&conn, Verdict::NotYet, seq, step.time_ns, out);
        }
        self.note(&step);
        let opens = matches!(step.step, Step::Open);
        if opens && let Some(known) = self.known.get_mut(&conn.id) {
            known.fate = Fate::Undecided { held: Vec::new(), bytes: 0 };
        }
        let time_ns = step.time_ns;
        let decides = match &step.step {
            Step::Open | Step::Owner { .. } | Step::Remote { .. } | Step::View { .. } => true,
            Step::Part(part) => self.hear(conn.id, part.direction),
            Step::Refuse { .. } | Step::Close { .. } => false,
        };
        match self.known.get_mut(&conn.id).map(|known| &mut known.fate) {
            Some(Fate::Selected) => {
                sockets.into_iter().for_each(|socket| self.tell(socket, out));
                if let Step::Owner { process, .. } = &step.step {
                    self.announce(&Arc::clone(process), out);
                }
                out.push(Kept { step: Some(step), event });
            }
            Some(Fate::Undecided { held, bytes }) => {
                let size = event_bytes(&step) + sockets.len() * size_of::<Kept>();
                let told = |socket| Kept { step: None, event: Some(CaptureEvent::Socket(socket)) };
                held.extend(sockets.into_iter().map(told));
                held.push(Kept { step: Some(step), event });
                *bytes += size;
                self.held += size;
                let too_much = *bytes > HELD_PER_CONNECTION || self.held > HELD;
                if too_much {
                    self.settle(&conn, Verdict::NotYet, seq, time_ns, out);
                }
            }
            // It is counted there, and refused.
            Some(Fate::Rejected) | None => out.push(Kept { step: Some(step), event: None }),
        }
        if decides {
            let verdict = self.known.get(&conn.id).map(|known| self.verdict(known));
            match verdict {
                None | Some(Verdict::NotYet) => {}
                Some(verdict) => self.settle(&conn, verdict, seq, time_ns, out),
            }
        }
    }

    /// Whether an undecided connection is heard from that end for the first time.
    fn hear(&mut self, id: ConnId, direction: Direction) -> bool {
        let Some(Known { heard, fate: Fate::Undecided { .. }, .. }) = self.known.get_mut(&id) else {
            return false;
        };
        heard.get_mut(direction.index()).is_some_and(|heard| !std::mem::replace(heard, true))
    }

    /// Ends the wait of an undecided connection; [`Verdict::NotYet`]: nobody will know. What was held passes now, so it is
    /// numbered now: the order of what was released stays the order of numbers.
    fn settle(
        &mut self,
        conn: &Arc<Connection>,
        verdict: Verdict,
        seq: u64,
        time_ns: u64,
        out: &mut Vec<Kept>,
    ) {
        let Some(known) = self.known.get_mut(&conn.id) else { return };
        let Fate::Undecided { held, bytes } = &mut known.fate else { return };
        self.held -= *bytes;
        let held = std::mem::take(held);
        let reason = match verdict {
            Verdict::Yes => None,
            Verdict::No => Some(LossReason::Filtered),
            Verdict::NotYet => {
                self.given_up += 1;
                Some(LossReason::NotAttributed)
            }
        };
        known.fate = if reason.is_none() { Fate::Selected } else { Fate::Rejected };
        for Kept { step, event } in held {
            let Some(step) = step else {
                if let (None, Some(CaptureEvent::Socket(socket))) = (reason, event) {
                    self.tell(socket, out);
                }
                continue;
            };
            let opens = matches!(step.step, Step::Open);
            if let (None, Step::Owner { process, .. }) = (reason, &step.step) {
                self.announce(&Arc::clone(process), out);
            }
            let event = event.filter(|_| reason.is_none());
            out.push(Kept { step: Some(Routed { seq, ..step }), event });
            if let (true, Some(reason)) = (opens, reason) {
                let step = Step::Refuse { reason };
                let step = Routed { seq, time_ns, conn: Arc::clone(conn), step };
                out.push(Kept { step: Some(step), event: None });
            }
        }
    }

    /// Lets the event of a process pass, once, before the first segment that names it.
    fn announce(&mut self, process: &Arc<Process>, out: &mut Vec<Kept>) {
        if self.passed.insert(process.id) {
            out.push(Kept { step: None, event: Some(CaptureEvent::Process(Arc::clone(process))) });
        }
    }

    /// Lets the event of a socket pass; of one that waits for connections, once.
    fn tell(&mut self, socket: Arc<Socket>, out: &mut Vec<Kept>) {
        if !socket.listens || self.listeners.insert((socket.netns, socket.local)) {
            out.push(Kept { step: None, event: Some(CaptureEvent::Socket(socket)) });
        }
    }

    fn verdict(&self, known: &Known) -> Verdict {
        let Filter { include, exclude } = &self.filter;
        let included = if include.is_empty() { Verdict::Yes } else { known.any(include) };
        match (known.any(exclude), included) {
            (Verdict::Yes, _) | (_, Verdict::No) => Verdict::No,
            (Verdict::No, Verdict::Yes) => Verdict::Yes,
            _ => Verdict::NotYet,
        }
    }
}

impl Known {
    fn new(conn: Arc<Connection>) -> Self {
        let (ends, heard) = (Default::default(), Default::default());
        Self { conn, elsewhere: None, ends, heard, fate: Fate::Selected }
    }

    /// Whether its ends have what `rule` names of an address, in any place.
    fn matches_ends(&self, rule: &FilterRule) -> Verdict {
        let here = [self.conn.initiator, self.conn.responder];
        if rule.matches_ends(here) || self.elsewhere.is_some_and(|ends| rule.matches_ends(ends)) {
            Verdict::Yes
        } else if self.conn.initiator_known && self.heard != [true; 2] {
            Verdict::NotYet
        } else {
            Verdict::No
        }
    }

    /// Whether one of `rules` matches.
    fn any(&self, rules: &[FilterRule]) -> Verdict {
        let mut verdict = Verdict::No;
        for rule in rules {
            match self.matches(rule) {
                Verdict::Yes => return Verdict::Yes,
                Verdict::NotYet => verdict = Verdict::NotYet,
                Verdict::No => {}
            }
        }
        verdict
    }

    fn matches(&self, rule: &FilterRule) -> Verdict {
        let process = |end: &End| match end {
            End::Process(process) => rule.matches_process(process),
            End::Unknown | End::Remote => false,
        };
        let addresses = self.matches_ends(rule);
        if addresses != Verdict::Yes {
            addresses
        } else if !rule.names_process() || self.ends.iter().any(process) {
            Verdict::Yes
        } else if self.ends.iter().any(|end| matches!(end, End::Unknown)) {
            Verdict::NotYet
        } else {
            Verdict::No
        }
    }
}

fn event_bytes(step: &Routed) -> usize {
    let payload = if let Step::Part(part) = &step.step { part.bytes.len() } else { 0 };
    payload + size_of::<Kept>()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use pitot_common::user::{Hook, Segment, TcpFlags};
    use pitot_stream::Direction;
    use pitot_stream::table::Part;

    use super::*;

    fn process(pid: u32, comm: &str) -> Arc<Process> {
        let id = ProcessId { pid, start_ns: 1 };
        let cgroup = "/app".into();
        Arc::new(Process { id, comm: comm.into(), exe: comm.into(), cgroup, ..Process::default() })
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn connection() -> Arc<Connection> {
        Arc::new(Connection {
            id: ConnId(7),
            initiator: addr(40_000).into(),
            responder: addr(80).into(),
            initiator_known: true,
            path: None,
        })
    }

    fn pass(selection: &mut Selection, seq: u64, step: &Step) -> String {
        let mut out = Vec::new();
        let routed = Routed { seq, time_ns: seq, conn: connection(), step: step.clone() };
        let event = matches!(step, Step::Part(_)).then(|| CaptureEvent::Segment(segment()));
        selection.pass(seq, event, sockets, &mut vec![routed], &mut out);
        shown(seq, &out)
    }

    /// Of the listener that every connection was made to.
    fn sockets(ends: [Endpoint; 2]) -> Vec<Arc<Socket>> {
        let local = addr(80).into();
        let socket = Socket {
            time_ns: 0,
            netns: 1,
            cookie: 0,
            local,
            remote: None,
            listens: true,
            owner: None,
            path: String::new(),
        };
        if ends.contains(&local) { vec![Arc::new(socket)] } else { Vec::new() }
    }

    /// What passes; `+` where the event goes with the step, and so into a recording.
    fn shown(seq: u64, out: &[Kept]) -> String {
        let shown = |kept: &Kept| match (&kept.step, &kept.event) {
            (Some(step), event) => {
                assert_eq!(step.seq, seq);
                let name = match &step.step {
                    Step::Open => "open".into(),
                    Step::Owner { process, .. } => format!("owner {}", process.comm),
                    Step::Remote { .. } => "remote".into(),
                    Step::View { .. } => "view".into(),
                    Step::Part(_) => "part".into(),
                    Step::Refuse { reason } => reason.as_str().into(),
                    Step::Close { .. } => "close".into(),
                };
                if event.is_some() { format!("{name}+") } else { name }
            }
            (None, Some(CaptureEvent::Process(process))) => format!("process {}", process.comm),
            (None, Some(CaptureEvent::Socket(socket))) => format!("socket {:?}", socket.local.port()),
            (None, Some(CaptureEvent::Segment(_))) => "+".into(),
            other => format!("{other:?}"),
        };
        out.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// A connection from port 40000 to 80 with the steps named, one event each: what passed after each.
    #[track_caller]
    fn check(filter: &Filter, steps: &[Step], expected: &[&str]) -> Selection {
        let mut selection = Selection::new(filter.clone());
        let passed: Vec<_> = (0..).zip(steps).map(|(seq, step)| pass(&mut selection, seq, step)).collect();
        assert_eq!(passed, expected, "{filter:?}");
        selection
    }

    fn segment() -> Segment {
        Segment {
            time_ns: 0,
            hook: Hook::Egress,
            cookie: 1,
            cgroup: 0,
            netns: 0,
            src: addr(40_000).into(),
            dst: addr(80).into(),
            seq: 0,
            ack: 0,
            flags: TcpFlags::default(),
            owner: None,
            total: 0,
            offset: 0,
            payload: Vec::new(),
            short: None,
        }
    }

    fn part(bytes: usize) -> Step {
        part_of(Direction::FromInitiator, bytes)
    }

    /// What the responder sends.
    fn answer() -> Step {
        part_of(Direction::FromResponder, 3)
    }

    fn part_of(direction: Direction, bytes: usize) -> Step {
        Step::Part(Part {
            direction,
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

    const CLOSE: Step = Step::Close { reason: "idle" };

    fn port(port: u16) -> FilterRule {
        FilterRule { port: Some(port), ..FilterRule::default() }
    }

    fn comm(comm: &str) -> FilterRule {
        FilterRule { comm: Some(comm.into()), ..FilterRule::default() }
    }

    fn include(rules: &[FilterRule]) -> Filter {
        Filter { include: rules.to_vec(), exclude: Vec::new() }
    }

    fn exclude(rules: &[FilterRule]) -> Filter {
        Filter { include: Vec::new(), exclude: rules.to_vec() }
    }

    /// From curl to nginx, known one after the other.
    fn steps() -> [Step; 6] {
        use Direction::{FromInitiator, FromResponder};
        [
            Step::Open,
            part(3),
            owner(FromInitiator, 1, "curl"),
            part(3),
            owner(FromResponder, 2, "nginx"),
            CLOSE,
        ]
    }

    #[test]
    fn by_address() {
        let steps = [Step::Open, part(3), answer(), CLOSE];
        let all = ["open", "part+", "part+", "close"];
        let later = ["", "", "open, part+, part+", "close"];
        let none = ["", "", "open, filtered, part, part", "close"];
        let never = ["open, filtered", "part", "part", "close"];
        check(&Filter::default(), &steps, &["open", "part, +", "part, +", "close"]);
        check(&include(&[port(80)]), &steps, &all);
        check(&include(&[port(40_000)]), &steps, &all);
        check(&include(&[port(81)]), &steps, &none);
        check(&include(&[port(81), port(80)]), &steps, &all);
        check(&exclude(&[port(81)]), &steps, &later);
        check(&exclude(&[port(80)]), &steps, &never);
        check(&Filter { include: vec![port(80)], exclude: vec![port(40_000)] }, &steps, &never);
        let elsewhere = FilterRule { address: "10.0.0.0/8".parse().ok(), ..port(80) };
        check(&include(&[elsewhere]), &steps, &none);
    }

    #[test]
    fn by_an_address_that_only_one_end_has() {
        let view = Step::View { ends: [addr(5_555).into(), addr(9_000).into()] };
        let steps = [Step::Open, part(3), view, answer(), CLOSE];
        check(&include(&[port(9_000)]), &steps, &["", "", "open, part+, view", "part+", "close"]);
        check(&exclude(&[port(9_000)]), &steps, &["", "", "open, filtered, part, view", "part", "close"]);
        check(&include(&[port(80)]), &steps, &["open", "part+", "view", "part+", "close"]);
        check(&include(&[port(81)]), &steps, &["", "", "", "open, filtered, part, view, part", "close"]);
    }

    #[test]
    fn by_process() {
        let curl =
            ["", "", "open, part+, process curl, owner curl", "part+", "process nginx, owner nginx", "close"];
        let nginx = [
            "",
            "",
            "",
            "",
            "open, part+, process curl, owner curl, part+, process nginx, owner nginx",
            "close",
        ];
        let none = ["", "", "", "", "open, filtered, part, owner curl, part, owner nginx", "close"];
        check(&include(&[comm("curl")]), &steps(), &curl);
        check(&include(&[comm("nginx")]), &steps(), &nginx);
        check(&include(&[comm("other")]), &steps(), &none);
        check(&include(&[FilterRule { pid: Some(1), ..comm("nginx") }]), &steps(), &none);
        check(&include(&[FilterRule { port: Some(80), ..comm("curl") }]), &steps(), &curl);
        // Whoever is not to be seen may still be at the other end.
        check(&exclude(&[comm("other")]), &steps(), &nginx);
        check(
            &exclude(&[comm("curl")]),
            &steps(),
            &["", "", "open, filtered, part, owner curl", "part", "owner nginx", "close"],
        );
        let remote = Step::Remote { direction: Direction::FromResponder };
        let steps = [Step::Open, steps()[2].clone(), remote, part(3)];
        check(&include(&[comm("nginx")]), &steps, &["", "", "open, filtered, owner curl, remote", "part"]);
    }

    #[test]
    fn what_nobody_knows_in_time_is_counted_as_such() {
        let undecided = |steps: &[Step], expected: &[&str], count| {
            let selection = check(&include(&[comm("curl")]), steps, expected);
            assert_eq!(selection.undecided(), count);
        };
        undecided(&steps()[..2], &["", ""], 1);
        undecided(&[Step::Open, part(3), CLOSE], &["", "", "open, not_attributed, part, close"], 1);
        let large = [Step::Open, part(HELD_PER_CONNECTION), steps()[2].clone()];
        undecided(&large, &["", "open, not_attributed, part", "owner curl"], 1);
        undecided(&steps()[..3], &["", "", "open, part+, process curl, owner curl"], 0);
    }

    #[test]
    fn a_recording_holds_the_sockets_of_what_passes_and_no_others() {
        let check = |filter: &[FilterRule], expected: [&str; 3]| {
            let mut selection = Selection::new(include(filter));
            let socket = || sockets([addr(80).into(); 2]).pop().map(CaptureEvent::Socket);
            let mut passed = |seq, event, steps: &[Step]| {
                let routed =
                    |step: &Step| Routed { seq, time_ns: seq, conn: connection(), step: step.clone() };
                let (mut steps, mut out) = (steps.iter().map(routed).collect(), Vec::new());
                selection.pass(seq, event, sockets, &mut steps, &mut out);
                shown(seq, &out)
            };
            let before = passed(1, socket(), &[]);
            let opened = passed(2, Some(CaptureEvent::Segment(segment())), &[Step::Open, part(3)]);
            let owner = passed(3, socket(), &[owner(Direction::FromResponder, 2, "nginx")]);
            assert_eq!([before.as_str(), &opened, &owner], expected, "{filter:?}");
        };
        check(&[port(80)], ["", "socket Some(80), open, part+", "process nginx, owner nginx+"]);
        check(&[comm("nginx")], ["", "", "socket Some(80), open, part+, process nginx, owner nginx+"]);
        check(&[port(81)], ["", "", ""]);
        check(&[FilterRule { pid: Some(1), ..port(81) }], ["", "", ""]);
    }

    #[test]
    fn another_filter_ends_what_it_rejects() {
        let change = |filter: &Filter| {
            let mut selection = check(&Filter::default(), &steps()[..3], &["open", "part, +", "owner curl"]);
            let mut out = Vec::new();
            selection.change(filter.clone(), 9, 9, &mut out);
            (shown(9, &out), pass(&mut selection, 10, &part(3)))
        };
        let check = |filter: Filter, expected: (&str, &str)| {
            let (changed, after) = change(&filter);
            assert_eq!((changed.as_str(), after.as_str()), expected, "{filter:?}");
        };
        check(exclude(&[port(80)]), ("filtered", "part"));
        check(exclude(&[comm("curl")]), ("filtered", "part"));
        check(include(&[port(80)]), ("", "part+"));
        // Not known of the other end yet: it stays.
        check(include(&[comm("nginx")]), ("", "part+"));
    }
}
