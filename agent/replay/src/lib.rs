//! The capture file.
#![forbid(unsafe_code)]
