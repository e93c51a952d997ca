//! Registered locations, and who wants a target.

use std::sync::Arc;

use bytes::Bytes;
use event::vocabulary::ScopeName;
use fold::{Change, EntityId, Key, Location, Wanter};
use model::reference::EntityRef;
use uuid::Uuid;

use crate::keys::{KeyBytes, KeyReader, Table, read_wanted_key};
use crate::{Error, Reader};

/// A registered location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationRow {
    /// Its id.
    pub id: Uuid,
    /// What is known of it.
    pub location: Arc<Location>,
}

impl Reader {
    /// A registered location.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn location(&self, id: Uuid) -> Result<Option<LocationRow>, Error> {
        match self.row(&Key::Location(id))? {
            Change::Location(_, Some(location)) => Ok(Some(LocationRow { id, location })),
            _ => Ok(None),
        }
    }

    /// All registered locations, in the order of their ids.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn locations(&self) -> Result<Vec<LocationRow>, Error> {
        let damaged = || Error::Damaged { table: "Location" };
        let mut found = Vec::new();
        let rows = self.snapshot().prefix(Table::Location, &KeyBytes::new(Table::Location));
        rows.each(|key, row| {
            let key = KeyReader::new(Table::Location, key).ok_or_else(damaged)?;
            let id = Uuid::from_slice(key.rest()).map_err(|_| damaged())?;
            let row = Change::read(Key::Location(id), Some(&Bytes::copy_from_slice(row)))?;
            if let Change::Location(_, Some(location)) = row {
                found.push(LocationRow { id, location });
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// The entities that want a target read, as `type:target`; in no order that means anything.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn wanters(&self, target: &str) -> Result<Vec<EntityId>, Error> {
        let prefix = KeyBytes::new(Table::Wanted).text(target);
        let mut found = Vec::new();
        self.snapshot().prefix(Table::Wanted, &prefix).each(|key, _| {
            let wanter = read_wanted_key(key).ok_or(Error::Damaged { table: "Wanted" })?;
            if let (_, Wanter::Entity(id)) = wanter {
                found.push(id);
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// The first entity that a scope speaks of, if it speaks of any.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn first_claim(&self, scope: &ScopeName) -> Result<Option<EntityRef>, Error> {
        let Some(scope) = self.scope(scope)? else { return Ok(None) };
        let prefix = KeyBytes::new(Table::Claim).scope(scope.id);
        let mut first = None;
        self.snapshot().prefix(Table::Claim, &prefix).each(|key, _| {
            let id = KeyReader::new(Table::Claim, key).and_then(|mut key| {
                key.scope()?;
                key.entity()
            });
            first = Some(id.ok_or(Error::Damaged { table: "Claim" })?);
            Ok(false)
        })?;
        match first {
            Some(id) => self.reference(id),
            None => Ok(None),
        }
    }

    /// The numbers of references, in their order.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn entity_ids(&self, references: &[EntityRef]) -> Result<Vec<Option<EntityId>>, Error> {
        let keys: Vec<KeyBytes> = references.iter().map(crate::keys::ref_key).collect();
        let rows = self.snapshot().get_many(Table::Ref, &keys)?;
        let read = |(of, row): (&EntityRef, Option<Bytes>)| match Change::read(
            Key::Ref(of.clone()),
            row.as_ref(),
        )? {
            Change::Ref(_, id) => Ok(id),
            _ => Ok(None),
        };
        references.iter().zip(rows).map(read).collect()
    }
}
