//! Findings as OpenTelemetry log events.
#![forbid(unsafe_code)]
