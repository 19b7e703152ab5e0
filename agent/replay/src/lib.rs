//! The capture file: every [`CaptureEvent`](pitot_common::user::CaptureEvent) of a run, so that everything right of the
//! [`Source`](pitot_common::user::Source) can be run again elsewhere, without the kernel, with the same result.
//!
//! **In:** events ([`Recorder`]) or a file ([`Reader`]). **Out:** a file, or the same events in the same order.
//!
//! # Format, version 2
//! All numbers are little-endian. A file is a header, records, and a last record that says it is whole.
//!
//! | header | bytes | |
//! |---|---|---|
//! | magic | 8 | `89 50 49 54 4F 54 0D 0A`: "PITOT" between bytes that a transfer as text would damage |
//! | version | 2 | of everything below; a reader refuses any other |
//!
//! | record | bytes | |
//! |---|---|---|
//! | length | 4 | of the body, at most 1 MiB |
//! | type | 1 | 1 process, 2 segment, 3 lost, 4 tick, 5 socket, 6 overload, 255 end |
//! | body | length | |
//! | checksum | 4 | CRC-32 (IEEE) of length, type and body |
//!
//! The checksum is for damage in storage and transfer: without it a flipped bit in a payload would be reported as
//! drift of somebody's data. CRC-32 because it finds every burst of up to 32 bits and costs far less than the copy of
//! the bytes; it is no protection against forgery.
//!
//! Bodies, field by field. A *text* is a 4-byte length and that many bytes of UTF-8. An *address* is `4` and 4 bytes
//! of IPv4 address, or `6` and 16 bytes of IPv6 address, flow information (4) and scope (4), then the port (2); or `1` and
//! the number of a Unix socket (8). What may be missing has a byte before it, 1 if it is there, else 0.
//! - **process**: pid (4), start in ns since boot (8), comm, exe, cgroup (texts), number of arguments (4), arguments
//!   (texts), maybe user id (4) and user name (text), network namespace (8), container name (text), maybe pod namespace and
//!   name (texts), name of the machine (text; older files end before it).
//! - **socket**: what it has (1; bit 1: owner, bit 3: remote, bit 4: listens, others 0), time in ns (8), network namespace
//!   (8), cookie (8), local address; with bit 3: remote address; with bit 1: pid (4) and start (8); path (text).
//! - **overload**: time in ns (8), 1 if it begins, 0 if it ends (1), connections (8) and bytes (8) left out so far.
//! - **segment**: what it has (1; bit 0: captured at ingress, bit 1: owner, bit 2: short, others 0), time in ns (8),
//!   cookie (8), cgroup id (8), network namespace (8), source, destination (addresses), sequence number (4),
//!   acknowledgement number (4), TCP flags (1), total (4), offset (4); with bit 1: pid (4) and start (8); with bit 2: reason
//!   (1) and bytes (4) of what could not be captured; the rest of the body is payload.
//! - **lost**: time in ns (8), reason (1), records (8), bytes (8). Reasons are numbered by
//!   [`LossReason`](pitot_common::user::LossReason).
//! - **tick**: time in ns (8).
//! - **end**: number of records before it (8). A file without it was cut off, even if that was between two records.
//!
//! A reader gives every event before the first damage, then one error that names the place. What it
//! allocates for a record follows the bytes that are there, never what the file claims.
//!
//! # Example
//! ```
//! use pitot_common::user::{CaptureEvent, Progress, Source};
//! use pitot_replay::{Reader, Recorder};
//!
//! let mut recorder = Recorder::new(Vec::new())?;
//! recorder.write(&CaptureEvent::Tick(1_763_800_000_000_000_000))?;
//! let file = recorder.finish()?;
//!
//! let mut events = Vec::new();
//! let mut reader = Reader::new(file.as_slice())?;
//! while reader.next_batch(&mut events)? != Progress::End {}
//! assert_eq!(events, [CaptureEvent::Tick(1_763_800_000_000_000_000)]);
//! # Ok::<(), pitot_replay::Error>(())
//! ```
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod error;
mod format;
mod reader;
mod recorder;

pub use error::{Error, Fault};
pub use format::{MAX_BODY, VERSION};
pub use reader::Reader;
pub use recorder::Recorder;
