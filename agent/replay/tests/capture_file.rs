//! Round trips, and every kind of damage: all readable events come out, then one error that names the place.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use pitot_common::user::{
    CaptureEvent, Endpoint, Hook, LossReason, Lost, Overload, Pod, Process, ProcessId, Progress, Segment,
    Short, Socket, Source, TcpFlags,
};
use pitot_replay::{Error, Fault, MAX_BODY, Reader, Recorder};
use proptest::prelude::*;

fn write(events: &[CaptureEvent]) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new()).unwrap();
    events.iter().for_each(|event| recorder.write(event).unwrap());
    recorder.finish().unwrap()
}

/// Every readable event, and how it ended.
fn read(file: &[u8]) -> (Vec<CaptureEvent>, Result<(), Error>) {
    let mut events = Vec::new();
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (events, Err(error)),
    };
    loop {
        match reader.next_batch(&mut events) {
            Ok(Progress::End) => return (events, Ok(())),
            Ok(_) => {}
            Err(error) => {
                let before = events.len();
                assert_eq!(reader.next_batch(&mut events).unwrap(), Progress::End, "one error, then the end");
                assert_eq!(events.len(), before);
                return (events, Err(error));
            }
        }
    }
}

/// A record with a good checksum around any body.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.push(kind);
    frame.extend(body);
    frame.extend(crc32fast::hash(&frame).to_le_bytes());
    frame
}

fn header() -> Vec<u8> {
    write(&[])[..10].to_vec()
}

fn tick(time_ns: u64) -> CaptureEvent {
    CaptureEvent::Tick(time_ns)
}

#[test]
fn the_bytes_of_version_2() {
    let file = write(&[tick(0x0102_0304_0506_0708)]);
    let expected = [
        b"\x89PITOT\r\n\x02\x00".to_vec(),
        frame(4, &[8, 7, 6, 5, 4, 3, 2, 1]),
        frame(255, &[1, 0, 0, 0, 0, 0, 0, 0]),
    ]
    .concat();
    assert_eq!(file, expected);

    let segment = Segment {
        time_ns: 1,
        hook: Hook::Ingress,
        cookie: 2,
        cgroup: 3,
        netns: 4,
        src: "1.2.3.4:258".parse().unwrap(),
        dst: "[::1]:2".parse().unwrap(),
        seq: 5,
        ack: 6,
        flags: TcpFlags(0x12),
        owner: Some(ProcessId { pid: 7, start_ns: 8 }),
        total: 9,
        offset: 1,
        payload: b"ab".to_vec(),
        short: Some(Short { reason: LossReason::LoadFailed, bytes: 3 }),
    };
    let number = u64::to_le_bytes;
    let body = [
        &[0b111][..],
        &[number(1), number(2), number(3), number(4)].concat(),
        &[4, 1, 2, 3, 4, 2, 1],
        &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0],
        &[5, 0, 0, 0, 6, 0, 0, 0, 0x12, 9, 0, 0, 0, 1, 0, 0, 0],
        &[7, 0, 0, 0],
        &number(8),
        &[2, 3, 0, 0, 0],
        b"ab",
    ]
    .concat();
    assert_eq!(
        write(&[CaptureEvent::Segment(segment)])[10..],
        [frame(2, &body), frame(255, &number(1))].concat()
    );
}

#[track_caller]
fn check_error(file: &[u8], readable: usize, expected: &str) {
    let (events, end) = read(file);
    assert_eq!((events.len(), end.unwrap_err().to_string().as_str()), (readable, expected));
}

#[test]
fn files_of_another_kind() {
    let not = "not a capture file (it does not begin with the capture mark): give a file written by `pitot record`, or \
               say what it is with --format";
    check_error(b"", 0, not);
    check_error(b"{\"t_ns\":1}\n", 0, not);
    // What a transfer as text does to the mark.
    check_error(b"\x89PITOT\n\x01\x00", 0, not);
    check_error(
        b"\x89PITOT\r\n\x07\x00",
        0,
        "capture format version 7, this program reads version 2: replay it with the version of pitot that wrote it",
    );
    check_error(
        b"\x89PITOT\r",
        0,
        "cut off in record 1 at byte 0: the 0 records before it were read; copy the file again, or let the recording \
         end by itself",
    );
}

