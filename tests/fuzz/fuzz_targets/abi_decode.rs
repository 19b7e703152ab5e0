//! Ring records: any bytes decode or are refused; what decodes keeps its promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitot_common::user::decode::{Record, decode};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Record::Segment(segment)) = decode(bytes) {
        let short = segment.short.map_or(0, |short| u64::from(short.bytes));
        let end = u64::from(segment.offset) + segment.payload.len() as u64 + short;
        assert!(end <= u64::from(segment.total));
    }
});
