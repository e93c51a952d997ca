//! The rules of the fold, one record at a time, over a state in memory.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;

use bytes::Bytes;
use event::vocabulary::{
    EntityRefused, EntityRemoved, Fault, FoldAdopted, KeyRotated, LogCreated, ScopeName,
    ScopeRetired, WithdrawalApproved,
};
use event::{
    Body, CODEC_VERSION, Content, Entry, Erased, Event, HASH_SUITE, LogId, Open, Record, RecordId,
    Salt, SourceName, Timestamp,
};
use fold::{
    Change, Counters, Folded, Halt, Need, Page, Prior, Quarantined, Under, Why, fold, prepare,
};
use uuid::Uuid;

/// A state in memory, and the records of one source that lead to it.
struct Machine {
    prior: Prior,
    offset: u64,
    epoch: u64,
    sequence: u64,
    recorded_us: i64,
}

fn created() -> LogCreated {
    LogCreated {
        log: LogId::new(7),
        origin: "catalog.example.org".into(),
        codec: CODEC_VERSION,
        hashes: HASH_SUITE.into(),
        key: Some("catalog.example.org+01+AAAA".into()),
    }
}

impl Machine {
    /// Before the first record.
    fn empty() -> Self {
        Self {
            prior: Prior::new([]),
            offset: 0,
            epoch: 1,
            sequence: 0,
            recorded_us: 1_764_000_000_000_000,
        }
    }

    /// After the records that every log begins with.
    fn begun() -> Self {
        let mut machine = Self::empty();
        machine.say(&Event::LogCreated(created()), None).unwrap();
        machine.say(&Event::FoldAdopted(FoldAdopted { version: 1 }), None).unwrap();
        machine
    }

    /// The next record of the source.
    fn record(&mut self, kind: &str, subject: Option<&str>, data: Bytes) -> Record {
        self.recorded_us += 1_000_000;
        let record = Record {
            id: RecordId(Uuid::from_u128(u128::from(self.offset))),
            source: SourceName::new("files/local").unwrap(),
            kind: kind.into(),
            time: None,
            recorded: Timestamp::from_micros(self.recorded_us).unwrap(),
            causation: None,
            epoch: self.epoch,
            sequence: self.sequence,
            body: Body::Open(Open {
                salt: Salt([7; 16]),
                subject: subject.map(Into::into),
                author: None,
                pointer: None,
                data,
            }),
        };
        self.sequence += 1;
        record
    }

    fn say(&mut self, event: &Event<'_>, subject: Option<&str>) -> Result<Vec<Change>, Halt> {
        let record = self.record(event.kind().as_str(), subject, event.to_data());
        self.fold(Ok(record))
    }

    /// Folds what stands at the next offset, and gives what it changed.
    fn fold(&mut self, content: Content) -> Result<Vec<Change>, Halt> {
        let prepared = prepare(Entry { offset: self.offset, content }, &Under::of(&self.prior));
        let mut all = Vec::new();
        let mut step = None;
        loop {
            match fold(&self.prior, &prepared, step.as_ref()) {
                Folded::Halt(halt) => return Err(halt),
                Folded::Needs(needs) => needs.into_iter().for_each(|need| self.answer(need)),
                Folded::Changes { changes, next } => {
                    for change in &changes {
                        self.prior.apply(change.clone());
                    }
                    all.extend(changes);
                    step = next;
                    if step.is_none() {
                        self.offset += 1;
                        return Ok(all);
                    }
                }
            }
        }
    }

    /// Whatever is not known yet is not there.
    fn answer(&mut self, need: Need) {
        match need {
            Need::Row(key) => self.prior.load(Change::read(key, None).unwrap()),
            Need::Claims { scope, .. } => {
                self.prior.load_claims(scope, Page { rows: Vec::new(), complete: true });
            }
            Need::Standing { entity, .. } => {
                self.prior.load_standing(entity, Page { rows: Vec::new(), complete: true });
            }
            Need::Unnamed { scope, .. } => {
                self.prior.load_unnamed(scope, Page { rows: Vec::new(), complete: true });
            }
        }
    }
}

#[test]
fn a_rotated_key_is_not_put_in_force() {
    let mut machine = Machine::begun();
    let before = machine.prior.log().cloned();
    let key = "evil.example.org+01+AAAA".to_owned();
    let rotated = Event::KeyRotated(KeyRotated { key, signature: None });
    let changes = machine.say(&rotated, None).unwrap();
    assert!(!changes.iter().any(|change| matches!(change, Change::Log(..))), "{changes:?}");
    assert_eq!(machine.prior.log().cloned(), before);
}

fn clock(machine: &Machine) -> i64 {
    machine.prior.clock().unwrap().as_micros()
}