#[test]
fn damaged_records() {
    let with = |rest: &[u8]| [write(&[tick(1)])[..27].to_vec(), rest.to_vec()].concat();
    let damaged = |fault: &str| {
        format!(
            "damaged in record 2 at byte 27 ({fault}): the 1 records before it were read; copy the file again"
        )
    };
    let check = |rest: &[u8], fault: &str| check_error(&with(rest), 1, &damaged(fault));
    check(&[255, 255, 255, 255, 2, 0], "its length is given as 4294967295 bytes");
    check(&frame(9, b""), "its type 9 is unknown");
    check(&frame(4, b"1234567"), "its fields do not fit its length");
    check(&frame(4, b"123456789"), "its fields do not fit its length");
    check(&frame(3, &[0; 25]), "it contains the unknown code 0");
    check(&frame(2, &[8]), "it contains the unknown code 8");
    check(&frame(255, &[2, 0, 0, 0, 0, 0, 0, 0]), "the end counts 2 records");
    check(&[frame(255, &[1, 0, 0, 0, 0, 0, 0, 0]), vec![0]].concat(), "something follows the end");
    check(&frame(1, &[&[0; 12][..], &[1, 0, 0, 0, 0xff]].concat()), "a text in it is not UTF-8");
    // A false count of arguments is not believed.
    check(&frame(1, &[&[0; 24][..], &[255; 4]].concat()), "its fields do not fit its length");
    let mut segment = vec![0; 33];
    segment.extend([4, 0, 0, 0, 0, 0, 0].repeat(2));
    segment.extend([0; 17]);
    segment.extend(b"payload of a packet of 0 bytes");
    check(&frame(2, &segment), "its payload does not fit into its packet");
}

#[test]
fn an_event_too_large_is_refused_and_the_file_goes_on() {
    let mut recorder = Recorder::new(Vec::new()).unwrap();
    let args = vec!["x".repeat(MAX_BODY)];
    let process = Process { id: ProcessId { pid: 1, start_ns: 1 }, args, ..Process::default() };
    let error = recorder.write(&CaptureEvent::Process(Arc::new(process))).unwrap_err();
    assert!(matches!(error, Error::EventTooLarge { bytes } if bytes > MAX_BODY));
    recorder.write(&tick(1)).unwrap();
    let (events, end) = read(&recorder.finish().unwrap());
    assert_eq!(events, [tick(1)]);
    end.unwrap();
}

fn reason() -> impl Strategy<Value = LossReason> {
    proptest::sample::select(LossReason::ALL.to_vec())
}

fn address() -> impl Strategy<Value = Endpoint> {
    let v6 = any::<([u8; 16], u16, u32, u32)>()
        .prop_map(|(ip, port, flow, scope)| std::net::SocketAddrV6::new(ip.into(), port, flow, scope).into());
    let inet = prop_oneof![any::<([u8; 4], u16)>().prop_map(std::net::SocketAddr::from), v6];
    prop_oneof![4 => inet.prop_map(Endpoint::Inet), 1 => any::<u64>().prop_map(Endpoint::Unix)]
}

fn process_id() -> impl Strategy<Value = ProcessId> {
    any::<(u32, u64)>().prop_map(|(pid, start_ns)| ProcessId { pid, start_ns })
}

fn segment() -> impl Strategy<Value = Segment> {
    let short =
        proptest::option::of((reason(), 0..1_000_u32).prop_map(|(reason, bytes)| Short { reason, bytes }));
    let what = (
        any::<bool>(),
        proptest::option::of(process_id()),
        short,
        any::<[u64; 4]>(),
        any::<(u32, u32, u8)>(),
    );
    let payload = proptest::collection::vec(any::<u8>(), 0..300);
    (what, address(), address(), payload, 0..100_u32, 0..100_u32).prop_map(
        |((ingress, owner, short, numbers, (seq, ack, flags)), src, dst, payload, offset, after)| {
            let [time_ns, cookie, cgroup, netns] = numbers;
            let total = offset + payload.len() as u32 + short.map_or(0, |short| short.bytes) + after;
            let hook = if ingress { Hook::Ingress } else { Hook::Egress };
            let flags = TcpFlags(flags);
            Segment {
                time_ns,
                hook,
                cookie,
                cgroup,
                netns,
                src,
                dst,
                seq,
                ack,
                flags,
                owner,
                total,
                offset,
                payload,
                short,
            }
        },
    )
}

