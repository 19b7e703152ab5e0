//! Ring records: whatever the bytes, a record is refused or is consistent in itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitot_common::user::decode::{Record, decode};

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = decode(bytes) else { return };
    match record {
        Record::Segment(segment) => {
            let short = segment.short.map_or(0, |short| short.bytes);
            let end = u64::from(segment.offset) + segment.payload.len() as u64 + u64::from(short);
            assert!(end <= u64::from(segment.total), "a payload beyond its packet");
            assert!(segment.short.is_none_or(|short| short.bytes > 0), "a loss of nothing");
            assert!(segment.payload.len() <= bytes.len(), "more payload than bytes");
        }
        Record::Process(process) => {
            let text = process.comm.len() + process.args.iter().map(String::len).sum::<usize>();
            // A byte that is not UTF-8 becomes a replacement character of three.
            assert!(text <= 3 * bytes.len(), "more text than bytes");
        }
    }
});
