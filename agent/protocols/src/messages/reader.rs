//! Lines to [`Message`]s, in order.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, Read};
use std::sync::Arc;

use super::line::{self, Fault, Line};
use super::window::Window;
use super::{CaptureGap, Error};
use crate::message::{Incomplete, Message, Order, Peer, RequestLine, Side};

/// Longest line, bytes.
const LINE_MAX: usize = 64 << 20;
/// Lines held to be put in order, bytes.
const HELD_MAX: usize = 256 << 20;
/// Requests whose responses have not come.
const OPEN_EXCHANGES_MAX: usize = 1 << 16;

/// What a messages file gives.
#[derive(Debug)]
pub enum Item {
    /// A message; its [`Order::seq`] counts messages and gaps after they were put in order.
    Message(Box<Message>),
    /// A period in which messages may be missing.
    Gap(CaptureGap),
    /// A line that was skipped, as soon as it is read.
    Error(LineError),
}

/// A line that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line} {fault}")]
pub struct LineError {
    /// Line number, from 1.
    pub line: u64,
    /// What is wrong, and what to do.
    #[source]
    pub fault: Fault,
}

/// What was read, and what was not as it should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that are not empty.
    pub lines: u64,
    /// Lines that were skipped as [`Item::Error`].
    pub bad: u64,
    /// Lines more than 5 s out of order, taken at the watermark.
    pub late: u64,
    /// Requests forgotten, because too many waited for their response.
    pub forgotten: u64,
}

/// Reads a messages file: an iterator that ends with the file, or with the first [`Error`].
///
/// ```
/// use pitot_protocols::messages::{Item, Reader};
///
/// let file = r#"{"t_ns":2,"client":"shop","server":"etl","exchange":"a","side":"response","status":200,"body":{"n":1.50}}
/// {"t_ns":1,"client":"shop","server":"etl","exchange":"a","side":"request","method":"GET","target":"/n"}"#;
/// let items: Vec<Item> = Reader::new(file.as_bytes()).collect::<Result<_, _>>()?;
/// let Item::Message(response) = &items[1] else { panic!() };
/// assert_eq!(response.request.as_ref().unwrap().target, "/n");
/// assert_eq!(&response.body[..], br#"{"n":1.50}"#);
/// # Ok::<(), pitot_protocols::messages::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: u64,
    ended: bool,
    /// Emitted so far, for [`Order::seq`].
    emitted: u64,
    window: Window<Line>,
    exchanges: OpenExchanges,
    counts: Counts,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: 0,
            ended: false,
            emitted: 0,
            window: Window::new(HELD_MAX),
            exchanges: OpenExchanges::default(),
            counts: Counts::default(),
            buffer: Vec::new(),
        }
    }

    /// What was read so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { forgotten: self.exchanges.forgotten, ..self.counts }
    }

    /// Reads the next line into the buffer; `false` at the end of the file, the fault where it is too long.
    fn next_line(&mut self) -> Result<Option<Result<(), Fault>>, std::io::Error> {
        self.buffer.clear();
        let limit = LINE_MAX as u64 + 1;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if read as u64 == limit {
            self.input.skip_until(b'\n')?;
            return Ok(Some(Err(Fault::TooLong(LINE_MAX))));
        }
        Ok(Some(Ok(())))
    }

    /// Takes one line in; answers its fault.
    fn take_line(&mut self, readable: Result<(), Fault>) -> Option<Fault> {
        if readable.is_ok() && self.buffer.trim_ascii().is_empty() {
            return None;
        }
        self.counts.lines += 1;
        let line = match readable.and_then(|()| line::parse(&self.buffer)) {
            Ok(line) => line,
            Err(fault) => {
                self.counts.bad += 1;
                return Some(fault);
            }
        };
        let t_ns = line.t_ns();
        let taken_at = self.window.push(t_ns, self.line, self.buffer.len(), |t_ns| line.at(t_ns));
        self.counts.late += u64::from(taken_at != t_ns);
        None
    }

    fn emit(&mut self, line: Line) -> Item {
        let seq = self.emitted;
        self.emitted += 1;
        match line {
            Line::Gap(gap) => Item::Gap(gap),
            Line::Message(mut message) => {
                message.order = Order { seq, conn: 0, index: 0 };
                self.exchanges.link(&mut message);
                Item::Message(message)
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.window.pop(self.ended) {
                return Some(Ok(self.emit(line)));
            }
            if self.ended {
                return None;
            }
            match self.next_line() {
                Ok(Some(readable)) => {
                    if let Some(fault) = self.take_line(readable) {
                        return Some(Ok(Item::Error(LineError { line: self.line, fault })));
                    }
                }
                Ok(None) => self.ended = true,
                Err(source) => {
                    // What was read before is still given.
                    self.ended = true;
                    return Some(Err(Error::Read { line: self.line + 1, source }));
                }
            }
        }
    }
}

impl Line {
    fn t_ns(&self) -> u64 {
        match self {
            Self::Message(message) => message.t_ns,
            Self::Gap(gap) => gap.t_ns,
        }
    }

    fn at(mut self, t_ns: u64) -> Self {
        match &mut self {
            Self::Message(message) => message.t_ns = t_ns,
            Self::Gap(gap) => gap.t_ns = t_ns,
        }
        self
    }
}

/// Client, server, exchange.
type Key = (Arc<str>, Arc<str>, Arc<str>);

/// Requests whose response has not come, the oldest forgotten first.
#[derive(Debug, Default)]
struct OpenExchanges {
    lines: HashMap<Key, (u64, Arc<RequestLine>)>,
    /// In order of their requests; stale where the number differs from the one in `lines`.
    order: VecDeque<(u64, Key)>,
    number: u64,
    forgotten: u64,
}

impl OpenExchanges {
    /// Remembers a request; gives a response its request's line.
    fn link(&mut self, message: &mut Message) {
        let (Peer::Named(client), Peer::Named(server)) = (&message.client, &message.server) else { return };
        let key = (client.clone(), server.clone(), message.exchange.clone());
        match message.side {
            Side::Request => {
                if let Some(line) = message.request.clone() {
                    self.open(key, line);
                }
            }
            Side::Response => match self.lines.remove(&key) {
                Some((_, line)) => message.request = Some(line),
                None => {
                    message.incomplete.get_or_insert(Incomplete::RequestNotSeen);
                }
            },
        }
    }

    fn open(&mut self, key: Key, line: Arc<RequestLine>) {
        self.number += 1;
        self.lines.insert(key.clone(), (self.number, line));
        self.order.push_back((self.number, key));
        while self.order.len() > OPEN_EXCHANGES_MAX {
            let Some((number, key)) = self.order.pop_front() else { return };
            if self.lines.get(&key).is_some_and(|(current, _)| *current == number) {
                self.lines.remove(&key);
                self.forgotten += 1;
            }
        }
    }
}
