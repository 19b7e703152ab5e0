//! HTTP archives: every entry gives its messages or an error with its number; times never run backwards.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitot_protocols::har::read;

fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = read(bytes) else { return };
    assert!(archive.messages.is_sorted_by_key(|message| message.t_ns));
    assert!(archive.errors.iter().all(|error| error.entry > 0));
});
