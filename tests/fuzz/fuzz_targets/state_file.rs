//! Baseline files: any bytes are refused or read, without a crash and within memory; what was read survives being written and
//! read again.
//!
//! Random bytes never pass a checksum, so the input is read twice: as it is, and as the body of a file whose head is right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitot_drift::{Config, Flows};
use pitot_findings::Findings;
use pitot_state::{decode, encode, frame};

type State = (Flows, Findings);

fuzz_target!(|bytes: &[u8]| {
    let _ = decode::<State>(bytes);
    let Ok(state) = decode::<State>(&frame(bytes)) else { return };
    let written = encode(&state).expect("what was read can be written");
    let again: State = decode(&written).expect("what was written can be read");
    assert!(encode(&again).expect("again") == written, "written twice, it differs");
    let (flows, _) = again;
    let config = Config::default();
    flows.restored(config).keys().for_each(drop);
});