fn process() -> impl Strategy<Value = Process> {
    let args = proptest::collection::vec(".{0,20}", 0..4);
    let said = (process_id(), ".{0,15}", ".{0,20}", args, ".{0,40}");
    let user = proptest::option::of((any::<u32>(), ".{0,8}"));
    let pod =
        proptest::option::of((".{0,20}", ".{0,20}").prop_map(|(namespace, name)| Pod { namespace, name }));
    (said, user, any::<u64>(), ".{0,20}", pod, ".{0,20}").prop_map(
        |((id, comm, exe, args, cgroup), user, netns, container, pod, host)| Process {
            id,
            comm,
            exe,
            args,
            cgroup,
            user,
            netns,
            container,
            pod,
            host,
        },
    )
}

fn socket() -> impl Strategy<Value = Socket> {
    let ends = (address(), proptest::option::of(address()), any::<bool>());
    (any::<[u64; 3]>(), ends, proptest::option::of(process_id()), ".{0,40}").prop_map(
        |([time_ns, netns, cookie], (local, remote, listens), owner, path)| Socket {
            time_ns,
            netns,
            cookie,
            local,
            remote,
            listens,
            owner,
            path,
        },
    )
}

fn event() -> impl Strategy<Value = CaptureEvent> {
    let lost = (any::<[u64; 3]>(), reason()).prop_map(|([time_ns, records, bytes], reason)| {
        CaptureEvent::Lost(Lost { time_ns, reason, records, bytes })
    });
    let overload = any::<([u64; 3], bool)>().prop_map(|([time_ns, connections, bytes], begins)| {
        CaptureEvent::Overload(Overload { time_ns, begins, connections, bytes })
    });
    prop_oneof![
        5 => segment().prop_map(CaptureEvent::Segment),
        1 => process().prop_map(|process| CaptureEvent::Process(Arc::new(process))),
        1 => socket().prop_map(|socket| CaptureEvent::Socket(Arc::new(socket))),
        1 => lost,
        1 => overload,
        1 => any::<u64>().prop_map(CaptureEvent::Tick),
    ]
}

fn events() -> impl Strategy<Value = Vec<CaptureEvent>> {
    proptest::collection::vec(event(), 0..20)
}

proptest! {
    #[test]
    fn round_trip(events in events()) {
        let (read, end) = read(&write(&events));
        prop_assert_eq!(read, events);
        prop_assert!(end.is_ok());
    }

    /// A prefix of a file gives the events of the records that are whole, and says where the next one begins.
    #[test]
    fn truncated_anywhere(events in events(), cut in any::<prop::sample::Index>()) {
        let file = write(&events);
        let cut = cut.index(file.len());
        let ends: Vec<_> = (0..=events.len()).map(|n| write(&events[..n]).len() - 17).collect();
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        let (read, end) = read(&file[..cut]);
        prop_assert_eq!(&read[..], &events[..whole]);
        match end {
            Err(Error::Truncated { offset, record }) => {
                prop_assert_eq!(record, whole as u64 + 1);
                prop_assert_eq!(offset, if cut < 10 { 0 } else { ends[whole] as u64 });
            }
            other => prop_assert!(cut == 0 && matches!(other, Err(Error::NotACapture)), "{other:?}"),
        }
    }

    /// A flipped bit is found, and costs nothing of what came before.
    #[test]
    fn one_bit_anywhere(events in events(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut file = write(&events);
        let at = at.index(file.len());
        file[at] ^= 1_u8 << bit;
        let (read, end) = read(&file);
        prop_assert!(end.is_err());
        let before = (0..=events.len()).filter(|n| write(&events[..*n]).len() - 17 <= at).count().saturating_sub(1);
        prop_assert_eq!(&read[..], &events[..before]);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = read(&bytes);
        let _ = read(&[header(), bytes].concat());
    }

    /// Any body behind a good checksum, and what is read of it is written back the same.
    #[test]
    fn any_body(kind in 0..6_u8, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let record = frame(kind, &body);
        let (events, end) = read(&[header(), record.clone()].concat());
        match end {
            Err(Error::Truncated { .. }) => prop_assert_eq!(&write(&events)[10..10 + record.len()], &record[..]),
            Err(Error::Corrupt { fault, .. }) => prop_assert!(fault != Fault::Checksum && events.is_empty()),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
