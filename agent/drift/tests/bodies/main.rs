//! Flows of JSON bodies that change at a known message: from bytes to evidence.

#![allow(clippy::expect_used, reason = "a test: what is missing ends it, with its name")]

mod budget;
mod constants;
mod orders;
mod relations;
mod stream;
mod types;
