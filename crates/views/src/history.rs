//! The history of an entity: its versions, newest first.

use std::sync::Arc;

use bytes::Bytes;
use event::Offset;
use fold::{Change, ChangeKind, EntityId, Key, Version};

use crate::keys::{KeyBytes, Table, history_key};
use crate::{Error, Reader};

/// What made a version differ from the one before.
pub type HistoryKind = ChangeKind;

/// One version.
pub type HistoryEntry = Arc<Version>;

/// A part of an entity's history, newest first.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The versions.
    pub entries: Vec<HistoryEntry>,
    /// Where to go on: with versions before this one's offset. Absent at the end.
    pub next: Option<Offset>,
}

impl Reader {
    /// Versions of an entity, newest first: at most so many, from those made at or before a record
    /// on (the position's own, where absent). A withdrawn entity keeps its history.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn history(
        &self,
        id: EntityId,
        before: Option<Offset>,
        limit: usize,
    ) -> Result<HistoryPage, Error> {
        let from = before.map_or(self.position().offset, |before| before.saturating_sub(1));
        let mut entries = Vec::new();
        if before != Some(0) {
            if let Change::Entity(_, Some(current)) = self.row(&Key::Entity(id))?
                && current.offset <= from
            {
                entries.push(current);
            }
            let end = KeyBytes::new(Table::History).entity(id).end();
            let first = history_key(id, from);
            self.snapshot().range(Table::History, &first.0, &end).each(|_, row| {
                let row = Bytes::copy_from_slice(row);
                if let Change::Entity(_, Some(version)) = Change::read(Key::Entity(id), Some(&row))?
                {
                    entries.push(version);
                }
                Ok(entries.len() <= limit)
            })?;
        }
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|last| last.offset);
        Ok(HistoryPage { entries, next })
    }
}
