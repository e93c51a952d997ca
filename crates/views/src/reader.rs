//! Reading the catalog at one position.

use std::sync::Arc;

use event::{LogId, Offset, Position, Timestamp};
use fold::{Change, EntityId, Key, Policy, Version};
use model::reference::EntityRef;

use crate::Error;
use crate::columns::Columns;
use crate::index::{Hot, Lookup, Past, SharedPaths};
use crate::keys::{KeyBytes, Table, history_key, key_of, time_key};
use crate::rows::read_snapshot;
use crate::store::OwnedSnapshot;

/// What readers see: a snapshot of the tables, and the sets in memory of the same moment.
pub(crate) struct Published {
    pub(crate) log: LogId,
    pub(crate) offset: Offset,
    pub(crate) clock: Option<Timestamp>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) hot: Hot,
    pub(crate) paths: SharedPaths,
    pub(crate) columns: Arc<Columns>,
    pub(crate) past: Arc<Past>,
    pub(crate) snapshot: OwnedSnapshot,
}

/// The catalog at one position. Cheap to clone; as long as it lives, what it sees stays.
#[derive(Clone)]
pub struct Reader {
    pub(crate) published: Arc<Published>,
    /// An earlier moment than that of the snapshot.
    pub(crate) at: Option<Offset>,
}

impl Reader {
    pub(crate) fn new(published: Arc<Published>) -> Self {
        Self { published, at: None }
    }

    /// The same catalog as it was after an earlier record.
    ///
    /// # Errors
    /// When that record is not folded yet.
    pub fn at(&self, offset: Offset) -> Result<Self, Error> {
        if offset > self.published.offset {
            return Err(Error::Future { offset });
        }
        let at = (offset < self.published.offset).then_some(offset);
        Ok(Self { published: Arc::clone(&self.published), at })
    }

    /// The same catalog as it was at a time: after the last record that was appended by then;
    /// `None` before the first one.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn as_of(&self, time: Timestamp) -> Result<Option<Self>, Error> {
        if time.as_micros() < 0 {
            return Ok(None);
        }
        let first = KeyBytes::new(Table::Time);
        let end = time_key(time).end();
        let rows = self.snapshot().range_back(Table::Time, &first.0, &end);
        let Some((_, row)) = rows.peek()? else { return Ok(None) };
        // Of which time it is has no part in what the row says.
        let row = Change::read(Key::Time(time), Some(&bytes::Bytes::copy_from_slice(row)))?;
        let Change::Time(_, Some(offset)) = row else {
            return Err(Error::Damaged { table: "Time" });
        };
        self.at(offset.min(self.position().offset)).map(Some)
    }

    /// The position that is seen.
    #[must_use]
    pub fn position(&self) -> Position {
        let offset = self.at.unwrap_or(self.published.offset);
        Position { log: self.published.log, offset }
    }

    /// The policy in force, by which relations have their names.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.published.policy
    }

    pub(crate) fn snapshot(&self) -> &OwnedSnapshot {
        &self.published.snapshot
    }

    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup::new(&self.published, self.at)
    }

    pub(crate) fn row(&self, key: &Key) -> Result<Change, Error> {
        read_snapshot(self.snapshot(), key)
    }

    /// The number of a reference, if it was ever mentioned.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn entity_id(&self, reference: &EntityRef) -> Result<Option<EntityId>, Error> {
        match self.row(&Key::Ref(reference.clone()))? {
            Change::Ref(_, id) => Ok(id),
            _ => Ok(None),
        }
    }

    /// The number of the entity that has a uid.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn entity_id_by_uid(&self, uid: uuid::Uuid) -> Result<Option<EntityId>, Error> {
        match self.row(&Key::Uid(uid))? {
            Change::Uid(_, id) => Ok(id),
            _ => Ok(None),
        }
    }

    /// The reference of a number.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn reference(&self, id: EntityId) -> Result<Option<EntityRef>, Error> {
        match self.row(&Key::Name(id))? {
            Change::Name(_, reference) => Ok(reference),
            _ => Ok(None),
        }
    }

    /// The references of numbers, in their order.
    pub(crate) fn references(&self, ids: &[EntityId]) -> Result<Vec<Option<EntityRef>>, Error> {
        let keys: Vec<KeyBytes> = ids.iter().map(|id| key_of(&Key::Name(*id)).1).collect();
        let rows = self.snapshot().get_many(Table::Name, &keys)?;
        let read = |(id, row): (&EntityId, Option<bytes::Bytes>)| match Change::read(
            Key::Name(*id),
            row.as_ref(),
        )? {
            Change::Name(_, reference) => Ok(reference),
            _ => Ok(None),
        };
        ids.iter().zip(rows).map(read).collect()
    }

    /// The version of an entity at the position, live or withdrawn; absent if it was never there.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn version(&self, id: EntityId) -> Result<Option<Arc<Version>>, Error> {
        let current = match self.row(&Key::Entity(id))? {
            Change::Entity(_, version) => version,
            _ => None,
        };
        self.version_at(id, current)
    }

    /// Versions of entities at the position, in their order.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn versions(&self, ids: &[EntityId]) -> Result<Vec<Option<Arc<Version>>>, Error> {
        let keys: Vec<KeyBytes> = ids.iter().map(|id| key_of(&Key::Entity(*id)).1).collect();
        let rows = self.snapshot().get_many(Table::Entity, &keys)?;
        let read = |(id, row): (&EntityId, Option<bytes::Bytes>)| {
            let current = match Change::read(Key::Entity(*id), row.as_ref())? {
                Change::Entity(_, version) => version,
                _ => None,
            };
            self.version_at(*id, current)
        };
        ids.iter().zip(rows).map(read).collect()
    }

    /// From the current version, the one at the position.
    fn version_at(
        &self,
        id: EntityId,
        current: Option<Arc<Version>>,
    ) -> Result<Option<Arc<Version>>, Error> {
        let (Some(at), Some(current)) = (self.at, &current) else {
            return Ok(current);
        };
        if current.offset <= at {
            return Ok(Some(Arc::clone(current)));
        }
        if current.born > at {
            return Ok(None);
        }
        let from = history_key(id, at);
        let end = KeyBytes::new(Table::History).entity(id).end();
        let mut found = None;
        self.snapshot().range(Table::History, &from.0, &end).each(|_, row| {
            let row = bytes::Bytes::copy_from_slice(row);
            if let Change::Entity(_, version) = Change::read(Key::Entity(id), Some(&row))? {
                found = version;
            }
            Ok(false)
        })?;
        Ok(found)
    }
}
