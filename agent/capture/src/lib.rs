//! Live capture: the only crate that talks to the kernel.
//!
//! **In:** the kernel programs of `ebpf/`, loaded and attached by [`Live::open`]. **Out:** [`CaptureEvent`]s through
//! [`Source`], the same that a capture file gives.
//!
//! ```no_run
//! use pitot_capture::{Live, Options};
//! use pitot_common::user::{Progress, Source as _};
//!
//! let mut live = Live::open(&Options::default())?;
//! let mut events = Vec::new();
//! while live.next_batch(&mut events)? != Progress::End {
//!     println!("{} events", events.len());
//!     events.clear();
//! }
//! # Ok::<(), pitot_capture::Error>(())
//! ```
//!
//! Built without the kernel part (see `build.rs`), everything here still exists and [`Live::open`] says
//! [`Error::NotBuilt`].
//!
//! [`CaptureEvent`]: pitot_common::user::CaptureEvent
//! [`Source`]: pitot_common::user::Source

mod btf;
mod calibrate;
mod cgroup;
mod clock;
mod control;
mod counters;
mod error;
mod host;
mod inventory;
mod lanes;
mod live;
mod load;
pub mod measure;
mod overload;
mod own;
pub mod preflight;
pub mod privileges;
mod proc;
mod programs;
mod ring;
mod sched;
mod silent;
mod unix;

pub use control::Control;
pub use error::Error;
pub use lanes::{LaneChoice, TcpLane};
pub use live::{Live, Options, StopHandle};
pub use programs::ProgramStats;
