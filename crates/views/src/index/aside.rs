//! Putting sets aside as they stand, so that none is far from what it was at any moment.

use std::collections::BTreeSet;

use event::Offset;
use fold::EntityId;

use super::hot::HotSets;
use super::idset::IdSet;
use super::set_key::SetKey;
use super::then;
use crate::Error;
use crate::keys::Table;
use crate::pending::Rows;
use crate::store::{OwnedSnapshot, Store};

/// A set that few have is put aside after this part of the changes that others need.
const COLD_PART: u64 = 4;

/// Puts aside the hot sets that a batch changes again after they changed often, as they stand
/// before it: behind a record.
pub(super) fn hot(
    store: &Store,
    rows: &mut Rows,
    sets: &mut HotSets,
    after: Offset,
    logged_min: u64,
) -> Result<(), Error> {
    let mut snapshot: Option<OwnedSnapshot> = None;
    for change in sets.take_logged() {
        // What was logged before the start is counted when it matters first.
        let before = match change.before {
            Some(before) => before,
            None => {
                let snapshot = snapshot.get_or_insert_with(|| store.snapshot());
                then::logged_since_put_aside(snapshot, &change.set.0)?
            }
        };
        let set = sets.published().get(&change.set);
        match set.filter(|set| before >= then::logged_until_due(set, logged_min)) {
            Some(set) => {
                rows.put(Table::SetThen, then::key(&change.set.0, after), then::row(set));
                sets.count_logged(change.slot, change.now);
            }
            None => sets.count_logged(change.slot, before + change.now),
        }
    }
    Ok(())
}

/// Puts a cold set aside that changed often, as it stands with a batch that ends with a record.
pub(super) fn cold(
    store: &Store,
    rows: &mut Rows,
    (set, members): (&SetKey, &BTreeSet<EntityId>),
    after: Offset,
    logged_min: u64,
) -> Result<(), Error> {
    if then::logged_since_put_aside(&store.snapshot(), &set.0)? >= logged_min / COLD_PART {
        let members: IdSet = members.iter().copied().collect();
        rows.put(Table::SetThen, then::key(&set.0, after), then::row(&members));
    }
    Ok(())
}
