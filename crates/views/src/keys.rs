//! The keys of every table.
//!
//! A key begins with the byte of its table, which is never given to another one. Numbers are
//! big-endian, so that keys sort as they do. A text is followed by 0x00 0x01, and a 0x00 in it is
//! written as 0x00 0xFF, so that keys sort as their texts do whatever comes behind.

use event::vocabulary::ScopeName;
use event::{Offset, SourceName, Timestamp};
use fold::{EntityId, Item, Key, RelationId, ScopeId, Subject, Wanter};
use model::reference::EntityRef;
use uuid::Uuid;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $byte:literal in $family:ident;)*) => {
        /// The tables, by the first byte of their keys.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum Table {
            $($(#[$doc])* $name = $byte,)*
        }

        impl Table {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The column family that the table stands in.
            pub(crate) const fn family(self) -> Family {
                match self { $(Self::$name => Family::$family,)* }
            }
        }
    };
}

/// The column families: tables that are read and written alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// Single rows, scopes, sources, and all that is small.
    Sundry,
    /// References, numbers and uids: read by point, small rows.
    Names,
    /// Current versions: read by point, large rows.
    Entities,
    /// Versions before: read by range, neighbours nearly alike.
    History,
    /// Claims and refusals: read by point and by range, small rows.
    Claims,
    /// Relations, by their target.
    Edges,
    /// The filter index.
    Index,
}

impl Family {
    pub(crate) const ALL: [Self; 7] = [
        Self::Sundry,
        Self::Names,
        Self::Entities,
        Self::History,
        Self::Claims,
        Self::Edges,
        Self::Index,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sundry => "sundry",
            Self::Names => "names",
            Self::Entities => "entities",
            Self::History => "history",
            Self::Claims => "claims",
            Self::Edges => "edges",
            Self::Index => "index",
        }
    }
}

tables! {
    /// The format of the folder.
    Format = 1 in Sundry;
    /// The applied position, with the digests there.
    Applied = 2 in Sundry;
    /// `log.created`
    Log = 3 in Sundry;
    /// The rules in force.
    Rules = 4 in Sundry;
    /// The policy in force.
    Policy = 5 in Sundry;
    /// The numbers that come next.
    Counters = 6 in Sundry;
    /// The effective time.
    Clock = 7 in Sundry;

    /// text(reference) → entity
    Ref = 16 in Names;
    /// entity → reference
    Name = 17 in Names;
    /// uid → entity
    Uid = 18 in Names;

    /// entity → current version
    Entity = 24 in Entities;
    /// entity ‖ !offset → a version before
    History = 25 in History;

    /// text(name) → scope
    Scope = 32 in Sundry;
    /// scope → name
    ScopeName = 33 in Sundry;
    /// text(name) → source
    Source = 34 in Sundry;

    /// scope ‖ entity → claim
    Claim = 40 in Claims;
    /// entity ‖ since ‖ scope → a claim that waits
    Standing = 41 in Claims;
    /// scope ‖ item → refusal
    Refusal = 42 in Claims;

    /// entity ‖ text(aspect) ‖ text(source) → aspect
    Aspect = 48 in Sundry;
    /// entity ‖ text(aspect) ‖ text(source) ‖ !offset → what the aspect was before
    AspectHistory = 49 in History;
    /// subject ‖ !offset → activity
    Activity = 50 in History;
    /// text(source) ‖ text(key) → the activity's record
    ActivityKey = 51 in Names;

    /// id → location
    Location = 56 in Sundry;
    /// text(target) ‖ wanter → wanted
    Wanted = 57 in Sundry;
    /// text(target) → the last record that wanted it read again
    Refresh = 58 in Sundry;

    /// effective time → the last record at it
    Time = 64 in Sundry;
    /// offset → what could not be folded
    Quarantine = 65 in Sundry;

    /// target ‖ relation ‖ holder → the record that began it
    Edge = 72 in Edges;
    /// target ‖ relation ‖ !offset ‖ holder → begun or ended, where the holder was there before
    EdgeLog = 73 in Edges;
    /// relation ‖ target → nothing: that the target was ever related to so
    EdgeTarget = 74 in Edges;

    /// text(path) → the path's number
    Path = 80 in Index;
    /// path ‖ form ‖ entity → nothing: a term that few entities have
    Cold = 81 in Index;
    /// set ‖ chunk → the ids of a set in memory, as of a checkpoint
    Hot = 82 in Index;
    /// offset ‖ step → what a batch changed in the sets in memory
    HotLog = 83 in Index;
    /// path ‖ !offset ‖ entity ‖ form → added or removed, where the entity was there before
    TermLog = 84 in Index;
    /// !offset ‖ !step → births, deaths and restorations of a batch
    LifeLog = 85 in Index;
}

