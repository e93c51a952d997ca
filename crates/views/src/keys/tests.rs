//! Tests of `keys.rs`.

use super::*;
use expect_test::expect;
use proptest::prelude::*;

fn hex(key: &KeyBytes) -> String {
    key.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn no_two_tables_share_a_byte() {
    let mut bytes: Vec<u8> = Table::ALL.iter().map(|table| *table as u8).collect();
    bytes.sort_unstable();
    bytes.dedup();
    assert_eq!(bytes.len(), Table::ALL.len());
}

#[test]
fn golden_keys() {
    let scope = ScopeName::new("files/a").unwrap();
    let source = SourceName::new("files/local").unwrap();
    let reference = EntityRef::canonical("component:default/a").unwrap();
    let uid = Uuid::from_u128(7);
    let (id, sid) = (EntityId(258), ScopeId(3));
    let keys = [
        Key::Log(()),
        Key::Rules(()),
        Key::Policy(()),
        Key::Counters(()),
        Key::Clock(()),
        Key::Time(Timestamp::from_micros(1).unwrap()),
        Key::Ref(reference),
        Key::Name(id),
        Key::Uid(uid),
        Key::Entity(id),
        Key::Scope(scope),
        Key::ScopeName(sid),
        Key::Source(source.clone()),
        Key::Claim((sid, id)),
        Key::Standing((id, 9, sid)),
        Key::Refusal((sid, Item::Entity(id))),
        Key::Refusal((sid, Item::Unnamed("a\0b".into()))),
        Key::Aspect((id, "k/p".into(), source.clone())),
        Key::Activity((Subject::Entity(id), 9)),
        Key::Activity((Subject::Annotation("a".into(), "b".into()), 9)),
        Key::ActivityKey((source, "1".into())),
        Key::Location(uid),
        Key::Wanted(("url:x".into(), Wanter::Entity(id))),
        Key::Wanted(("url:x".into(), Wanter::Location(uid))),
        Key::Refresh("url:x".into()),
        Key::Quarantine(9),
    ];
    let lines = keys.iter().map(|key| format!("{key:?} {}\n", hex(&key_of(key).1)));
    expect![[r#"
        Log(()) 03
        Rules(()) 04
        Policy(()) 05
        Counters(()) 06
        Clock(()) 07
        Time(Timestamp(1970-01-01T00:00:00.000001Z)) 400000000000000001
        Ref("component:default/a") 10636f6d706f6e656e743a64656661756c742f610001
        Name(EntityId(258)) 1100000102
        Uid(00000000-0000-0000-0000-000000000007) 1200000000000000000000000000000007
        Entity(EntityId(258)) 1800000102
        Scope(ScopeName(files/a)) 2066696c65732f610001
        ScopeName(ScopeId(3)) 2100000003
        Source(SourceName(files/local)) 2266696c65732f6c6f63616c0001
        Claim((ScopeId(3), EntityId(258))) 280000000300000102
        Standing((EntityId(258), 9, ScopeId(3))) 2900000102000000000000000900000003
        Refusal((ScopeId(3), Entity(EntityId(258)))) 2a000000030000000102
        Refusal((ScopeId(3), Unnamed("a\0b"))) 2a00000003016100ff620001
        Aspect((EntityId(258), "k/p", SourceName(files/local))) 30000001026b2f70000166696c65732f6c6f63616c0001
        Activity((Entity(EntityId(258)), 9)) 320000000102fffffffffffffff6
        Activity((Annotation("a", "b"), 9)) 3201610001620001fffffffffffffff6
        ActivityKey((SourceName(files/local), "1")) 3366696c65732f6c6f63616c0001310001
        Location(00000000-0000-0000-0000-000000000007) 3800000000000000000000000000000007
        Wanted(("url:x", Entity(EntityId(258)))) 3975726c3a7800010000000102
        Wanted(("url:x", Location(00000000-0000-0000-0000-000000000007))) 3975726c3a7800010100000000000000000000000000000007
        Refresh("url:x") 3a75726c3a780001
        Quarantine(9) 410000000000000009
    "#]].assert_eq(&lines.collect::<String>());
}

proptest! {
    #[test]
    fn texts_read_as_written_and_keys_sort_as_texts(
        a in "\\PC{0,5}(\\x00|\\x01|\u{ff})?\\PC{0,3}", b in "\\PC{0,5}(\\x00|\\x01)?\\PC{0,3}",
        x in any::<u32>(), y in any::<u32>(),
    ) {
        let key = |text: &str, number| KeyBytes::new(Table::Ref).text(text).u32(number);
        let (first, second) = (key(&a, x), key(&b, y));
        prop_assert_eq!(first.0.cmp(&second.0), (a.as_bytes(), x).cmp(&(b.as_bytes(), y)));
        let mut reader = KeyReader::new(Table::Ref, &first.0).unwrap();
        prop_assert_eq!(reader.text(), Some(a));
        prop_assert_eq!(reader.u32(), Some(x));
        prop_assert!(reader.rest().is_empty());
    }

    #[test]
    fn the_end_lies_behind_all_that_begin_so(
        prefix in proptest::collection::vec(any::<u8>(), 0..4),
        more in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let key = KeyBytes::new(Table::Ref).raw(&prefix);
        let longer = key.clone().raw(&more);
        prop_assert!(longer.0 < key.end());
        prop_assert!(key.0 <= longer.0);
    }

    #[test]
    fn newest_comes_first(a in any::<u64>(), b in any::<u64>()) {
        let id = EntityId(1);
        prop_assert_eq!(history_key(id, a).0.cmp(&history_key(id, b).0), b.cmp(&a));
    }

    #[test]
    fn composite_keys_read_as_written(a in any::<u32>(), r in any::<u16>(), b in any::<u32>()) {
        let edge = (EntityId(a), RelationId(r), EntityId(b));
        prop_assert_eq!(read_edge_key(&edge_key(edge.0, edge.1, edge.2).0), Some(edge));
        for item in [Item::Entity(EntityId(a)), Item::Unnamed(format!("x{b}\0").into())] {
            let key = refusal_key(ScopeId(b), &item);
            prop_assert_eq!(read_refusal_key(&key.0), Some((ScopeId(b), item)));
        }
        for wanter in [Wanter::Entity(EntityId(a)), Wanter::Location(Uuid::from_u128(b.into()))] {
            let key = wanted_key("file:x", &wanter);
            prop_assert_eq!(read_wanted_key(&key.0), Some(("file:x".into(), wanter)));
        }
    }
}
