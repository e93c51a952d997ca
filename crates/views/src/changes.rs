//! What changed, in the order in which it did: for those who follow the catalog.
//!
//! Each batch has one row, which lists what its records changed, by offset and then by entity.
//! What a change is made of stands where it always does, in versions, aspects and activities; the
//! relations that an entity shows because of others follow from the changes of these.

use std::ops::ControlFlow;

use event::Offset;
use fold::{Change, ChangeKind, EntityId, Subject};
use serde::{Deserialize, Serialize};

use crate::keys::{KeyBytes, KeyReader, Table};
use crate::pending::Rows;
use crate::{Error, Reader};

/// What of an entity changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Changed {
    /// It is there for the first time.
    Created,
    /// Its document.
    Updated,
    /// Nothing shows it any more, or a person removed it.
    Withdrawn,
    /// It was withdrawn, and is there again.
    Restored,
    /// Its status, and nothing else.
    Status,
    /// What a source observes of it.
    Aspect,
    /// Something happened to it.
    Activity,
    /// Its document was erased.
    Erased,
}

/// That something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CatalogChange {
    /// The record that changed it.
    pub offset: Offset,
    /// The entity; absent where an activity is known by an annotation only.
    pub entity: Option<EntityId>,
    /// What of it.
    pub what: Changed,
}

#[derive(Serialize, Deserialize)]
struct Row {
    form: u8,
    changes: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// From the offset of the one before.
    distance: u64,
    entity: Option<u32>,
    what: Changed,
}

const FORM: u8 = 1;

/// Notes what a change of a row means to those who follow.
pub(crate) fn note(changes: &mut Vec<CatalogChange>, offset: Offset, after: &Change) {
    let (entity, what) = match after {
        // A row that is written again without a new version changes nothing that is shown.
        Change::Entity(id, Some(version)) if version.offset == offset => {
            let what = match version.change {
                ChangeKind::Created => Changed::Created,
                ChangeKind::Updated => Changed::Updated,
                ChangeKind::Withdrawn => Changed::Withdrawn,
                ChangeKind::Restored => Changed::Restored,
                ChangeKind::Status => Changed::Status,
                ChangeKind::Erased => Changed::Erased,
            };
            (Some(*id), what)
        }
        Change::Aspect((id, _, _), _) => (Some(*id), Changed::Aspect),
        Change::Activity((Subject::Entity(id), _), _) => (Some(*id), Changed::Activity),
        Change::Activity((Subject::Annotation(..), _), _) => (None, Changed::Activity),
        _ => return,
    };
    changes.push(CatalogChange { offset, entity, what });
}

/// Puts what a batch changed into its row, if it changed anything.
pub(crate) fn finish(changes: &mut Vec<CatalogChange>, rows: &mut Rows, place: (Offset, u32)) {
    if changes.is_empty() {
        return;
    }
    changes.sort_unstable();
    changes.dedup();
    // Two versions of one record are one: the last word on what it did counts, and stands in it.
    let key = KeyBytes::new(Table::Changes).u64(place.0).u32(place.1);
    rows.put(Table::Changes, key, write(changes));
    changes.clear();
}

fn write(changes: &[CatalogChange]) -> Vec<u8> {
    let mut before = 0;
    let entry = |change: &CatalogChange| Entry {
        distance: change.offset - std::mem::replace(&mut before, change.offset),
        entity: change.entity.map(|id| id.0),
        what: change.what,
    };
    let row = Row { form: FORM, changes: changes.iter().map(entry).collect() };
    // Writing to memory does not fail.
    postcard::to_allocvec(&row).unwrap_or_default()
}

/// What a row lists.
pub(crate) fn read(key: &[u8], row: &[u8]) -> Option<Vec<CatalogChange>> {
    let mut key = KeyReader::new(Table::Changes, key)?;
    let (last, _step) = (key.u64()?, key.u32()?);
    let row: Row = postcard::from_bytes(row).ok().filter(|row: &Row| row.form == FORM)?;
    let mut offset: Offset = 0;
    let mut changes = Vec::with_capacity(row.changes.len());
    for entry in row.changes {
        offset = offset.checked_add(entry.distance).filter(|offset| *offset <= last)?;
        changes.push(CatalogChange {
            offset,
            entity: entry.entity.map(EntityId),
            what: entry.what,
        });
    }
    changes.is_sorted().then_some(changes)
}

impl Reader {
    /// What records changed that came after one (from the first on, where absent), in their order,
    /// up to the position, until `visit` has enough. Who stops within the changes of a record asks
    /// again from the one before it.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn each_change(
        &self,
        after: Option<Offset>,
        mut visit: impl FnMut(CatalogChange) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let last = self.position().offset;
        let from = match after {
            Some(after) if after >= last => return Ok(()),
            after => after.map_or(0, |after| after + 1),
        };
        let first = KeyBytes::new(Table::Changes).u64(from);
        let end = KeyBytes::new(Table::Changes).end();
        self.snapshot().range(Table::Changes, &first.0, &end).each(|key, row| {
            let changes = read(key, row).ok_or(Error::Damaged { table: "Changes" })?;
            for change in changes.into_iter().filter(|change| change.offset >= from) {
                if change.offset > last || visit(change).is_break() {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// The entities that exist, in the order of their numbers.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn entities(&self) -> Result<Vec<EntityId>, Error> {
        Ok(self.lookup().alive()?.iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    fn key(place: (Offset, u32)) -> KeyBytes {
        KeyBytes::new(Table::Changes).u64(place.0).u32(place.1)
    }

    #[test]
    fn golden_row() {
        let of = |offset, entity: Option<u32>, what| CatalogChange {
            offset,
            entity: entity.map(EntityId),
            what,
        };
        let changes = [
            of(300, Some(7), Changed::Created),
            of(300, Some(9), Changed::Updated),
            of(301, None, Changed::Activity),
            of(301, Some(1), Changed::Withdrawn),
            of(302, Some(1), Changed::Restored),
            of(303, Some(1), Changed::Status),
            of(303, Some(1), Changed::Aspect),
        ];
        let row = write(&changes);
        let hex: String = row.iter().map(|byte| format!("{byte:02x}")).collect();
        expect!["0107ac020107000001090101000600010102010101030101010400010105"].assert_eq(&hex);
        assert_eq!(read(&key((400, u32::MAX)).0, &row), Some(changes.to_vec()));
        assert_eq!(read(&key((302, 0)).0, &row), None, "no change is of a later record");
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(
            mut changes in prop::collection::vec((0_u64..90, prop::option::of(0_u32..9), 0_u8..3), 0..40)
        ) {
            changes.sort_unstable();
            let what = |what| match what {
                0 => Changed::Created,
                1 => Changed::Withdrawn,
                _ => Changed::Aspect,
            };
            let mut changes: Vec<CatalogChange> = changes
                .into_iter()
                .map(|(offset, entity, of)| CatalogChange {
                    offset,
                    entity: entity.map(EntityId),
                    what: what(of),
                })
                .collect();
            changes.sort_unstable();
            prop_assert_eq!(read(&key((90, 0)).0, &write(&changes)), Some(changes));
        }
    }
}
