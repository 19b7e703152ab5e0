//! Requests at a fixed rate over connections that are kept alive.
//!
//! Open loop: the n-th request is due n/rate seconds after the start, whatever became of those before it, and its
//! latency counts from then. A connection carries one request at a time; one that is due while its connection is busy
//! waits, and that wait is in its latency. So a server that stalls is charged for every request it kept waiting
//! ("coordinated omission", as described by the author of wrk2).

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

/// How much is read at once, bytes.
const READ: usize = 256 * 1024;
/// Without any answer for so long, something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is sent when.
pub(super) struct Offer<'a> {
    /// Whole requests, sent in turn. All have answers of the same length.
    pub(super) requests: &'a [Vec<u8>],
    /// Requests a second.
    pub(super) rate: f64,
    /// How many.
    pub(super) count: usize,
}

/// What came of it.
pub(super) struct Answered {
    /// From the start to the last answer.
    pub(super) seconds: f64,
    /// From when a request was due to the end of its answer, smallest first.
    latencies: Vec<Duration>,
}

impl Answered {
    /// The latency that a share of the requests did not exceed.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Connections to one server, open until this is dropped.
pub(super) struct Clients {
    port: u16,
    readiness: OwnedFd,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    /// When the requests were due that it has not got an answer to; the first is under way.
    due: VecDeque<Instant>,
    /// Of the answer under way.
    unread: usize,
    /// Its next request.
    next: usize,
}

impl Clients {
    pub(super) fn connect(port: u16, count: usize) -> Result<Self> {
        let readiness = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut clients = Vec::new();
        for number in 0..count {
            let stream = TcpStream::connect(("127.0.0.1", port)).with_context(|| {
                format!("connection {number} of {count} (`ulimit -n` must allow twice as many)")
            })?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            epoll::add(&readiness, &stream, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
            clients.push(Client { stream, due: VecDeque::new(), unread: 0, next: number });
        }
        Ok(Self { port, readiness, clients, buffer: vec![0; READ] })
    }

    /// Sends what is offered and waits for the last answer.
    pub(super) fn send(&mut self, offer: &Offer<'_>) -> Result<Answered> {
        // On a thread of its own: processes that are started later inherit how late a timer may be.
        thread::scope(|scope| scope.spawn(|| self.send_here(offer)).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn send_here(&mut self, offer: &Offer<'_>) -> Result<Answered> {
        // By default a timer may be 50 us late: as much as lies between two requests.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        let length = answer_length(self.port, offer.requests.first().context("nothing is offered")?)?;
        let mut latencies = Vec::with_capacity(offer.count);
        let mut ready = Vec::new();
        let start = Instant::now();
        let due = |number: usize| start + Duration::from_secs_f64(number as f64 / offer.rate);
        let (mut sent, mut last) = (0, start);
        while latencies.len() < offer.count {
            let now = Instant::now();
            while sent < offer.count && due(sent) <= now {
                let index = sent % self.clients.len();
                self.clients[index].ask(due(sent), offer.requests, length)?;
                sent += 1;
            }
            let next = if sent < offer.count { due(sent) } else { now + PATIENCE };
            self.wait(next.saturating_duration_since(now), &mut ready)?;
            for index in ready.drain(..) {
                let answered = self.clients[index].read(&mut self.buffer, offer.requests, length)?;
                last = Instant::now();
                latencies.extend(answered.map(|due| last - due));
            }
            ensure!(last.elapsed() < PATIENCE, "the server does not answer any more");
        }
        latencies.sort_unstable();
        Ok(Answered { seconds: (last - start).as_secs_f64(), latencies })
    }

    /// Appends the clients that have something to read, at the latest after `patience`.
    fn wait(&self, patience: Duration, ready: &mut Vec<usize>) -> Result<()> {
        // `epoll_wait` counts in milliseconds: the waiting is done by `ppoll`, in nanoseconds.
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.readiness, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            other => other?,
        };
        let mut events = [MaybeUninit::uninit(); 64];
        let (events, _) = epoll::wait(&self.readiness, &mut events, Some(&Timespec::default()))?;
        ready.extend(events.iter().map(|event| event.data.u64() as usize));
        Ok(())
    }
}

impl Client {
    fn ask(&mut self, due: Instant, requests: &[Vec<u8>], length: usize) -> Result<()> {
        self.due.push_back(due);
        if self.due.len() == 1 { self.write(requests, length) } else { Ok(()) }
    }

    fn write(&mut self, requests: &[Vec<u8>], length: usize) -> Result<()> {
        let request = &requests[self.next % requests.len()];
        self.next += 1;
        self.unread = length;
        self.stream.write_all(request).context("a request does not fit into an idle connection")
    }

    /// Reads once; when the request was due, if its answer is whole now.
    fn read(&mut self, buffer: &mut [u8], requests: &[Vec<u8>], length: usize) -> Result<Option<Instant>> {
        match self.stream.read(buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(n) => self.unread = self.unread.checked_sub(n).context("an answer is too long")?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("a connection broke"),
        }
        if self.unread > 0 {
            return Ok(None);
        }
        let answered = self.due.pop_front();
        if !self.due.is_empty() {
            self.write(requests, length)?;
        }
        Ok(answered)
    }
}

/// Head and body of the answer to this request, bytes: the same each time, as documents and field lengths are.
fn answer_length(port: u16, request: &[u8]) -> Result<usize> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(request)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "the server closed the connection before the head of its answer was whole");
        answer.extend_from_slice(&buffer[..n]);
        if let Some(length) = whole_length(&answer) {
            return length;
        }
    }
}

/// Once the head is there, the length that it tells.
fn whole_length(answer: &[u8]) -> Option<Result<usize>> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200 ") {
        return Some(Err(anyhow::anyhow!("the server answers: {}", text.lines().next().unwrap_or_default())));
    }
    let body =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some(body.map(|body| head + body).context("the server's answer tells no length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_answers() {
        let check = |answer: &str, expected: Option<Option<usize>>| {
            assert_eq!(whole_length(answer.as_bytes()).map(Result::ok), expected, "{answer}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", Some(Some(43)));
        check("HTTP/1.1 200 OK\r\n\r\n", Some(None));
        check("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n", Some(None));
    }

    #[test]
    fn quantiles_are_of_the_requests_at_or_below() {
        let answered =
            |n: u64| Answered { seconds: 1.0, latencies: (1..=n).map(Duration::from_micros).collect() };
        let check = |n, share, expected| {
            assert_eq!(answered(n).quantile(share), Duration::from_micros(expected), "{share} of {n}");
        };
        check(100, 0.5, 50);
        check(100, 0.99, 99);
        check(101, 0.99, 100);
        check(1, 0.5, 1);
        check(0, 0.5, 0);
    }
}