/// A key that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyBytes(pub(crate) Vec<u8>);

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl KeyBytes {
    pub(crate) fn new(table: Table) -> Self {
        let mut bytes = Vec::with_capacity(40);
        bytes.push(table as u8);
        Self(bytes)
    }

    pub(crate) fn u8(mut self, number: u8) -> Self {
        self.0.push(number);
        self
    }

    pub(crate) fn u16(mut self, number: u16) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn entity(self, id: EntityId) -> Self {
        self.u32(id.0)
    }

    pub(crate) fn scope(self, id: ScopeId) -> Self {
        self.u32(id.0)
    }

    pub(crate) fn relation(self, id: RelationId) -> Self {
        self.u16(id.0)
    }

    /// An offset, newest first.
    pub(crate) fn newest(self, offset: Offset) -> Self {
        self.u64(!offset)
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        put_text(&mut self.0, text);
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The first key behind all keys that begin with this one.
    pub(crate) fn end(&self) -> Vec<u8> {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                break;
            }
        }
        end
    }
}

/// Writes a text so that what follows it does not change the order.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    for part in text.split_inclusive('\0') {
        out.extend_from_slice(part.as_bytes());
        if part.ends_with('\0') {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 1]);
}

/// Reads the parts of a key that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyReader<'a> {
    rest: &'a [u8],
}

impl<'a> KeyReader<'a> {
    /// Of a key of a table; `None` for one of another.
    pub(crate) fn new(table: Table, key: &'a [u8]) -> Option<Self> {
        let (first, rest) = key.split_first()?;
        (*first == table as u8).then_some(Self { rest })
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn entity(&mut self) -> Option<EntityId> {
        self.u32().map(EntityId)
    }

    pub(crate) fn scope(&mut self) -> Option<ScopeId> {
        self.u32().map(ScopeId)
    }

    pub(crate) fn relation(&mut self) -> Option<RelationId> {
        self.u16().map(RelationId)
    }

    pub(crate) fn newest(&mut self) -> Option<Offset> {
        self.u64().map(|offset| !offset)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let (text, rest) = read_text(self.rest)?;
        self.rest = rest;
        Some(text)
    }
}

/// Reads a text that [`put_text`] wrote, and gives what stands behind it.
pub(crate) fn read_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut text = Vec::new();
    let mut rest = bytes;
    loop {
        let end = memchr::memchr(0, rest)?;
        text.extend_from_slice(&rest[..end]);
        let mark = *rest.get(end + 1)?;
        rest = &rest[end + 2..];
        match mark {
            1 => return Some((String::from_utf8(text).ok()?, rest)),
            0xff => text.push(0),
            _ => return None,
        }
    }
}

/// Where a row of the fold stands.
pub(crate) fn key_of(key: &Key) -> (Table, KeyBytes) {
    let new = KeyBytes::new;
    match key {
        Key::Log(()) => (Table::Log, new(Table::Log)),
        Key::Rules(()) => (Table::Rules, new(Table::Rules)),
        Key::Policy(()) => (Table::Policy, new(Table::Policy)),
        Key::Counters(()) => (Table::Counters, new(Table::Counters)),
        Key::Clock(()) => (Table::Clock, new(Table::Clock)),
        Key::Time(time) => (Table::Time, time_key(*time)),
        Key::Ref(reference) => (Table::Ref, ref_key(reference)),
        Key::Name(id) => (Table::Name, new(Table::Name).entity(*id)),
        Key::Uid(uid) => (Table::Uid, new(Table::Uid).raw(uid.as_bytes())),
        Key::Entity(id) => (Table::Entity, entity_key(*id)),
        Key::Scope(name) => (Table::Scope, scope_key(name)),
        Key::ScopeName(id) => (Table::ScopeName, new(Table::ScopeName).scope(*id)),
        Key::Source(name) => (Table::Source, new(Table::Source).text(name.as_str())),
        Key::Claim((scope, id)) => (Table::Claim, claim_key(*scope, *id)),
        Key::Standing((id, since, scope)) => {
            (Table::Standing, new(Table::Standing).entity(*id).u64(*since).scope(*scope))
        }
        Key::Refusal((scope, item)) => (Table::Refusal, refusal_key(*scope, item)),
        Key::Aspect((id, aspect, source)) => (Table::Aspect, aspect_key(*id, aspect, source)),
        Key::Activity((subject, offset)) => (Table::Activity, subject_key(subject).newest(*offset)),
        Key::ActivityKey((source, key)) => {
            (Table::ActivityKey, new(Table::ActivityKey).text(source.as_str()).text(key))
        }
        Key::Location(id) => (Table::Location, new(Table::Location).raw(id.as_bytes())),
        Key::Wanted((target, wanter)) => (Table::Wanted, wanted_key(target, wanter)),
        Key::Refresh(target) => (Table::Refresh, new(Table::Refresh).text(target)),
        Key::Quarantine(offset) => (Table::Quarantine, new(Table::Quarantine).u64(*offset)),
    }
}

