//! A set of entities as it was at an earlier moment.
//!
//! Now and then the writer puts a set aside as it stands ([`Table::SetThen`]): the larger the set,
//! the rarer, so that what is put aside stays small beside the log of what changed, and a moment is
//! never many changes away from the next one. A set as of a moment is the first that was put aside
//! after it (the current one where none was), with what was logged in between taken back. So it
//! costs the same however long ago the moment is.
//!
//! Births are not logged set by set: those born later are still there in what comes out, and the
//! set of those that existed then, which is kept in the same way, takes them away.

use std::ops::ControlFlow;

use event::Offset;
use fold::EntityId;
use roaring::RoaringBitmap;

use super::Hot;
use super::idset::IdSet;
use super::lookup::{current, read_life_row};
use super::set_key::{SetKey, SetName};
use crate::Error;
use crate::keys::{KeyBytes, KeyReader, Table};
use crate::store::OwnedSnapshot;

/// After how many logged changes a set is put aside again, at the most.
const LOGGED_MAX: u64 = 1 << 16;

/// A set is put aside when so many changes were logged that it takes so many bytes for each.
const BYTES_A_CHANGE: u64 = 8;

/// A moment, seen from a snapshot.
#[derive(Clone, Copy)]
pub(super) struct Then<'a> {
    pub(super) snapshot: &'a OwnedSnapshot,
    /// The last record of the moment.
    pub(super) at: Offset,
    /// The last record that the snapshot holds.
    pub(super) last: Offset,
}

impl Then<'_> {
    /// A set as it was, from what it is now; those who were born since may be there.
    pub(super) fn members(
        &self,
        set: &[u8],
        now: impl FnOnce() -> Result<IdSet, Error>,
    ) -> Result<IdSet, Error> {
        let (members, until) = match first_after(self.snapshot, set, self.at)? {
            Some((offset, members)) => (members, offset),
            None => (now()?, self.last),
        };
        taken_back(self.snapshot, set, members, (self.at, until))
    }
}

