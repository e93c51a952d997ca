//! What a source said already of entities and of what happened, for whoever compares.

use bytes::Bytes;
use event::SourceName;
use fold::{Change, Key};
use model::reference::EntityRef;

use crate::keys::{KeyBytes, KeyReader, Table};
use crate::{Error, Reader};

impl Reader {
    /// What a source observes of an entity under a name, as JSON; empty where it ended.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn observed(
        &self,
        source: &SourceName,
        entity: &EntityRef,
        aspect: &str,
    ) -> Result<Option<Box<str>>, Error> {
        let Change::Ref(_, Some(id)) = self.row(&Key::Ref(entity.clone()))? else {
            return Ok(None);
        };
        match self.row(&Key::Aspect((id, aspect.into(), source.clone())))? {
            Change::Aspect(_, row) => Ok(row.map(|row| row.value.clone())),
            _ => Ok(None),
        }
    }

    /// What a source observes, and of which entities: the aspects that have not ended. All there are
    /// are looked through.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn observed_by(&self, source: &SourceName) -> Result<Vec<(EntityRef, Box<str>)>, Error> {
        let (mut ids, mut names) = (Vec::new(), Vec::new());
        let damaged = || Error::Damaged { table: "Aspect" };
        let all = self.snapshot().prefix(Table::Aspect, &KeyBytes::new(Table::Aspect));
        all.each(|bytes, row| {
            let mut key = KeyReader::new(Table::Aspect, bytes).ok_or_else(damaged)?;
            let mut parts = || Some((key.entity()?, key.text()?, key.text()?));
            let (id, name, of) = parts().ok_or_else(damaged)?;
            if of == source.as_str() {
                let name: Box<str> = name.into();
                let key = Key::Aspect((id, name.clone(), source.clone()));
                let row = Change::read(key, Some(&Bytes::copy_from_slice(row)))?;
                if matches!(row, Change::Aspect(_, Some(row)) if !row.value.is_empty()) {
                    ids.push(id);
                    names.push(name);
                }
            }
            Ok(true)
        })?;
        let references = self.references(&ids)?.into_iter();
        Ok(references.zip(names).filter_map(|(of, name)| Some((of?, name))).collect())
    }

    /// Whether a source has told an activity.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn happened(&self, source: &SourceName, key: &str) -> Result<bool, Error> {
        let row = self.row(&Key::ActivityKey((source.clone(), key.into())))?;
        Ok(matches!(row, Change::ActivityKey(_, Some(_))))
    }
}
