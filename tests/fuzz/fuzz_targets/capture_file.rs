//! Capture files: any bytes are read or refused with a place; what was read survives being written and read again.
//!
//! Random bytes never pass a checksum, so the input is read twice: as it is, and as the bodies of records whose frames are
//! right. In the second form a record is its type, a two-byte length, and that many bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitot_common::user::{CaptureEvent, Progress, Source};
use pitot_replay::{Reader, Recorder, VERSION};

const MAGIC: [u8; 8] = *b"\x89PITOT\r\n";
const END: u8 = 255;

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes);
    let (events, _) = read(&framed(bytes));

    let mut recorder = Recorder::new(Vec::new()).expect("memory can be written");
    for event in &events {
        recorder.write(event).expect("what was read can be written");
    }
    let file = recorder.finish().expect("memory can be written");
    let (again, whole) = read(&file);
    assert!(whole, "the recorder's own file is refused");
    assert_eq!(events, again);
});

/// The events before the first error, and whether there was none.
fn read(file: &[u8]) -> (Vec<CaptureEvent>, bool) {
    let mut events = Vec::new();
    let Ok(mut reader) = Reader::new(file) else { return (events, false) };
    let whole = loop {
        match reader.next_batch(&mut events) {
            Ok(Progress::End) => break true,
            Ok(_) => {}
            Err(_) => {
                assert!(matches!(reader.next_batch(&mut events), Ok(Progress::End)), "an error, and no end");
                break false;
            }
        }
    };
    (events, whole)
}

/// Records with these bodies, in a file that is otherwise as it should be.
fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    let mut records: u64 = 0;
    while let [kind, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (body, next) = rest.split_at(length);
        frame(&mut file, *kind, body);
        records += 1;
        bytes = next;
    }
    frame(&mut file, END, &records.to_le_bytes());
    file
}

fn frame(file: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let start = file.len();
    file.extend((body.len() as u32).to_le_bytes());
    file.push(kind);
    file.extend(body);
    let checksum = crc32fast::hash(&file[start..]);
    file.extend(checksum.to_le_bytes());
}
