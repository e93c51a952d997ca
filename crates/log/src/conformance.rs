//! The suite that every log passes: a test for each law of [`Log`].
//!
//! An implementation gives a [`Bench`] that makes logs and opens them again; a test of its own
//! calls [`check_all`]. Faults show as panics that name the law.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::{
    Body, Content, Kind, Open, RECORD_BYTES_MAX, Record, RecordId, Salt, SourceName, Timestamp,
};

use crate::{Budget, Error, Log};

/// How the suite gets at logs of one implementation.
pub trait Bench {
    /// A new, empty log.
    fn create(&self) -> Arc<dyn Log>;
    /// Lets go of a log as a crash would (nothing is flushed that was not durable) and opens it
    /// again; `None` where that can't be done.
    fn crash(&self, log: Arc<dyn Log>) -> Option<Arc<dyn Log>>;
}

/// Runs the suite.
///
/// # Panics
/// When a law does not hold.
pub fn check_all(bench: &dyn Bench) {
    for (law, check) in LAWS {
        #[expect(clippy::print_stderr, reason = "a failing test shows which law it was")]
        {
            eprintln!("law: {law}");
        }
        check(bench);
    }
}

type Check = fn(&dyn Bench);

/// The laws by their names, each with its check.
pub const LAWS: &[(&str, Check)] = &[
    ("offsets begin at 0 and have no gaps", offsets_have_no_gaps),
    ("appends of many threads do not mix, and all are there", appends_do_not_mix),
    ("contents come back byte for byte", contents_come_back),
    ("what was acknowledged survives a crash at the same offset", acknowledged_survives),
    ("a read keeps to its budget and always gets on", reads_keep_to_their_budget),
    ("reading at the end and beyond gives nothing", nothing_beyond_the_end),
    ("too large an entry is refused, and nothing of its append is kept", too_large_is_refused),
    ("a record that could not be read again is refused", unreadable_is_refused),
    ("waiting ends with the next append, or with its time", waiting_ends),
];

/// A record that tells its own number.
pub fn record(number: u64) -> Content {
    Ok(Record {
        id: RecordId(uuid_of(number)),
        source: SourceName::new("test/source").map_err(|_| Bytes::new())?,
        kind: Kind::EntityGone.as_str().into(),
        time: None,
        recorded: Timestamp::default(),
        causation: None,
        epoch: 1,
        sequence: number,
        body: Body::Open(Open {
            salt: Salt([7; 16]),
            subject: Some(format!("component:default/c{number}").into()),
            author: None,
            pointer: None,
            data: format!(r#"{{"scope":"s","item":"{number}"}}"#).into(),
        }),
    })
}

fn uuid_of(number: u64) -> uuid::Uuid {
    uuid::Uuid::from_u128(u128::from(number))
}

fn number_of(content: &Content) -> u64 {
    content.as_ref().map_or(u64::MAX, |record| record.sequence)
}

/// Everything that stands in a log, read in small steps.
///
/// # Panics
/// When reading fails or offsets have gaps.
#[must_use]
pub fn read_all(log: &dyn Log) -> Vec<Content> {
    let mut all = Vec::new();
    loop {
        let from = all.len() as u64;
        let entries = log.read(from, Budget { entries: 7, bytes: 1 << 20 }).expect("a read");
        if entries.is_empty() {
            assert_eq!(from, log.end().expect("the end"), "everything below the end can be read");
            return all;
        }
        for (expected, entry) in (from..).zip(entries) {
            assert_eq!(entry.offset, expected, "an offset is left out or doubled");
            all.push(entry.content);
        }
    }
}

fn offsets_have_no_gaps(bench: &dyn Bench) {
    let log = bench.create();
    assert_eq!(log.end().expect("the end"), 0);
    let mut next = 0;
    for count in [1, 3, 0, 2] {
        let contents: Vec<_> = (next..next + count).map(record).collect();
        let first = log.append(&contents).expect("an append");
        assert_eq!(first, next);
        next += count;
        assert_eq!(log.end().expect("the end"), next);
    }
    let numbers: Vec<_> = read_all(&*log).iter().map(number_of).collect();
    assert_eq!(numbers, (0..next).collect::<Vec<_>>(), "records stand in the order of appending");
}

fn appends_do_not_mix(bench: &dyn Bench) {
    const THREADS: u64 = 8;
    const APPENDS: u64 = 25;
    const EACH: u64 = 3;
    let log = bench.create();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            scope.spawn(move || {
                for append in 0..APPENDS {
                    let base = (thread * APPENDS + append) * EACH;
                    let contents: Vec<_> = (base..base + EACH).map(record).collect();
                    let first = log.append(&contents).expect("an append");
                    let budget = Budget { entries: 3, bytes: 1 << 20 };
                    let read = log.read(first, budget).expect("a read");
                    let read: Vec<_> = read.iter().map(|entry| number_of(&entry.content)).collect();
                    assert_eq!(read, (base..base + EACH).collect::<Vec<_>>());
                }
            });
        }
    });
    let mut numbers: Vec<_> = read_all(&*log).iter().map(number_of).collect();
    for group in numbers.chunks(EACH as usize) {
        assert!(
            group.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "an append was torn: {group:?}"
        );
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..THREADS * APPENDS * EACH).collect::<Vec<_>>());
}

