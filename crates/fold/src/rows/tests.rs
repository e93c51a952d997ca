//! The bytes of every row: they stand on disks, and enums go by the order of their variants.

use std::fmt::Write as _;

use bytes::Bytes;
use event::vocabulary::{ConnectorState, Fault, Orphans};
use event::{LogId, RecordId, Salt, Seal, SourceName};
use expect_test::expect;
use uuid::Uuid;

use super::*;
use crate::ids::{RelationId, ScopeId};
use crate::why::Why;

fn source() -> SourceName {
    SourceName::new("files/a").expect("a name")
}

fn cause() -> Cause {
    Cause {
        record: RecordId(Uuid::from_u128(9)),
        kind: 7,
        source: source(),
        scope: Some(ScopeId(2)),
        author: Some("ci".into()),
        pointer: None,
        recorded: Timestamp::from_micros(5).expect("a time"),
        time: None,
    }
}

fn seal() -> Seal {
    Seal { salt: Salt([1; 16]), hash: [2; 32] }
}

fn fault() -> Fault {
    Fault { name: "E".into(), message: "no".into() }
}

fn condition(state: ConnectorState) -> Condition {
    let recorded = Timestamp::from_micros(5).expect("a time");
    Condition { state, why: Some("w".into()), withdrawals: Some(3), recorded }
}

fn version(change: ChangeKind) -> Version {
    Version {
        offset: 1,
        change,
        live: true,
        unread: false,
        orphan: false,
        holder: ScopeId(2),
        since: 3,
        born: 4,
        content: seal(),
        own_etag: false,
        edges: vec![Edge { relation: RelationId(1), target: EntityId(2), from: 3 }],
        faults: vec![EntityFault {
            scope: ScopeId(2),
            item: Some("i".into()),
            fault: fault(),
            salt: Salt([3; 16]),
        }],
        cause: cause(),
        document: Bytes::from_static(b"{}"),
        terms: Memo::default(),
    }
}

/// Writes a row, and reads it again.
fn put<T: Row + PartialEq + std::fmt::Debug>(out: &mut String, row: &T) {
    let mut bytes = Vec::new();
    row.encode(&mut bytes);
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    writeln!(out, "{} {hex}", T::TABLE).expect("a text");
    assert_eq!(T::decode(&bytes.clone().into()).as_ref(), Ok(row));
    for end in 0..bytes.len() {
        let cut = T::decode(&Bytes::copy_from_slice(&bytes[..end]));
        assert_ne!(cut.as_ref(), Ok(row), "cut at {end}");
    }
    bytes[0] += 1;
    assert!(matches!(T::decode(&bytes.into()), Err(RowError::Newer { .. })));
}

