//! Registered locations, and who wants a target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use fold::{Change, EntityId, Key, Location, Wanter};
use model::reference::EntityRef;
use uuid::Uuid;

use crate::keys::{
    KeyBytes, KeyReader, Table, read_location_log_key, read_wanted_key, read_wanted_log_key,
};
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
        if self.at.is_some() {
            return Ok(self.locations()?.into_iter().find(|row| row.id == id));
        }
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
        let mut found = BTreeMap::new();
        let rows = self.snapshot().prefix(Table::Location, &KeyBytes::new(Table::Location));
        rows.each(|key, row| {
            let key = KeyReader::new(Table::Location, key).ok_or_else(damaged)?;
            let id = Uuid::from_slice(key.rest()).map_err(|_| damaged())?;
            found.extend(read_location(id, row)?.map(|location| (id, location)));
            Ok(true)
        })?;
        if let Some(at) = self.at {
            let log = KeyBytes::new(Table::LocationLog);
            self.snapshot().prefix(Table::LocationLog, &log).each(|key, before| {
                let damaged = || Error::Damaged { table: "LocationLog" };
                let (offset, id) = read_location_log_key(key).ok_or_else(damaged)?;
                if offset <= at {
                    return Ok(false);
                }
                // Newest first: the oldest change since then has the last word.
                match (!before.is_empty()).then(|| read_location(id, before)).transpose()? {
                    Some(Some(location)) => found.insert(id, location),
                    _ => found.remove(&id),
                };
                Ok(true)
            })?;
        }
        Ok(found.into_iter().map(|(id, location)| LocationRow { id, location }).collect())
    }

    /// The entities that want a target read, as `type:target`; in no order that means anything.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn wanters(&self, target: &str) -> Result<Vec<EntityId>, Error> {
        let prefix = KeyBytes::new(Table::Wanted).text(target);
        let mut found = BTreeSet::new();
        self.snapshot().prefix(Table::Wanted, &prefix).each(|key, _| {
            let wanter = read_wanted_key(key).ok_or(Error::Damaged { table: "Wanted" })?;
            if let (_, Wanter::Entity(id)) = wanter {
                found.insert(id);
            }
            Ok(true)
        })?;
        if let Some(at) = self.at {
            let prefix = KeyBytes::new(Table::WantedLog).text(target);
            self.snapshot().prefix(Table::WantedLog, &prefix).each(|key, was| {
                let damaged = || Error::Damaged { table: "WantedLog" };
                let (offset, wanter) = read_wanted_log_key(key).ok_or_else(damaged)?;
                if offset <= at {
                    return Ok(false);
                }
                if let Wanter::Entity(id) = wanter {
                    if was == [1] {
                        found.insert(id)
                    } else {
                        found.remove(&id)
                    };
                }
                Ok(true)
            })?;
        }
        Ok(found.into_iter().collect())
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

fn read_location(id: Uuid, row: &[u8]) -> Result<Option<Arc<Location>>, Error> {
    match Change::read(Key::Location(id), Some(&Bytes::copy_from_slice(row)))? {
        Change::Location(_, location) => Ok(location),
        _ => Ok(None),
    }
}
