//! From a value to the bytes of a file and back. The layout is in the [crate]'s documentation.

use rmp_serde::{Deserializer, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::Error;

/// The format that is written and read. To be raised when what is stored gets another meaning under the same name; a type
/// that gains, loses or renames a field needs no new version, [`Error::Content`] says so.
pub const VERSION: u32 = 1;
/// The longest file that is read or written, bytes.
pub const LONGEST: u64 = 2 << 30;

/// Nesting of a body, far more than any state has.
const DEEPEST: usize = 64;

const MAGIC: [u8; 8] = *b"pitotst\n";
/// Where the checksum begins, and where the body does.
const CHECKSUM: usize = 20;
const BODY: usize = 52;

/// The bytes of a file that holds `value`.
///
/// # Errors
/// [`Error::Encode`] for what MessagePack cannot hold, [`Error::TooLong`].
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut file = vec![0; BODY];
    value.serialize(&mut Serializer::new(&mut file).with_struct_map()).map_err(Error::Encode)?;
    let length = file.len() as u64;
    if length > LONGEST {
        return Err(Error::TooLong { length });
    }
    seal(&mut file);
    Ok(file)
}

/// The bytes of a file whose body is `body`, whatever that is: for tests of what reads it.
#[must_use]
pub fn frame(body: &[u8]) -> Vec<u8> {
    let mut file = vec![0; BODY];
    file.extend_from_slice(body);
    seal(&mut file);
    file
}

/// Writes the head of a file that has its body.
fn seal(file: &mut [u8]) {
    let Some((head, body)) = file.split_first_chunk_mut::<BODY>() else { return };
    let (summed, place) = head.split_at_mut(CHECKSUM);
    let fields = [&MAGIC[..], &VERSION.to_le_bytes(), &(body.len() as u64).to_le_bytes()];
    summed.copy_from_slice(&fields.concat());
    place.copy_from_slice(&checksum(summed, body));
}

/// The value that a file's bytes hold. Never allocates more than a few times their length.
///
/// # Errors
/// What is wrong with them.
pub fn decode<T: DeserializeOwned>(file: &[u8]) -> Result<T, Error> {
    let mut deserializer = Deserializer::from_read_ref(body(file)?);
    deserializer.set_max_depth(DEEPEST);
    T::deserialize(&mut deserializer).map_err(Error::Content)
}

/// The body of an undamaged file.
fn body(file: &[u8]) -> Result<&[u8], Error> {
    let found = file.len() as u64;
    // A file that is cut within its mark still is ours.
    if !file.iter().zip(MAGIC).all(|(found, expected)| *found == expected) || file.is_empty() {
        return Err(Error::NotState);
    }
    let truncated = || Error::Truncated { found, expected: BODY as u64 };
    let (head, body) = file.split_at_checked(BODY).ok_or_else(truncated)?;
    let (summed, expected) = head.split_at(CHECKSUM);
    let version = field(summed, 8).map(u32::from_le_bytes).ok_or_else(truncated)?;
    if version != VERSION {
        return Err(Error::Version { found: version, known: VERSION });
    }
    let length = field(summed, 12).map(u64::from_le_bytes).ok_or_else(truncated)?;
    let expected_length = length.saturating_add(BODY as u64);
    if found < expected_length {
        return Err(Error::Truncated { found, expected: expected_length });
    }
    if found > expected_length {
        return Err(Error::Trailing { extra: found - expected_length });
    }
    if checksum(summed, body) != expected {
        return Err(Error::Checksum);
    }
    Ok(body)
}

fn field<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..)?.first_chunk().copied()
}

fn checksum(head: &[u8], body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(head).chain_update(body).finalize().into()
}
