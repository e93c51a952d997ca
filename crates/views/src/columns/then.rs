//! A column as it was at an earlier moment: the current one, with what has changed since put beside
//! it.

use std::collections::HashMap;
use std::sync::Arc;

use fold::EntityId;

use super::{CHANGES_MAX, Column, TOGETHER};
use crate::index::{Form, IdSet, Lookup, PathId};
use crate::query::Like;
use crate::{Error, Reader};

/// The values of a path as they were.
pub(crate) struct ColumnThen {
    now: Arc<Column>,
    /// What differs from the column.
    then: Values,
}

/// Values of entities; `None` where one has none.
type Values = HashMap<u32, Option<Arc<str>>>;

/// A change of an entity's value: entity, value, and whether it was there before.
type Change = (u32, Arc<str>, bool);

impl ColumnThen {
    pub(super) fn of_now(now: Arc<Column>) -> Self {
        Self { now, then: HashMap::new() }
    }

    /// The value of an entity.
    pub(crate) fn value(&self, id: EntityId) -> Option<&str> {
        if !self.then.is_empty()
            && let Some(value) = self.then.get(&id.0)
        {
            return value.as_deref();
        }
        self.now.value(id)
    }

    /// Those whose value holds something; withdrawn ones may be among them.
    pub(crate) fn matching(&self, like: &Like) -> IdSet {
        let mut found = self.now.matching(like);
        for (id, value) in &self.then {
            if value.as_deref().is_some_and(|value| like.matches(value)) {
                found.insert(EntityId(*id));
            } else {
                found.remove(EntityId(*id));
            }
        }
        found
    }
}

impl Reader {
    /// The column of a path as it was at the position, from the current one; `None` where an entity
    /// had several values, or that can't be told without reading too much.
    pub(super) fn column_then(
        &self,
        now: Arc<Column>,
        lookup: &Lookup<'_>,
        path: PathId,
        name: &str,
    ) -> Result<Option<ColumnThen>, Error> {
        let Some(since) = lookup.since(path)? else {
            return Ok(Some(ColumnThen::of_now(now)));
        };
        let mut changes: Vec<Change> = Vec::new();
        // Where a value is written in one way only, values say all that forms do.
        let mut is_flat = now.is_flat;
        since.each(|form, members| {
            let Some(form) = Form::read(form) else { return };
            is_flat &= form.is_flat();
            let value: Arc<str> = form.lower.into();
            changes.extend(members.iter().map(|(id, there)| (id.0, Arc::clone(&value), *there)));
        });
        changes.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let then =
            if is_flat { values_then(&now, &changes) } else { self.values_read(&changes, name)? };
        Ok(then.map(|then| ColumnThen { now, then }))
    }

    /// Values read from the documents as they were.
    fn values_read(&self, changes: &[Change], name: &str) -> Result<Option<Values>, Error> {
        let mut ids: Vec<EntityId> = changes.iter().map(|(id, ..)| EntityId(*id)).collect();
        ids.dedup();
        if ids.len() > CHANGES_MAX {
            return Ok(None);
        }
        let mut then = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(TOGETHER) {
            for (id, version) in ids.iter().zip(self.versions(ids)?) {
                match super::value_of(version.as_deref(), name) {
                    Some((value, _)) => then.insert(id.0, value),
                    None => return Ok(None),
                };
            }
        }
        Ok(Some(then))
    }
}

/// From the first change to each value since then, what the values were; `None` where an entity had
/// several.
fn values_then(now: &Column, changes: &[Change]) -> Option<Values> {
    let mut then = HashMap::new();
    for changes in changes.chunk_by(|a, b| a.0 == b.0) {
        let id = changes[0].0;
        let current = now.value(EntityId(id));
        let mut value: Option<Arc<str>> = None;
        let mut kept = current;
        for of_value in changes.chunk_by(|a, b| a.1 == b.1) {
            // The oldest has the last word.
            let (_, changed, was_there) = &of_value[0];
            if kept == Some(&**changed) {
                kept = None;
            }
            if *was_there && value.replace(Arc::clone(changed)).is_some() {
                return None;
            }
        }
        if let Some(kept) = kept {
            // What nothing changed was there before.
            if value.is_some() {
                return None;
            }
            value = Some(kept.into());
        }
        then.insert(id, value);
    }
    Some(then)
}
