//! The constants of the format; the crate's documentation says what they mean.

/// The first bytes of every capture file.
pub(crate) const MAGIC: [u8; 8] = *b"\x89PITOT\r\n";

/// The version that this crate writes and reads.
pub const VERSION: u16 = 2;

/// Longest body of a record, bytes.
pub const MAX_BODY: usize = 1 << 20;

/// Length and type before a body.
pub(crate) const FRAME_HEAD: usize = 5;

pub(crate) const PROCESS: u8 = 1;
pub(crate) const SEGMENT: u8 = 2;
pub(crate) const LOST: u8 = 3;
pub(crate) const TICK: u8 = 4;
pub(crate) const SOCKET: u8 = 5;
pub(crate) const OVERLOAD: u8 = 6;
pub(crate) const END: u8 = 255;

/// Bits of a segment's or socket's first byte.
pub(crate) const INGRESS: u8 = 1;
pub(crate) const HAS_OWNER: u8 = 2;
pub(crate) const HAS_SHORT: u8 = 4;
pub(crate) const HAS_REMOTE: u8 = 8;
pub(crate) const LISTENS: u8 = 16;

/// First byte of an address.
pub(crate) const UNIX: u8 = 1;
pub(crate) const IPV4: u8 = 4;
pub(crate) const IPV6: u8 = 6;
