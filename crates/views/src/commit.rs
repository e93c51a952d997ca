//! Writing: one batch of records, with all that follows from them, at once.

use std::collections::BTreeMap;
use std::ops::Bound;

use event::Offset;
use fold::{Change, Version};
use rocksdb::WriteBatch;

use crate::applied::Applied;
use crate::keys::{Family, KeyBytes, Table, aspect_history_key, history_key, key_of};
use crate::views::Writer;
use crate::{Error, Views};

/// Rows that a batch writes, by column family and key: the last word on a key counts, and they are
/// written in their order, which RocksDB takes fastest.
#[derive(Default)]
pub(crate) struct Rows {
    families: [BTreeMap<Vec<u8>, Option<Vec<u8>>>; Family::ALL.len()],
}

impl Rows {
    pub(crate) fn put(&mut self, table: Table, key: KeyBytes, row: Vec<u8>) {
        self.families[table.family() as usize].insert(key.0, Some(row));
    }

    pub(crate) fn delete(&mut self, table: Table, key: KeyBytes) {
        self.families[table.family() as usize].insert(key.0, None);
    }

    /// What the batch so far says about the keys that begin so: that a row is there, or is not.
    pub(crate) fn each_pending(
        &self,
        table: Table,
        prefix: &KeyBytes,
        mut visit: impl FnMut(&[u8], bool),
    ) {
        let end = prefix.end();
        let range = (Bound::Included(prefix.0.as_slice()), Bound::Excluded(end.as_slice()));
        for (key, row) in self.families[table.family() as usize].range::<[u8], _>(range) {
            visit(key, row.is_some());
        }
    }

    fn into_batch(self, views: &Views) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for (family, rows) in Family::ALL.into_iter().zip(self.families) {
            let family = views.store().column_family(family);
            for (key, row) in rows {
                match row {
                    Some(row) => batch.put_cf(family, key, row),
                    None => batch.delete_cf(family, key),
                }
            }
        }
        batch
    }
}

/// A batch that is being put together. Dropped before [`Commit::finish`], it has not happened.
pub struct Commit<'a> {
    views: &'a Views,
    writer: parking_lot::MutexGuard<'a, Writer>,
    rows: Rows,
}

impl<'a> Commit<'a> {
    pub(crate) fn new(views: &'a Views, writer: parking_lot::MutexGuard<'a, Writer>) -> Self {
        Self { views, writer, rows: Rows::default() }
    }

    /// Takes in a change of a record, with what stood there before.
    pub fn change(&mut self, offset: Offset, before: &Change, after: &Change) {
        let (table, key) = key_of(&after.key());
        let row = after.row();
        match (before, after) {
            (Change::Entity(id, before), Change::Entity(_, Some(after))) => {
                let before = before.as_deref();
                if let Some(before) = before {
                    self.keep(*id, before, after);
                }
                self.writer.index.entity(&mut self.rows, offset, *id, before, after);
            }
            (Change::Aspect((id, aspect, source), Some(aspect_before)), _) => {
                let key = aspect_history_key(*id, aspect, source, aspect_before.offset);
                if let Some(row) = before.row() {
                    self.rows.put(Table::AspectHistory, key, row);
                }
            }
            _ => {}
        }
        match row {
            Some(row) => self.rows.put(table, key, row),
            None => self.rows.delete(table, key),
        }
    }

    /// Keeps a version that another one takes the place of. Two of one record are one version.
    fn keep(&mut self, id: fold::EntityId, before: &Version, after: &Version) {
        if before.offset == after.offset {
            return;
        }
        let row = Change::Entity(id, Some(before.clone().into())).row();
        if let Some(row) = row {
            self.rows.put(Table::History, history_key(id, before.offset), row);
        }
    }

    /// Writes the batch and the position that it leads to, and lets readers see it, unless a
    /// record is not done yet.
    ///
    /// # Errors
    /// When it can't be written. The views have to be opened again then.
    pub fn finish(mut self, applied: &Applied) -> Result<(), Error> {
        let writer = &mut *self.writer;
        // A record in steps is done with the last of them.
        let step = applied.step.as_ref().map_or(u32::MAX, |step| step.done);
        let place = (applied.offset, step);
        writer.index.finish(self.views.store(), &mut self.rows, place)?;
        self.rows.put(Table::Applied, KeyBytes::new(Table::Applied), applied.to_bytes());
        let batch = self.rows.into_batch(self.views);
        self.views.store().write(batch)?;
        writer.index.publish();
        writer.applied = Some(applied.clone());
        if applied.step.is_none() {
            self.views.publish(writer, applied)?;
        }
        Ok(())
    }
}