fn zombie(machine: &mut Machine, kind: &str, data: &'static str) -> Record {
    let record = machine.record(kind, None, Bytes::from_static(data.as_bytes()));
    machine.sequence -= 1;
    Record { epoch: 0, ..record }
}

fn duplicate(machine: &mut Machine, kind: &str, data: &'static str) -> Record {
    let record = machine.record(kind, None, Bytes::from_static(data.as_bytes()));
    machine.sequence -= 1;
    Record { sequence: 0, ..record }
}

fn erased(machine: &mut Machine, kind: &str, data: &'static str) -> Record {
    let record = machine.record(kind, None, Bytes::from_static(data.as_bytes()));
    let commitment = event::commit(record.open().unwrap());
    Record { body: Body::Erased(Erased { commitment, residue: Bytes::new() }), ..record }
}

#[test]
fn a_record_that_does_not_count_moves_no_clock() {
    let mut machine = Machine::begun();
    let before = clock(&machine);
    for make in [zombie, duplicate] {
        let mut record = make(&mut machine, "dev.annals.entity.removed.v1", "{}");
        record.recorded = Timestamp::from_micros(before + 3_000_000_000_000_000).unwrap();
        let changes = machine.fold(Ok(record)).unwrap();
        assert!(matches!(changes[..], [Change::Source(..)]), "{changes:?}");
    }
    assert_eq!(clock(&machine), before);
}

