//! The formats as they stand on disk: golden bytes, and laws that hold for every record.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use bytes::Bytes;
use event::{
    Body, Entry, Erased, Event, Kind, NUMBER_MAX, Open, Record, RecordId, Salt, SourceName,
    Timestamp, Unfit, commit, decode, encode, leaf_of_record, leaf_of_unreadable, read_line,
    write_line,
};
use expect_test::{expect, expect_file};
use proptest::prelude::*;
use uuid::Uuid;

fn sample() -> Record {
    Record {
        id: RecordId(Uuid::from_u128(0x0193_57a0_0000_7000_8000_0000_0000_0001)),
        source: SourceName::new("files/local").unwrap(),
        kind: Kind::EntityGone.as_str().into(),
        time: Timestamp::from_micros(1_764_000_000_000_000),
        recorded: Timestamp::from_micros(1_764_000_000_123_456).unwrap(),
        causation: Some(RecordId(Uuid::from_u128(7))),
        epoch: 3,
        sequence: 300,
        body: Body::Open(Open {
            salt: Salt([0xab; 16]),
            subject: Some("component:default/a".into()),
            author: Some("ci".into()),
            pointer: Some("catalog/a.yaml#0".into()),
            data: Bytes::from_static(br#"{"scope":"s"}"#),
        }),
    }
}

fn erased(record: &Record) -> Record {
    let commitment = match &record.body {
        Body::Open(open) => commit(open),
        Body::Erased(erased) => erased.commitment,
    };
    let residue = Bytes::from_static(b"\x01left");
    Record { body: Body::Erased(Erased { commitment, residue }), ..record.clone() }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[test]
fn golden_binary_form() {
    expect!["013b019357a0000070008000000000000001000644594164224000064459416240000000000000000000000000000000000703ac02196465762e616e6e616c732e656e746974792e676f6e652e76310b66696c65732f6c6f63616cabababababababababababababababab13636f6d706f6e656e743a64656661756c742f6102636910636174616c6f672f612e79616d6c23307b2273636f7065223a2273227d"].assert_eq(&hex(&encode(&sample())));
    expect!["0107019357a0000070008000000000000001000644594164224000064459416240000000000000000000000000000000000703ac02196465762e616e6e616c732e656e746974792e676f6e652e76310b66696c65732f6c6f63616cb179169d2a40b88b89b82aac41298ce2eae34275437ab295d92c80ee52fb5f66016c656674"].assert_eq(&hex(&encode(&erased(&sample()))));
}

#[test]
fn a_newer_form_is_told_from_bytes_that_are_none() {
    let good = encode(&sample()).to_vec();
    for (at, byte, newer) in [(0, 2, true), (0, 8, true), (0, b'{', false), (1, 0x7b, true)] {
        let mut bytes = good.clone();
        bytes[at] = byte;
        let error = decode(&bytes.into()).unwrap_err();
        assert_eq!(error.is_newer(), newer, "byte {at} is {byte}: {error:?}");
    }
}

#[test]
fn golden_line() {
    let entry = Entry { offset: 12, content: Ok(sample()) };
    expect![[r#"{"specversion":"1.0","id":"019357a0-0000-7000-8000-000000000001","source":"files/local","type":"dev.annals.entity.gone.v1","subject":"component:default/a","time":"2025-11-24T16:00:00.000000Z","datacontenttype":"application/json","recordedtime":"2025-11-24T16:00:00.123456Z","causationid":"00000000-0000-0000-0000-000000000007","authid":"ci","epoch":"00000000000000000003","sequence":"00000000000000000300","sourcepointer":"catalog/a.yaml#0","salt":"abababababababababababababababab","offset":"00000000000000000012","data":{"scope":"s"}}"#]].assert_eq(&write_line(&entry));
    let entry = Entry { offset: 12, content: Ok(erased(&sample())) };
    expect![[r#"{"specversion":"1.0","id":"019357a0-0000-7000-8000-000000000001","source":"files/local","type":"dev.annals.entity.gone.v1","time":"2025-11-24T16:00:00.000000Z","recordedtime":"2025-11-24T16:00:00.123456Z","causationid":"00000000-0000-0000-0000-000000000007","epoch":"00000000000000000003","sequence":"00000000000000000300","commitment":"b179169d2a40b88b89b82aac41298ce2eae34275437ab295d92c80ee52fb5f66","residue":"AWxlZnQ=","offset":"00000000000000000012"}"#]].assert_eq(&write_line(&entry));
    let entry = Entry { offset: 13, content: Err(Bytes::from_static(b"\0garbage")) };
    expect![[r#"{"unreadable":"AGdhcmJhZ2U=","offset":"00000000000000000013"}"#]]
        .assert_eq(&write_line(&entry));
}

#[test]
fn golden_leaf() {
    let leaf = leaf_of_record(&sample());
    expect![[r#"{"causationid":"00000000-0000-0000-0000-000000000007","commitment":"b179169d2a40b88b89b82aac41298ce2eae34275437ab295d92c80ee52fb5f66","epoch":"00000000000000000003","id":"019357a0-0000-7000-8000-000000000001","recordedtime":"2025-11-24T16:00:00.123456Z","sequence":"00000000000000000300","source":"files/local","time":"2025-11-24T16:00:00.000000Z","type":"dev.annals.entity.gone.v1"}"#]].assert_eq(std::str::from_utf8(&leaf.bytes).unwrap());
    expect!["634b839fc33adee8916aa3113a0f19ad263d371720797d2f848898eea94d281d"]
        .assert_eq(&hex(&leaf.hash));
    expect!["7b22756e7265616461626c65223a2233633336646261613862343366663137303435616261306138386430333664326437323131333932373365653635373931373436666533333562323230393661227d"].assert_eq(&hex(&leaf_of_unreadable(b"\0garbage").bytes));
}

#[test]
fn every_schema_is_written_down() {
    for kind in Kind::ALL {
        let schema = serde_json::to_string_pretty(&kind.schema()).unwrap() + "\n";
        expect_file![format!("../schemas/{}.json", kind.as_str())].assert_eq(&schema);
    }
    let written =
        std::fs::read_dir(std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/schemas").unwrap();
    assert_eq!(written.count(), Kind::ALL.len(), "a schema of a type that is no more");
}

/// One event of each type, as its data stands in a log.
const EVENTS: &[(Kind, &str)] = &[
    (
        Kind::LogCreated,
        r#"{"log":"4f1c0a9be2d34411","origin":"catalog.example.org","codec":1,"hashes":"sha256-blake3-v1"}"#,
    ),
    (Kind::KeyRotated, r#"{"key":"catalog.example.org+01+AAAA","signature":"AAAA"}"#),
    (Kind::PolicySet, r#"{"kinds":[{"kind":"Robot"}],"orphans":"withdraw"}"#),
    (Kind::FoldAdopted, r#"{"version":1}"#),
    (
        Kind::LogAttested,
        r#"{"offset":7,"fold":1,"root":"00","digest":"01","history":"02","checkpoint":"x\n"}"#,
    ),
    (Kind::LogErased, r#"{"records":[{"offset":3,"residue":"00"}],"why":"asked for"}"#),
    (
        Kind::ScopeVerified,
        r#"{"scope":"files/local/a.yaml","snapshot":{"id":"00000000-0000-0000-0000-000000000007","compared":"00000000-0000-0000-0000-00000000000c"},"seen":3,"refused":1,"digest":"00"}"#,
    ),
    (Kind::ScopeRetired, r#"{"scope":"files/local/a.yaml","why":"the file is gone"}"#),
    (Kind::WithdrawalApproved, r#"{"scope":"files/local/a.yaml","at_most":40}"#),
    (
        Kind::EntitySeen,
        r#"{"scope":"s","snapshot":{"id":"00000000-0000-0000-0000-000000000007","compared":"00000000-0000-0000-0000-000000000000"},"entity":{"kind": "Component"}}"#,
    ),
    (Kind::EntityGone, r#"{"scope":"s","item":"a.yaml#2"}"#),
    (
        Kind::EntityRefused,
        r#"{"scope":"s","item":"t","required":true,"fingerprint":"00","error":{"name":"InputError","message":"no"}}"#,
    ),
    (Kind::EntityRemoved, r#"{"why":"a mistake"}"#),
    (Kind::AspectObserved, r#"{"aspect":"kubernetes/prod","value":{"ready":1}}"#),
    (Kind::AspectEnded, r#"{"aspect":"kubernetes/prod"}"#),
    (
        Kind::ActivityRecorded,
        r#"{"activity":"dev.cdevents.service.deployed","key":"1","about":{"annotation":"a","value":"b"},"value":{}}"#,
    ),
    (
        Kind::LocationRegistered,
        r#"{"id":"00000000-0000-0000-0000-000000000007","type":"url","target":"https://example.org/a.yaml"}"#,
    ),
    (
        Kind::LocationUpdated,
        r#"{"id":"00000000-0000-0000-0000-000000000007","type":"url","target":"https://example.org/b.yaml"}"#,
    ),
    (Kind::LocationRemoved, r#"{"id":"00000000-0000-0000-0000-000000000007"}"#),
    (Kind::RefreshAsked, r#"{"target":"url:https://example.org/a.yaml"}"#),
    (Kind::EpochBegun, r#"{"node":"n1","version":"0.1.0"}"#),
    (Kind::ConnectorChanged, r#"{"state":"held","scope":"s","why":"too many","withdrawals":30}"#),
    (Kind::CursorReached, r#"{"cursor":"2026"}"#),
];

fn with_data(kind: &str, data: &str) -> Record {
    let mut record = sample();
    record.kind = kind.into();
    if let Body::Open(open) = &mut record.body {
        open.data = Bytes::copy_from_slice(data.as_bytes());
    }
    record
}

/// Every text that an event may hold, as long as it may be, one more, and with NUL.
#[test]
fn texts_of_events_keep_to_their_limits() {
    for (kind, text, bytes_max) in [
        (Kind::EntityGone, r#"{"scope":"s","item":"TEXT"}"#, 1024),
        (
            Kind::EntityRefused,
            r#"{"scope":"s","item":"TEXT","fingerprint":"00","error":{"name":"E","message":"no"}}"#,
            1024,
        ),
        (
            Kind::EntityRefused,
            r#"{"scope":"s","fingerprint":"00","error":{"name":"E","message":"TEXT"}}"#,
            16384,
        ),
        (Kind::EntityRemoved, r#"{"why":"TEXT"}"#, 16384),
        (Kind::AspectObserved, r#"{"aspect":"TEXT","value":{}}"#, 1024),
        (Kind::AspectEnded, r#"{"aspect":"TEXT"}"#, 1024),
        (Kind::ActivityRecorded, r#"{"activity":"a","key":"TEXT","value":{}}"#, 1024),
        (Kind::ActivityRecorded, r#"{"activity":"TEXT","key":"a","value":{}}"#, 1024),
        (
            Kind::ActivityRecorded,
            r#"{"activity":"a","key":"a","about":{"annotation":"TEXT","value":"a"},"value":{}}"#,
            1024,
        ),
        (
            Kind::ActivityRecorded,
            r#"{"activity":"a","key":"a","about":{"annotation":"a","value":"TEXT"},"value":{}}"#,
            1024,
        ),
        (
            Kind::LocationRegistered,
            r#"{"id":"00000000-0000-0000-0000-000000000007","type":"url","target":"TEXT"}"#,
            1024,
        ),
        (
            Kind::LocationUpdated,
            r#"{"id":"00000000-0000-0000-0000-000000000007","type":"url","target":"TEXT"}"#,
            1024,
        ),
        (Kind::RefreshAsked, r#"{"target":"TEXT"}"#, 1024),
        (Kind::ScopeRetired, r#"{"scope":"s","why":"TEXT"}"#, 16384),
        (Kind::ConnectorChanged, r#"{"state":"held","why":"TEXT"}"#, 16384),
        (Kind::EpochBegun, r#"{"node":"TEXT","version":"1"}"#, 1024),
        (Kind::CursorReached, r#"{"cursor":"TEXT"}"#, 1024),
    ] {
        let schema = serde_json::to_value(kind.schema()).unwrap();
        for (value, fits) in [
            ("x".repeat(bytes_max), true),
            ("x".repeat(bytes_max + 1), false),
            ("a\\u0000b".to_owned(), false),
        ] {
            let data = text.replace("TEXT", &value);
            let read = Event::of(&with_data(kind.as_str(), &data)).is_ok();
            assert_eq!(read, fits, "{text} with {} bytes", value.len());
            let value = serde_json::from_str(&data).unwrap();
            assert_eq!(jsonschema::is_valid(&schema, &value), fits, "the schema of {text}");
        }
    }
}

#[test]
fn every_event_reads_as_it_is_written_and_follows_its_schema() {
    assert_eq!(EVENTS.len(), Kind::ALL.len());
    for (kind, data) in EVENTS {
        let record = with_data(kind.as_str(), data);
        let event = Event::of(&record).unwrap_or_else(|error| panic!("{data}: {error:?}"));
        assert_eq!(event.kind(), *kind);
        assert_eq!(Kind::from_code(kind.code()), Some(*kind));
        assert_eq!(event.to_data(), data.as_bytes(), "{kind:?}");
        let schema = serde_json::to_value(kind.schema()).unwrap();
        let value = serde_json::from_str(data).unwrap();
        jsonschema::validate(&schema, &value).unwrap_or_else(|error| panic!("{data}: {error}"));
        let with_more = data.replacen('{', r#"{"more":1,"#, 1);
        let strict = serde_json::from_str(&with_more).unwrap();
        assert!(!jsonschema::is_valid(&schema, &strict), "{kind:?} takes unknown members");
    }
}

#[test]
fn what_is_no_event_is_told_apart() {
    for (kind, data, expected) in [
        ("dev.annals.entity.seen.v2", "{}", "Newer"),
        ("dev.annals.entity.vanished.v1", "{}", "Newer"),
        ("org.example.other", "{}", "Foreign"),
        ("dev.annals.entity.gone.v1", r#"{"scope":"s","more":1}"#, "Data"),
        ("dev.annals.entity.gone.v1", r#"{"scope":""}"#, "Data"),
        ("dev.annals.entity.seen.v1", r#"{"scope":"s","entity":[]}"#, "Data"),
        ("dev.annals.entity.gone.v1", "not JSON", "Data"),
    ] {
        let record = with_data(kind, data);
        let found = match Event::of(&record).unwrap_err() {
            Unfit::Newer { .. } => "Newer",
            Unfit::Foreign { .. } => "Foreign",
            Unfit::Data { .. } => "Data",
            Unfit::Erased => "Erased",
        };
        assert_eq!(found, expected, "{kind} {data}");
    }
    assert!(matches!(Event::of(&erased(&sample())), Err(Unfit::Erased)));
}

#[test]
fn lines_that_are_no_records_are_refused_with_their_reason() {
    let good = write_line(&Entry { offset: 12, content: Ok(sample()) });
    assert!(read_line(&good).is_ok());
    for (from, to, expected) in [
        ("\"specversion\":\"1.0\"", "\"specversion\":\"0.3\"", "specversion"),
        ("\"epoch\":\"0000", "\"epoch\":\"", "epoch"),
        ("\"salt\":\"ab", "\"salt\":\"AB", "salt"),
        ("\"id\":\"0193", "\"id\":\"X193", "id"),
        ("\"recordedtime\":\"2025-11-24T16:00:00.123456Z\"", "\"recordedtime\":\"now\"", "time"),
        ("\"data\":{", "\"more\":{", "CloudEvent"),
        ("\"source\":\"files/local\"", "\"source\":\"files local\"", "form"),
        ("application/json", "text/plain", "datacontenttype"),
        ("\"epoch\":\"00000000000000000003\"", "\"epoch\":\"09223372036854775808\"", "epoch"),
        ("\"subject\":\"component:default/a\"", "\"subject\":\"\"", "subject"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from} is not in the line");
        let error = read_line(&bad).expect_err(&bad);
        let mut text = error.to_string();
        let mut source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(inner) = source {
            text += &format!(": {inner}");
            source = inner.source();
        }
        assert!(text.contains(expected), "{text} does not speak of {expected}");
    }
}

fn texts() -> impl Strategy<Value = Option<Box<str>>> {
    proptest::option::of("[^\\x00]{1,40}".prop_map(String::into_boxed_str))
}

prop_compose! {
    fn records()(
        id in any::<u128>(), source in "[!-~]{1,30}", kind in "[!-~]{1,60}",
        time in proptest::option::of(0..=253_402_207_199_999_999_i64),
        recorded in 0..=253_402_207_199_999_999_i64,
        causation in proptest::option::of(any::<u128>()),
        epoch in 0..=NUMBER_MAX, sequence in 0..=NUMBER_MAX, salt in any::<[u8; 16]>(),
        subject in texts(), author in texts(), pointer in texts(),
        data in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            Just(b"null".to_vec()), Just(b" {} ".to_vec()), Just(b"{\"a\":\n1}".to_vec()),
            "[a-z]{0,10}".prop_map(|text| format!("{{\"{text}\": \"\\u00e9\u{e9}\"}}").into_bytes()),
        ],
        is_erased in any::<bool>(),
    ) -> Record {
        let record = Record {
            id: RecordId(Uuid::from_u128(id)),
            source: SourceName::new(&source).unwrap(),
            kind: kind.into(),
            time: time.and_then(Timestamp::from_micros),
            recorded: Timestamp::from_micros(recorded).unwrap(),
            causation: causation.map(|id| RecordId(Uuid::from_u128(id))),
            epoch, sequence,
            body: Body::Open(Open { salt: Salt(salt), subject, author, pointer, data: data.into() }),
        };
        if is_erased { erased(&record) } else { record }
    }
}

proptest! {
    #[test]
    fn a_record_reads_as_it_was_written(record in records(), offset in any::<u64>()) {
        prop_assert_eq!(decode(&encode(&record)), Ok(record.clone()));
        let line = write_line(&Entry { offset, content: Ok(record.clone()) });
        prop_assert!(!line.contains('\n'));
        let read = read_line(&line).unwrap();
        prop_assert_eq!(read.offset, Some(offset));
        prop_assert_eq!(read.content, Ok(record));
    }

    #[test]
    fn bytes_that_are_no_record_read_as_they_were(raw in proptest::collection::vec(any::<u8>(), 0..100)) {
        let raw = Bytes::from(raw);
        let line = write_line(&Entry { offset: 0, content: Err(raw.clone()) });
        prop_assert_eq!(read_line(&line).unwrap().content, Err(raw.clone()));
        if let Ok(record) = decode(&raw) {
            prop_assert_eq!(encode(&record), raw);
        }
    }

    #[test]
    fn erasing_leaves_the_leaf_and_any_change_alters_it(record in records(), other in records()) {
        let leaf = leaf_of_record(&record);
        prop_assert_eq!(&leaf, &leaf_of_record(&erased(&record)));
        if erased(&record) != erased(&other) {
            prop_assert_ne!(leaf.hash, leaf_of_record(&other).hash);
        }
        let value: serde_json::Value = serde_json::from_slice(&leaf.bytes).unwrap();
        let canonical = serde_json_canonicalizer::to_vec(&value).unwrap();
        prop_assert_eq!(leaf.bytes, canonical, "RFC 8785");
    }
}
