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

mod family;

pub(crate) use family::Family;

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
    /// set ‖ !offset ‖ entity → added or removed, where the entity was there before
    SetLog = 86 in Index;
    /// set ‖ offset → the set as it stood after a record
    SetThen = 87 in Index;

    /// offset ‖ step → what a batch changed, for those who follow
    Changes = 88 in History;

    /// !offset ‖ id → what a location was before; nothing where it was not there
    LocationLog = 89 in History;
    /// text(target) ‖ !offset ‖ wanter → 1 where it was wanted before, else 0
    WantedLog = 90 in History;

    /// level ‖ tile ‖ first → hashes of the log's Merkle tree, those of a batch side by side
    Tile = 96 in Proof;
    /// offset → the digests after it and the records that follow in its batch
    Digests = 97 in Proof;
    /// record id ‖ offset → nothing
    Record = 98 in Proof;
    /// offset → a statement of the log's key that is signed as it must be
    Attestation = 99 in Proof;
    /// offset → the key of the log from there on
    Identity = 100 in Sundry;
    /// The first statement that says something else than what was folded.
    Dispute = 101 in Sundry;
    /// offset → what is left of a record of which something was erased, and which record says so
    Erased = 102 in Sundry;
    /// offset → nothing, as long as no record says so
    Unexplained = 103 in Sundry;
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
    with_wanter(KeyBytes::new(Table::Wanted).text(target), wanter)
}

fn with_wanter(key: KeyBytes, wanter: &Wanter) -> KeyBytes {
    match wanter {
        Wanter::Entity(id) => key.u8(WANTER_ENTITY).entity(*id),
        Wanter::Location(id) => key.u8(WANTER_LOCATION).raw(id.as_bytes()),
    }
}

fn read_wanter(reader: &mut KeyReader<'_>) -> Option<Wanter> {
    match reader.u8()? {
        WANTER_ENTITY => Some(Wanter::Entity(reader.entity()?)),
        WANTER_LOCATION => Some(Wanter::Location(Uuid::from_slice(reader.rest()).ok()?)),
        _ => None,
    }
}

pub(crate) fn wanted_log_key(target: &str, offset: Offset, wanter: &Wanter) -> KeyBytes {
    with_wanter(KeyBytes::new(Table::WantedLog).text(target).newest(offset), wanter)
}

pub(crate) fn read_wanted_log_key(key: &[u8]) -> Option<(Offset, Wanter)> {
    let mut reader = KeyReader::new(Table::WantedLog, key)?;
    reader.text()?;
    Some((reader.newest()?, read_wanter(&mut reader)?))
}

pub(crate) fn location_log_key(offset: Offset, id: Uuid) -> KeyBytes {
    KeyBytes::new(Table::LocationLog).newest(offset).raw(id.as_bytes())
}

pub(crate) fn read_location_log_key(key: &[u8]) -> Option<(Offset, Uuid)> {
    let mut reader = KeyReader::new(Table::LocationLog, key)?;
    Some((reader.newest()?, Uuid::from_slice(reader.rest()).ok()?))
}

pub(crate) fn read_wanted_key(key: &[u8]) -> Option<(String, Wanter)> {
    let mut reader = KeyReader::new(Table::Wanted, key)?;
    Some((reader.text()?, read_wanter(&mut reader)?))
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
mod tests;
