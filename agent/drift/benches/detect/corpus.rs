//! Bodies, and the messages that carry them.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use pitot_protocols::message::{Message, Order, Peer, RequestLine, Side};

/// Bodies of one kind.
pub(crate) struct Corpus {
    pub(crate) name: &'static str,
    bodies: Vec<Bytes>,
}

impl Corpus {
    pub(crate) fn new(name: &'static str, bodies: impl Iterator<Item = String>) -> Self {
        Self { name, bodies: bodies.map(Bytes::from).collect() }
    }

    pub(crate) fn mean_bytes(&self) -> f64 {
        self.bodies.iter().map(Bytes::len).sum::<usize>() as f64 / self.bodies.len() as f64
    }

    /// A message with each body.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.bodies.iter().map(message).collect()
    }
}

/// One request for each of so many flows.
pub(crate) fn requests(flows: usize) -> Vec<Arc<RequestLine>> {
    let request = |flow: usize| {
        // In letters: digits would be folded.
        let letter = |place: u32| char::from(b'a' + (flow / 26_usize.pow(place) % 26) as u8);
        let shop: String = (0..4).map(letter).collect();
        RequestLine { method: "POST".into(), target: format!("/v1/{shop}/orders?dry=0"), authority: None }
    };
    (0..flows).map(|flow| Arc::new(request(flow))).collect()
}

/// A file with a JSON text on each line, plain or (`.gz`) compressed.
pub(crate) fn read(file: &str) -> Corpus {
    let opened = std::fs::File::open(file).expect("open the corpus");
    let plain: Box<dyn Read> = match file.ends_with(".gz") {
        true => Box::new(flate2::read::MultiGzDecoder::new(opened)),
        false => Box::new(opened),
    };
    let lines = BufReader::new(plain).lines().map(|line| line.expect("a line of UTF-8"));
    let corpus = Corpus::new("from the file", lines.filter(|line| !line.trim().is_empty()));
    assert!(!corpus.bodies.is_empty(), "no JSON text in the corpus");
    corpus
}

fn message(body: &Bytes) -> Message {
    Message {
        order: Order::default(),
        t_ns: 1,
        exchange: "a".into(),
        side: Side::Request,
        protocol: "http",
        request: None,
        status: None,
        headers: [("host", "billing"), ("content-type", "application/json")].into(),
        body: body.clone(),
        incomplete: None,
        client: Peer::Named("shop".into()),
        server: Peer::Named("billing".into()),
        transport: None,
        instance: None,
    }
}
