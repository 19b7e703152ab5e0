//! The state directory: saved from time to time, taken up again, and of no harm when it is damaged.

// clippy.toml's exemption covers test functions, not their helpers.
#![allow(clippy::expect_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pitot::config::{Config, State};
use pitot::control::{self, Request};
use pitot::pipeline::Pipeline;
use pitot::state::{Keeper, baseline};
use pitot_common::user::CaptureEvent;
use tempfile::TempDir;

const SECOND: u64 = 1_000_000_000;

fn config(directory: &Path) -> State {
    State { directory: Some(directory.into()), save_seconds: 60 }
}

fn pipeline() -> Pipeline {
    Pipeline::new(&Config::default(), 1).expect("threads")
}

/// Saves what a new pipeline knows.
fn save(directory: &Path) {
    let keeper = Keeper::open(&config(directory)).expect("free").expect("writable");
    keeper.close(&mut pipeline(), &mut Vec::new());
}

#[test]
fn it_is_made_and_saved_to_every_minute_of_event_time_and_at_the_end() {
    let parent = TempDir::new().expect("a directory");
    let directory = parent.path().join("lib/pitot");
    let mut keeper = Keeper::open(&config(&directory)).expect("free").expect("writable");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert!(keeper.load().is_none(), "nothing is there, and nothing is said");

    let (mut pipeline, mut findings) = (pipeline(), Vec::new());
    keeper.keep(&mut pipeline, &mut findings);
    for second in [1_000, 1_030, 1_059] {
        pipeline.capture(&mut vec![CaptureEvent::Tick(second * SECOND)], &mut findings);
        keeper.keep(&mut pipeline, &mut findings);
    }
    assert!(!baseline(&directory).exists(), "it is not time");
    pipeline.capture(&mut vec![CaptureEvent::Tick(1_060 * SECOND)], &mut findings);
    keeper.keep(&mut pipeline, &mut findings);
    // What is being written is waited for before the end is saved.
    keeper.close(&mut pipeline, &mut findings);
    assert_eq!(mode(&baseline(&directory)), 0o600);
    let files = fs::read_dir(&directory).expect("readable").count();
    assert_eq!(files, 1, "neither a temporary file nor the socket is left");

    let keeper = Keeper::open(&config(&directory)).expect("free").expect("writable");
    assert!(keeper.load().is_some());
}

#[test]
fn what_is_of_no_use_is_moved_aside() {
    let check = |damage: &dyn Fn(&mut Vec<u8>)| {
        let directory = TempDir::new().expect("a directory");
        save(directory.path());
        let file = baseline(directory.path());
        let mut bytes = fs::read(&file).expect("saved");
        damage(&mut bytes);
        fs::write(&file, &bytes).expect("writable");
        let keeper = Keeper::open(&config(directory.path())).expect("free").expect("writable");
        assert!(keeper.load().is_none());
        assert!(!file.exists());
        assert_eq!(fs::read(directory.path().join("baseline.corrupt-1")).expect("moved, not deleted"), bytes);
        assert!(keeper.load().is_none(), "the next start learns anew");
        keeper.close(&mut pipeline(), &mut Vec::new());
        let keeper = Keeper::open(&config(directory.path())).expect("free").expect("writable");
        assert!(keeper.load().is_some(), "and is kept");
    };
    check(&Vec::clear);
    check(&|bytes| bytes.truncate(30));
    check(&|bytes| bytes.truncate(bytes.len() - 1));
    check(&|bytes| bytes.push(0));
    check(&|bytes| bytes[8] = 200);
    check(&|bytes| *bytes.last_mut().expect("not empty") ^= 1);
    check(&|bytes| bytes[12..20].fill(0xff));
    check(&|bytes| *bytes = pitot_state::encode(&[1_u8]).expect("encodes"));
    check(&|bytes| *bytes = b"learning:\n  messages: 5\n".to_vec());
}

#[test]
fn one_agent_a_directory_and_none_where_it_cannot_be_written() {
    let directory = TempDir::new().expect("a directory");
    let first = Keeper::open(&config(directory.path())).expect("free").expect("writable");
    let taken = Keeper::open(&config(directory.path())).expect_err("taken").to_string();
    assert!(
        taken.ends_with("another agent keeps its state here; give this one its own state.directory"),
        "{taken}"
    );
    drop(first);
    assert!(Keeper::open(&config(directory.path())).expect("free again").is_some());

    let file = directory.path().join("file");
    fs::write(&file, "").expect("writable");
    assert!(Keeper::open(&config(&file.join("below"))).expect("said, not an error").is_none());
    assert!(Keeper::open(&State { directory: None, save_seconds: 60 }).expect("nothing is kept").is_none());
}

#[test]
fn a_command_reaches_the_agent() {
    let directory = TempDir::new().expect("a directory");
    let keeper = Keeper::open(&config(directory.path())).expect("free").expect("writable");
    let path = directory.path().to_owned();
    let client = std::thread::spawn(move || control::ask(&path, &Request::Approve { id: "a".into() }));
    let asked = loop {
        if let Some(asked) = keeper.asked() {
            break asked;
        }
        std::thread::yield_now();
    };
    assert_eq!(asked.request, Request::Approve { id: "a".into() });
    asked.answer(Err("no finding with the id a is open".into()));
    let answer = client.join().expect("ends").expect_err("refused");
    assert_eq!(answer.to_string(), "no finding with the id a is open");
}
