//! Files as they are meant to be, and every way in which they are not.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pitot_state::{Error, decode, encode, read, set_aside, write};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    count: u64,
    names: Vec<String>,
    rates: BTreeMap<String, f64>,
}

/// What was stored before there were names.
#[derive(Serialize)]
struct Older {
    count: u64,
}

fn state() -> State {
    let rates = [("a".to_owned(), 0.5), ("b".to_owned(), f64::MIN_POSITIVE)];
    State { count: u64::MAX, names: vec!["$".into(), "$.lines[*]".into()], rates: rates.into() }
}

/// The format is fixed: a file written by an older Pitot is read by this one, or refused by its version.
#[test]
fn the_head_is_as_documented() {
    let file = encode(&state()).expect("encodes");
    assert_eq!(&file[..20], b"pitotst\n\x01\0\0\0\x41\0\0\0\0\0\0\0");
    assert_eq!(file.len(), 52 + 0x41);
    assert_eq!(decode::<State>(&file).expect("decodes"), state());
    assert_eq!(encode(&state()).expect("encodes"), file, "equal values, equal bytes");
}

/// What is wrong with a file, in the words that its owner reads.
#[test]
fn what_is_wrong_is_named() {
    let check = |damage: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let mut file = encode(&state()).expect("encodes");
        damage(&mut file);
        let error = decode::<State>(&file).expect_err(expected);
        assert!(error.is_corrupt());
        assert_eq!(error.to_string(), expected);
    };
    check(&|file| file.clear(), "this is not a file of Pitot's state");
    check(&|file| file[0] = b'P', "this is not a file of Pitot's state");
    check(&|file| *file = b"{\"openapi\":\"3.1.0\"}".to_vec(), "this is not a file of Pitot's state");
    check(&|file| file[8] = 2, "it has format 2, this version of Pitot reads format 1");
    check(&|file| file.truncate(3), "it is cut off: 3 bytes of 52");
    check(&|file| file.truncate(51), "it is cut off: 51 bytes of 52");
    check(&|file| file.truncate(100), "it is cut off: 100 bytes of 117");
    check(&|file| file.push(0), "1 bytes follow its end");
    check(&|file| file[12..20].fill(0xff), &format!("it is cut off: 117 bytes of {}", u64::MAX));
    check(&|file| file[60] ^= 1, "its checksum does not match: it was damaged");
    check(&|file| file[25] ^= 1, "its checksum does not match: it was damaged");
    check(
        &|file| *file = encode(&Older { count: 1 }).expect("encodes"),
        "its content is not what this version of Pitot stores: missing field `names`",
    );
}

/// Lengths inside an undamaged body that nothing follows: an array, a map, a text of 4 GiB.
#[test]
fn absurd_lengths_cost_nothing() {
    for body in [
        &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0xdb, 0xff, 0xff, 0xff, 0xff],
    ] {
        let file = pitot_state::frame(body);
        assert!(matches!(decode::<State>(&file), Err(Error::Content(_))));
        assert!(matches!(decode::<Vec<u64>>(&file), Err(Error::Content(_))));
        assert!(matches!(decode::<String>(&file), Err(Error::Content(_))));
    }
    let nested = pitot_state::frame(&[0x91; 100_000]);
    assert!(matches!(decode::<Tree>(&nested), Err(Error::Content(_))));
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

#[test]
fn a_file_is_replaced_whole_and_set_aside_when_it_is_of_no_use() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("baseline");
    assert!(read::<State>(&path).expect("no file is no error").is_none());
    fs::write(directory.path().join("baseline.tmp"), "left over").expect("writable");
    let file = encode(&state()).expect("encodes");
    write(&path, &file).expect("written");
    write(&path, &file).expect("replaced");
    assert_eq!(read::<State>(&path).expect("readable"), Some(state()));
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut places = Vec::new();
    for _ in 0..11 {
        fs::write(&path, "pitotst?").expect("writable");
        assert!(read::<State>(&path).expect_err("damaged").is_corrupt());
        places.push(set_aside(&path).expect("moved"));
        assert!(!path.exists());
    }
    places.dedup();
    assert_eq!(places.len(), 9);
    assert_eq!(places[0].file_name().and_then(|name| name.to_str()), Some("baseline.corrupt-1"));
    let left = fs::read_dir(directory.path()).expect("readable").count();
    assert_eq!(left, 9, "no temporary file is left");
}

#[test]
fn a_directory_that_is_not_there_is_an_error_of_the_system() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("none/baseline");
    assert!(write(&path, b"x").is_err());
    let error = read::<State>(directory.path()).expect_err("a directory is no file");
    assert!(!error.is_corrupt());
}

proptest! {
    /// Whatever happens to whichever byte, the file is refused; as it was, it is read.
    #[test]
    fn any_damage_is_noticed(count: u64, names: Vec<String>, at: prop::sample::Index, flip in 1_u8..) {
        let state = State { count, names, rates: BTreeMap::new() };
        let file = encode(&state).expect("encodes");
        prop_assert_eq!(decode::<State>(&file).expect("decodes"), state);
        let mut damaged = file.clone();
        damaged[at.index(file.len())] ^= flip;
        prop_assert!(decode::<State>(&damaged).is_err());
        prop_assert!(decode::<State>(&file[..at.index(file.len())]).is_err());
    }

    /// Any bytes at all: an answer, no panic.
    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        prop_assert!(decode::<State>(&bytes).is_err());
        let _ = decode::<State>(&pitot_state::frame(&bytes));
        let _ = decode::<Tree>(&pitot_state::frame(&bytes));
    }
}
