//! Records as messages with headers: golden texts, and laws that hold for whatever anyone sends.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use bytes::Bytes;
use event::{
    Body, Commitment, Content, Erased, Kind, Open, RECORD_BYTES_MAX, RawMessage, Record, RecordId,
    Salt, SourceName, Timestamp, read_message, write_message,
};
use expect_test::expect;
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
            pointer: Some("catalog/ä.yaml#0".into()),
            data: Bytes::from_static(br#"{"scope":"s"}"#),
        }),
    }
}

fn erased() -> Record {
    let residue = Bytes::from_static(b"\x01left");
    let body = Body::Erased(Erased { commitment: Commitment([9; 32]), residue });
    Record { body, time: None, causation: None, ..sample() }
}

fn shown(content: &Content) -> String {
    let message = write_message(content);
    let headers = message.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    format!("{}\n{}", headers.collect::<String>(), message.value.escape_ascii())
}

/// Reads what was written.
fn read_again(content: &Content) -> Content {
    let message = write_message(content);
    let headers = message.headers.iter();
    let headers = headers.map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
    read_message(&RawMessage { key: None, value: Some(&message.value), headers }).unwrap()
}

#[test]
fn golden_messages() {
    expect![[r#"
        ce_specversion: 1.0
        ce_codec: 1
        ce_id: 019357a0-0000-7000-8000-000000000001
        ce_source: files/local
        ce_type: dev.annals.entity.gone.v1
        ce_recordedtime: 2025-11-24T16:00:00.123456Z
        ce_epoch: 00000000000000000003
        ce_sequence: 00000000000000000300
        ce_time: 2025-11-24T16:00:00.000000Z
        ce_causationid: 00000000-0000-0000-0000-000000000007
        content-type: application/json
        ce_salt: abababababababababababababababab
        ce_subject: component:default/a
        ce_authid: ci
        ce_sourcepointer: catalog/ä.yaml#0

        {\"scope\":\"s\"}"#]]
    .assert_eq(&shown(&Ok(sample())));
    expect![[r#"
        ce_specversion: 1.0
        ce_codec: 1
        ce_id: 019357a0-0000-7000-8000-000000000001
        ce_source: files/local
        ce_type: dev.annals.entity.gone.v1
        ce_recordedtime: 2025-11-24T16:00:00.123456Z
        ce_epoch: 00000000000000000003
        ce_sequence: 00000000000000000300
        ce_commitment: 0909090909090909090909090909090909090909090909090909090909090909

        \x01left"#]]
    .assert_eq(&shown(&Ok(erased())));
    for content in [Ok(sample()), Ok(erased()), Err("garbage".into()), Err(Bytes::new())] {
        assert_eq!(read_again(&content), content);
    }
}

/// What a record's headers read as, after a change.
fn changed(
    change: impl FnOnce(&mut Vec<(&'static str, String)>),
) -> Result<Content, event::CodecError> {
    let content = Ok(sample());
    let message = write_message(&content);
    let mut headers: Vec<(&str, String)> =
        message.headers.iter().map(|(name, value)| (*name, value.to_string())).collect();
    change(&mut headers);
    let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
    read_message(&RawMessage { key: None, value: Some(&message.value), headers })
}

#[test]
fn only_what_is_a_record_in_every_header_is_one() {
    type Change = fn(&mut Vec<(&'static str, String)>);
    fn set(headers: &mut [(&'static str, String)], name: &str, value: &str) {
        let header = headers.iter_mut().find(|(found, _)| *found == name).unwrap();
        header.1 = value.to_owned();
    }
    let same: [Change; 3] = [
        |_| {},
        |headers| headers.reverse(),
        |headers| headers.push(("traceparent", "00-1-2-03".into())),
    ];
    for change in same {
        assert_eq!(changed(change).unwrap(), Ok(sample()));
    }
    let others: [Change; 12] = [
        |headers| headers.push(("ce_more", "x".into())),
        |headers| headers.push(("ce_id", "x".into())),
        |headers| set(headers, "ce_specversion", "0.3"),
        |headers| set(headers, "ce_codec", "9"),
        |headers| set(headers, "ce_codec", "01"),
        |headers| set(headers, "ce_id", "019357A0-0000-7000-8000-000000000001"),
        |headers| set(headers, "ce_epoch", "3"),
        |headers| set(headers, "ce_recordedtime", "2025-11-24T16:00:00Z"),
        |headers| set(headers, "ce_subject", ""),
        |headers| set(headers, "content-type", "text/plain"),
        |headers| headers.push(("ce_commitment", "09".repeat(32))),
        |headers| headers.retain(|(name, _)| *name != "ce_salt"),
    ];
    for (at, change) in others.into_iter().enumerate() {
        let bytes = changed(change).unwrap().unwrap_err();
        assert!(bytes.starts_with(b"annals/message/v1"), "change {at}");
    }
    let newer = changed(|headers| set(headers, "ce_codec", "2")).unwrap_err();
    assert!(newer.is_newer(), "{newer:?}");
}

#[test]
fn what_is_larger_than_any_record_is_known_by_its_hash() {
    let large = vec![b'x'; RECORD_BYTES_MAX];
    for headers in [vec![], vec![("a", None)]] {
        let message = RawMessage { key: None, value: Some(&large), headers };
        let bytes = read_message(&message).unwrap().unwrap_err();
        assert_eq!((bytes.len(), &bytes[..15]), (47, &b"annals/large/v1"[..]));
    }
    let mut record = sample();
    let Body::Open(open) = &mut record.body else { unreachable!("it is open") };
    open.data = large.into();
    assert!(read_again(&Ok(record)).is_err(), "no other log would take it");
}

proptest! {
    #[test]
    fn any_message_is_read_and_what_was_read_is_written_as_the_same(
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..8)),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..64)),
        headers in proptest::collection::vec(
            ("(ce_[a-z]{1,12}|content-type|[a-z]{0,6})", proptest::option::of(any::<Vec<u8>>())),
            0..8,
        ),
    ) {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let message =
            RawMessage { key: key.as_deref(), value: value.as_deref(), headers: headers.collect() };
        let content = read_message(&message).unwrap();
        prop_assert_eq!(read_again(&content), content);
    }
}