pub(crate) fn time_key(time: Timestamp) -> KeyBytes {
    KeyBytes::new(Table::Time).u64(time.as_micros().unsigned_abs())
}

pub(crate) fn ref_key(reference: &EntityRef) -> KeyBytes {
    KeyBytes::new(Table::Ref).text(reference.as_str())
}

pub(crate) fn entity_key(id: EntityId) -> KeyBytes {
    KeyBytes::new(Table::Entity).entity(id)
}

pub(crate) fn history_key(id: EntityId, offset: Offset) -> KeyBytes {
    KeyBytes::new(Table::History).entity(id).newest(offset)
}

pub(crate) fn scope_key(name: &ScopeName) -> KeyBytes {
    KeyBytes::new(Table::Scope).text(name.as_str())
}

pub(crate) fn claim_key(scope: ScopeId, id: EntityId) -> KeyBytes {
    KeyBytes::new(Table::Claim).scope(scope).entity(id)
}

const ITEM_ENTITY: u8 = 0;
const ITEM_UNNAMED: u8 = 1;

pub(crate) fn refusal_key(scope: ScopeId, item: &Item) -> KeyBytes {
    let key = KeyBytes::new(Table::Refusal).scope(scope);
    match item {
        Item::Entity(id) => key.u8(ITEM_ENTITY).entity(*id),
        Item::Unnamed(name) => key.u8(ITEM_UNNAMED).text(name),
    }
}

/// What all unnamed items of a scope begin with.
pub(crate) fn unnamed_prefix(scope: ScopeId) -> KeyBytes {
    KeyBytes::new(Table::Refusal).scope(scope).u8(ITEM_UNNAMED)
}

pub(crate) fn read_refusal_key(key: &[u8]) -> Option<(ScopeId, Item)> {
    let mut reader = KeyReader::new(Table::Refusal, key)?;
    let scope = reader.scope()?;
    let item = match reader.u8()? {
        ITEM_ENTITY => Item::Entity(reader.entity()?),
        ITEM_UNNAMED => Item::Unnamed(reader.text()?.into()),
        _ => return None,
    };
    Some((scope, item))
}

pub(crate) fn aspect_key(id: EntityId, aspect: &str, source: &SourceName) -> KeyBytes {
    KeyBytes::new(Table::Aspect).entity(id).text(aspect).text(source.as_str())
}

pub(crate) fn aspect_history_key(
    id: EntityId,
    aspect: &str,
    source: &SourceName,
    offset: Offset,
) -> KeyBytes {
    let key = KeyBytes::new(Table::AspectHistory).entity(id).text(aspect).text(source.as_str());
    key.newest(offset)
}

pub(crate) fn subject_key(subject: &Subject) -> KeyBytes {
    let key = KeyBytes::new(Table::Activity);
    match subject {
        Subject::Entity(id) => key.u8(0).entity(*id),
        Subject::Annotation(annotation, value) => key.u8(1).text(annotation).text(value),
    }
}

const WANTER_ENTITY: u8 = 0;
const WANTER_LOCATION: u8 = 1;

fn wanted_key(target: &str, wanter: &Wanter) -> KeyBytes {
    let key = KeyBytes::new(Table::Wanted).text(target);
    match wanter {
        Wanter::Entity(id) => key.u8(WANTER_ENTITY).entity(*id),
        Wanter::Location(id) => key.u8(WANTER_LOCATION).raw(id.as_bytes()),
    }
}

pub(crate) fn read_wanted_key(key: &[u8]) -> Option<(String, Wanter)> {
    let mut reader = KeyReader::new(Table::Wanted, key)?;
    let target = reader.text()?;
    let wanter = match reader.u8()? {
        WANTER_ENTITY => Wanter::Entity(reader.entity()?),
        WANTER_LOCATION => Wanter::Location(Uuid::from_slice(reader.rest()).ok()?),
        _ => return None,
    };
    Some((target, wanter))
}

pub(crate) fn edge_key(target: EntityId, relation: RelationId, holder: EntityId) -> KeyBytes {
    KeyBytes::new(Table::Edge).entity(target).relation(relation).entity(holder)
}

pub(crate) fn read_edge_key(key: &[u8]) -> Option<(EntityId, RelationId, EntityId)> {
    let mut reader = KeyReader::new(Table::Edge, key)?;
    Some((reader.entity()?, reader.relation()?, reader.entity()?))
}

pub(crate) fn edge_log_key(
    target: EntityId,
    relation: RelationId,
    offset: Offset,
    holder: EntityId,
) -> KeyBytes {
    let key = KeyBytes::new(Table::EdgeLog).entity(target).relation(relation);
    key.newest(offset).entity(holder)
}

#[cfg(test)]
mod tests {
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
}
