//! Whether a row of any table can be read.

use bytes::Bytes;
use event::SourceName;
use event::vocabulary::ScopeName;
use fold::{Change, Key, Subject, element_of};
use model::reference::EntityRef;
use uuid::Uuid;

use crate::Error;
use crate::applied::Applied;
use crate::index::{
    SetKey, cold_form, is_sound_set, read_hot_log_row, read_hot_row, read_life_row,
};
use crate::keys::{
    KeyReader, Table, read_edge_key, read_location_log_key, read_refusal_key, read_wanted_key,
    read_wanted_log_key,
};

/// How many bytes of a cold set's name stand before the form of its value: what it is, a path.
const BEFORE_FORM: usize = 5;

/// Reads a row as readers and writers do, whatever table it is of, and says whether it is one.
///
/// # Errors
/// When the key is of no table, or the key or the row is not what is written there.
pub fn check_row(key: &[u8], row: &[u8]) -> Result<(), Error> {
    let first = key.first();
    let table = Table::ALL.iter().copied().find(|table| Some(&(*table as u8)) == first);
    let table = table.ok_or(Error::Damaged { table: "Unknown" })?;
    match fold_key(table, key) {
        Some(key) => {
            let change = Change::read(key, Some(&Bytes::copy_from_slice(row)))?;
            if let Change::Entity(_, Some(version)) = &change {
                let _ = version.terms();
            }
            let _ = element_of(&change);
            Ok(())
        }
        None => own_row(table, key, row).ok_or(Error::Damaged { table: "Own" }),
    }
}

/// The key of a row of the fold's.
fn fold_key(table: Table, bytes: &[u8]) -> Option<Key> {
    let mut key = KeyReader::new(table, bytes)?;
    Some(match table {
        Table::Log => Key::Log(()),
        Table::Rules => Key::Rules(()),
        Table::Policy => Key::Policy(()),
        Table::Counters => Key::Counters(()),
        Table::Clock => Key::Clock(()),
        Table::Time => Key::Time(event::Timestamp::from_micros(i64::try_from(key.u64()?).ok()?)?),
        Table::Ref => Key::Ref(EntityRef::canonical(&key.text()?).ok()?),
        Table::Name => Key::Name(key.entity()?),
        Table::Uid => Key::Uid(Uuid::from_slice(key.rest()).ok()?),
        Table::Entity => Key::Entity(key.entity()?),
        // A version before is written as the current one was.
        Table::History => Key::Entity(key.entity()?),
        Table::Scope => Key::Scope(ScopeName::new(&key.text()?).ok()?),
        Table::ScopeName => Key::ScopeName(key.scope()?),
        Table::Source => Key::Source(source(&mut key)?),
        Table::Claim => Key::Claim((key.scope()?, key.entity()?)),
        Table::Standing => Key::Standing((key.entity()?, key.u64()?, key.scope()?)),
        Table::Refusal => Key::Refusal(read_refusal_key(bytes)?),
        Table::Aspect | Table::AspectHistory => {
            Key::Aspect((key.entity()?, key.text()?.into(), source(&mut key)?))
        }
        Table::Activity => Key::Activity((subject(&mut key)?, key.newest()?)),
        Table::ActivityKey => Key::ActivityKey((source(&mut key)?, key.text()?.into())),
        Table::Location => Key::Location(Uuid::from_slice(key.rest()).ok()?),
        Table::Wanted => {
            let (target, wanter) = read_wanted_key(bytes)?;
            Key::Wanted((target.into(), wanter))
        }
        Table::Refresh => Key::Refresh(key.text()?.into()),
        Table::Quarantine => Key::Quarantine(key.u64()?),
        Table::Format
        | Table::Applied
        | Table::Edge
        | Table::EdgeLog
        | Table::EdgeTarget
        | Table::Path
        | Table::Cold
        | Table::Hot
        | Table::HotLog
        | Table::TermLog
        | Table::LifeLog
        | Table::SetLog
        | Table::SetThen
        | Table::Changes
        | Table::LocationLog
        | Table::WantedLog
        | Table::Tile
        | Table::Digests
        | Table::Record
        | Table::Attestation
        | Table::Identity
        | Table::Dispute
        | Table::Erased
        | Table::Unexplained => return None,
    })
}

fn source(key: &mut KeyReader<'_>) -> Option<SourceName> {
    SourceName::new(&key.text()?).ok()
}

fn subject(key: &mut KeyReader<'_>) -> Option<Subject> {
    match key.u8()? {
        0 => Some(Subject::Entity(key.entity()?)),
        1 => Some(Subject::Annotation(key.text()?.into(), key.text()?.into())),
        _ => None,
    }
}

/// A row of a table that the views keep for themselves.
fn own_row(table: Table, bytes: &[u8], row: &[u8]) -> Option<()> {
    let mut key = KeyReader::new(table, bytes)?;
    match table {
        Table::Format => (row.len() == 4).then_some(()),
        Table::Applied => Applied::read(row).ok().map(|_| ()),
        Table::Edge => read_edge_key(bytes).map(|_| ()),
        Table::EdgeLog => {
            key.entity()?;
            key.relation()?;
            key.newest()?;
            key.entity().map(|_| ())
        }
        Table::EdgeTarget => {
            key.relation()?;
            key.entity().map(|_| ())
        }
        Table::Path => {
            key.text()?;
            (row.len() == 4).then_some(())
        }
        Table::Cold => {
            let (set, _) = key.rest().split_last_chunk::<4>()?;
            SetKey(set.into()).read()?;
            cold_form(bytes, BEFORE_FORM).ok().map(|_| ())
        }
        Table::Hot => {
            let (set, _, members) = read_hot_row(bytes, row)?;
            set.read()?;
            (!members.is_empty()).then_some(())
        }
        Table::HotLog => read_hot_log_row(bytes, row).map(|_| ()),
        Table::Changes => crate::changes::read(bytes, row).map(|_| ()),
        Table::LocationLog => {
            let (_, id) = read_location_log_key(bytes)?;
            let row = (!row.is_empty()).then(|| Bytes::copy_from_slice(row));
            Change::read(Key::Location(id), row.as_ref()).ok().map(|_| ())
        }
        Table::WantedLog => {
            read_wanted_log_key(bytes)?;
            matches!(row, [0 | 1]).then_some(())
        }
        Table::Tile => crate::tree::read_tile(bytes, row).map(|_| ()),
        Table::Digests => crate::tree::read_digests(bytes, row).map(|_| ()),
        Table::Record => (key.rest().len() == 24 && row.is_empty()).then_some(()),
        Table::Attestation => crate::attested::read_attestation(bytes, row).map(|_| ()),
        Table::Identity => crate::attested::read_identity(bytes, row).map(|_| ()),
        Table::Dispute => crate::attested::read_dispute(row).map(|_| ()),
        Table::Erased => crate::erased::read_erased(bytes, row).map(|_| ()),
        Table::Unexplained => (key.rest().len() == 8 && row.is_empty()).then_some(()),
        Table::TermLog => {
            key.u32()?;
            key.newest()?;
            key.entity().map(|_| ())
        }
        Table::SetLog | Table::SetThen => is_sound_set(table, bytes, row).then_some(()),
        Table::LifeLog => {
            key.newest()?;
            key.u32()?;
            read_life_row(row).map(|_| ())
        }
        _ => None,
    }
}