fn contents_come_back(bench: &dyn Bench) {
    let log = bench.create();
    let mut erased = record(5).expect("a record");
    erased.body = Body::Erased(event::Erased {
        commitment: event::Commitment([9; 32]),
        residue: bytes::Bytes::from_static(b"\x01left"),
    });
    let contents = [
        record(0),
        Err(Bytes::from_static(b"garbage \0\xff")),
        Err(Bytes::new()),
        Ok(erased),
        record(4),
    ];
    log.append(&contents).expect("an append");
    assert_eq!(read_all(&*log), contents);
}

fn acknowledged_survives(bench: &dyn Bench) {
    let mut log = bench.create();
    let mut expected = Vec::new();
    for round in 0..6 {
        let base = round * 100;
        for number in base..base + 20 {
            let first = log.append(&[record(number)]).expect("an append");
            assert_eq!(first, expected.len() as u64);
            expected.push(record(number));
        }
        let Some(again) = bench.crash(log) else {
            return;
        };
        log = again;
        assert_eq!(read_all(&*log), expected, "after crash {round}");
    }
}

fn reads_keep_to_their_budget(bench: &dyn Bench) {
    let log = bench.create();
    let contents: Vec<_> = (0..50).map(record).collect();
    log.append(&contents).expect("an append");
    for (entries, bytes, at_most) in [(1, 1 << 20, 1), (10, 1 << 20, 10), (100, 1, 1), (0, 0, 1)] {
        let read = log.read(20, Budget { entries, bytes }).expect("a read");
        assert!(!read.is_empty(), "a read always gets on");
        assert!(read.len() <= at_most, "{} entries for a budget of {entries}, {bytes}", read.len());
        assert_eq!(read[0].offset, 20);
    }
}

fn nothing_beyond_the_end(bench: &dyn Bench) {
    let log = bench.create();
    for beyond in [0, 1, u64::MAX] {
        assert_eq!(log.read(beyond, Budget::default()).expect("a read"), []);
    }
    log.append(&[record(0)]).expect("an append");
    for beyond in [1, 2, u64::MAX] {
        assert_eq!(log.read(beyond, Budget::default()).expect("a read"), []);
    }
}

fn too_large_is_refused(bench: &dyn Bench) {
    let log = bench.create();
    let large: Content = Err(vec![0; RECORD_BYTES_MAX + 1].into());
    let error = log.append(&[record(0), large]).expect_err("too large");
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    assert_eq!(log.append(&[record(1)]).expect("the log takes the next"), 0);
    assert_eq!(read_all(&*log), [record(1)]);
}

fn unreadable_is_refused(bench: &dyn Bench) {
    let open = |change: fn(&mut Open)| {
        let mut record = record(1).expect("a record");
        if let Body::Open(open) = &mut record.body {
            change(open);
        }
        record
    };
    let with = |change: fn(&mut Record)| {
        let mut record = record(1).expect("a record");
        change(&mut record);
        record
    };
    let log = bench.create();
    for (what, unfit) in [
        ("an empty pointer", open(|open| open.pointer = Some("".into()))),
        ("a pointer with NUL", open(|open| open.pointer = Some("a\0b".into()))),
        ("a long pointer", open(|open| open.pointer = Some("a".repeat(4097).into()))),
        ("an empty subject", open(|open| open.subject = Some("".into()))),
        ("an empty author", open(|open| open.author = Some("".into()))),
        ("no type", with(|record| record.kind = "".into())),
        ("a type with a space", with(|record| record.kind = "a b".into())),
        ("too large an epoch", with(|record| record.epoch = u64::MAX)),
        ("too large a sequence", with(|record| record.sequence = 1 << 63)),
    ] {
        let error = log.append(&[record(0), Ok(unfit)]).expect_err(what);
        assert!(matches!(error, Error::Unfit(_)), "{what}: {error:?}");
    }
    let longest = open(|open| open.pointer = Some("a".repeat(4096).into()));
    let contents = [Ok(longest), Ok(with(|record| record.epoch = i64::MAX.unsigned_abs()))];
    assert_eq!(log.append(&contents).expect("the log takes what is just of its form"), 0);
    assert_eq!(read_all(&*log), contents);
}

fn waiting_ends(bench: &dyn Bench) {
    let log = bench.create();
    assert_eq!(log.wait(0, Duration::from_millis(5)).expect("a wait"), 0);
    log.append(&[record(0)]).expect("an append");
    let begun = Instant::now();
    assert_eq!(log.wait(0, Duration::from_mins(5)).expect("a wait"), 1);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| log.wait(1, Duration::from_mins(5)).expect("a wait"));
        log.append(&[record(1)]).expect("an append");
        assert_eq!(waiting.join().expect("the waiting thread"), 2);
    });
    assert!(begun.elapsed() < Duration::from_mins(5), "a wait did not end with the append");
}
