//! Writing: one batch of records, with all that follows from them, at once.

use event::Offset;
use fold::{Change, Version};

use crate::applied::Applied;
use crate::changes::CatalogChange;
use crate::keys::{
    KeyBytes, Table, aspect_history_key, history_key, key_of, location_log_key, wanted_log_key,
};
use crate::pending::Rows;
use crate::tree::Done;
use crate::views::Writer;
use crate::{Error, Views, changes, tree};

/// A batch that is being put together. Dropped before [`Commit::finish`], it has not happened.
pub struct Commit<'a> {
    views: &'a Views,
    writer: parking_lot::MutexGuard<'a, Writer>,
    pub(crate) rows: Rows,
    changes: Vec<CatalogChange>,
    done: Vec<Done>,
}

impl<'a> Commit<'a> {
    pub(crate) fn new(views: &'a Views, mut writer: parking_lot::MutexGuard<'a, Writer>) -> Self {
        let rows = std::mem::take(&mut writer.rows);
        let changes = std::mem::take(&mut writer.changes);
        Self { views, writer, rows, changes, done: Vec::new() }
    }

    /// Takes in a change of a record, with what stood there before.
    pub fn change(&mut self, offset: Offset, before: &Change, after: &Change) {
        let (table, key) = key_of(&after.key());
        changes::note(&mut self.changes, offset, after);
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
            (Change::Location(id, before_row), _) => {
                let key = location_log_key(offset, *id);
                let row = before_row.as_ref().and_then(|_| before.row());
                self.rows.put(Table::LocationLog, key, row.unwrap_or_default());
            }
            (Change::Wanted((target, wanter), _), _) => {
                // The fold says what is wanted without reading what was.
                let was = self.is_there(table, &key);
                let log = wanted_log_key(target, offset, wanter);
                self.rows.put(Table::WantedLog, log, [u8::from(was)]);
            }
            _ => {}
        }
        match row {
            Some(row) => self.rows.put(table, key, row),
            None => self.rows.delete(table, key),
        }
    }

    /// Whether a small row is there now, this batch's own word included. What can't be read is not;
    /// the batch fails then when it is written.
    fn is_there(&self, table: Table, key: &KeyBytes) -> bool {
        self.rows
            .is_there(key)
            .unwrap_or_else(|| matches!(self.views.store().get(table, key), Ok(Some(_))))
    }

    /// Takes in that a record is done: the next leaf of the log's tree, and the digests there.
    pub fn done(&mut self, record: Done) {
        self.done.push(record);
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
        changes::finish(&mut self.changes, &mut self.rows, place);
        tree::finish(&mut writer.tree, &mut self.rows, &self.done);
        self.rows.put(Table::Applied, KeyBytes::new(Table::Applied), applied.to_bytes());
        let batch = self.rows.take_batch(self.views.store());
        self.views.store().write(batch)?;
        writer.index.publish();
        writer.rows = self.rows;
        writer.changes = self.changes;
        writer.applied = Some(applied.clone());
        if applied.step.is_none() {
            self.views.publish(writer, applied)?;
        }
        Ok(())
    }
}
