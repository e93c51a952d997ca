//! What a source said already of entities and of what happened, for whoever compares.

use event::SourceName;
use fold::{Change, Key};
use model::reference::EntityRef;

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

    /// Whether a source has told an activity.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn happened(&self, source: &SourceName, key: &str) -> Result<bool, Error> {
        let row = self.row(&Key::ActivityKey((source.clone(), key.into())))?;
        Ok(matches!(row, Change::ActivityKey(_, Some(_))))
    }
}