#[test]
fn golden_rows_of_entities() {
    let mut out = String::new();
    put(&mut out, &EntityId(300));
    put::<Offset>(&mut out, &300);
    put(&mut out, &Timestamp::from_micros(300).expect("a time"));
    for change in [
        ChangeKind::Created,
        ChangeKind::Updated,
        ChangeKind::Withdrawn,
        ChangeKind::Restored,
        ChangeKind::Status,
        ChangeKind::Erased,
    ] {
        put(&mut out, &version(change));
    }
    put(&mut out, &Claim { content: seal(), since: 1, good: true, refused: false });
    let document = Bytes::from_static(b"{}");
    put(&mut out, &Standing { content: seal(), own_etag: true, cause: cause(), document });
    expect![[r#"
        EntityId 01ac02
        Offset 01ac02
        Timestamp 01d804
        Version 010100010000020304010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202000101020301020101690145026e6f030303030303030303030303030303031000000000000000000000000000000009070766696c65732f61010201026369000a007b7d
        Version 010101010000020304010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202000101020301020101690145026e6f030303030303030303030303030303031000000000000000000000000000000009070766696c65732f61010201026369000a007b7d
        Version 010102010000020304010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202000101020301020101690145026e6f030303030303030303030303030303031000000000000000000000000000000009070766696c65732f61010201026369000a007b7d
        Version 010103010000020304010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202000101020301020101690145026e6f030303030303030303030303030303031000000000000000000000000000000009070766696c65732f61010201026369000a007b7d
        Version 010104010000020304010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202000101020301020101690145026e6f030303030303030303030303030303031000000000000000000000000000000009070766696c65732f61010201026369000a007b7d
        Version 010105010000020304010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202000101020301020101690145026e6f030303030303030303030303030303031000000000000000000000000000000009070766696c65732f61010201026369000a007b7d
        Claim 01010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202010100
        Standing 01010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202011000000000000000000000000000000009070766696c65732f61010201026369000a007b7d
    "#]].assert_eq(&out);
}

#[test]
fn golden_rows_of_scopes_and_sources() {
    let mut out = String::new();
    put(
        &mut out,
        &Scope {
            id: ScopeId(1),
            source: source(),
            version: RecordId(Uuid::from_u128(2)),
            claims: 3,
            snapshot: Some(Uuid::from_u128(4)),
            verified: Some(Verified {
                offset: 5,
                recorded: Timestamp::from_micros(6).expect("a time"),
                snapshot: Uuid::from_u128(7),
                seen: 8,
                refused: 9,
                digest: "d".into(),
            }),
            approval: Some(Approval { offset: 10, at_most: 11 }),
            condition: Some(condition(ConnectorState::Held)),
            retired: false,
            stale: 12,
            refresh: Some(13),
        },
    );
    for state in [ConnectorState::Working, ConnectorState::Stale, ConnectorState::Failing] {
        put(
            &mut out,
            &Source {
                epoch: 1,
                next: 2,
                duplicates: 3,
                fenced: 4,
                missing: 5,
                last: 6,
                recorded: Timestamp::from_micros(7).expect("a time"),
                node: Some("n".into()),
                cursor: None,
                condition: Some(condition(state)),
            },
        );
    }
    let about = Some(EntityId(3));
    put(
        &mut out,
        &Refusal { offset: 1, fingerprint: seal(), fault: fault(), about, cause: cause() },
    );
    expect![[r#"
        Scope 01010766696c65732f6110000000000000000000000000000000020301100000000000000000000000000000000401050c100000000000000000000000000000000708090164010a0b010301017701030a000c010d
        Source 010102030405060e01016e00010001017701030a
        Source 010102030405060e01016e00010101017701030a
        Source 010102030405060e01016e00010201017701030a
        Refusal 01010101010101010101010101010101010102020202020202020202020202020202020202020202020202020202020202020145026e6f01031000000000000000000000000000000009070766696c65732f61010201026369000a00
    "#]].assert_eq(&out);
}

#[test]
fn golden_rows_about_entities() {
    let mut out = String::new();
    let reference = EntityRefRow::canonical("component:default/a").expect("a reference");
    put(
        &mut out,
        &Aspect {
            offset: 1,
            salt: Salt([4; 16]),
            about: reference.clone(),
            cause: cause(),
            value: "1".into(),
        },
    );
    let (activity, key) = ("built".into(), "k".into());
    put(&mut out, &Activity { activity, key, cause: cause(), value: "{}".into() });
    let (kind, target) = ("url".into(), "https://a".into());
    let (salt, name, cause) = (Salt([5; 16]), "n".into(), cause());
    put(&mut out, &Location { offset: 1, salt, name, kind, target, cause });
    put(&mut out, &Wanted { optional: true });
    expect![[r#"
        Aspect 01010404040404040404040404040404040413636f6d706f6e656e743a64656661756c742f611000000000000000000000000000000009070766696c65732f61010201026369000a000131
        Activity 01056275696c74016b1000000000000000000000000000000009070766696c65732f61010201026369000a00027b7d
        Location 010105050505050505050505050505050505016e0375726c0968747470733a2f2f611000000000000000000000000000000009070766696c65732f61010201026369000a00
        Wanted 0101
    "#]].assert_eq(&out);
}

#[test]
fn golden_rows_of_the_log() {
    let mut out = String::new();
    let reference = EntityRefRow::canonical("component:default/a").expect("a reference");
    put(
        &mut out,
        &LogInfo { id: LogId::new(1), origin: "o".into(), codec: 1, hashes: "h".into(), key: None },
    );
    put(&mut out, &Rules { version: 1, at: 2 });
    put(&mut out, &Counters { entities: 1, scopes: 2 });
    let record = Some((source(), "t".into()));
    put(&mut out, &Quarantined { why: Why::Data, bytes: 3, record });
    put(&mut out, &ScopeNameRow::new("s").expect("a name"));
    put(&mut out, &reference);
    for orphans in [Orphans::Withdraw, Orphans::Keep] {
        put(&mut out, &Policy { at: 1, orphans, ..Policy::default() });
    }
    expect![[r#"
        LogInfo 011030303030303030303030303030303031016f01016800
        Rules 010102
        Counters 010102
        Quarantined 010303010766696c65732f610174
        ScopeNameRow 010173
        EntityRefRow 0113636f6d706f6e656e743a64656661756c742f61
        Policy 0101000000
        Policy 0101010000
    "#]]
    .assert_eq(&out);
}