#[test]
fn what_came_later_stops_a_node_only_if_it_counts() {
    const NEWER: &[(&str, &str)] = &[
        ("dev.annals.entity.seen.v2", "{}"),
        ("dev.annals.fold.adopted.v1", r#"{"version":4000000000}"#),
        ("dev.annals.policy.set.v1", r#"{"kinds":[{"icon":1}],"orphans":"keep"}"#),
    ];
    for (kind, data) in NEWER {
        for make in [zombie, duplicate, erased] {
            let mut machine = Machine::begun();
            let record = make(&mut machine, kind, data);
            machine.fold(Ok(record)).unwrap();
        }
        let mut machine = Machine::begun();
        let record = machine.record(kind, None, Bytes::from_static(data.as_bytes()));
        let halt = machine.fold(Ok(record)).unwrap_err().to_string();
        assert!(
            halt.contains("this version of Annals knows") || halt.contains("not know"),
            "{halt}"
        );
    }
}

#[test]
fn a_log_of_another_suite_is_not_folded() {
    for (codec, hashes) in [(200, HASH_SUITE), (0, HASH_SUITE), (CODEC_VERSION, "sha512-x-v9")] {
        let created = LogCreated { codec, hashes: hashes.into(), ..created() };
        let halt = Machine::empty().say(&Event::LogCreated(created), None).unwrap_err();
        assert!(matches!(halt, Halt::Suite { .. }), "{halt:?}");
    }
    // A later one of the kind is of no account.
    let mut machine = Machine::begun();
    let created = LogCreated { codec: 200, ..created() };
    machine.say(&Event::LogCreated(created), None).unwrap();
}

fn why(changes: &[Change]) -> Option<Why> {
    changes.iter().find_map(|change| match change {
        Change::Quarantine(_, row) => row.as_ref().map(|row| row.why),
        _ => None,
    })
}

#[test]
fn what_can_t_be_folded_is_listed_with_a_number() {
    let seen = r#"{"scope":"s","entity":{"kind":"Robot","apiVersion":"a/v1","metadata":{"name":"A"},"spec":{"peer":"x"}}}"#;
    let nameless = r#"{"scope":"s","fingerprint":"00","error":{"name":"E","message":"m"}}"#;
    let policy = r#"{"kinds":[{"kind":"Robot","apiVersion":"a/v1","relations":[{"field":"spec.peer","relation":"peerOf","inverse":"hasPeer"}]}],"orphans":"keep"}"#;
    let mut machine = Machine::begun();
    assert_eq!(why(&machine.fold(Err(Bytes::from_static(b"x"))).unwrap()), Some(Why::NotARecord));
    for (kind, subject, data, expected) in [
        ("org.example.other", None, "{}", Some(Why::Foreign)),
        ("dev.annals.entity.removed.v1", Some("user:default/a"), r#"{"x":1}"#, Some(Why::Data)),
        ("dev.annals.entity.removed.v1", None, "{}", Some(Why::Subject)),
        ("dev.annals.entity.removed.v1", Some("User:default/a"), "{}", Some(Why::Subject)),
        ("dev.annals.entity.gone.v1", None, r#"{"scope":"s"}"#, Some(Why::Nameless)),
        ("dev.annals.entity.refused.v1", None, nameless, Some(Why::Nameless)),
        ("dev.annals.entity.refused.v1", Some("user:default/a"), nameless, Some(Why::Fingerprint)),
        ("dev.annals.entity.seen.v1", None, r#"{"scope":"s","entity":{}}"#, Some(Why::Document)),
        ("dev.annals.entity.seen.v1", Some("robot:default/b"), seen, Some(Why::OtherSubject)),
        ("dev.annals.entity.seen.v1", Some("robot:default/a"), seen, None),
        ("dev.annals.policy.set.v1", None, r#"{"kinds":[{}],"orphans":"keep"}"#, Some(Why::Policy)),
        ("dev.annals.policy.set.v1", None, policy, None),
        ("dev.annals.entity.seen.v1", Some("robot:default/a"), seen, Some(Why::Relations)),
    ] {
        let record = machine.record(kind, subject, Bytes::from_static(data.as_bytes()));
        let changes = machine.fold(Ok(record)).unwrap();
        assert_eq!(why(&changes), expected, "{kind} of {subject:?}: {data}");
    }
    for (number, why) in (1_u8..).zip(Why::ALL) {
        assert_eq!((u8::from(why), Why::try_from(number)), (number, Ok(why)));
    }
    let row = Quarantined { why: Why::Relations, bytes: 7, record: None };
    let row = Change::Quarantine(0, Some(Arc::new(row))).row().unwrap();
    assert_eq!(row, [1, 9, 7, 0], "form, number, bytes, no record");
}

#[test]
fn numbers_that_run_out_stop_nothing() {
    // Sequences that leave more out than a count can hold.
    let mut machine = Machine::begun();
    for epoch in 1..=3 {
        (machine.epoch, machine.sequence) = (epoch, event::NUMBER_MAX);
        let removed = Event::EntityRemoved(EntityRemoved { why: None });
        machine.say(&removed, Some("user:default/a")).unwrap();
    }
    // No numbers left for entities, and for scopes.
    for (entities, scopes) in [(u32::MAX - 1, 0), (0, u32::MAX)] {
        let mut machine = Machine::begun();
        machine.prior.apply(Change::Counters((), Some(Counters { entities, scopes })));
        let refused = EntityRefused {
            scope: ScopeName::new("s").unwrap(),
            snapshot: None,
            item: None,
            required: false,
            fingerprint: "00".repeat(32),
            error: Fault { name: "E".into(), message: "m".into() },
        };
        let refused = Event::EntityRefused(refused);
        let _ = machine.say(&refused, Some("user:default/a")).unwrap();
        let before = machine.prior.counters();
        let changes = machine.say(&refused, Some("user:default/b")).unwrap();
        assert_eq!(why(&changes), Some(Why::Full));
        let others = |change: &&Change| {
            !matches!(
                change,
                Change::Source(..) | Change::Clock(..) | Change::Time(..) | Change::Quarantine(..)
            )
        };
        assert_eq!(changes.iter().find(others), None);
        assert_eq!(machine.prior.counters(), before);
    }
}

#[test]
fn retiring_the_scope_with_the_source_s_name_uses_its_approval_up() {
    let scope = || ScopeName::new("files/local").unwrap();
    let mut machine = Machine::begun();
    let approved = WithdrawalApproved { scope: scope(), at_most: 9 };
    machine.say(&Event::WithdrawalApproved(approved), None).unwrap();
    let retired = Event::ScopeRetired(ScopeRetired { scope: scope(), why: None });
    let changes = machine.say(&retired, None).unwrap();
    let last = changes.iter().rev().find_map(|change| match change {
        Change::Scope(_, row) => row.clone(),
        _ => None,
    });
    let last = last.unwrap();
    assert_eq!((last.retired, last.approval.clone()), (true, None));
    assert_ne!(last.version, RecordId::NONE);
}

/// The fold reads documents and writes them again, and does so with serde_json. Which numbers and
/// what order come out depends on features of that crate, which any other crate of a program can
/// turn on: a failure here means that every digest would change.
#[test]
fn json_is_read_and_written_as_the_digests_expect() {
    for (text, written) in [
        // float_roundtrip: without it this is ...9657 when it is read.
        ("1.9278312773579658", "1.9278312773579658"),
        ("8.385014567264808e-78", "8.385014567264808e-78"),
        // arbitrary_precision would keep these as they stand.
        ("12345678901234567890123", "1.2345678901234568e+22"),
        ("1e2", "100.0"),
        ("-0", "-0.0"),
        ("1.0", "1.0"),
        // preserve_order; of a key that is there twice, the last value counts in the first place.
        (r#"{"b":1,"a":2,"b":3}"#, r#"{"b":3,"a":2}"#),
    ] {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(value.to_string(), written, "{text}");
    }
    // raw_value: bytes as they stand.
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str(" { \"a\" : 1e2 } ").unwrap();
    assert_eq!(raw.get(), "{ \"a\" : 1e2 }");
}
