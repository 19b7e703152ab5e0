//! The two sides of the comparison, and their rounds.

use std::hint::black_box;
use std::sync::Arc;

use pitot_drift::{Config, Evidence, Flows};
use pitot_observe::{Limits, Namer, Observer};
use pitot_protocols::message::{Message, RequestLine};
use pitot_stream::PARTITIONS;
use rustix::time::{ClockId, clock_gettime};
use simd_json::{Buffers, Tape};

use crate::corpus::{self, Corpus};

/// Messages from which each flow learns before the clock starts: its values are watched then.
const LEARNED: usize = 96;

/// Flows remembered: all of them, with all that is learned.
const FLOWS: usize = 131_072;
const MEMORY: u64 = 1 << 40;

/// Messages in turn, each as if just read off a socket: their flows may be many, but what a message is made of is near.
pub(crate) struct Traffic {
    messages: Vec<Message>,
    requests: Vec<Arc<RequestLine>>,
}

impl Traffic {
    pub(crate) fn new(corpus: &Corpus, flows: usize) -> Self {
        Self { messages: corpus.messages(), requests: corpus::requests(flows) }
    }

    fn each(&mut self, count: usize, mut one: impl FnMut(&Message)) {
        let (messages, flows) = (self.messages.len(), self.requests.len());
        for i in 0..count {
            let message = &mut self.messages[i % messages];
            message.request = Some(Arc::clone(&self.requests[i % flows]));
            one(message);
        }
    }

    /// Ns of processor time a message: what others do on the machine meanwhile is not counted.
    fn timed(&mut self, count: usize, one: impl FnMut(&Message)) -> f64 {
        let start = processor_ns();
        self.each(count, one);
        (processor_ns() - start) as f64 / count as f64
    }
}

/// Processor time of this thread.
fn processor_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// What is timed, each with all of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Copy and tape.
    Bare,
    /// Observation alone, with the values of the body.
    Observe,
    /// The detectors of structure.
    Structure,
    Values,
    /// And relations between values: everything.
    Whole,
}

/// How much is measured.
pub(crate) struct Rounds {
    pub(crate) rounds: usize,
    /// Of bodies, a round.
    pub(crate) megabytes: usize,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { rounds: 9, megabytes: 50 }
    }
}

/// What was measured of one side.
pub(crate) struct Found {
    /// Ns a message, median of the rounds.
    pub(crate) ns: f64,
    /// Time over that of the first side in the same round: least, median, most.
    pub(crate) ratio: [f64; 3],
}

impl Rounds {
    /// Measures all sides in each round, which go in turn, and back in the next; a first round is thrown away. Also how many
    /// paths were learned.
    pub(crate) fn of(&self, sides: &[Side], corpus: &Corpus, flows: usize) -> (Vec<Found>, u64) {
        let traffic = &mut Traffic::new(corpus, flows);
        let count = (self.megabytes as f64 * 1e6 / corpus.mean_bytes()) as usize;
        let mut pipelines: Vec<Pipeline> = sides.iter().map(|side| Pipeline::new(*side)).collect();
        pipelines.iter_mut().for_each(|pipeline| pipeline.learn(traffic));
        let rounds: Vec<Vec<f64>> = (0..=self.rounds)
            .map(|round| {
                let mut ns = vec![0.0; sides.len()];
                let mut order: Vec<usize> = (0..sides.len()).collect();
                if round % 2 == 1 {
                    order.reverse();
                }
                order.into_iter().for_each(|side| ns[side] = pipelines[side].timed(traffic, count));
                ns
            })
            .skip(1)
            .collect();
        let found = |side: usize| Found {
            ns: spread(rounds.iter().map(|round| round[side]))[1],
            ratio: spread(rounds.iter().map(|round| round[side] / round[0])),
        };
        let paths = pipelines.last().map_or(0, Pipeline::monitored);
        ((0..sides.len()).map(found).collect(), paths)
    }
}

/// A bare parse, with its buffers.
struct Bare {
    copy: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Bare {
    fn new() -> Self {
        Self { copy: Vec::new(), buffers: Buffers::new(4096), tape: Tape(Vec::new()) }
    }

    fn take(&mut self, message: &Message) {
        let Self { copy, buffers, tape } = self;
        let length = message.body.len();
        copy.clear();
        copy.extend_from_slice(&message.body);
        copy.resize(length + simd_json::INPUT_PADDING, b' ');
        let mut filled = std::mem::replace(tape, Tape(Vec::new())).reset();
        simd_json::fill_tape_padded(copy, length, buffers, &mut filled).expect("valid JSON");
        black_box(&filled);
        *tape = filled.reset();
    }
}

/// What a side does: a bare parse, or an observer and the partitions of flows behind it, as in the agent.
pub(crate) struct Pipeline {
    side: Side,
    bare: Bare,
    observer: Observer,
    partitions: Vec<Flows>,
    evidence: Vec<Evidence>,
}

impl Pipeline {
    pub(crate) fn new(side: Side) -> Self {
        let config = Config {
            learning_messages: LEARNED as u64 - 8,
            flows: FLOWS,
            memory: MEMORY,
            values: side >= Side::Values,
            relations: side >= Side::Whole,
            ..Config::default()
        };
        let limits = Limits { flows: FLOWS, ..Limits::default() };
        Self {
            side,
            bare: Bare::new(),
            observer: Observer::new(limits, Namer::default()),
            partitions: (0..PARTITIONS).map(|_| Flows::new(config)).collect(),
            evidence: Vec::new(),
        }
    }

    /// Takes each body, and enough of each flow.
    pub(crate) fn learn(&mut self, traffic: &mut Traffic) {
        let count = traffic.messages.len().max(LEARNED * traffic.requests.len());
        self.take_all(traffic, count);
    }

    pub(crate) fn take_all(&mut self, traffic: &mut Traffic, count: usize) {
        traffic.each(count, |message| self.take(message));
    }

    /// Paths learned.
    pub(crate) fn monitored(&self) -> u64 {
        self.partitions.iter().map(Flows::monitored).sum()
    }

    fn timed(&mut self, traffic: &mut Traffic, count: usize) -> f64 {
        let ns = match self.side {
            Side::Bare => traffic.timed(count, |message| self.bare.take(message)),
            _ => traffic.timed(count, |message| self.take(message)),
        };
        black_box(self.evidence.len());
        self.evidence.clear();
        ns
    }

    fn take(&mut self, message: &Message) {
        if self.side == Side::Bare {
            return;
        }
        let observation = self.observer.observe(message).expect("a complete message");
        if self.side == Side::Observe {
            black_box(&observation);
            return;
        }
        let partition = observation.partition();
        self.partitions[partition].push(observation, &mut self.evidence);
    }
}

/// Least, middle and most.
fn spread(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    [sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]]
}

/// Memory of this process that is in RAM.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("read /proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number of kB") * 1024
}