/// A set as it was after one record, from what it was after another.
fn taken_back(
    snapshot: &OwnedSnapshot,
    set: &[u8],
    mut members: IdSet,
    (at, until): (Offset, Offset),
) -> Result<IdSet, Error> {
    each_logged(snapshot, set, (at, until), |id, there| {
        if there {
            members.remove(id);
        } else {
            members.insert(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(members)
}

/// The first set that was put aside otherwise than what was put aside after it, or the current one,
/// taken back says: its name, and after which record. Entities that did not exist count nowhere.
pub(super) fn compare(
    snapshot: &OwnedSnapshot,
    hot: &Hot,
) -> Result<Option<(SetKey, Offset)>, Error> {
    let alive = SetKey::alive();
    let mut found = None;
    snapshot.prefix(Table::SetThen, &KeyBytes::new(Table::SetThen)).each(|key, row| {
        let rest = KeyReader::new(Table::SetThen, key).ok_or_else(damaged)?.rest();
        let (set, offset) = rest.split_last_chunk::<8>().ok_or_else(damaged)?;
        let (set, offset) = (SetKey(set.into()), u64::from_be_bytes(*offset));
        // A record that was folded in part is taken back whole, on both sides.
        let at = offset.saturating_sub(1);
        let (next, until) = match first_after(snapshot, &set.0, offset)? {
            Some((until, next)) => (next, until),
            None => (current(snapshot, hot, &set)?, Offset::MAX),
        };
        let says = taken_back(snapshot, &set.0, next, (at, until))?;
        let kept = read_row(row).ok_or_else(damaged)?;
        let kept = taken_back(snapshot, &set.0, kept, (at, offset))?;
        let there = if set == alive {
            says.clone()
        } else {
            let now = || current(snapshot, hot, &alive);
            Then { snapshot, at, last: Offset::MAX }.members(&alive.0, now)?
        };
        if kept.and(&there) != says.and(&there) || set == alive && kept != says {
            found = Some((set, offset));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

/// After how many changes a set is put aside again.
pub(super) fn logged_until_due(set: &IdSet, least: u64) -> u64 {
    (set.serialized_size() as u64 / BYTES_A_CHANGE).clamp(least.min(LOGGED_MAX), LOGGED_MAX)
}

/// How many changes were logged since a set was put aside last; not more than matter.
pub(super) fn logged_since_put_aside(snapshot: &OwnedSnapshot, set: &[u8]) -> Result<u64, Error> {
    let newest = snapshot.prefix_back(Table::SetThen, &KeyBytes::new(Table::SetThen).raw(set));
    let after = match newest.peek()? {
        Some((key, _)) => offset_of(key, set)?,
        None => 0,
    };
    let mut logged = 0;
    each_logged(snapshot, set, (after, Offset::MAX), |_, _| {
        logged += 1;
        if logged < LOGGED_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(logged)
}

/// Where a set is put aside, as it stands after a record (and what else that record changes is
/// logged as such).
pub(super) fn key(set: &[u8], after: Offset) -> KeyBytes {
    KeyBytes::new(Table::SetThen).raw(set).u64(after)
}

/// The row of a set that is put aside.
pub(super) fn row(set: &IdSet) -> Vec<u8> {
    let mut row = Vec::with_capacity(set.serialized_size());
    for (_, bitmap) in set.chunks() {
        let mut bitmap = bitmap.clone();
        // Sets of which nearly all numbers follow one another become very small.
        bitmap.optimize();
        // Writing to memory does not fail.
        let _ = bitmap.serialize_into(&mut row);
    }
    row
}

/// What was written so.
pub(crate) fn read_row(mut row: &[u8]) -> Option<IdSet> {
    let mut set = IdSet::default();
    while !row.is_empty() {
        let bitmap = RoaringBitmap::deserialize_from(&mut row).ok()?;
        set.add_chunk(bitmap)?;
    }
    Some(set)
}

fn damaged() -> Error {
    Error::Damaged { table: "SetThen" }
}

fn offset_of(key: &[u8], set: &[u8]) -> Result<Offset, Error> {
    let offset = key.get(1 + set.len()..).and_then(|rest| rest.try_into().ok());
    offset.map(u64::from_be_bytes).ok_or_else(damaged)
}

/// A set as it was put aside first after a record, and after which one that was. What was put
/// aside after the record itself does not count: in steps a record may go on.
fn first_after(
    snapshot: &OwnedSnapshot,
    set: &[u8],
    at: Offset,
) -> Result<Option<(Offset, IdSet)>, Error> {
    let end = KeyBytes::new(Table::SetThen).raw(set).end();
    let rows = snapshot.range(Table::SetThen, &key(set, at + 1).0, &end);
    match rows.peek()? {
        Some((key, row)) => Ok(Some((offset_of(key, set)?, read_row(row).ok_or_else(damaged)?))),
        None => Ok(None),
    }
}

/// Tells what was logged of a set after one record, up to and with another, the newest change
/// first: which entity, and whether it was added.
fn each_logged(
    snapshot: &OwnedSnapshot,
    set: &[u8],
    (after, until): (Offset, Offset),
    mut visit: impl FnMut(EntityId, bool) -> ControlFlow<()>,
) -> Result<(), Error> {
    if after >= until {
        return Ok(());
    }
    match SetName::read(set) {
        Some(SetName::Term(..)) => {
            let prefix = KeyBytes::new(Table::SetLog).raw(set);
            each_row(snapshot, Table::SetLog, &prefix, (after, until), visit)
        }
        Some(SetName::Relation(relation, target)) => {
            let prefix = KeyBytes::new(Table::EdgeLog).entity(target).relation(relation);
            each_row(snapshot, Table::EdgeLog, &prefix, (after, until), visit)
        }
        Some(SetName::Alive) => {
            let damaged = || Error::Damaged { table: "LifeLog" };
            // Rows stand at the last record of their batch.
            let key = |offset| KeyBytes::new(Table::LifeLog).newest(offset);
            let rows = snapshot.range(Table::LifeLog, &key(until).0, &key(after + 1).end());
            rows.each(|_, row| {
                let changes = read_life_row(row).ok_or_else(damaged)?;
                let seen = changes.iter().rev().filter(|(offset, ..)| *offset > after);
                let mut seen = seen.map(|(_, id, there)| visit(*id, *there));
                Ok(seen.all(|flow| flow.is_continue()))
            })
        }
        None => Ok(()),
    }
}

/// The same from rows of their own: prefix ‖ !offset ‖ entity.
fn each_row(
    snapshot: &OwnedSnapshot,
    table: Table,
    prefix: &KeyBytes,
    (after, until): (Offset, Offset),
    mut visit: impl FnMut(EntityId, bool) -> ControlFlow<()>,
) -> Result<(), Error> {
    let key = |offset| prefix.clone().newest(offset);
    snapshot.range(table, &key(until).0, &key(after + 1).end()).each(|key, row| {
        let id = key.get(prefix.0.len() + 8..).and_then(|id| id.try_into().ok());
        let id = id.map(|id| EntityId(u32::from_be_bytes(id)));
        let id = id.ok_or(Error::Damaged { table: "SetLog" })?;
        Ok(visit(id, row.first() == Some(&1)).is_continue())
    })
}

/// The form of a set of a path's values in the key of a logged change: behind so many bytes of the
/// set's name.
pub(super) fn logged_form(key: &[u8], skip: usize) -> Result<&[u8], Error> {
    // One byte for the table before the name; offset and entity behind it.
    let form = key.get(1 + skip..key.len().saturating_sub(12));
    form.filter(|form| !form.is_empty()).ok_or(Error::Damaged { table: "SetLog" })
}

/// Whether a key and a row of the log of sets, or of the sets put aside, are what they must be.
pub(crate) fn is_sound(table: Table, key: &[u8], row: &[u8]) -> bool {
    let Some(rest) = KeyReader::new(table, key).map(KeyReader::rest) else { return false };
    let behind = if table == Table::SetThen { 8 } else { 12 };
    let named = rest.len().checked_sub(behind).and_then(|end| SetName::read(&rest[..end]));
    named.is_some()
        && match table {
            Table::SetThen => read_row(row).is_some(),
            _ => matches!(row, [0 | 1]),
        }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::index::{PathId, SetKey};
    use crate::pending::Rows;
    use crate::store::Store;

    /// Offset, entity, and whether it was added.
    type Change = (Offset, u32, bool);

    fn after(changes: &[Change], offset: Offset) -> IdSet {
        let mut set = IdSet::default();
        for (_, id, there) in changes.iter().filter(|(of, ..)| *of <= offset) {
            let id = EntityId(*id << 10);
            if *there {
                set.insert(id)
            } else {
                set.remove(id)
            };
        }
        set
    }

    proptest! {
        #[test]
        fn a_set_then_is_what_was_logged_until_then(
            changes in prop::collection::btree_map((1..500_u64, 0..600_u32), any::<bool>(), 0..200),
            aside in prop::collection::btree_set(1..500_u64, 0..8),
            moments in prop::collection::vec(0..500_u64, 1..10),
        ) {
            let changes: Vec<Change> =
                changes.into_iter().map(|((offset, id), there)| (offset, id, there)).collect();
            // An entity that is added is not there yet, and one that is removed is.
            let mut there = std::collections::BTreeSet::new();
            let changes: Vec<Change> = changes
                .into_iter()
                .filter(|(_, id, added)| if *added { there.insert(*id) } else { there.remove(id) })
                .collect();
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), 0).unwrap();
            let (set, other) = (SetKey::any(PathId(7)), SetKey::any(PathId(8)));
            let mut rows = Rows::default();
            for (offset, id, there) in &changes {
                let key = KeyBytes::new(Table::SetLog).raw(&set.0).newest(*offset);
                rows.put(Table::SetLog, key.entity(EntityId(*id << 10)), [u8::from(*there)]);
            }
            for offset in &aside {
                rows.put(Table::SetThen, key(&set.0, *offset), row(&after(&changes, *offset)));
                rows.put(Table::SetThen, key(&other.0, *offset), row(&IdSet::default()));
            }
            store.write(rows.take_batch(&store)).unwrap();
            let snapshot = store.snapshot();
            let now = after(&changes, 500);
            for at in moments {
                let then = Then { snapshot: &snapshot, at, last: 500 };
                let members = then.members(&set.0, || Ok(now.clone())).unwrap();
                prop_assert_eq!(members, after(&changes, at));
            }
            let last = aside.last().copied().unwrap_or_default();
            let logged = changes.iter().filter(|(offset, ..)| *offset > last).count() as u64;
            prop_assert_eq!(logged_since_put_aside(&snapshot, &set.0).unwrap(), logged);
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let sets = [IdSet::default(), IdSet::from_sorted(&[1, 2, 3, 1 << 18, 1 << 30])];
        for set in sets {
            assert_eq!(read_row(&row(&set)), Some(set));
        }
        let one = row(&IdSet::from_sorted(&[1]));
        let far = row(&IdSet::from_sorted(&[1 << 18]));
        for wrong in [&one[..one.len() - 1], &[&far[..], &one[..]].concat(), b"no set at all"] {
            assert_eq!(read_row(wrong), None);
        }
        let mut across = Vec::new();
        RoaringBitmap::from_iter([1, 1 << 18]).serialize_into(&mut across).unwrap();
        assert_eq!(read_row(&across), None, "one bitmap of two chunks");
    }
}
