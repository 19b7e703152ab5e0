//! A case: what is sent, how, over what, in which circumstances, and what has to come out.

use crate::link::Between;
use crate::plan::{Exchange, Manner, Order};
use crate::receive::ReceivePath;
use crate::send::SendPath;

/// Which kind of socket, and so which of Pitot's lanes sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Socket {
    /// TCP over IPv4.
    V4,
    /// TCP over IPv6.
    V6,
    /// TCP over IPv4 with IPv6 sockets.
    Mapped,
    /// Multipath TCP over IPv4.
    Mptcp,
    /// A Unix stream socket in the file system.
    UnixPath,
    /// A Unix stream socket with an abstract name.
    UnixAbstract,
    /// An unnamed pair of Unix stream sockets.
    Socketpair,
}

impl Socket {
    /// Whether it is a Unix socket.
    #[must_use]
    pub fn is_unix(self) -> bool {
        matches!(self, Self::UnixPath | Self::UnixAbstract | Self::Socketpair)
    }
}

/// What has to come out, beside nothing wrong and nothing missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Every message exact, unless the kernel part says that its ring was full.
    Exact,
    /// Every message that was sent whole exact, and what was cut off not claimed.
    ExactButCut,
    /// Whatever is declared.
    Declared,
}

/// When the recording starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Before the client.
    Before,
    /// When all connections are open.
    Late,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// `GROUP/NAME`.
    pub name: String,
    /// Over what.
    pub socket: Socket,
    /// How both ends send.
    pub send: SendPath,
    /// How both ends receive.
    pub receive: ReceivePath,
    /// The exchanges of each connection.
    pub exchanges: Vec<Exchange>,
    /// How many connections.
    pub connections: u32,
    /// In which order.
    pub order: Order,
    /// How each is used.
    pub manner: Manner,
    /// What lies between the two ends; none: they are in the same network namespace.
    pub link: Option<Between>,
    /// When the recording starts.
    pub start: Start,
    /// Bytes of the kernel's ring, when not the default.
    pub ring_bytes: Option<u32>,
    /// Processes that keep the processors busy meanwhile.
    pub busy: u32,
    /// Whether the recording selects by command name instead of by port; Unix sockets have no other way.
    pub select_by_comm: bool,
    /// Whether the names and processes of both ends are looked at.
    pub names: bool,
    /// What has to come out.
    pub expect: Expect,
}

impl Case {
    /// A case of plain exchanges over IPv4 with `write` and `read`; what differs is set on it.
    #[must_use]
    pub fn new(name: impl Into<String>, sizes: &[usize]) -> Self {
        Self {
            name: name.into(),
            socket: Socket::V4,
            send: SendPath::Write,
            receive: ReceivePath::Read,
            exchanges: sizes.iter().map(|&size| Exchange { request: size, response: size }).collect(),
            connections: 1,
            order: Order::OneByOne,
            manner: Manner::Plain,
            link: None,
            start: Start::Before,
            ring_bytes: None,
            busy: 0,
            select_by_comm: false,
            names: false,
            expect: Expect::Exact,
        }
    }
}

impl Case {
    /// What it does, in a few words, by what it differs in from a plain one.
    #[must_use]
    pub fn description(&self) -> String {
        let mut words = vec![self.socket.name().to_owned()];
        words.push(format!("{:?} to {:?}", self.send, self.receive));
        words.extend((self.manner != Manner::Plain).then(|| format!("{:?}", self.manner)));
        words.extend(self.link.map(|between| format!("over {between:?}")));
        words.extend((self.start == Start::Late).then(|| "recording starts late".to_owned()));
        words.extend(self.ring_bytes.map(|bytes| format!("ring of {} KiB", bytes >> 10)));
        words.extend((self.busy > 0).then(|| format!("{} busy processes", self.busy)));
        words.extend(
            (self.connections > 1).then(|| format!("{} connections, {:?}", self.connections, self.order)),
        );
        let sizes = self.exchanges.iter().flat_map(|exchange| [exchange.request, exchange.response]);
        let (least, most) =
            sizes.fold((usize::MAX, 0), |(least, most), size| (least.min(size), most.max(size)));
        words.push(format!("{} to {}", size(least), size(most)));
        words.join("; ")
    }
}

impl Socket {
    fn name(self) -> &'static str {
        match self {
            Self::V4 => "TCP/IPv4",
            Self::V6 => "TCP/IPv6",
            Self::Mapped => "TCP, IPv4-mapped",
            Self::Mptcp => "MPTCP",
            Self::UnixPath => "Unix, path",
            Self::UnixAbstract => "Unix, abstract",
            Self::Socketpair => "socketpair",
        }
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
