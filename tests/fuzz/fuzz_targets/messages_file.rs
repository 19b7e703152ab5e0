//! Messages files: every line is a message, a gap or an error with its number; what was read survives being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitot_protocols::message::{Message, Peer};
use pitot_protocols::messages::{Item, Reader, Writer};

fuzz_target!(|bytes: &[u8]| {
    let (messages, bad) = read(bytes);
    let mut writer = Writer::new(Vec::new(), []);
    for message in &messages {
        writer.write(message, name(&message.client), name(&message.server)).expect("memory can be written");
    }
    let (again, refused) = read(&writer.into_inner());
    assert_eq!(refused, 0, "the writer's own lines are refused");
    assert_eq!(messages.len(), again.len());
    for (a, b) in messages.iter().zip(&again) {
        assert_eq!((a.t_ns, &a.exchange, a.side, a.status), (b.t_ns, &b.exchange, b.side, b.status));
        assert_eq!(a.body, b.body, "another body after writing and reading ({bad} bad lines)");
    }
});

/// The messages, and the number of lines that were refused.
fn read(bytes: &[u8]) -> (Vec<Message>, u64) {
    let (mut messages, mut gaps, mut bad) = (Vec::new(), 0, 0);
    let mut reader = Reader::new(bytes);
    for item in &mut reader {
        match item.expect("memory can be read") {
            Item::Message(message) => messages.push(*message),
            Item::Gap(_) => gaps += 1,
            Item::Error(error) => {
                assert!(error.line > 0, "no line number");
                bad += 1;
            }
        }
    }
    let counts = reader.counts();
    assert_eq!(counts.bad, bad);
    assert_eq!(counts.lines, messages.len() as u64 + gaps + bad, "a line without an outcome");
    (messages, bad)
}

fn name(peer: &Peer) -> &str {
    match peer {
        Peer::Named(name) => name,
        _ => unreachable!("a messages file names its ends"),
    }
}
